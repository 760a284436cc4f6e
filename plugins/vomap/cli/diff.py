"""`vomap diff`: what a new policy changes, and for whom."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import TYPE_CHECKING

from vomap.analysis.diff import PolicyDiff, compare
from vomap.analysis.diff.lines import DiffLine
from vomap.cli.arguments import add_json
from vomap.cli.console import NO, YES, plain, print_json, progress_bar
from vomap.mapfile.compose import compose
from vomap.mapfile.files import UnreadableFileError, read_files
from vomap.mapfile.findings import Findings
from vomap.store import POLICY
from vomap.store.writer import read_compiled

if TYPE_CHECKING:
    from vomap.policy.documents import PolicyDocument

HELP = "tell whose account a new policy changes, and who gains or loses access"

_EXAMPLES = """\
examples:
  vomap diff /var/lib/vomap/policy /etc/vomap/mapfiles.d      what the next build will change
  vomap diff old.yaml new.yaml                                two mapfiles, each by itself

Each of the two is a built policy, a mapfile, or a folder of mapfiles. Bans are no part of either.

exit codes: 0 nothing changes, and that is proven; 1 something changes, or it is not proven that nothing does;
            2 wrong usage, 3 an error"""
_MOST_TOLD = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument("old", metavar="OLD", help="the policy as it is")
    parser.add_argument("new", metavar="NEW", help="the policy as it is to be")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare two policies; 0 if they are proven to decide alike, 1 if not."""
    documents = _read(args.old), _read(args.new)
    with progress_bar("tokens tried") as progress:
        difference = compare(*documents, time.time(), progress)
    if args.json:
        lines = [line.as_json() for line in difference.lines]
        print_json({"equal": difference.is_none, "changes": lines, "not-proven": difference.unproven})
    else:
        _print(difference)
    return YES if difference.is_none else NO


def _read(path: str) -> PolicyDocument:
    """Return the document of a built policy, a mapfile, or a folder of mapfiles."""
    if _is_built(path):
        return read_compiled(path, POLICY).document
    mapfiles = read_files([path])
    if not mapfiles:
        raise UnreadableFileError(f"{path}: holds no mapfiles, which end in .yaml")
    findings = Findings()
    with progress_bar("rules read") as progress:
        composition = compose(mapfiles, findings, progress)
    findings.raise_errors()
    return composition.document


def _is_built(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(POLICY) + 1) == f"{POLICY} ".encode()
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror}") from None


def _print(difference: PolicyDiff) -> None:
    for line in difference.lines:
        _print_line(line)
    for why in difference.unproven:
        print(plain(f"not proven equal: {why}"))
    if difference.is_none:
        print("no change: both are proven to decide alike, whatever the token")
    elif not any(difference.lines):
        print("no change was found, but it is not proven that there is none")


def _print_line(line: DiffLine) -> None:
    """Print a line, for whom it is, what becomes of them, and a token."""
    who = _some(list(line.who))
    print(plain(f"{line.kind}: {who[0]}"))
    for each in who[1:]:
        print(plain(f"    and {each}"))
    for when, results in (("old", line.old), ("new", line.new)):
        told = [f"{result}, by rule {result.place}" if result.place else str(result) for result in results.values()]
        for each in _some(told):
            print(plain(f"  {when}: {each}"))
    print(f"  token: {json.dumps(line.token)}")


def _some(texts: list[str]) -> list[str]:
    """Return texts to print; of many the first ones, and how many there are besides."""
    if len(texts) <= _MOST_TOLD:
        return texts
    return [*texts[: _MOST_TOLD - 1], f"{len(texts) - _MOST_TOLD + 1} others"]
