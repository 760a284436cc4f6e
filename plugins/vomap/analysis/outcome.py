"""Decide example tokens, and compare the outcomes of two policies as the user of the token notices them."""

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
    from vomap.analysis.clauses import SplitPolicy
    from vomap.analysis.tokens.assembly import Token
    from vomap.policy import Decision

ACCOUNT_CHANGES, VO_CHANGES = "account changes", "VO changes"
GAINS, LOSES, REFUSED_OTHERWISE = "gains access", "loses access", "refused otherwise"


@dataclass(frozen=True)
class TokenOutcome:
    """The decision of one policy on one token, with the rule that decided.

    `pool_meaning` are the ranges of the pool. `rule` is the rule's number, None if no rule has decided.
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
        """Whether the token is mapped, and its account or pool."""
        return self.outcome == MAPPED, self.account, self.pool, self.pool_meaning

    @property
    def place(self) -> str | None:
        """The name and the source of the rule that decided."""
        return None if self.rule_name is None else f"{self.rule_name} ({self.source})"

    def __str__(self) -> str:
        """Return the account or pool, or the outcome with its reason."""
        if self.outcome != MAPPED:
            return f"{self.outcome} ({self.reason})"
        return self.account or f"pool {self.pool}"

    def as_json(self) -> dict[str, str | None]:
        """Return the members of the outcome for `--json`."""
        names = ("outcome", "account", "pool", "vo", "reason", "source")
        return {**{name: getattr(self, name) for name in names}, "rule": self.rule_name}


class Evaluator:
    """Decides tokens by one policy, without bans: these are not part of the policy."""

    def __init__(self, policy: SplitPolicy, now: float) -> None:
        """Take a policy, and the time of all decisions in seconds since 1970."""
        self._policy = policy_of(policy.document)
        self._pools = policy.pools
        self._now = now
        self._numbers = {(rule["name"], rule["source"]): number for number, rule in enumerate(policy.rules)}

    def decide(self, token: Token) -> TokenOutcome:
        """Decide a token as if every account existed."""
        return self._result(self._decide(token))

    def decide_with_uid(self, token: Token, uid: int | None) -> TokenOutcome:
        """Decide a token as if its account had a uid. None means that the account does not exist."""
        decision = self._decide(token)
        if decision.account is not None:
            confirm(decision, self._policy.site.accounts, lambda _: uid)
        return self._result(decision)

    def _decide(self, token: Token) -> Decision:
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
    """Return the kind of change for the user of a token, or None if nothing changes.

    All reasons to deny are alike, and all reasons to decline. Denied and declined differ: the CE's next plugin may
    still map a token that vomap declines.
    """
    if old.outcome == new.outcome == MAPPED:
        if old.identity != new.identity:
            return ACCOUNT_CHANGES
        return None if (old.vo or "").lower() == (new.vo or "").lower() else VO_CHANGES
    if MAPPED in (old.outcome, new.outcome):
        return GAINS if new.outcome == MAPPED else LOSES
    return None if (old.outcome == DENIED) == (new.outcome == DENIED) else REFUSED_OTHERWISE
