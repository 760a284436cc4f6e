"""Find near misses: single changes with which a token would be mapped, or mapped by an earlier rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from vomap.analysis.describe import describe_outcome
from vomap.analysis.near_misses.changes import ExplainedToken, SingleChange
from vomap.analysis.near_misses.policy_changes import changes_of_policy
from vomap.analysis.near_misses.token_changes import changes_of_token
from vomap.claims import Claims, TokenError, read_claims
from vomap.mapfile.times import format_utc
from vomap.policy import DENIED, MAPPED, Decision
from vomap.policy.decide import bans_of_any_time, decide
from vomap.policy.index import bans_of
from vomap.policy.model import BAN, Ban, Bans, Policy, documents

# A longer list would hide the helpful ones.
_MOST = 8
# For each change that is tried, the token is decided again. Of more changes, those of a spelling are tried first.
MOST_TRIED = 200
_MOST_CHANGES = 5_000
# The first words of reasons, in the order of the steps of a decision.
_STAGES = ("issuer", "vo", "subject", "time", "audience", "computing", "lifetime", "version", "rule", "account")


@dataclass(frozen=True)
class NearMiss:
    """A difference, and the decision without it."""

    change: SingleChange
    decision: Decision

    @property
    def difference(self) -> str:
        """The difference in words."""
        return self.change.sentence

    def __str__(self) -> str:
        """Return the near miss as one sentence."""
        decision = self.decision
        if decision.outcome != MAPPED:
            return f"{self.difference}; otherwise it would be {decision.outcome} later: {decision.reason}"
        return f"{self.difference}; otherwise it would be {describe_outcome(decision)}"


class NearMisses(NamedTuple):
    """The near misses that were found, and a sentence for each kind of search that was not finished."""

    found: list[NearMiss]
    left_out: list[str]


def find_near_misses(policy: Policy, bans: Bans, claims: Claims, decision: Decision, now: float) -> NearMisses:
    """Return the single changes after which a token would get further, or be mapped by an earlier rule.

    `decision` is the decision on the claims at `now`, in seconds since 1970. Each change is confirmed by deciding the
    token again. The work is limited: a token with a thousand groups may be near each of a thousand rules.
    """
    if decision.reason.startswith("ban:") or (decision.outcome == DENIED and decision.rule is not None):
        # A hint could show a way around the ban, or around the rule that denies.
        return NearMisses([], [])
    token = ExplainedToken(policy, claims)
    changes = list(islice(_changes(token, decision, now), _MOST_CHANGES + 1))
    if len(changes) > MOST_TRIED:
        changes.sort(key=lambda change: not change.is_spelling)
    found: dict[str, NearMiss] = {}
    for change in changes[:MOST_TRIED]:
        other = _decide_changed(change, policy, bans, claims, now)
        if other is not None and _leads_further(other, decision, token) and _is_by_its_rule(change, other, token):
            found.setdefault(change.sentence, NearMiss(change, other))
            if len(found) == _MOST:
                break
    misses = sorted(found.values(), key=lambda miss: -_stage(miss.decision))
    return NearMisses(misses, [] if len(found) == _MOST else _left_out(token, len(changes)))


def _changes(token: ExplainedToken, decision: Decision, now: float) -> Iterator[SingleChange]:
    """Yield the changes that are worth a try."""
    for change in chain(changes_of_token(token, decision, now), changes_of_policy(token, decision)):
        if change.is_spelling or decision.outcome != MAPPED:
            yield change


def _decide_changed(change: SingleChange, policy: Policy, bans: Bans, claims: Claims, now: float) -> Decision | None:
    """Return the decision after a change, or None if no token can have the changed claims."""
    try:
        changed = claims if change.make_token is None else read_claims(change.make_token())
    except TokenError:
        return None
    return decide(policy if change.make_policy is None else change.make_policy(), bans, changed, now)


def _left_out(token: ExplainedToken, changes: int) -> list[str]:
    """Return what was left out of the search, and what to do about it."""
    sentences = []
    fewer = "leave groups, scopes or claims out of the token to see others"
    if changes > MOST_TRIED:
        of = f"{changes:,}" if changes <= _MOST_CHANGES else f"more than {_MOST_CHANGES:,}"
        sentences.append(f"near misses: vomap tried the {MOST_TRIED} nearest of {of} differences; {fewer}")
    if token.effort.not_compared:
        left = f"{token.effort.not_compared:,} conditions of rules"
        sentences.append(f"near misses: vomap did not compare {left} with all of the token; {fewer}")
    return sentences


def describe_expired_bans(policy: Policy, bans: Bans, claims: Claims, now: float) -> list[str]:
    """Return a sentence for each expired ban that would, by itself, have refused this token in its last second."""
    sentences = []
    may_match = {ban.source for ban in bans_of_any_time(policy, bans, claims) if not ban.is_in_force(now)}
    for document in documents(BAN, bans.find) if may_match else ():
        if document["source"] not in may_match:
            continue
        ban = Ban(document)
        if ban.until is not None and not ban.is_in_force(now):
            then = decide(policy, bans_of({"bans": [document]}), claims, ban.until)
            if then.outcome == DENIED and then.source == ban.source:
                expired = f"expired on {format_utc(ban.until)}"
                sentences.append(f"ban: {ban.source} ({ban.reason}) would refuse the token, but {expired}")
    return sentences


def _leads_further(other: Decision, decision: Decision, token: ExplainedToken) -> bool:
    """Return True if a decision got further than another: to a later step, an account or an earlier rule."""
    if _stage(other) != _stage(decision):
        return _stage(other) > _stage(decision)
    if other.outcome != MAPPED:
        return False
    # Rules in several files may have the same name.
    places = token.asked.places
    here, there = ((each.rule or "", each.source or "") for each in (decision, other))
    return places[there] < places[here]


def _is_by_its_rule(change: SingleChange, other: Decision, token: ExplainedToken) -> bool:
    """Return True if the decision comes from a rule that the advice is about, or if there is no advice."""
    if change.advice is None or other.outcome != MAPPED:
        return True
    return token.asked.asks_for_group(other.rule or "", other.source or "", change.advice[0])


def _stage(decision: Decision) -> int:
    """Return the number of the step that a decision reached."""
    word = decision.reason.partition(":")[0]
    if decision.outcome == MAPPED:
        return len(_STAGES)
    return _STAGES.index(word) if word in _STAGES else -1
