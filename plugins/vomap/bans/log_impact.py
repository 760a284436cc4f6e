"""Whom a ban would have kept out: the decisions of a log that it, by itself, would have denied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vomap.analysis.replay import NO_CLAIMS, NO_SUBJECT
from vomap.bans.effect import is_banned
from vomap.claims import DECISIVE, Claims
from vomap.log.reader import Record, Resolve
from vomap.mapfile.entries import CONDITIONS
from vomap.policy.decide import decide
from vomap.policy.index import bans_of
from vomap.policy.model import Bans, Policy

CLAIM_NOT_LOGGED = "a claim that the ban asks for is not kept"


class Identity(NamedTuple):
    """Who was decided about: a subject, or the pseudonym in its place."""

    issuer: str | None
    subject: str | None
    pseudonym: str | None


@dataclass
class DecisionCount:
    """How often somebody was decided about, when last, and the account that was given last, if any was."""

    decisions: int = 0
    last: str = ""
    account: str | None = None

    def add(self, members: Mapping[str, Any]) -> None:
        """Add a decision; logs come in any order."""
        self.decisions += 1
        is_last = members["time"] >= self.last
        self.last = max(self.last, members["time"])
        if members["account"] is not None and (is_last or self.account is None):
            self.account = members["account"]


@dataclass
class LogImpact:
    """What a ban would have done: whom it would have denied, and of how many decisions that cannot be told, and why."""

    identities: dict[Identity, DecisionCount] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def decisions(self) -> int:
        """How many decisions it would have denied."""
        return sum(seen.decisions for seen in self.identities.values())

    def latest_first(self) -> list[tuple[Identity, DecisionCount]]:
        """Return whom it would have denied, the one who came last first."""
        return sorted(self.identities.items(), key=lambda each: each[1].last, reverse=True)

    def as_json(self) -> dict[str, object]:
        """Return all for programs."""
        return {
            "decisions": self.decisions,
            "identities": [{**each._asdict(), **vars(seen)} for each, seen in self.latest_first()],
            "unknown": dict(self.unknown),
        }


class LogImpactCounter:
    """Tries a ban with the records of a log, one by one."""

    def __init__(self, ban: Mapping[str, Any], policy: Policy, resolve: Resolve | None = None) -> None:
        """Take the ban's document, the policy that says which VOs a token names, and what resolves pseudonyms."""
        self._policy, self._resolve = policy, resolve
        self._ban, self._without_subject = _alone(ban), _alone(ban, "subject")
        # The log has these of each token that has them; of any other claim it may have none.
        kept = {name: texts for name, texts in ban.get("claim", {}).items() if name in DECISIVE}
        self._without_claims = _alone({**ban, "claim": kept})
        self._asks_for_others = len(kept) < len(ban.get("claim", {}))
        self._asks_for_subject = "subject" in ban or "sub" in ban.get("claim", {})
        self.result = LogImpact()

    def add(self, record: Record) -> None:
        """Try one record; whatever was answered then."""
        members = record.members
        is_hidden = "pseudonym" in members and not record.reveal_subject(self._resolve)
        claims = record.claims()
        if claims is None:
            self.result.unknown[NO_CLAIMS] += 1
        elif is_hidden and self._asks_for_subject:
            if self._denies(self._without_subject, claims, record.time):
                self.result.unknown[NO_SUBJECT] += 1
        elif self._denies(self._ban, claims, record.time):
            who = Identity(members["issuer"], members["subject"], members.get("pseudonym") if is_hidden else None)
            self.result.identities.setdefault(who, DecisionCount()).add(members)
        elif self._asks_for_others and self._denies(self._without_claims, claims, record.time):
            self.result.unknown[CLAIM_NOT_LOGGED] += 1

    def _denies(self, ban: Bans | None, claims: Claims, then: int) -> bool:
        """Tell whether a ban by itself denies; what asks for nothing, None, would deny everybody."""
        return ban is None or is_banned(decide(self._policy, ban, claims, then))


def _alone(ban: Mapping[str, Any], *less: str) -> Bans | None:
    """Return a ban without some of its conditions, None if none is left."""
    left = {key: value for key, value in ban.items() if key not in less}
    return bans_of({"bans": [left]}) if any(left.get(key) for key in CONDITIONS) else None
