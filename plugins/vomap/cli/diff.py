"""`vomap diff`: the changes of a new policy, and the users whom they concern."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import TYPE_CHECKING

from vomap.analysis.diff import PolicyDiff, compare
from vomap.analysis.diff.lines import DiffLine
from vomap.cli.arguments import add_json, add_thorough, advice_of
from vomap.cli.console import NO, YES, plain, print_json, progress_bar
from vomap.compile.check import check_policy
from vomap.files.regular import UnreadableFileError
from vomap.mapfile.files import read_files
from vomap.store import POLICY
from vomap.store.writer import read_compiled

if TYPE_CHECKING:
    from vomap.policy.documents import PolicyDocument

HELP = "show whose account a new policy changes, and who gains or loses access"

EXAMPLES = """\
examples:
  vomap diff /var/lib/vomap/policy /etc/vomap/mapfiles.d      the changes of the next build
  vomap diff old.yaml new.yaml                                two mapfiles, each by itself

Each of the two is a compiled policy, a mapfile, or a folder of mapfiles. vomap compares them without bans.

exit codes: 0 proven that nothing changes, 1 a change, or no proof that there is none, 2 wrong usage, 3 an error"""
_MOST_TOLD = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("old", metavar="OLD", help="the old policy")
    parser.add_argument("new", metavar="NEW", help="the new policy")
    add_thorough(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare two policies. Return YES if they are proven to decide alike."""
    documents = _read(args.old), _read(args.new)
    with progress_bar("tokens tried") as progress:
        difference = compare(*documents, time.time(), progress, is_thorough=args.thorough)
    if args.json:
        lines = [line.as_json() for line in difference.lines]
        print_json({"equal": difference.is_none, "changes": lines, "not-proven": difference.unproven})
    else:
        _print(difference)
        if difference.is_bounded:
            command = advice_of(args).command("diff", "--thorough", args.old, args.new)
            print(f"to try all, which takes minutes: `{command}`")
    return YES if difference.is_none else NO


def _read(path: str) -> PolicyDocument:
    """Return the document of a compiled policy, a mapfile, or a folder of mapfiles."""
    if _is_built(path):
        return read_compiled(path, POLICY).document
    mapfiles = read_files([path])
    if not mapfiles:
        raise UnreadableFileError(f"{path}: holds no mapfiles, which end in .yaml")
    check = check_policy(mapfiles, progress_bar)
    check.findings.raise_errors()
    return check.composition.document


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
        print("no change: both are proven to decide alike for every token")
    elif not any(difference.lines):
        print("vomap found no change, but cannot prove that there is none")


def _print_line(line: DiffLine) -> None:
    """Print a change: who is concerned, the old and the new decision, and a token."""
    who = _some(list(line.who))
    print(plain(f"{line.kind}: {who[0]}"))
    for each in who[1:]:
        print(plain(f"    and {each}"))
    for when, results in (("old", line.old), ("new", line.new)):
        lines = [f"{result}, by rule {result.place}" if result.place else str(result) for result in results.values()]
        for each in _some(lines):
            print(plain(f"  {when}: {each}"))
    print(f"  token: {json.dumps(line.token)}")


def _some(texts: list[str]) -> list[str]:
    """Return texts to print: all if they are few, otherwise the first ones and the number of the others."""
    if len(texts) <= _MOST_TOLD:
        return texts
    return [*texts[: _MOST_TOLD - 1], f"{len(texts) - _MOST_TOLD + 1} others"]
