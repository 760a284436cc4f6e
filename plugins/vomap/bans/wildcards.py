"""Warn of a bare `*` in a ban or a `deny` rule: it seems to match everything, but it does not match a slash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vomap.analysis.tokens.patterns import ROLE, split_role
from vomap.bans.ban_file import without_keys
from vomap.policy.matching import EVERYTHING_BELOW

_BARE = "*"


class BanWarning(NamedTuple):
    """A sentence about tokens that a ban or a rule misses, and the bans or rules that cover them.

    `needs_wiring` is True if the ban has an effect only after the CE is wired again.
    """

    sentence: str
    alternatives: tuple[Mapping[str, Any], ...] = ()
    needs_wiring: bool = False


def wildcard_warnings(document: Mapping[str, Any]) -> Iterator[tuple[str, BanWarning]]:
    """Yield the key of a condition and a warning for each pattern of a ban or a rule with a part that is only `*`."""
    subjects = document.get("subject", ())
    # A pattern with each form that has a slash says what it means.
    is_complete = _BARE not in subjects and not crossing_subjects(subjects)
    for pattern in subjects if not is_complete else ():
        if _has_bare_star(pattern.removesuffix(EVERYTHING_BELOW)):
            yield "subject", BanWarning(_told("subject", pattern))
    for key in ("group", "first-group", "scope"):
        for pattern in document.get(key, ()):
            if _has_bare_star(pattern.removesuffix(EVERYTHING_BELOW)):
                yield key, BanWarning(_told(key, pattern), _with(document, key, pattern))
    for name, patterns in document.get("claim", {}).items():
        for pattern in filter(_has_bare_star, patterns):
            yield "claim", BanWarning(_told(f"claim {name}", pattern))


def crossing_subjects(patterns: Sequence[str]) -> list[str]:
    """Return patterns of subjects with slashes at each `*`, except those that are given already."""
    crossing = {pattern: _crossings(pattern) for pattern in patterns}
    widened = {each for several in crossing.values() for each in several}
    # A ban that names these patterns as well is complete.
    found = [each for pattern, several in crossing.items() if pattern not in widened for each in several]
    return [each for each in dict.fromkeys(found) if each not in patterns]


def wider_subjects(patterns: Sequence[str]) -> list[str]:
    """Return patterns of subjects, and for each those that also match subjects with slashes at its `*`."""
    return [*patterns, *crossing_subjects(patterns)]


def beginning_subjects(beginning: str) -> list[str]:
    """Return the patterns of all subjects that begin with a text."""
    return [beginning, *wider_subjects([f"{beginning}*"])]


def match_any_slashes(patterns: Sequence[str]) -> bool:
    """Return True if no pattern has a `*` before its end, where only a certain number of slashes can be added."""
    return all(each.endswith(EVERYTHING_BELOW) for pattern in patterns for each in _crossings(pattern))


def _crossings(pattern: str) -> list[str]:
    """Return the patterns with slashes at each `*`: any number at the end of a pattern, one elsewhere."""
    stem = pattern.removesuffix(EVERYTHING_BELOW)
    beginning = stem[:-1]
    if stem.endswith(_BARE) and _BARE not in beginning:
        below = [f"{stem}{EVERYTHING_BELOW}"]
        return below if not beginning or beginning.endswith("/") else [f"{beginning}{EVERYTHING_BELOW}", *below]
    found = []
    for at in (at for at, mark in enumerate(stem) if mark == _BARE):
        before, after = stem[:at], pattern[at + 1 :]
        found.append(f"{before}*/*{after}")
        found += [f"{before}/*{after}"] if before and not before.endswith("/") else []
        found += [f"{before}*/{after}"] if after and not after.startswith("/") else []
    return found


def _has_bare_star(pattern: str) -> bool:
    return _BARE in pattern.split("/")


def _told(key: str, pattern: str) -> str:
    return f"`*` does not match a slash: {key} {pattern} matches only one part between two slashes"


def _with(document: Mapping[str, Any], key: str, pattern: str) -> tuple[Mapping[str, Any], ...]:
    """Return a ban or rule with `**` in place of a bare `*` at the end of a group or path."""
    path, role = split_role(pattern) if key != "scope" else (pattern, None)
    if not path.endswith("/*"):
        return ()
    below = path[:-1] + "**" + (f"{ROLE}{role}" if role is not None else "")
    values = [below if each == pattern else each for each in document[key]]
    return ({**without_keys(document, "source"), key: values},)
