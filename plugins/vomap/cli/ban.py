"""`vomap ban`: keep somebody out, now; say who is out; let them in again."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

from vomap import Error
from vomap.built import POLICY, bans_beside
from vomap.built.documents import read_built
from vomap.built.kept_bans import Change, KeptBans, read_ban
from vomap.built.lock import locked
from vomap.cli.exits import FAILED, NO, YES
from vomap.cli.loading import BANS_FOLDER, UsageError, add_json, add_policy, load_bans, print_json
from vomap.mapfile.ban_file import NAME
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.findings import did_you_mean
from vomap.mapfile.times import written
from vomap.policy.model import Ban
from vomap.policy.pieces import Declared

HELP = "add, list and lift bans, and build them at once"

_EXAMPLES = f"""\
examples:
  vomap ban add --vo CMS --subject 0d15ea5e-0000-4000-8000-00000000beef --reason 'leaked key (T-123)' --until 2026-12-31
  vomap ban list
  vomap ban lift --vo CMS --subject 0d15ea5e-0000-4000-8000-00000000beef

`add` and `lift` edit {NAME} in the folder of bans and build the bans; the policy is not touched. Tokens of an
issuer that is not declared come to vomap only when the CE is wired anew: `vomap init --replace`, or `vomap render`."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument("action", choices=("add", "list", "lift"), help="what to do")
    for key in CONDITIONS:
        if key == "claim":
            parser.add_argument("--claim", action="append", metavar="NAME=PATTERN", help="a claim of the token")
        else:
            parser.add_argument(f"--{key}", action="append", metavar=key.upper(), help=f"the token's {key}")
    parser.add_argument(
        "--reason", metavar="TEXT", help="why, on one line; `add` needs it, and who is refused does not see it"
    )
    parser.add_argument("--until", metavar="TIME", help="the last day (2026-12-31) or second that the ban holds, UTC")
    parser.add_argument("--bans", default=BANS_FOLDER, metavar="FOLDER", help=f"the bans (default: {BANS_FOLDER})")
    add_policy(parser, "the built policy whose bans are built")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Add, list or lift bans."""
    ban = _conditions(args)
    if args.action == "list":
        if ban:
            raise UsageError("ban list: it lists all bans, so it takes no conditions")
        return _list(args)
    if not ban:
        raise UsageError(f"ban {args.action}: name at least one of {', '.join('--' + key for key in CONDITIONS)}")
    if args.action == "add":
        # Before the lock: a large policy takes its time, and others may have bans to add.
        _complete(args, ban)
    with locked(bans_beside(args.policy)):
        return _add(args, ban) if args.action == "add" else _lift(args, ban)


def _conditions(args: argparse.Namespace) -> dict[str, Any]:
    """Return the conditions of the command line as a ban's keys."""
    ban: dict[str, Any] = {}
    for key in CONDITIONS:
        values = [_text(value) for value in getattr(args, key.replace("-", "_")) or ()]
        if values and key == "claim":
            ban[key] = _claims(values)
        elif values:
            ban[key] = values[0] if len(values) == 1 else values
    return ban


def _text(word: str) -> str:
    """Return a word of the command line. Raises UsageError if it holds bytes that are no UTF-8."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise UsageError(f"ban: {word!a} is no UTF-8") from None
    return word


def _claims(words: list[str]) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    for word in words:
        name, equals, pattern = word.partition("=")
        if not equals:
            raise UsageError(f"ban: --claim takes NAME=PATTERN, not {word!a}")
        claims.setdefault(name, []).append(pattern)
    return claims


def _complete(args: argparse.Namespace, ban: dict[str, Any]) -> None:
    """Add what a ban has beside its conditions, and warn of what looks like a mistake."""
    if not args.reason:
        raise UsageError("ban add: say why, with --reason")
    ban["reason"] = _text(args.reason)
    if args.until:
        ban["until"] = _text(args.until)
    for doubt in _doubts(args, read_ban(ban)):
        print(f"warning: {doubt}", file=sys.stderr)


def _add(args: argparse.Namespace, ban: dict[str, Any]) -> int:
    change = KeptBans(args.bans, bans_beside(args.policy)).add(ban)
    _tell(args, "added", change)
    return FAILED if change.left else YES


def _lift(args: argparse.Namespace, ban: dict[str, Any]) -> int:
    change = KeptBans(args.bans, bans_beside(args.policy)).lift(ban)
    _tell(args, "lifted", change)
    return NO if change.left else YES


def _tell(args: argparse.Namespace, done: str, change: Change) -> None:
    if change.left:
        print(change.left, file=sys.stderr)
    if args.json:
        print_json({"done": done, "file": change.file, "built": change.built, "bans": change.bans})
    else:
        print(f"{done}; bans in force or to come: {change.bans}; {change.file} -> {change.built}")


def _doubts(args: argparse.Namespace, ban: dict[str, Any]) -> Iterator[str]:
    """Yield what makes a ban look as if it banned nobody."""
    if not Ban(ban).holds_at(time.time()):
        yield "this ban has expired already"
    try:
        issuers = Declared(read_built(args.policy, POLICY).document).issuers
    except (Error, KeyError, TypeError, ValueError):
        return
    for issuer in ban.get("issuer", ()):
        if issuer not in issuers:
            hint = did_you_mean(issuer, issuers)
            yield f"no issuer {issuer} is declared{hint}; its tokens come to vomap when the CE is wired anew"
    vos = {vo for issuer in issuers.values() for vo in issuer.declared_vos()}
    any_name = any(issuer.names_vos_freely for issuer in issuers.values())
    for vo in ban.get("vo", ()):
        hint = did_you_mean(vo.lower(), vos)
        if vo.lower() not in vos and (hint or not any_name):
            yield f"no issuer is declared for a VO {vo}{hint}"


def _list(args: argparse.Namespace) -> int:
    _, document, findings = load_bans([args.bans])
    findings.raise_errors()
    now = time.time()
    if args.json:
        print_json([{**ban, "holds": Ban(ban).holds_at(now)} for ban in document["bans"]])
        return 0
    for ban in document["bans"]:
        told = ", ".join(f"{key} {_shown(ban[key])}" for key in CONDITIONS if key in ban)
        until = f" until {written(ban['until'])}" if "until" in ban else ""
        print(f"{ban['source']}: {told}{until}{'' if Ban(ban).holds_at(now) else ' (expired)'}: {ban['reason']}")
    print(f"{len(document['bans'])} bans")
    return 0


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_shown(texts)}" for name, texts in value.items())
    return " or ".join(value)
