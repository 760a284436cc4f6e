"""Decide the token of a record again, as far as the claims that the record keeps allow it.

A missing claim and a claim that the log did not keep look alike. So a rule that asks for a claim that was not kept may
match or not, and the same holds for a ban. Such a rule, without that condition, is put in its place with a refusal that
no mapfile can write: if it decides, the decision is not known. A ban without the condition may match: if it would
change the outcome, the decision is not known either.

A claim that may be forged is an error if the policy or a ban asks for it, whatever the token has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from vomap.claims import EVERY_CLAIM, Claims
from vomap.log.record import Record
from vomap.mapfile.entries import CONDITIONS, OUTCOMES
from vomap.policy import DENIED, Decision
from vomap.policy.decide import FORGED_NAME, decide
from vomap.policy.index import ISSUERS, bans_of, index_policy, issuers_document
from vomap.policy.matching import CLAIM
from vomap.policy.model import BAN, CLAIMS, ISSUER, NAMED, POOLS, RULE, VO, Bans, Policy, documents

# The begin of the refusal of a rule that may match. A mapfile cannot contain this character.
_MAY_MATCH = "\0"
# Each set of missing claims needs an index of all rules. An attacker can write many sets into a log.
_MOST_SETS = 8


class UndecidableError(Exception):
    """A decision depends on a claim that the record does not keep. The message is the reason."""


class RecordDecider:
    """Decides the tokens of records by a policy and bans."""

    def __init__(self, policy: Policy, bans: Bans) -> None:
        """Take the policy and the bans."""
        self._policy, self._bans = policy, bans
        self._asked = frozenset((*(policy.find(CLAIMS) or ()), *bans.claims))
        self._without: dict[frozenset[str], _Uncertain] = {}

    def decide(self, record: Record, claims: Claims) -> Decision:
        """Return the decision for the claims of a record. Raises UndecidableError."""
        claims.forged = record.forged
        if claims.forged:
            decision = decide(self._policy, self._bans, claims, record.time)
            if decision.reason.startswith(FORGED_NAME):
                return decision
        if record.kept == EVERY_CLAIM and all(map(record.keeps, self._asked)):
            return decide(self._policy, self._bans, claims, record.time)
        asked = _watch(claims, record.keeps)
        missing = frozenset(name for name in self._asked if not record.keeps(name))
        if missing:
            decision = self._uncertain(missing).decide(claims, record.time)
        else:
            decision = decide(self._policy, self._bans, claims, record.time)
        if asked:
            raise UndecidableError(_not_kept(next(iter(asked)), "the decision"))
        return decision

    def _uncertain(self, missing: frozenset[str]) -> _Uncertain:
        if missing not in self._without and len(self._without) >= _MOST_SETS:
            # With fewer known claims fewer decisions are known, and none is another one.
            missing = self._asked
        if missing not in self._without:
            self._without[missing] = _Uncertain(self._policy, self._bans, missing)
        return self._without[missing]


@dataclass
class _PossibleBans:
    """The bans that may match: all that match for certain, and those with missing claims without these conditions.

    `ends` are the last seconds of bans that have no other condition: they may match any token.
    """

    certain: Bans
    possible: Bans
    ends: list[int | None] = field(default_factory=list)

    def may_ban_any(self, now: int) -> bool:
        return any(end is None or now <= end for end in self.ends)


class _Uncertain:
    """A policy and bans with rules and bans that may match, because a record does not keep some claims."""

    def __init__(self, policy: Policy, bans: Bans, missing: frozenset[str]) -> None:
        self._policy = _policy_without(policy, missing)
        self._bans = _bans_without(bans, missing, policy.find(ISSUERS) or [])
        self._claim_of_bans = min(missing.intersection(bans.claims), default=None)

    def decide(self, claims: Claims, now: int) -> Decision:
        """Return the decision, if the missing claims change neither outcome nor account. Raises UndecidableError."""
        decision = self._decide_with(self._bans.certain, claims, now)
        # No ban lets a token in, so a token that is denied without a ban is denied with it.
        if self._claim_of_bans is None or decision.outcome == DENIED:
            return decision
        banned = None if self._bans.may_ban_any(now) else self._decide_with(self._bans.possible, claims, now)
        if banned is None or (banned.outcome, banned.account) != (decision.outcome, decision.account):
            raise UndecidableError(_not_kept(self._claim_of_bans, "a ban"))
        return decision

    def _decide_with(self, bans: Bans, claims: Claims, now: int) -> Decision:
        decision = decide(self._policy, bans, claims, now)
        _, mark, claim = decision.reason.partition(_MAY_MATCH)
        if mark:
            raise UndecidableError(_not_kept(claim, f"rule {decision.rule}"))
        return decision


def _not_kept(claim: str, who: str) -> str:
    return f"the log does not keep the claim {claim!a}, which {who} asks for"


def without_conditions(document: Mapping[str, Any], less: AbstractSet[str]) -> dict[str, Any]:
    """Return a rule or a ban without some conditions. Those on a claim have its name, as in `claim email`."""
    left = {name: texts for name, texts in document.get("claim", {}).items() if CLAIM + name not in less}
    rest = {key: value for key, value in document.items() if key != "claim" and key not in less}
    return {**rest, "claim": left} if left else rest


def ban_without(ban: Mapping[str, Any], less: AbstractSet[str], issuers: Sequence[str]) -> dict[str, Any] | None:
    """Return a ban that denies all tokens that a ban denies, whatever they have for some of its conditions.

    `issuers` are all declared issuers. None: no condition is left, so the ban may deny any token.
    """
    left = without_conditions(ban, less)
    conditions = [key for key in CONDITIONS if key in left]
    if conditions == [VO] and left != ban:
        # A ban by VO alone takes the VO away and does not deny. Only tokens of declared issuers name VOs.
        return {**left, ISSUER: list(issuers)}
    return left if conditions else None


def _policy_without(policy: Policy, missing: AbstractSet[str]) -> Policy:
    """Return a policy whose rules do not ask for missing claims. Raises UndecidableError."""
    document = issuers_document(policy.find)
    if document is None:
        raise UndecidableError("an earlier vomap compiled the policy; build it again")
    rules = [_rule_without(rule, missing) for rule in documents(RULE, policy.find)]
    entries = dict(index_policy({**document, "rules": rules, "pools": policy.find(POOLS) or {}}))

    def find(key: str) -> Any:
        # The accounts that rules name stay reserved, also those of the rules that were changed.
        return policy.find(key) if key.startswith(NAMED) else entries.get(key)

    return Policy(find, policy.digest)


def _rule_without(rule: Mapping[str, Any], missing: AbstractSet[str]) -> Mapping[str, Any]:
    unknown = [name for name in rule.get("claim", ()) if name in missing]
    if not unknown:
        return rule
    left = without_conditions(rule, {*OUTCOMES, *(CLAIM + name for name in unknown)})
    return {**left, "deny": f"{_MAY_MATCH}{unknown[0]}"}


def _bans_without(bans: Bans, missing: AbstractSet[str], issuers: Sequence[str]) -> _PossibleBans:
    less = {CLAIM + name for name in missing}
    certain: list[Mapping[str, Any]] = []
    possible: list[Mapping[str, Any]] = []
    ends: list[int | None] = []
    for ban in documents(BAN, bans.find):
        if missing.isdisjoint(ban.get("claim", ())):
            certain.append(ban)
        left = ban_without(ban, less, issuers)
        if left is None:
            ends.append(ban.get("until"))
        else:
            possible.append(left)
    return _PossibleBans(bans_of({"bans": certain}), bans_of({"bans": possible}), ends)


def _watch(claims: Claims, keeps: Callable[[str], bool]) -> Collection[str]:
    """Let claims note each name that a decision asks for and that is not kept. Return the names, in their order."""
    asked: dict[str, None] = {}
    claims.texts = _WatchedNames(claims.texts, keeps, asked)
    claims.lists = _WatchedNames(claims.lists, keeps, asked)
    claims.members = _WatchedNames(claims.members, keeps, asked)
    return asked


class _WatchedNames(dict[str, Any]):
    """A dict that notes each key that is looked up and not kept."""

    def __init__(self, content: Mapping[str, Any], keeps: Callable[[str], bool], asked: dict[str, None]) -> None:
        super().__init__(content)
        self._keeps, self._asked_for = keeps, asked

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._note(str(name))
        return super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def _note(self, name: str) -> None:
        if not self._keeps(name):
            self._asked_for[name] = None
