"""What a comparison tells: one line for each thing that changes, with a token that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from vomap.analysis.outcome import (
    ACCOUNT_CHANGES,
    GAINS,
    LOSES,
    REFUSED_OTHERWISE,
    VO_CHANGES,
    Result,
    kind_of_change,
)
from vomap.analysis.tokens.from_clauses import simplicity

if TYPE_CHECKING:
    from collections.abc import Hashable

    from vomap.analysis.clauses import Reading

ISSUER_ADDED, ISSUER_DROPPED = "issuer added", "issuer dropped"
VO_ADDED, VO_DROPPED = "VO added", "VO dropped"
SHADOWED = "rule shadowed"
KINDS = (
    *(ISSUER_ADDED, ISSUER_DROPPED, VO_ADDED, VO_DROPPED),
    *(ACCOUNT_CHANGES, LOSES, GAINS, VO_CHANGES, REFUSED_OTHERWISE, SHADOWED),
)


class Judged(NamedTuple):
    """A token, and what the old and the new policy make of it."""

    token: dict[str, Any]
    old: Result
    new: Result

    @property
    def kind(self) -> str | None:
        """What changes for its bearer, or None if nothing does."""
        return kind_of_change(self.old, self.new)


@dataclass
class Line:
    """One thing that changes: what, for whom, from what to what, and the simplest token that shows it.

    `who` says for whom, in the words of a mapfile; `old` and `new` are the results for the tokens that were found, each
    once, those of the token that is shown first.
    """

    kind: str
    token: dict[str, Any]
    who: dict[str, None] = field(default_factory=dict)
    old: dict[str, Result] = field(default_factory=dict)
    new: dict[str, Result] = field(default_factory=dict)

    def add(self, who: str, judged: Judged) -> None:
        """Add one more for whom this changes."""
        self.who[who] = None
        old, new = ({f"{result} {result.place}": result} for result in (judged.old, judged.new))
        if simplicity(judged.token) < simplicity(self.token):
            self.token, self.old, self.new = judged.token, {**old, **self.old}, {**new, **self.new}
        else:
            self.old, self.new = {**self.old, **old}, {**self.new, **new}

    def as_json(self) -> dict[str, Any]:
        """Return the line for a program."""
        old, new = ([result.as_json() for result in side.values()] for side in (self.old, self.new))
        return {"change": self.kind, "who": list(self.who), "old": old, "new": new, "token": self.token}


class Lines:
    """The lines so far; tokens for which the same rules do the same share a line."""

    def __init__(self, old: Reading, new: Reading) -> None:
        """Take both policies."""
        self._readings = (old, new)
        self._lines: dict[Hashable, Line] = {}
        self._told: set[Hashable] = set()

    def in_order(self) -> list[Line]:
        """Return the lines by what changes."""
        return sorted(self._lines.values(), key=lambda line: KINDS.index(line.kind))

    def tell(self, kind: str, name: Hashable, who: str, judged: Judged) -> None:
        """Tell something that has a name of its own: an issuer, a VO, a rule."""
        self._add((kind, name), kind, who, judged)

    def tell_token(self, who: str, judged: Judged) -> bool:
        """Add a token to the line that it belongs to, if it is decided otherwise, and tell whether it is."""
        kind = judged.kind
        if kind is not None:
            key = self._key(kind, judged)
            self._told.add(key)
            self._add(key, kind, who, judged)
        return kind is not None

    def tell_field(self, who: str, judged: Judged) -> bool:
        """Add a token for which it matters what is declared of its issuer; all that it does is one line of a kind."""
        kind = judged.kind
        if kind is not None and self._key(kind, judged) not in self._told:
            self._add((kind, who), kind, who, judged)
        return kind is not None

    def tell_overlap(self, who: str, judged: Judged, changed: tuple[int | None, int | None]) -> bool:
        """Add a token of an overlap; what a changed rule does to all that it overlaps is one line.

        `changed` is that rule's number in the old policy, or in the new one.
        """
        kind = judged.kind
        if kind is None:
            return False
        key = self._key(kind, judged)
        if key in self._told:
            return True
        self._told.add(key)
        _, old, new = key
        if judged.old.rule is not None and judged.old.rule == changed[0]:
            key = (kind, old, "others")
        elif judged.new.rule is not None and judged.new.rule == changed[1]:
            key = (kind, "others", new)
        self._add(key, kind, who, judged)
        return True

    def _add(self, key: Hashable, kind: str, who: str, judged: Judged) -> None:
        self._lines.setdefault(key, Line(kind, judged.token)).add(who, judged)

    def _key(self, kind: str, judged: Judged) -> tuple[Hashable, Hashable, Hashable]:
        old, new = (_source(*each) for each in zip(self._readings, (judged.old, judged.new)))
        return kind, old, new


def _source(side: Reading, result: Result) -> Hashable:
    """Return what tells results apart; the accounts that one rule makes of tokens are together."""
    if result.rule is None:
        return result.outcome, result.reason.partition(":")[0]
    made = "<" in side.rules[result.rule].get("account", "")
    return result.outcome, result.rule, None if made else result.account
