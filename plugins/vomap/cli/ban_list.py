"""`vomap ban list`: each ban with its place, and whether it is in force."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vomap import Error, printable
from vomap.bans.ban_file import is_published
from vomap.bans.commands import build_command
from vomap.bans.folder import conditions_of
from vomap.bans.issuer_wiring import NOT_IN_FORCE, file_of, unwired_issuers, unwired_sentence
from vomap.bans.published import read_saved
from vomap.cli.console import FAILED, YES, counted, plain, print_json
from vomap.compile.check import check_ban_files
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.files import Mapfile, files_of, read_file
from vomap.mapfile.times import format_utc
from vomap.policy.model import Ban
from vomap.store import BANS, bans_beside
from vomap.store.writer import read_compiled, read_issuers

# A ban of a published list may have 10,000 values. The JSON output has all.
_MOST_SHOWN = 10
_LONGEST_SHOWN = 200
# A text that ends where the next word begins. A publisher could write `alice (expired)` as a subject.
_ONE_WORD = re.compile(r"[^\s\"`(),]+")


@dataclass
class _Folder:
    """The valid files of bans in a folder, their bans, and the error of each other file, by its path."""

    files: list[Mapfile] = field(default_factory=list)
    bans: list[Mapping[str, Any]] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)


def list_bans(args: argparse.Namespace) -> int:
    """Print the bans, and the lists that were fetched. Return FAILED if a file of bans has errors."""
    folder = _read_folder(args.bans)
    built, now = bans_beside(args.policy), time.time()
    declared, compiled = declared_issuers(args.policy), compiled_bans(built)
    bare = {_bare(ban) for ban in compiled}
    bans = [_members(ban, bare, declared, now) for ban in folder.bans]
    # A file with errors lifts no ban that was built from it.
    left = [_members(ban, bare, declared, now) for ban in compiled if file_of(ban) in folder.errors]
    lists = [_list_members(file, folder.bans, declared, now) for file in folder.files if is_published(file.path)]
    if args.json:
        print_json({"bans": bans + left, "lists": lists, "errors": list(folder.errors.values())})
    else:
        build = build_command(args.bans, args.policy)
        for ban in bans + left:
            print(plain(_line(ban, built, build, is_left=ban in left)))
        for each in lists:
            print(plain(f"{each['file']}: {each['told']}"))
        print(counted(len(bans + left), "ban"))
    for error in folder.errors.values():
        print(plain(f"vomap: {error}"), file=sys.stderr)
    return FAILED if folder.errors else YES


def _read_folder(path: str) -> _Folder:
    """Read each file of bans. An error in one file does not hide the bans of the others."""
    folder = _Folder()
    try:
        files = files_of(Path(path), bans=True)
    except Error as error:
        # A stray file does not hide the files of bans.
        folder.errors[path] = str(error)
        files = files_of(Path(path))
    for file in map(str, files):
        try:
            check = check_ban_files([read_file(file)])
            check.findings.raise_errors()
        except Error as error:
            folder.errors[file] = str(error)
            continue
        folder.files += check.files
        folder.bans += check.document["bans"]
    return folder


def declared_issuers(policy: str) -> Collection[str] | None:
    """Return the issuers that the compiled policy declares, or None if vomap cannot read the policy."""
    try:
        issuers: dict[str, Any] = read_issuers(policy)["issuers"]
    except Error:
        return None
    return issuers


def count_unwired(bans: Iterable[Mapping[str, Any]], declared: Collection[str] | None) -> int | None:
    """Return how many bans name an issuer that no CE is wired for, or None if the declared issuers are unknown."""
    return None if declared is None else sum(bool(unwired_issuers(ban, declared)) for ban in bans)


def _members(
    ban: Mapping[str, Any], built: Collection[str], declared: Collection[str] | None, now: float
) -> dict[str, Any]:
    return {
        **ban,
        "holds": Ban(ban).is_in_force(now),
        "in-force": _bare(ban) in built,
        "wired": None if declared is None else not unwired_issuers(ban, declared),
    }


def _line(ban: Mapping[str, Any], built: str, build: str, *, is_left: bool = False) -> str:
    conditions = ", ".join(f"{key} {_shown(ban[key])}" for key in CONDITIONS if key in ban)
    if not ban["holds"]:
        state = " (expired)"
    elif is_left:
        state = " (still in force, from the last build: this file has errors)"
    elif not ban["in-force"]:
        state = f" (not built into {built}: run `{build}`)"
    else:
        state = f" ({NOT_IN_FORCE})" if ban["wired"] is False else ""
    return f"{ban['source']}: {conditions}{until(ban)}{state}: {ban['reason']}"


def until(ban: Mapping[str, Any]) -> str:
    """Return the end of a ban as a part of a sentence."""
    return f" until {format_utc(ban['until'])}" if "until" in ban else ""


def compiled_bans(built: str) -> Sequence[Mapping[str, Any]]:
    """Return the documents of the compiled bans, or nothing if vomap cannot read them."""
    try:
        return read_compiled(built, BANS).document["bans"]
    except Error:
        return []


def _bare(ban: Mapping[str, Any]) -> str:
    return json.dumps({**conditions_of(ban), "reason": ban["reason"], "until": ban.get("until")})


def _list_members(
    file: Mapfile, bans: Iterable[Mapping[str, Any]], declared: Collection[str] | None, now: float
) -> dict[str, object]:
    """Return the JSON output for a list that was fetched."""
    try:
        kept = read_saved(file)
    except Error as error:
        return {"file": file.path, "told": str(error)}
    summary = f"{counted(len(kept.bans), 'ban')} of {kept.url}, {kept.age(now)}"
    its_own = [ban for ban in bans if file_of(ban) == file.path]
    unwired = "" if declared is None else unwired_sentence(its_own, declared)
    return {
        "file": file.path,
        "url": kept.url,
        "issued": format_utc(kept.issued),
        "told": f"{summary}; {unwired}" if unwired else summary,
        "not-in-force": count_unwired(its_own, declared),
    }


def _shown(value: Any) -> str:
    """Return the first values of a condition. A text that could look like the words after it is in quotes."""
    first = list(value)[:_MOST_SHOWN]
    more = len(value) - len(first)
    if isinstance(value, dict):
        claims = [f"{_quoted(name)}={_shown(value[name])}" for name in first]
        return ", ".join([*claims, *([f"{more:,} more"] if more else [])])
    return " or ".join([*map(_quoted, first), *([f"{more:,} more"] if more else [])])


def _quoted(text: str) -> str:
    end = "" if _ONE_WORD.fullmatch(text) else '"'
    shown = printable(json.dumps(text, ensure_ascii=False) if end else text)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}...{end}"
