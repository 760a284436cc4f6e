"""Find near misses: single changes with which a token would be mapped, or mapped by an earlier rule."""

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
from vomap.policy.model import BAN, Ban, Bans, Policy, documents

# A longer list would hide the helpful ones.
_MOST = 8
# The first words of reasons, in the order of the steps of a decision.
_STAGES = ("issuer", "vo", "subject", "time", "audience", "computing", "lifetime", "version", "rule", "account")


@dataclass(frozen=True)
class NearMiss:
    """A difference, in words, and the decision without it."""

    difference: str
    decision: Decision

    def __str__(self) -> str:
        """Return the near miss as one sentence."""
        decision = self.decision
        if decision.outcome != MAPPED:
            return f"{self.difference}; otherwise it would be {decision.outcome} later: {decision.reason}"
        to = f"to {decision.account}" if decision.account else f"to the pool {decision.pool}"
        return f"{self.difference}; otherwise it would be mapped {to} by {decision.rule} ({decision.source})"


def find_near_misses(policy: Policy, bans: Bans, claims: Claims, decision: Decision, now: float) -> list[NearMiss]:
    """Return the single changes after which a token would get further, or be mapped by an earlier rule.

    `decision` is the decision on the claims at `now`, in seconds since 1970. Each change is confirmed by deciding the
    token again.
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


def describe_expired_bans(policy: Policy, bans: Bans, claims: Claims, now: float) -> list[str]:
    """Return a sentence for each expired ban that would have refused this token."""
    return [
        f"ban: {ban.source} ({ban.reason}) would refuse the token, but expired on {format_utc(ban.until)}"
        for document in documents(BAN, bans.find)
        for ban in [Ban(document)]
        if ban.until is not None and not ban.is_in_force(now) and _refuses(document, policy, claims, ban.until)
    ]


def _changes(token: ExplainedToken, decision: Decision, now: float) -> Iterator[SingleChange]:
    """Yield the changes to try. There are none for a banned token: a hint could show a way around the ban."""
    if decision.reason.startswith("ban:"):
        return
    for difference in (*changes_of_token(token, decision, now), *changes_of_policy(token, decision)):
        if difference.is_spelling or decision.outcome != MAPPED:
            yield difference


def _without(difference: SingleChange, policy: Policy, bans: Bans, claims: Claims, now: float) -> Decision | None:
    """Decide with a change. Return None if the changed token is not valid."""
    try:
        other = claims if difference.members is None else read_claims(difference.members)
    except TokenError:
        return None
    return decide(difference.policy or policy, bans, other, now)


def _leads_further(other: Decision, decision: Decision, policy: Policy) -> bool:
    """Return True if a decision got further than another: to a later step, an account or an earlier rule."""
    if _stage(other) != _stage(decision):
        return _stage(other) > _stage(decision)
    if other.outcome != MAPPED:
        return False
    for rule in policy.rules():
        # Rules in several files may have the same name.
        if (rule.name, rule.source) == (decision.rule, decision.source):
            return False
        if (rule.name, rule.source) == (other.rule, other.source):
            return True
    return False


def _stage(decision: Decision) -> int:
    """Return the number of the step that a decision reached."""
    word = decision.reason.partition(":")[0]
    if decision.outcome == MAPPED:
        return len(_STAGES)
    return _STAGES.index(word) if word in _STAGES else -1


def _refuses(ban: Mapping[str, Any], policy: Policy, claims: Claims, then: float) -> bool:
    """Return True if this ban alone refused the token in its last second."""
    decision = decide(policy, bans_of({"bans": [ban]}), claims, then)
    return decision.outcome == DENIED and decision.source == ban["source"]
