"""`vomap ban`: keep somebody out, now; say who is out; let them in again."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vomap.built.files import replace_file
from vomap.built.lock import locked
from vomap.built.store import BANS, POLICY, bans_beside, read_built, write_built
from vomap.cli.loading import BANS_FOLDER, UsageError, add_json, add_policy, load_bans, print_findings, print_json
from vomap.errors import Error
from vomap.mapfile.ban_file import NAME, with_ban, without_lines
from vomap.mapfile.compose import Mapfile, SourceError, compose_bans, read_sources
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.findings import Findings, did_you_mean
from vomap.mapfile.times import written
from vomap.policy.model import Ban, Policy

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


def _add(args: argparse.Namespace, ban: dict[str, Any]) -> int:
    if not args.reason:
        raise UsageError("ban add: say why, with --reason")
    ban["reason"] = _text(args.reason)
    if args.until:
        ban["until"] = _text(args.until)
    added = _as_read(ban)
    for doubt in _doubts(args, added):
        print(f"warning: {doubt}", file=sys.stderr)
    return _put_in_place(args, with_ban(_own_text(args), ban), "added", added=added)


def _lift(args: argparse.Namespace, ban: dict[str, Any]) -> int:
    """Take away the bans whose conditions are just these, of the file that `ban add` keeps."""
    path = _own_file(args.bans)
    _, document, findings = load_bans([args.bans])
    findings.raise_errors()
    wanted = _conditions_of(_as_read({**ban, "reason": "to be lifted"}))
    found = [each for each in document["bans"] if _conditions_of(each) == wanted]
    places = {each["source"]: each["source"].rpartition(":") for each in found}
    others = [place for place, (file, _, _) in places.items() if file != str(path)]
    wider = [
        each["source"] for each in document["bans"] if _is_part(wanted, _conditions_of(each)) and each not in found
    ]
    if others:
        _refuse(f"written by hand, so take it away by hand: {', '.join(others)}")
    own = [each for each in found if each["source"] not in others]
    if not own:
        more = f"; these and more: {', '.join(wider)}" if wider else ""
        return _refuse(f"no ban has just these conditions{more}" if not others else "nothing was changed")
    text = without_lines(_own_text(args) or "", {int(places[each["source"]][2]) for each in own})
    left = [each for each in document["bans"] if each not in own]
    return _put_in_place(args, text, "lifted", expected=left) or int(bool(others))


def _put_in_place(
    args: argparse.Namespace,
    text: str | None,
    done: str,
    *,
    added: dict[str, Any] | None = None,
    expected: list[dict[str, Any]] | None = None,
) -> int:
    """Check all bans with the new text of the kept file, write that, and build; nothing changes if they are refused.

    `expected` are the bans that the new text must leave, if that is known beforehand. A ban that is `added` is put in
    force even if somebody else's file of bans is broken.
    """
    path, findings = _own_file(args.bans), Findings()
    try:
        files = [each for each in read_sources([args.bans], bans=True) if each.path != str(path)]
    except SourceError as error:
        if added is None or text is None:
            raise
        print(error, file=sys.stderr)
        return _put_in_force(args, text)
    if text is not None:
        files = sorted([*files, Mapfile(str(path), text)], key=lambda each: each.path)
    document = compose_bans(files, findings)
    if findings.errors:
        print_findings(findings.in_order)
        if added is None or text is None or any(error.place.file == str(path) for error in findings.errors):
            return _refuse("nothing was changed")
        return _put_in_force(args, text)
    if expected is not None and list(map(_without_place, document["bans"])) != list(map(_without_place, expected)):
        return _refuse(f"{path} was edited by hand, so take the ban away by hand; nothing was changed")
    if text is None:
        os.unlink(path)
    else:
        replace_file(str(path), text.encode())
    built = bans_beside(args.policy)
    digests = {each.path: each.digest for each in files}
    write_built(built, BANS, document, sources=digests, built=written(time.time()))
    if args.json:
        print_json({"done": done, "file": str(path), "built": built, "bans": len(document["bans"])})
    else:
        print(f"{done}; bans in force or to come: {len(document['bans'])}; {path} -> {built}")
    return 0


def _put_in_force(args: argparse.Namespace, text: str) -> int:
    """Add the ban that `text` ends with to those in force, though another file of bans cannot be built now."""
    path, built = _own_file(args.bans), bans_beside(args.policy)
    added = compose_bans([Mapfile(str(path), text)], Findings())["bans"][-1]
    replace_file(str(path), text.encode())
    before = read_built(built, BANS)
    others = [ban for ban in before.document["bans"] if _without_place(ban) != _without_place(added)]
    document = {"bans": [*others, added]}
    write_built(built, BANS, document, sources=before.sources, built=written(time.time()))
    if args.json:
        print_json({"done": "added", "file": str(path), "built": built, "bans": len(document["bans"])})
    else:
        print(f"added to the bans in force: {built}; mend the other file, then run `vomap build`")
    return 3


def _doubts(args: argparse.Namespace, ban: dict[str, Any]) -> Iterator[str]:
    """Yield what makes a ban look as if it banned nobody."""
    if not Ban(ban).holds_at(time.time()):
        yield "this ban has expired already"
    try:
        policy = read_built(args.policy, POLICY)
        issuers = Policy(policy.document, policy.digest).issuers
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


def _own_text(args: argparse.Namespace) -> str | None:
    """Return the text of the file that `vomap ban` keeps, or None if there is none yet."""
    path = _own_file(args.bans)
    return next((each.text for each in read_sources([str(path)])), None) if path.exists() else None


def _own_file(folder: str) -> Path:
    path = Path(folder)
    if not path.is_dir():
        raise UsageError(f"ban: {folder} is no folder")
    return path / NAME


def _as_read(ban: dict[str, Any]) -> dict[str, Any]:
    """Return a ban's document as it is read from a file. Raises UsageError if it cannot be one."""
    findings = Findings()
    bans = compose_bans([Mapfile("", with_ban(None, ban))], findings)["bans"]
    if findings.errors:
        raise UsageError("ban: " + "; ".join(finding.message for finding in findings.errors))
    document: dict[str, Any] = bans[0]
    return document


def _conditions_of(ban: dict[str, Any]) -> dict[str, Any]:
    return {key: ban[key] for key in CONDITIONS if key in ban}


def _is_part(wanted: dict[str, Any], conditions: dict[str, Any]) -> bool:
    return all(conditions.get(key) == value for key, value in wanted.items())


def _without_place(ban: dict[str, Any]) -> dict[str, Any]:
    return {key: ban[key] for key in ban if key != "source"}


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_shown(texts)}" for name, texts in value.items())
    return " or ".join(value)
