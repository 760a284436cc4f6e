"""The arguments that name mapfiles and bans, the same for every verb, and what is read from them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vomap import Error
from vomap.cli.progress import shown
from vomap.cli.terminal import plain
from vomap.mapfile.compose import (
    Composition,
    Mapfile,
    compose,
    compose_bans,
    read_sources,
    refuse_folders,
    unread,
)
from vomap.mapfile.findings import Finding, Findings, Place
from vomap.mapfile.policy_tests import Result
from vomap.policy.index import bans_of, policy_of
from vomap.policy.model import Bans, Policy
from vomap.store import POLICY_FILE, bans_beside, read_bans, read_policy
from vomap.store.writer import document_digest

MAPFILES_FOLDER = "/etc/vomap/mapfiles.d"
BANS_FOLDER = "/etc/vomap/bans.d"


class UsageError(Error):
    """A command line whose words do not go together."""

    exit_code = 2


@dataclass
class Sources:
    """The mapfiles and the bans that a command line names, composed, with what was found in them.

    `refusals` are errors for a build alone: for whose files these are, and for what others can write.
    """

    mapfiles: list[Mapfile]
    composition: Composition
    findings: Findings
    ban_files: list[Mapfile] = field(default_factory=list)
    ban_document: dict[str, Any] = field(default_factory=lambda: {"bans": []})
    ban_findings: Findings = field(default_factory=Findings)
    refusals: Findings = field(default_factory=Findings)

    @property
    def bans(self) -> Bans:
        """The bans as the engine reads them. Raises MapfileError if they cannot be read."""
        self.ban_findings.raise_errors()
        return bans_of(self.ban_document, document_digest(self.ban_document))

    @property
    def all_findings(self) -> list[Finding]:
        """What was found in mapfiles and in bans."""
        return self.findings.in_order + self.ban_findings.in_order


def add_mapfiles(parser: argparse.ArgumentParser) -> None:
    """Add `--mapfiles`."""
    parser.add_argument(
        "--mapfiles",
        nargs="+",
        metavar="PATH",
        help=f"mapfiles, or folders of them, in their order (default: {MAPFILES_FOLDER})",
    )


def add_bans(parser: argparse.ArgumentParser) -> None:
    """Add `--bans`."""
    parser.add_argument(
        "--bans",
        nargs="+",
        metavar="PATH",
        help=f"files of bans, or folders of them (default: {BANS_FOLDER}, or none if --mapfiles is given)",
    )


def add_policy(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add `--policy`."""
    parser.add_argument("--policy", default=POLICY_FILE, metavar="FILE", help=f"{help_text} (default: {POLICY_FILE})")


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add what a verb takes that reads mapfiles and bans, and answers."""
    add_mapfiles(parser)
    add_bans(parser)
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument(
        "--json", action="store_true", help="print the answer as JSON, for programs; errors go to standard error"
    )


def load(args: argparse.Namespace) -> Sources:
    """Read and compose what a command line names. Raises SourceError for what cannot be read."""
    findings, refusals = Findings(), Findings()
    mapfiles = read_mapfiles(args, findings)
    with shown("rules read") as progress:
        composition = compose(mapfiles, findings, progress, refusals)
    ban_paths = args.bans if args.bans or args.mapfiles else [BANS_FOLDER]
    sources = Sources(mapfiles, composition, findings, refusals=refusals)
    sources.ban_files, sources.ban_document, sources.ban_findings = load_bans(ban_paths or [], refusals)
    return sources


def asked_policy(args: argparse.Namespace, verb: str) -> tuple[Policy, Bans]:
    """Return the policy and the bans to ask: those of `--mapfiles`, or else the built ones.

    Raises UsageError for words that do not go together, and MapfileError or CompiledFileError for what cannot be read.
    """
    if args.mapfiles:
        if args.policy != POLICY_FILE:
            raise UsageError(f"{verb}: --policy or --mapfiles, not both")
        sources = load(args)
        sources.findings.raise_errors()
        document = sources.composition.document
        return policy_of(document, document_digest(document)), sources.bans
    if args.bans and len(args.bans) > 1:
        raise UsageError(f"{verb}: without --mapfiles, --bans names one file of built bans")
    return read_policy(args.policy), read_bans(args.bans[0] if args.bans else bans_beside(args.policy))


def read_mapfiles(args: argparse.Namespace, findings: Findings) -> list[Mapfile]:
    """Read the mapfiles that a command line names; what lies beside them unread is a warning."""
    paths = args.mapfiles or [MAPFILES_FOLDER]
    for path in unread(paths):
        findings.warn(Place(path, 1, 1), "is not read: mapfiles end in .yaml")
    return read_sources(paths)


def warn_of_pools(composition: Composition, findings: Findings) -> None:
    """Warn of rules with a pool, which the callouts of this version cannot answer."""
    for rule in composition.document["rules"]:
        if "pool" in rule:
            place = Place.of_source(rule["source"])
            findings.warn(place, "this version leases no accounts of pools: the CE gets an error")


def load_bans(paths: Sequence[str], refusals: Findings | None = None) -> tuple[list[Mapfile], dict[str, Any], Findings]:
    """Read and compose files of bans. Raises SourceError for what cannot be read.

    `refusals` gets an error for each file or folder that others can write; without it none is looked for.
    """
    findings = Findings()
    files = read_sources(paths, bans=True)
    if refusals is not None:
        refuse_folders(paths, refusals)
    return files, compose_bans(files, findings, refusals), findings


def print_findings(findings: Sequence[Finding]) -> None:
    """Tell findings on standard error."""
    for finding in findings:
        print(plain(str(finding)), file=sys.stderr)


def print_json(answer: object) -> None:
    """Print an answer for programs."""
    print(json.dumps(answer, indent=2))


def result_json(result: Result) -> dict[str, object]:
    """Return what became of one test, for programs."""
    return {
        "test": str(result.case.place),
        "passed": result.passed,
        "differences": list(result.differences),
        "changed-by-ban": result.banned,
        "reason": result.decision.reason,
    }
