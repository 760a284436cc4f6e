"""`vomap ban fetch`: fetch a published list of bans, unless it is older, broken or too wide."""

from __future__ import annotations

import argparse
import sys
import time

from vomap import Error
from vomap.bans.commands import advice_of
from vomap.bans.issuer_wiring import unwired_sentence
from vomap.bans.published import (
    LIMITS,
    MOST_WIDE,
    PublishedBanFile,
    PublishedList,
    check_bounds,
    check_successor,
    name_of,
)
from vomap.cli.ban_list import count_unwired, declared_issuers
from vomap.cli.console import FAILED, YES, counted, plain, print_json
from vomap.files.lock import locked
from vomap.mapfile.files import Mapfile
from vomap.mapfile.times import format_utc
from vomap.store import BANS, bans_beside
from vomap.store.writer import read_compiled
from vomap.web import Web, check_url

_FETCHED, _UNCHANGED, _DRY, _KEPT = "fetched", "unchanged", "dry-run", "kept"


def fetch(args: argparse.Namespace) -> int:
    """Fetch a list and put it in force. After any error, the list of before stays in force."""
    check_url(args.url)
    host = name_of(args.url)
    bans = PublishedBanFile(args.bans, bans_beside(args.policy), host if args.name is None else args.name)
    now = time.time()
    try:
        return _fetch(args, bans, now)
    except Error as error:
        _print_error(args, bans, str(error), now)
        return error.exit_code


def _fetch(args: argparse.Namespace, bans: PublishedBanFile, now: float) -> int:
    # Before the lock: a slow server must not delay a ban of the administrator.
    fetched = Web(cache=args.cache, authorities=args.ca, limits=LIMITS).fetch(args.url)
    published = bans.read(fetched)
    check_bounds(published, MOST_WIDE if args.allow_wide else 0)
    with locked(bans_beside(args.policy)):
        kept = bans.kept()
        check_successor(published, kept, now)
        if args.dry_run:
            _print_result(args, _DRY, published, bans.path, now)
            return YES
        is_same = kept is not None and kept.issued == published.issued
        if kept is not None and is_same and _is_built(args, bans.path, kept):
            fetched.save()
            _print_result(args, _UNCHANGED, kept, bans.path, now)
            return YES
        change = bans.put((kept if kept is not None and is_same else published).text)
    fetched.save()
    _print_result(args, _FETCHED, published, bans.path, now)
    if advice := advice_of(change, args.bans, args.policy):
        print(plain(advice), file=sys.stderr)
    return FAILED if change.advice else YES


def _is_built(args: argparse.Namespace, path: str, kept: PublishedList) -> bool:
    """Return True if the compiled bans contain this list: an earlier fetch may have been interrupted."""
    try:
        sources = read_compiled(bans_beside(args.policy), BANS).sources
    except Error:
        return False
    return sources.get(path) == Mapfile(path, kept.text).digest


def _print_result(args: argparse.Namespace, done: str, published: PublishedList, path: str, now: float) -> None:
    declared = declared_issuers(args.policy)
    if args.json:
        count = count_unwired(published.bans, declared)
        print_json({"done": done, "file": path, **_members(published, now), "not-in-force": count})
        return
    summary = f"{counted(len(published.bans), 'ban')}, {published.age(now)}"
    sentences = {
        _FETCHED: f"fetched: {summary}; {path} -> {bans_beside(args.policy)}",
        _UNCHANGED: f"nothing new: {summary}; {path}",
        _DRY: f"would be fetched: {summary}; {path}",
    }
    print(plain(sentences[done]))
    unwired = "" if declared is None else unwired_sentence(published.bans, declared)
    if unwired:
        print(plain(f"warning: {unwired}"), file=sys.stderr)


def _print_error(args: argparse.Namespace, bans: PublishedBanFile, why: str, now: float) -> None:
    """Print what went wrong, and how old the list is that stays."""
    try:
        kept = bans.kept()
        stays = f"the list that is there stays: {kept.age(now)}" if kept is not None else "there is no list yet"
    except Error as error:
        kept, stays = None, f"the list that is there cannot be read, either: {error}"
    if args.json:
        members = _members(kept, now) if kept is not None else {}
        print_json({"done": _KEPT, "file": bans.path, "error": why, **members})
    print(plain(f"vomap: {why}; {stays}"), file=sys.stderr)


def _members(published: PublishedList, now: float) -> dict[str, object]:
    return {
        "url": published.url,
        "issued": format_utc(published.issued),
        "age-seconds": int(now - published.issued),
        "bans": len(published.bans),
    }
