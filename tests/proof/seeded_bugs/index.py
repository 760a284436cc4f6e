"""Bugs in the index by which a token finds its rules and bans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proof.seeded_bugs.replacement import Call, Replacement


class _AsWritten(str):
    """A text that has no other case."""

    __slots__ = ()

    def lower(self) -> str:
        return self


def _is_ban(entry: Mapping[str, Any]) -> bool:
    return "reason" in entry


def _first_of_rule(ways: Any, entry: Mapping[str, Any], telling: Any) -> Iterator[Any]:
    return ((key, found if _is_ban(entry) else found[:1]) for key, found in ways(entry, telling))


def _first_other_of_ban(ways: Any, entry: Mapping[str, Any], telling: Any) -> Iterator[Any]:
    return ((key, found[:1] if _is_ban(entry) else found) for key, found in ways(entry, telling))


def _first_literal_of_ban(owners_of: Any, ban: Any) -> Any:
    kind, values = owners_of(ban)
    return kind, values[:1]


def _vos_as_written(owners_of: Any, ban: Any) -> Any:
    kind, values = owners_of(ban)
    return kind, list(map(_AsWritten, values))


BUGS: Mapping[str, Sequence[Replacement]] = {
    "a rule looked up by the first of its values": [Call("vomap.policy.index:_ways_to_find", _first_of_rule)],
    "a ban looked up by the first of its literal values": [
        Call("vomap.policy.index:_owners_of_ban", _first_literal_of_ban)
    ],
    "a ban looked up by the first of its other values": [Call("vomap.policy.index:_ways_to_find", _first_other_of_ban)],
    "bans by VO looked up in the token's spelling": [Call("vomap.policy.index:_owners_of_ban", _vos_as_written)],
}
