"""Find near misses: single changes with which a token would be mapped, or mapped by an earlier rule."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from vomap.analysis.near_misses.changes import ExplainedToken
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
    if decision.reason.startswith("ban:"):
        # A hint could show a way around the ban.
        return []
    token = ExplainedToken(policy, claims)
    found: dict[str, NearMiss] = {}
    for change in (*changes_of_token(token, decision, now), *changes_of_policy(token, decision)):
        if decision.outcome == MAPPED and not change.is_spelling:
            continue
        try:
            changed = claims if change.members is None else read_claims(change.members)
        except TokenError:
            continue
        other = decide(change.policy or policy, bans, changed, now)
        if _leads_further(other, decision, policy):
            found.setdefault(change.sentence, NearMiss(change.sentence, other))
            if len(found) == _MOST:
                break
    return sorted(found.values(), key=lambda miss: -_stage(miss.decision))


def describe_expired_bans(policy: Policy, bans: Bans, claims: Claims, now: float) -> list[str]:
    """Return a sentence for each expired ban that would, by itself, have refused this token in its last second."""
    sentences = []
    for document in documents(BAN, bans.find):
        ban = Ban(document)
        if ban.until is not None and not ban.is_in_force(now):
            then = decide(policy, bans_of({"bans": [document]}), claims, ban.until)
            if then.outcome == DENIED and then.source == ban.source:
                expired = f"expired on {format_utc(ban.until)}"
                sentences.append(f"ban: {ban.source} ({ban.reason}) would refuse the token, but {expired}")
    return sentences


def _leads_further(other: Decision, decision: Decision, policy: Policy) -> bool:
    """Return True if a decision got further than another: to a later step, an account or an earlier rule."""
    if _stage(other) != _stage(decision):
        return _stage(other) > _stage(decision)
    # Rules in several files may have the same name.
    earlier = takewhile(lambda rule: (rule.name, rule.source) != (decision.rule, decision.source), policy.rules())
    return other.outcome == MAPPED and any((rule.name, rule.source) == (other.rule, other.source) for rule in earlier)


def _stage(decision: Decision) -> int:
    """Return the number of the step that a decision reached."""
    word = decision.reason.partition(":")[0]
    if decision.outcome == MAPPED:
        return len(_STAGES)
    return _STAGES.index(word) if word in _STAGES else -1
