"""What two policies decide about one token, as far as it means something to its bearer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vomap.accounts import confirm
from vomap.claims import read_claims
from vomap.policy import DENIED, MAPPED
from vomap.policy.decide import decide
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vomap.analysis.clauses import SplitPolicy
    from vomap.policy import Decision

ACCOUNT_CHANGES, VO_CHANGES = "account changes", "VO changes"
GAINS, LOSES, REFUSED_OTHERWISE = "gains access", "loses access", "refused otherwise"


@dataclass(frozen=True)
class TokenOutcome:
    """What a policy makes of a token: the outcome, the account or pool and the VO; by which rule, and why.

    `pool_meaning` is what the pool holds. `rule` is the rule's number, None if no rule has decided.
    """

    outcome: str
    account: str | None
    pool: str | None
    vo: str | None
    reason: str
    rule: int | None = None
    rule_name: str | None = None
    source: str | None = None
    pool_meaning: Any = field(default=None, repr=False)

    @property
    def identity(self) -> tuple[Any, ...]:
        """As whom the token runs."""
        return self.outcome == MAPPED, self.account, self.pool, self.pool_meaning

    @property
    def place(self) -> str | None:
        """The rule that decides, and where it is written."""
        return None if self.rule_name is None else f"{self.rule_name} ({self.source})"

    def __str__(self) -> str:
        """Say what becomes of the token."""
        if self.outcome != MAPPED:
            return f"{self.outcome} ({self.reason})"
        return self.account or f"pool {self.pool}"

    def as_json(self) -> dict[str, str | None]:
        """Return the result for a program."""
        shown = ("outcome", "account", "pool", "vo", "reason", "source")
        return {**{name: getattr(self, name) for name in shown}, "rule": self.rule_name}


class Evaluator:
    """One policy, asked about tokens; without bans, which are no part of it."""

    def __init__(self, policy: SplitPolicy, now: float) -> None:
        """Take a policy as it was read, and the time of all decisions."""
        self._policy = policy_of(policy.document)
        self._pools = policy.pools
        self._now = now
        self._numbers = {(rule["name"], rule["source"]): number for number, rule in enumerate(policy.rules)}

    def decide(self, token: Mapping[str, Any]) -> TokenOutcome:
        """Return what the policy makes of a token, every account taken for one that exists."""
        return self._result(self._decide(token))

    def decide_with_uid(self, token: Mapping[str, Any], uid: int | None) -> TokenOutcome:
        """Return what the policy makes of a token if the account has a uid, or, with None, does not exist."""
        decision = self._decide(token)
        if decision.account is not None:
            confirm(decision, self._policy.site.accounts, lambda _: uid)
        return self._result(decision)

    def _decide(self, token: Mapping[str, Any]) -> Decision:
        return decide(self._policy, NO_BANS, read_claims(token), self._now)

    def _result(self, decision: Decision) -> TokenOutcome:
        number = None if decision.rule is None else self._numbers[decision.rule, decision.source or ""]
        return TokenOutcome(
            decision.outcome,
            decision.account,
            decision.pool,
            decision.vo,
            decision.reason,
            number,
            decision.rule,
            decision.source,
            None if decision.pool is None else self._pools[decision.pool],
        )


def kind_of_change(old: TokenOutcome, new: TokenOutcome) -> str | None:
    """Return what changes for the bearer of a token, or None if nothing does.

    A refusal is one, whatever its words; but what is declined may still be mapped by the CE's next plugin.
    """
    if old.outcome == new.outcome == MAPPED:
        if old.identity != new.identity:
            return ACCOUNT_CHANGES
        return None if (old.vo or "").lower() == (new.vo or "").lower() else VO_CHANGES
    if MAPPED in (old.outcome, new.outcome):
        return GAINS if new.outcome == MAPPED else LOSES
    return None if (old.outcome == DENIED) == (new.outcome == DENIED) else REFUSED_OTHERWISE
