"""Decide example tokens by one policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from vomap.accounts import confirm
from vomap.analysis.clauses import SplitPolicy
from vomap.analysis.tokens.assembly import Token
from vomap.claims import read_claims
from vomap.policy import MAPPED, Decision
from vomap.policy.decide import decide
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS


class TokenOutcome(NamedTuple):
    """The decision of one policy on one token, the number of the rule that decided, and the ranges of the pool."""

    decision: Decision
    rule: int | None
    pool_meaning: Any

    @property
    def is_mapped(self) -> bool:
        """Whether the token is mapped."""
        return self.decision.outcome == MAPPED

    @property
    def identity(self) -> tuple[Any, ...]:
        """The account or pool of a mapped token."""
        return self.decision.account, self.decision.pool, self.pool_meaning

    @property
    def vo(self) -> str:
        """The VO in lower case, or an empty text."""
        return (self.decision.vo or "").lower()

    @property
    def place(self) -> str | None:
        """The name and the source of the rule that decided."""
        return None if self.rule is None else f"{self.decision.rule} ({self.decision.source})"

    def __str__(self) -> str:
        """Return the account or pool, or the outcome with its reason."""
        if not self.is_mapped:
            return f"{self.decision.outcome} ({self.decision.reason})"
        return self.decision.account or f"pool {self.decision.pool}"

    def as_json(self) -> dict[str, str | None]:
        """Return the members of the outcome for `--json`."""
        names = ("outcome", "account", "pool", "vo", "reason", "source", "rule")
        return {name: getattr(self.decision, name) for name in names}


class Evaluator:
    """Decides tokens by one policy, without bans: these are not part of the policy."""

    def __init__(self, policy: SplitPolicy, now: float) -> None:
        """Take a policy, and the time of all decisions in seconds since 1970."""
        self._policy = policy_of(policy.document)
        self._pools = policy.pools
        self._now = now
        self._numbers = {(rule["name"], rule["source"]): number for number, rule in enumerate(policy.rules)}

    def decide(self, token: Token, uid_of: Callable[[str], int | None] | None = None) -> TokenOutcome:
        """Decide a token as if every account existed, or with uids of accounts, None for one that does not exist."""
        decision = decide(self._policy, NO_BANS, read_claims(token), self._now)
        if uid_of is not None and decision.account is not None:
            confirm(decision, self._policy.site.accounts, uid_of)
        number = None if decision.rule is None else self._numbers[decision.rule, decision.source or ""]
        return TokenOutcome(decision, number, None if decision.pool is None else self._pools[decision.pool])
