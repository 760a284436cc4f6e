"""`vomap status`: report the state of a CE, its policy and its accounts."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from vomap import Error
from vomap.ces.kinds import known_ces
from vomap.ces.wiring import LIBEXEC, wired_issuers
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, add_json, add_sources, advice_of
from vomap.cli.console import plain, print_json
from vomap.status import GREEN, RED, YELLOW, StatusLine
from vomap.status.checks import (
    accounts_line,
    built_line,
    bypass_lines,
    callout_line,
    fragment_lines,
    freshness_line,
    issuer_line,
    key_line,
    observe_lines,
    unwired_line,
)
from vomap.store import BANS, POLICY, POLICY_FILE, bans_beside

HELP = "report whether this CE is wired, and whether the policy is sound and fresh"

EXAMPLES = """\
examples:
  vomap status                                     report on the CE of this machine
  vomap status --issuers                           also fetch the keys of the issuers

Green is good. Check what is yellow. Repair what is red. The exit code is 1 if a line is red."""

_COLOURS = {GREEN: "\033[32m", YELLOW: "\033[33m", RED: "\033[31m"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "--policy", metavar="FILE", help=f"the compiled policy that the CE reads (default: {POLICY_FILE})"
    )
    add_sources(parser)
    parser.add_argument(
        "--callouts", type=Path, metavar="FOLDER", help=f"the folder of the callouts (default: {LIBEXEC})"
    )
    parser.add_argument("--issuers", action="store_true", help="fetch the keys of each issuer over the network")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificates to trust for https, instead of the system's (PEM)"
    )
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="FOLDER", help="the root of the CE's system")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line for each check. Return 1 if a line is red."""
    lines = list(_lines(args, args.policy or str(args.root / POLICY_FILE.lstrip("/"))))
    if args.json:
        print_json([line.as_json() for line in lines])
    for line in lines if not args.json else ():
        word = line.colour.ljust(len(YELLOW))
        shown = f"{_COLOURS[line.colour]}{word}\033[0m" if sys.stdout.isatty() else word
        print(f"{shown}  {plain(f'{line.what}: {line.text}')}")
    return 1 if any(line.colour == RED for line in lines) else 0


def _lines(args: argparse.Namespace, policy_file: str) -> Iterator[StatusLine]:
    bans_file = bans_beside(policy_file)
    policy_line, policy = built_line("policy", policy_file, POLICY)
    bans_line, bans = built_line("bans", bans_file, BANS)
    advice = advice_of(args)
    yield policy_line
    yield bans_line
    if policy is not None:
        mapfiles = args.mapfiles or [str(args.root / MAPFILES_FOLDER.lstrip("/"))]
        yield freshness_line(policy, mapfiles, advice, bans=False, builder=_owner(policy_file))
    if bans is not None:
        of_bans = args.bans or [str(args.root / BANS_FOLDER.lstrip("/"))]
        yield freshness_line(bans, of_bans, advice, bans=True, builder=_owner(bans_file))
    if policy is None or bans is None:
        return
    try:
        yield accounts_line(policy.document)
    except (Error, KeyError, TypeError, ValueError) as error:
        yield StatusLine(RED, "accounts", f"vomap cannot use the compiled policy: {error}")
    yield from (line for line in (unwired_line(policy, bans), key_line(policy.document, advice)) if line is not None)
    installed = [ce for ce in known_ces(args.root) if ce.is_installed]
    if not installed:
        yield StatusLine(RED, "CE", "neither HTCondor-CE nor ARC is installed here")
    for ce in installed:
        yield from fragment_lines(ce, policy, bans, advice)
        yield from bypass_lines(ce, policy, bans)
        yield from observe_lines(ce, advice)
        yield callout_line(ce, policy_file, bans_file, advice)
    if args.issuers:
        yield from (issuer_line(issuer, args.ca) for issuer in wired_issuers(policy.document, {"bans": []}))


def _owner(path: str) -> int | None:
    """Return the uid of the user who built a file, or None if the file is gone meanwhile."""
    try:
        return os.stat(path).st_uid
    except OSError:
        return None
