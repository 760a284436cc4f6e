"""`vomap status`: report the state of a CE, its policy and its accounts."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from vomap import printable
from vomap.ces.htcondor import MAP_FILE
from vomap.ces.kinds import ArcCe, Ce, HtcondorCe, known_ces
from vomap.ces.wiring import LIBEXEC, wired_issuers
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, add_json, add_sources, advice_of
from vomap.cli.console import print_json
from vomap.cli.system_paths import system_paths
from vomap.compile.advice import Advice
from vomap.status import GREEN, RED, YELLOW, StatusLine, run_guarded
from vomap.status.arc import arc_bypass_lines, arc_observe_lines
from vomap.status.checks import (
    accounts_line,
    built_line,
    callout_line,
    fragment_lines,
    freshness_line,
    htcondor_bypass_lines,
    htcondor_settings_lines,
    issuer_line,
    key_lines,
    link_lines,
    no_ce_line,
    observe_lines,
    topology_lines,
    try_line,
    unwired_lines,
)
from vomap.status.in_force import SETTINGS, ask_ce, cache_lines
from vomap.status.map_files import map_file_lines
from vomap.status.readable import FILES_OF_THE_CE, find_unreadable, unreadable_lines
from vomap.store import BANS, POLICY, POLICY_FILE, bans_beside
from vomap.store.writer import CompiledBans, CompiledDocument, CompiledPolicy

HELP = "report whether this CE is wired, and whether the policy is sound and fresh"

EXAMPLES = """\
examples:
  vomap status                                     report on the CE of this machine
  vomap status --issuers                           also fetch the keys of the issuers

Green is good. Check what is yellow. Repair what is red. The exit code is 1 if a line is red."""

_Check = Callable[[], Iterable[StatusLine]]
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
        print(f"{shown}  {printable(f'{line.what}: {line.text}')}")
    return 1 if any(line.colour == RED for line in lines) else 0


def _lines(args: argparse.Namespace, policy_file: str) -> Iterator[StatusLine]:
    advice = advice_of(args)
    for what, check in _checks(args, policy_file, advice):
        yield from run_guarded(what, check, advice.command("status"))


def _checks(args: argparse.Namespace, policy_file: str, advice: Advice) -> Iterator[tuple[str, _Check]]:
    """Yield each check with the subject of its lines. A check that needs a policy is left out without a sound one.

    A check has ended when the next is asked for.
    """
    found: dict[str, CompiledDocument[Any] | None] = {}
    installed = [ce for ce in known_ces(args.root) if ce.is_installed]
    yield "links", lambda: link_lines(args.root, system_paths(args.root, installed))

    def read(what: str, path: str, kind: str) -> list[StatusLine]:
        line, found[what] = built_line(what, path, kind, advice)
        return [line]

    yield "policy", partial(read, "policy", policy_file, POLICY)
    yield "bans", partial(read, "bans", bans_beside(policy_file), BANS)
    policy, bans = found.get("policy"), found.get("bans")
    mapfiles = args.mapfiles or [str(args.root / MAPFILES_FOLDER.lstrip("/"))]
    of_bans = args.bans or [str(args.root / BANS_FOLDER.lstrip("/"))]
    if policy is not None:
        yield "mapfiles", lambda: [_mapfiles_line(policy, policy_file, mapfiles, advice)]
        yield "topology", lambda: topology_lines(mapfiles)
    if bans is not None:
        owner = _owner(bans_beside(policy_file))
        yield "files of bans", lambda: [freshness_line(bans, of_bans, advice, bans=True, builder=owner)]
    if policy is not None:
        yield "accounts", lambda: [accounts_line(policy.document, advice)]
        yield "log key", lambda: key_lines(policy.document, advice)
    if policy is not None and bans is not None:
        yield "issuers of bans", lambda: unwired_lines(policy, bans, advice)
    if not installed:
        yield "CE", lambda: [no_ce_line(advice)]
    for ce in installed:
        yield from _checks_of_ce(ce, policy, bans, policy_file, advice)
    if args.issuers and policy is not None:
        yield "issuers", lambda: _issuer_lines(policy, args.ca, advice)


def _checks_of_ce(
    ce: Ce, policy: CompiledPolicy | None, bans: CompiledBans | None, policy_file: str, advice: Advice
) -> Iterator[tuple[str, _Check]]:
    if policy is not None and bans is not None:
        yield "wiring", lambda: fragment_lines(ce, policy, bans, advice)
    if isinstance(ce, HtcondorCe):
        yield from _checks_of_htcondor(ce, policy, bans, advice)
    if isinstance(ce, ArcCe):
        if policy is not None and bans is not None:
            issuers = wired_issuers(policy.document, bans.document)
            yield "past vomap", lambda: arc_bypass_lines(ce, issuers, advice)
        yield "observing", lambda: arc_observe_lines(ce, advice)
    yield ce.callout_name, lambda: [callout_line(ce, policy_file, bans_beside(policy_file), advice)]


def _checks_of_htcondor(
    ce: HtcondorCe, policy: CompiledPolicy | None, bans: CompiledBans | None, advice: Advice
) -> Iterator[tuple[str, _Check]]:
    in_force, unreadable = cache(partial(ask_ce, advice)), cache(partial(find_unreadable, ce))
    yield FILES_OF_THE_CE, lambda: unreadable_lines(ce, unreadable())
    if policy is not None and bans is not None:
        yield "past vomap", lambda: htcondor_bypass_lines(ce, policy, bans, in_force(), unreadable())
        yield "map files", lambda: map_file_lines(ce, policy, bans, advice, unreadable())
    # Before `vomap init`, most settings differ. It writes them.
    if policy is not None or ce.at(f"{ce.MAPFILES[0]}/{MAP_FILE}").exists():
        yield SETTINGS, lambda: htcondor_settings_lines(ce, policy, advice, in_force())
    yield "key cache", lambda: cache_lines(ce, in_force())
    yield "observing", lambda: observe_lines(ce, in_force())
    yield "to try a token", lambda: [try_line()]


def _issuer_lines(policy: CompiledPolicy, authorities: Path | None, advice: Advice) -> Iterator[StatusLine]:
    def check(issuer: str) -> list[StatusLine]:
        return [issuer_line(issuer, authorities)]

    for issuer in wired_issuers(policy.document, {"bans": []}):
        yield from run_guarded(issuer, partial(check, issuer), advice.command("status"))


def _mapfiles_line(policy: CompiledPolicy, policy_file: str, mapfiles: list[str], advice: Advice) -> StatusLine:
    return freshness_line(policy, mapfiles, advice, bans=False, builder=_owner(policy_file), policy_file=policy_file)


def _owner(path: str) -> int | None:
    """Return the uid of the user who built a file, or None if the file is gone meanwhile."""
    try:
        return os.stat(path).st_uid
    except OSError:
        return None
