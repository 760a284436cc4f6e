#!/usr/bin/env python3
"""Make the snapshot in mapfiles/osg-topology from a full topology checkout: what the generator reads, and nothing else.

    tools/strip_topology.py ../topology mapfiles/osg-topology

Contacts, addresses and descriptions of VOs stay behind. The mapfile generated from the snapshot is, byte for byte, the
one generated from the full files. The suite checks it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))

from vomap import Error
from vomap.osg.files import FOLDER, SNAPSHOT, TopologyError, digest
from vomap.osg.provenance import UNKNOWN
from vomap.osg.topology import REPORTING_GROUPS, open_source, read_topology

if TYPE_CHECKING:
    from vomap.osg.topology import Topology, TopologyEntry, VirtualOrganization

_STATEMENT = """\
# What the VO files in {folder}/ are: those of this commit, stripped to what `vomap generate osg` reads.
# Each sha256 is what `LC_ALL=C sha256sum *.yaml | sha256sum` prints in the folder: first with the files as they are in
# the commit, then with the stripped ones.
repository: {repository}
commit: {commit}
date: {date}
original-sha256: {original}
stripped-sha256: {stripped}
"""


def main(arguments: list[str] | None = None) -> int:
    """Write the snapshot. Returns 3, and writes nothing, if the checkout cannot be read or is not clean."""
    parser = argparse.ArgumentParser(description="make the snapshot from a full topology checkout")
    parser.add_argument("source", help="a checkout of opensciencegrid/topology, or a tarball of it")
    parser.add_argument("target", type=Path, help="the folder for SNAPSHOT.yaml and virtual-organizations/")
    parser.add_argument("--commit", help="the commit, where git does not know it")
    parser.add_argument("--date", help="the commit's date, where git does not know it")
    args = parser.parse_args(arguments)
    try:
        write_snapshot(args.source, args.target, args.commit, args.date)
    except Error as error:
        print(f"strip_topology: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def write_snapshot(source: str, target: Path, commit: str | None, date: str | None) -> None:
    """Read the checkout, all of it, and only then write. Raises TopologyError."""
    files = open_source(source)
    topology = read_topology(files)
    errors = [*(each for file in topology.broken.values() for each in file.findings), *topology.unreadable_groups]
    provenance = topology.provenance
    commit, date = commit or provenance.commit, date or provenance.date
    if errors or provenance.changed or UNKNOWN in (commit, date):
        raise TopologyError(errors or [f"{source}: is not exactly a commit that is known; give --commit and --date"])
    stripped = strip(topology)
    statement = _STATEMENT.format(
        folder=FOLDER,
        repository=provenance.repository,
        commit=commit,
        date=date,
        original=digest(files.contents),
        stripped=digest(stripped),
    )
    _replace_files(target / FOLDER, stripped)
    (target / SNAPSHOT).write_text(statement, encoding="utf-8")


def strip(topology: Topology) -> dict[str, bytes]:
    """Return the files of the snapshot."""
    groups = {
        name: {"FQANs": [{"GroupName": fqan} for fqan in dict.fromkeys(fqans)] or None}
        for name, fqans in sorted(topology.reporting_groups.items())
    }
    files = {vo.file: _yaml(_strip_vo(vo)) for vo in topology.vos.values()}
    return {**files, REPORTING_GROUPS: _yaml(groups)}


def _strip_vo(vo: VirtualOrganization) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if vo.parent is not None:
        kept["ParentVO"] = {"Name": vo.parent}
    if vo.entries:
        kept["Credentials"] = {"TokenIssuers": [_strip_entry(entry) for entry in vo.entries]}
    if vo.groups:
        kept["ReportingGroups"] = list(vo.groups)
    return kept


def _strip_entry(entry: TopologyEntry) -> dict[str, str]:
    keys = {
        "Description": entry.description,
        "Subject": entry.subject,
        "URL": entry.issuer,
        "DefaultUnixUser": entry.account,
    }
    return {key: text for key, text in keys.items() if text}


def _yaml(content: object) -> bytes:
    return yaml.safe_dump(content, sort_keys=False, width=1000).encode()


def _replace_files(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.yaml"):
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
