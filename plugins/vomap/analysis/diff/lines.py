"""Collect the changes that a comparison finds: one line for each, with an example token."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from vomap.analysis.clauses import SplitPolicy
from vomap.analysis.outcome import TokenOutcome
from vomap.analysis.tokens.assembly import Token
from vomap.analysis.tokens.from_clauses import simplicity
from vomap.policy import DENIED

ISSUER_ADDED, ISSUER_DROPPED = "issuer added", "issuer dropped"
VO_ADDED, VO_DROPPED = "VO added", "VO dropped"
ACCOUNT_CHANGES, VO_CHANGES = "account changes", "VO changes"
GAINS, LOSES, REFUSED_OTHERWISE = "gains access", "loses access", "refused otherwise"
SHADOWED = "rule shadowed"
KINDS = (
    *(ISSUER_ADDED, ISSUER_DROPPED, VO_ADDED, VO_DROPPED),
    *(ACCOUNT_CHANGES, LOSES, GAINS, VO_CHANGES, REFUSED_OTHERWISE, SHADOWED),
)


class OutcomePair(NamedTuple):
    """A token, and its outcomes by the old and the new policy."""

    token: Token
    old: TokenOutcome
    new: TokenOutcome

    @property
    def kind(self) -> str | None:
        """The kind of change for its user, or None if nothing changes.

        All reasons to deny are alike, and all reasons to decline. Denied and declined differ: the CE's next plugin
        may still map a token that vomap declines.
        """
        old, new = self.old, self.new
        if old.is_mapped != new.is_mapped:
            return GAINS if new.is_mapped else LOSES
        if old.is_mapped:
            if old.identity != new.identity:
                return ACCOUNT_CHANGES
            return None if old.vo == new.vo else VO_CHANGES
        denied = [each.decision.outcome == DENIED for each in (old, new)]
        return None if denied[0] == denied[1] else REFUSED_OTHERWISE


@dataclass
class DiffLine:
    """One change: its kind, the tokens that it is for, the outcomes, and the simplest example token.

    `who` describes the tokens in the words of a mapfile. `old` and `new` are the outcomes of all tokens that were
    found, each once. Those of the example token come first.
    """

    kind: str
    token: Token
    who: dict[str, None] = field(default_factory=dict)
    old: dict[str, TokenOutcome] = field(default_factory=dict)
    new: dict[str, TokenOutcome] = field(default_factory=dict)

    def add(self, who: str, outcomes: OutcomePair) -> None:
        """Add another token with the same change."""
        self.who[who] = None
        old, new = ({f"{result} {result.place}": result} for result in (outcomes.old, outcomes.new))
        if simplicity(outcomes.token) < simplicity(self.token):
            self.token, self.old, self.new = outcomes.token, {**old, **self.old}, {**new, **self.new}
        else:
            self.old, self.new = {**self.old, **old}, {**self.new, **new}

    def as_json(self) -> dict[str, object]:
        """Return the members of the line for `--json`."""
        old, new = ([result.as_json() for result in side.values()] for side in (self.old, self.new))
        return {"change": self.kind, "who": list(self.who), "old": old, "new": new, "token": self.token}


class DiffLines:
    """The lines found so far. Tokens that the same rules decide in the same way share a line."""

    def __init__(self, old: SplitPolicy, new: SplitPolicy) -> None:
        self._policies = (old, new)
        self._lines: dict[Hashable, DiffLine] = {}
        self._shown: set[Hashable] = set()

    def in_order(self) -> list[DiffLine]:
        """Return the lines, sorted by the kind of change."""
        return sorted(self._lines.values(), key=lambda line: KINDS.index(line.kind))

    def add(self, kind: str, name: Hashable, who: str, outcomes: OutcomePair) -> None:
        """Add a change to the line of its kind and name. The name is an issuer, a VO, a rule, or two outcomes."""
        self._lines.setdefault((kind, name), DiffLine(kind, outcomes.token)).add(who, outcomes)

    def add_token(self, who: str, outcomes: OutcomePair) -> None:
        """Add a token to its line if its decision changes."""
        kind, name = outcomes.kind, self._name(outcomes)
        if kind is not None:
            self._shown.add((kind, name))
            self.add(kind, name, who, outcomes)

    def add_field(self, who: str, outcomes: OutcomePair) -> bool:
        """Add a token that the declaration of its issuer affects, and return True if its decision changes.

        All effects of one kind share a line.
        """
        kind = outcomes.kind
        if kind is not None and (kind, self._name(outcomes)) not in self._shown:
            self.add(kind, who, who, outcomes)
        return kind is not None

    def add_overlap(self, who: str, outcomes: OutcomePair, changed: tuple[int | None, int | None]) -> bool:
        """Add a token that two clauses match, and return True if its decision changes.

        The effects of a changed rule on all rules that it overlaps share a line. `changed` is the number of that rule
        in the old policy, or in the new one.
        """
        kind, name = outcomes.kind, self._name(outcomes)
        if kind is not None and (kind, name) not in self._shown:
            self._shown.add((kind, name))
            if outcomes.old.rule is not None and outcomes.old.rule == changed[0]:
                name = name[0], "others"
            elif outcomes.new.rule is not None and outcomes.new.rule == changed[1]:
                name = "others", name[1]
            self.add(kind, name, who, outcomes)
        return kind is not None

    def _name(self, outcomes: OutcomePair) -> tuple[Hashable, Hashable]:
        return _source(self._policies[0], outcomes.old), _source(self._policies[1], outcomes.new)


def _source(side: SplitPolicy, result: TokenOutcome) -> Hashable:
    """Return the key of an outcome. All accounts that one rule makes of captures have the same key."""
    decision = result.decision
    if result.rule is None:
        return decision.outcome, decision.reason.partition(":")[0]
    made = "<" in side.rules[result.rule].get("account", "")
    return decision.outcome, result.rule, None if made else decision.account
