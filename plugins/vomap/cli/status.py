"""`vomap status`: is this CE wired up, is the policy fresh, are the accounts there."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from vomap import Error
from vomap.ces.kinds import known_ces
from vomap.ces.wiring import LIBEXEC, wired_issuers
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, add_bans, add_json, add_mapfiles
from vomap.cli.console import plain, print_json
from vomap.status.checks import (
    accounts_line,
    built_line,
    bypass_lines,
    callout_line,
    fragment_lines,
    freshness_line,
    key_line,
    observe_lines,
    unwired_line,
)
from vomap.status.line import GREEN, RED, YELLOW, StatusLine
from vomap.store import BANS, POLICY, POLICY_FILE, bans_beside
from vomap.store.writer import CompiledPolicy

HELP = "tell whether this CE is wired up, and the policy sound and fresh"

_EXAMPLES = """\
examples:
  vomap status                                     look at the CE that is installed here
  vomap status --issuers                           ask the issuers for their keys, too

Green is as it should be, yellow wants a look, red must be mended. The exit code is 1 if a line is red."""

_COLOURS = {GREEN: "\033[32m", YELLOW: "\033[33m", RED: "\033[31m"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument("--policy", metavar="FILE", help=f"the built policy that the CE reads (default: {POLICY_FILE})")
    add_mapfiles(parser)
    add_bans(parser)
    parser.add_argument("--callouts", type=Path, metavar="FOLDER", help=f"where the callouts lie (default: {LIBEXEC})")
    parser.add_argument("--issuers", action="store_true", help="ask each issuer for its keys, over the network")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificates to trust for https, in place of the system's (PEM)"
    )
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="FOLDER", help="the root of the CE's system")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line for each thing looked at; 1 if one is red."""
    lines = list(_lines(args))
    if args.json:
        print_json([line.as_json() for line in lines])
    for line in lines if not args.json else ():
        print(f"{_shown(line.colour)}  {plain(f'{line.what}: {line.text}')}")
    return 1 if any(line.colour == RED for line in lines) else 0


def _lines(args: argparse.Namespace) -> Iterator[StatusLine]:
    policy_file = args.policy or str(args.root / POLICY_FILE.lstrip("/"))
    bans_file = bans_beside(policy_file)
    policy_line, policy = built_line("policy", policy_file, POLICY)
    bans_line, bans = built_line("bans", bans_file, BANS)
    yield policy_line
    yield bans_line
    if policy is not None:
        yield freshness_line(
            "mapfiles",
            policy,
            args.mapfiles or [str(args.root / MAPFILES_FOLDER.lstrip("/"))],
            YELLOW,
            builder=_owner(policy_file),
        )
    if bans is not None:
        # A ban that was written and not built keeps nobody out.
        yield freshness_line(
            "files of bans",
            bans,
            args.bans or [str(args.root / BANS_FOLDER.lstrip("/"))],
            RED,
            bans=True,
            builder=_owner(bans_file),
        )
    if policy is None or bans is None:
        return
    yield _accounts(policy)
    unwired = unwired_line(policy, bans)
    if unwired is not None:
        yield unwired
    key = key_line(args.root, policy.document)
    if key is not None:
        yield key
    installed = [ce for ce in known_ces(args.root) if ce.is_installed]
    if not installed:
        yield StatusLine(RED, "CE", "neither HTCondor-CE nor ARC is installed here")
    for ce in installed:
        yield from fragment_lines(ce, policy, bans, args.callouts)
        yield from bypass_lines(ce, policy, bans)
        yield from observe_lines(ce)
        yield callout_line(ce, policy_file, bans_file, args.callouts or LIBEXEC)
    if args.issuers:
        # Only here: PyJWT, cryptography and requests are slow to load.
        from vomap.status.issuers import issuer_lines

        yield from issuer_lines(wired_issuers(policy.document, {"bans": []}), args.ca)


def _owner(path: str) -> int | None:
    """Return whose build made a file; None if it is gone meanwhile."""
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def _accounts(policy: CompiledPolicy) -> StatusLine:
    try:
        return accounts_line(policy.document)
    except (Error, KeyError, TypeError, ValueError) as error:
        return StatusLine(RED, "accounts", f"the built policy cannot be used: {error}")


def _shown(colour: str) -> str:
    word = colour.ljust(len(YELLOW))
    return f"{_COLOURS[colour]}{word}\033[0m" if sys.stdout.isatty() else word
