"""Near misses: the one difference by which a token missed a rule, each proven by deciding once more without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vomap.analysis.near_misses.changes import ExplainedToken, SingleChange
from vomap.analysis.near_misses.policy_changes import changes_of_policy
from vomap.analysis.near_misses.token_changes import changes_of_token
from vomap.claims import Claims, TokenError, read_claims
from vomap.mapfile.times import format_utc
from vomap.policy import DENIED, MAPPED, Decision
from vomap.policy.decide import decide
from vomap.policy.index import bans_of
from vomap.policy.model import Ban, Bans, Policy

# Who reads more than these reads none.
_MOST = 8
# The first words of reasons, in the order in which a decision comes to them.
_STAGES = ("issuer", "vo", "subject", "time", "audience", "computing", "lifetime", "version", "rule", "account")


@dataclass(frozen=True)
class NearMiss:
    """A difference, in words, and what would have been decided without it."""

    difference: str
    decision: Decision

    def __str__(self) -> str:
        """Write it as one sentence."""
        decision = self.decision
        if decision.outcome != MAPPED:
            return f"{self.difference}; otherwise it would be {decision.outcome} later: {decision.reason}"
        to = f"to {decision.account}" if decision.account else f"to the pool {decision.pool}"
        return f"{self.difference}; otherwise it would be mapped {to} by {decision.rule} ({decision.source})"


def find_near_misses(policy: Policy, bans: Bans, claims: Claims, decision: Decision, now: float) -> list[NearMiss]:
    """Return what would have let a token through, or to an earlier rule, had just one thing been otherwise.

    `decision` is what was decided about the claims at `now`.
    """
    token = ExplainedToken(policy, claims)
    found: dict[str, NearMiss] = {}
    for difference in _changes(token, decision, now):
        other = _without(difference, policy, bans, claims, now)
        if other is not None and _leads_further(other, decision, policy):
            found.setdefault(difference.sentence, NearMiss(difference.sentence, other))
            if len(found) == _MOST:
                break
    return sorted(found.values(), key=lambda miss: -_stage(miss.decision))


def expired_bans(policy: Policy, bans: Bans, claims: Claims, now: float) -> list[str]:
    """Return a sentence for each ban that would refuse this token, had it not expired."""
    return [
        f"ban: {ban.source} ({ban.reason}) would refuse it, but held only until {format_utc(ban.until)}"
        for document in bans.documents()
        for ban in [Ban(document)]
        if ban.until is not None and not ban.is_in_force(now) and _refuses(document, policy, claims, ban.until)
    ]


def _changes(token: ExplainedToken, decision: Decision, now: float) -> Iterator[SingleChange]:
    """Yield what is worth trying; of a banned token nothing is, for a hint could show a way around the ban."""
    if decision.reason.startswith("ban:"):
        return
    for difference in (*changes_of_token(token, decision, now), *changes_of_policy(token, decision)):
        if difference.is_spelling or decision.outcome != MAPPED:
            yield difference


def _without(difference: SingleChange, policy: Policy, bans: Bans, claims: Claims, now: float) -> Decision | None:
    """Decide without a difference; None if no such token could be."""
    try:
        other = claims if difference.members is None else read_claims(difference.members)
    except TokenError:
        return None
    return decide(difference.policy or policy, bans, other, now)


def _leads_further(other: Decision, decision: Decision, policy: Policy) -> bool:
    """Tell whether a decision gets further than another: to a later stage, to an account, or to an earlier rule."""
    if _stage(other) != _stage(decision):
        return _stage(other) > _stage(decision)
    if other.outcome != MAPPED:
        return False
    for rule in policy.rules():
        # A rule's name may be in several files.
        if (rule.name, rule.source) == (decision.rule, decision.source):
            return False
        if (rule.name, rule.source) == (other.rule, other.source):
            return True
    return False


def _stage(decision: Decision) -> int:
    """Return how far a decision came."""
    word = decision.reason.partition(":")[0]
    if decision.outcome == MAPPED:
        return len(_STAGES)
    return _STAGES.index(word) if word in _STAGES else -1


def _refuses(ban: Mapping[str, Any], policy: Policy, claims: Claims, then: float) -> bool:
    """Tell whether this ban, by itself, refused the token in its last second."""
    decision = decide(policy, bans_of({"bans": [ban]}), claims, then)
    return decision.outcome == DENIED and decision.source == ban["source"]
