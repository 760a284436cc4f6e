"""Count the decisions of a log that a ban, by itself, would have denied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from vomap.analysis.replay import NO_CLAIMS, NO_SUBJECT
from vomap.bans.ban_file import without_keys
from vomap.bans.effect import is_banned
from vomap.claims import DECISIVE, Claims
from vomap.log.record import Record, Resolve
from vomap.mapfile.entries import CONDITIONS
from vomap.policy.decide import decide
from vomap.policy.index import bans_of
from vomap.policy.model import Bans, Policy

if TYPE_CHECKING:
    from vomap.policy.documents import DecisionDocument

CLAIM_NOT_LOGGED = "the log lacks a claim of the ban"


class Identity(NamedTuple):
    """The issuer and the subject of a decision, or the pseudonym of the subject."""

    issuer: str | None
    subject: str | None
    pseudonym: str | None


@dataclass
class DecisionCount:
    """A number of decisions, and the time of the last one."""

    decisions: int = 0
    last: str = ""

    def add(self, time: str) -> None:
        """Add a decision. Logs come in any order."""
        self.decisions += 1
        self.last = max(self.last, time)


@dataclass
class IdentityCount:
    """The decisions about one identity by account, None if not mapped, and the ids (`jti`) of its tokens, each once."""

    accounts: dict[str | None, DecisionCount] = field(default_factory=dict)
    jtis: dict[str, None] = field(default_factory=dict)

    @property
    def decisions(self) -> int:
        """The number of decisions."""
        return sum(count.decisions for count in self.accounts.values())

    @property
    def last(self) -> str:
        """The time of the last decision."""
        return max(count.last for count in self.accounts.values())

    def add(self, members: DecisionDocument) -> None:
        """Add a decision."""
        self.accounts.setdefault(members["account"], DecisionCount()).add(members["time"])
        if members["jti"] is not None:
            self.jtis[members["jti"]] = None

    def as_json(self) -> dict[str, object]:
        """Return the members for JSON output."""
        return {
            "decisions": self.decisions,
            "last": self.last,
            "accounts": [{"account": account, **vars(count)} for account, count in self.accounts.items()],
            "jtis": list(self.jtis),
        }


class LogImpact:
    """The decisions that a ban would have denied, by identity, and the number of undecidable ones by reason."""

    def __init__(self, ban: Mapping[str, Any], policy: Policy, resolve: Resolve | None = None) -> None:
        """Take the ban, the policy that says which VOs a token names, and the function that resolves pseudonyms."""
        self._policy, self._resolve = policy, resolve
        self._ban, self._without_subject = _alone(ban), _alone(ban, "subject")
        # The log contains these claims of each token. It may lack any other claim.
        kept = {name: texts for name, texts in ban.get("claim", {}).items() if name in DECISIVE}
        self._without_claims = _alone({**ban, "claim": kept})
        self._asks_for_others = len(kept) < len(ban.get("claim", {}))
        self._asks_for_subject = "subject" in ban or "sub" in ban.get("claim", {})
        self.identities: dict[Identity, IdentityCount] = {}
        self.unknown: Counter[str] = Counter()

    @property
    def decisions(self) -> int:
        """The number of decisions that the ban would have denied."""
        return sum(seen.decisions for seen in self.identities.values())

    def latest_first(self) -> list[tuple[Identity, IdentityCount]]:
        """Return the identities that the ban would have denied, the latest first."""
        return sorted(self.identities.items(), key=lambda each: each[1].last, reverse=True)

    def as_json(self) -> dict[str, object]:
        """Return the members for JSON output."""
        return {
            "decisions": self.decisions,
            "identities": [{**each._asdict(), **seen.as_json()} for each, seen in self.latest_first()],
            "unknown": dict(self.unknown),
        }

    def add(self, record: Record) -> None:
        """Test the ban with one record, whatever its outcome was."""
        members = record.members
        is_hidden = "pseudonym" in members and not record.reveal_subject(self._resolve)
        claims = record.claims()
        if claims is None:
            self.unknown[NO_CLAIMS] += 1
        elif is_hidden and self._asks_for_subject:
            if self._denies(self._without_subject, claims, record.time):
                self.unknown[NO_SUBJECT] += 1
        elif self._denies(self._ban, claims, record.time):
            who = Identity(members["issuer"], members["subject"], members.get("pseudonym") if is_hidden else None)
            self.identities.setdefault(who, IdentityCount()).add(members)
        elif self._asks_for_others and self._denies(self._without_claims, claims, record.time):
            self.unknown[CLAIM_NOT_LOGGED] += 1

    def _denies(self, ban: Bans | None, claims: Claims, then: int) -> bool:
        """Return True if a ban, by itself, denies a token. None is a ban without conditions: it denies all."""
        return ban is None or is_banned(decide(self._policy, ban, claims, then))


def _alone(ban: Mapping[str, Any], *less: str) -> Bans | None:
    """Return a ban without some of its conditions, or None if no condition is left."""
    left = without_keys(ban, *less)
    return bans_of({"bans": [left]}) if any(left.get(key) for key in CONDITIONS) else None
