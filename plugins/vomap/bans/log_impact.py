"""Count the decisions of a log that a ban, by itself, would have denied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from vomap.analysis.kept_claims import ban_without
from vomap.analysis.replay import NO_CLAIMS, why_hidden
from vomap.bans.effect import is_banned
from vomap.claims import ENTITLEMENT_CLAIMS, GROUPS_CLAIM, Claims
from vomap.log.record import Record, Resolve
from vomap.mapfile.entries import CONDITIONS
from vomap.policy.decide import decide
from vomap.policy.index import ISSUERS, bans_of
from vomap.policy.matching import CLAIM
from vomap.policy.model import Bans, Issuer, Policy

if TYPE_CHECKING:
    from vomap.policy.documents import DecisionDocument

CLAIM_NOT_LOGGED = "the log does not keep a claim that the ban asks for"


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
        self._ban = ban
        # The ban, by the conditions that a record cannot show.
        self._without: dict[frozenset[str], Bans | None] = {}
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
            return
        not_shown = frozenset(self._not_kept(record))
        hidden = {"subject", f"{CLAIM}sub"} if is_hidden else set()
        if not self._denies(not_shown | hidden, claims, record.time):
            return
        if not_shown:
            self.unknown[CLAIM_NOT_LOGGED] += 1
        elif hidden.intersection(_conditions_of(self._ban)):
            self.unknown[why_hidden(record, self._resolve)] += 1
        else:
            who = Identity(members["issuer"], members["subject"], members.get("pseudonym") if is_hidden else None)
            self.identities.setdefault(who, IdentityCount()).add(members)

    def _not_kept(self, record: Record) -> Iterator[str]:
        """Yield the conditions of the ban that look at a claim that a record does not keep, or that may be forged."""
        issuer = self._policy.issuer(record.members["issuer"] or "")
        for key in _conditions_of(self._ban):
            asked = [*_claims_for(key, issuer)]
            if not all(map(record.keeps, asked)) or not record.forged.isdisjoint(asked):
                yield key

    def _denies(self, less: AbstractSet[str], claims: Claims, then: int) -> bool:
        """Return True if the ban, by itself, may deny a token, whatever the token has for some conditions."""
        asked = frozenset(less).intersection(_conditions_of(self._ban))
        if asked not in self._without:
            left = ban_without(self._ban, asked, self._policy.find(ISSUERS) or ())
            self._without[asked] = None if left is None else bans_of({"bans": [left]})
        ban = self._without[asked]
        if ban is None:
            return self._ban.get("until") is None or then <= self._ban["until"]
        return is_banned(decide(self._policy, ban, claims, then))


def _conditions_of(ban: Mapping[str, Any]) -> list[str]:
    """Return the conditions of a ban, each condition on a claim with the name of the claim."""
    claims = [CLAIM + name for name in ban.get("claim", ())]
    return [*(key for key in CONDITIONS if key in ban and key != "claim"), *claims]


def _claims_for(key: str, issuer: Issuer | None) -> Iterator[str]:
    """Yield the claims that a condition of a ban looks at, in tokens of an issuer."""
    if key.startswith(CLAIM):
        yield key[len(CLAIM) :]
    elif key == "client":
        yield from ("client_id", "azp")
    elif key in ("jti", "scope"):
        yield key
    elif key == "group" or (key == "vo" and issuer is not None and issuer.sources):
        yield from ("scope", GROUPS_CLAIM)
        if issuer is not None and issuer.entitlements:
            yield from ENTITLEMENT_CLAIMS
        if issuer is not None and issuer.groups_claim is not None:
            yield issuer.groups_claim
