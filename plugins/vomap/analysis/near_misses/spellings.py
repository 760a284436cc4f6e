"""Find the texts of a token that are near a text of a rule, without a comparison of each text with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import unquote

from vomap.claims.memberships import Membership
from vomap.policy.matching import EVERYTHING_BELOW

_ROLE = "/Role="
# Differences of spelling, each with the function that makes two texts equal that differ in this way alone.
_SPELLINGS: dict[str, Callable[[str], str]] = {
    "a slash at the end": lambda each: each.rstrip("/"),
    "blanks": lambda each: "".join(each.split()),
    "letters have case": str.casefold,
    "percent-encoding: %c3 is not %C3, and neither is the letter": lambda each: unquote(each).casefold(),
    "a dot": lambda each: each.replace(".", "").replace("-", ""),
    "- is not _": lambda each: each.replace("_", "-"),
    "a doubled slash": lambda each: "/".join(part for part in each.split("/") if part),
}


def how_near(text: str, wanted: str) -> str | None:
    """Return a phrase for the difference between a text and the wanted one, or None if it is the same or too far."""
    if text == wanted or not text:
        return None
    return next((how for how, change in _SPELLINGS.items() if change(text) == change(wanted)), None)


class NearTexts:
    """Texts of a token, found by a text of a rule that is spelled otherwise, or is a part of their path."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Take the texts. They are found by their numbers, from 0."""
        self._alike: dict[tuple[str, str], list[int]] = {}
        self._exact: dict[str, list[int]] = {}
        self._below: dict[str, list[int]] = {}
        for at, text in enumerate(texts):
            for how, change in _SPELLINGS.items():
                self._alike.setdefault((how, change(text)), []).append(at)
            self._exact.setdefault(text, []).append(at)
            for above in _beginnings(text):
                self._below.setdefault(above, []).append(at)

    def near(self, wanted: str) -> list[int]:
        """Return, in order, the numbers of all texts that `how_near` may accept, or that are above or below `wanted`.

        Some others may be among them.
        """
        found = {at for how, change in _SPELLINGS.items() for at in self._alike.get((how, change(wanted)), ())}
        found.update(self._exact.get(wanted, ()), self._below.get(wanted, ()))
        found.update(at for above in _beginnings(wanted) for at in self._exact.get(above, ()))
        return sorted(found)


class NearMemberships:
    """Memberships of a token, found by a pattern of groups."""

    def __init__(self, memberships: Sequence[Membership]) -> None:
        self._memberships = memberships
        # By the places of the parts with a `*`, which match any part of a group.
        self._texts: dict[tuple[int, ...], NearTexts] = {}

    def near(self, pattern: str) -> list[Membership]:
        """Return the memberships that may differ from a pattern in one thing. Some others may be among them."""
        parts = pattern.partition(_ROLE)[0].removesuffix(EVERYTHING_BELOW).split("/")
        wild = tuple(at for at, part in enumerate(parts) if "*" in part)
        return [self._memberships[at] for at in self._texts_of(wild).near(_masked(parts, wild))]

    def effort(self, pattern: str) -> int:
        """Return the number of memberships that must be read before those near a pattern are found."""
        parts = pattern.partition(_ROLE)[0].removesuffix(EVERYTHING_BELOW).split("/")
        wild = tuple(at for at, part in enumerate(parts) if "*" in part)
        return 0 if wild in self._texts else len(self._memberships)

    def _texts_of(self, wild: tuple[int, ...]) -> NearTexts:
        if wild not in self._texts:
            self._texts[wild] = NearTexts([_masked(each.group.split("/"), wild) for each in self._memberships])
        return self._texts[wild]


def _masked(parts: Sequence[str], places: tuple[int, ...]) -> str:
    """Return a group with `*` in place of some of its parts."""
    return "/".join("*" if at in places else part for at, part in enumerate(parts))


def _beginnings(path: str) -> list[str]:
    """Return what is above a path: its beginnings that end before a slash."""
    return [path[:at] for at, sign in enumerate(path) if sign == "/" and at]
