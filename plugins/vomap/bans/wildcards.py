"""A bare `*` in a ban or a `deny` rule: it looks as if it took everything, and takes no slash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vomap.analysis.tokens.patterns import ROLE, split_role
from vomap.policy.matching import EVERYTHING_BELOW

_BARE = "*"


class WildcardWarning(NamedTuple):
    """A bare `*`: the condition's key, a sentence, and the documents of bans or rules that also take slashes."""

    key: str
    told: str
    instead: tuple[Mapping[str, Any], ...] = ()


def wildcard_warnings(document: Mapping[str, Any]) -> Iterator[WildcardWarning]:
    """Yield each pattern of a ban's or a rule's document in which `*` is all of a part between two slashes."""
    for pattern in document.get("subject", ()):
        if _has_bare_star(pattern):
            yield WildcardWarning("subject", _told("subject", pattern))
    for key in ("group", "first-group", "scope"):
        for pattern in document.get(key, ()):
            if _has_bare_star(pattern.removesuffix(EVERYTHING_BELOW)):
                yield WildcardWarning(key, _told(key, pattern), _with(document, key, pattern))
    for name, patterns in document.get("claim", {}).items():
        for pattern in filter(_has_bare_star, patterns):
            yield WildcardWarning("claim", _told(f"claim {name}", pattern))


def crossing_subjects(patterns: Sequence[str]) -> list[str]:
    """Return patterns of subjects with one slash more, where each `*` stands, that the given ones do not name."""
    crossing = {pattern: _crossings(pattern) for pattern in patterns}
    widened = {each for several in crossing.values() for each in several}
    # Who has named these, too, has seen to it.
    found = [each for pattern, several in crossing.items() if pattern not in widened for each in several]
    return [each for each in dict.fromkeys(found) if each not in patterns]


def wider_subjects(patterns: Sequence[str]) -> list[str]:
    """Return patterns of subjects, and each with one slash more."""
    return [*patterns, *crossing_subjects(patterns)]


def _crossings(pattern: str) -> list[str]:
    """Return what else a pattern looks as if it took: a slash amid the text of a `*`, at its begin or at its end."""
    found = []
    for at in (at for at, mark in enumerate(pattern) if mark == _BARE):
        before, after = pattern[:at], pattern[at + 1 :]
        found.append(f"{before}*/*{after}")
        found += [f"{before}/*{after}"] if before and not before.endswith("/") else []
        found += [f"{before}*/{after}"] if after and not after.startswith("/") else []
    return found


def _has_bare_star(pattern: str) -> bool:
    return _BARE in pattern.split("/")


def _told(key: str, pattern: str) -> str:
    return f"`*` does not match a slash: {key} {pattern} takes one part between two slashes, and no more"


def _with(document: Mapping[str, Any], key: str, pattern: str) -> tuple[Mapping[str, Any], ...]:
    """Return a document with everything below in the place of a bare `*` at the end of a group or path."""
    path, role = split_role(pattern) if key != "scope" else (pattern, None)
    if not path.endswith("/*"):
        return ()
    below = path[:-1] + "**" + (f"{ROLE}{role}" if role is not None else "")
    values = [below if each == pattern else each for each in document[key]]
    return ({**{name: value for name, value in document.items() if name != "source"}, key: values},)
