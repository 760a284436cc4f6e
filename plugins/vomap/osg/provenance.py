"""Find the commit of a topology: in its snapshot file, in its tarball, or in its git checkout."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from vomap.mapfile.findings import Findings
from vomap.osg.checkout import read_commit
from vomap.osg.files import FOLDER, SNAPSHOT, TopologyError, TopologyFiles, digest, is_yaml
from vomap.osg.yaml_text import read_document, report_file

REPOSITORY = "opensciencegrid/topology"
UNKNOWN = "unknown"

_WRITTEN_DATE = re.compile(r"^# date: (\d{4}-\d{2}-\d{2})$", re.ASCII | re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
_SNAPSHOT_KEYS = {
    "repository": re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", re.ASCII),
    "commit": _COMMIT,
    "date": re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII),
    "original-sha256": re.compile(r"[0-9a-f]{64}", re.ASCII),
    "stripped-sha256": re.compile(r"[0-9a-f]{64}", re.ASCII),
}


@dataclass(frozen=True)
class Provenance:
    """The commit that the VO files come from. `changed` is True if the commit has other VO files."""

    repository: str = REPOSITORY
    commit: str = UNKNOWN
    date: str = UNKNOWN
    changed: bool = False


def find_provenance(files: TopologyFiles) -> Provenance:
    """Return the commit of the files. Raises TopologyError for a SNAPSHOT.yaml that vomap cannot read."""
    if files.snapshot is not None:
        return _from_snapshot(files.snapshot, files)
    if files.archived_commit is not None and _COMMIT.fullmatch(files.archived_commit):
        return Provenance(commit=files.archived_commit, date=_day(files.archived_time or 0))
    return _from_git(files)


def written_date(text: str) -> str | None:
    """Return the date of the topology in the comments at the top of a generated mapfile, or None."""
    found = _WRITTEN_DATE.search(text.partition("\nmapfile:")[0])
    return found.group(1) if found else None


def _from_snapshot(content: bytes, files: TopologyFiles) -> Provenance:
    findings = Findings()
    stated = {}
    document = read_document(SNAPSHOT, content, findings)
    entries = document.entries("a mapping", findings) if document else {}
    for key, pattern in _SNAPSHOT_KEYS.items():
        text = entries[key].text("text", findings) if key in entries else None
        if text is None or not pattern.fullmatch(text):
            report_file(SNAPSHOT, f"{key}: is missing or malformed; expected {pattern.pattern}", findings)
        else:
            stated[key] = text
    if findings.all:
        raise TopologyError(findings.all)
    genuine = digest(files.contents) in (stated["original-sha256"], stated["stripped-sha256"])
    return Provenance(stated["repository"], stated["commit"], stated["date"], changed=not genuine)


def _from_git(files: TopologyFiles) -> Provenance:
    """Return the commit of a checkout, if the folder is at its top. The commit of another repository would be wrong."""
    if files.checkout is None or Path(os.path.realpath(files.checkout)).name != FOLDER:
        return Provenance()
    found = read_commit(files.checkout)
    if found is None:
        return Provenance()
    changed = found.is_changed(files.contents, {name for name in found.blobs if is_yaml(name)})
    return Provenance(commit=found.id, date=_day(found.time), changed=changed)


def _day(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return UNKNOWN
