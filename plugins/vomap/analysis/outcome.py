"""Decide example tokens by one policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from vomap.accounts import confirm
from vomap.analysis.budget import DECISION, TRIED
from vomap.analysis.clauses import SplitPolicy
from vomap.analysis.tokens.assembly import Token
from vomap.claims import read_claims
from vomap.policy import MAPPED, Decision
from vomap.policy.decide import decide
from vomap.policy.index import index_policy
from vomap.policy.model import ISSUER, NO_BANS, POOLS, VO, Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vomap.policy.matching import View
    from vomap.policy.model import Rule


# So many entries of a list are read in one unit of a budget.
_READ_IN_A_UNIT = 10


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


class _CountingPolicy(Policy):
    """A policy that counts the rules that decisions try, the places and pools where they look, and what is there.

    Rules that have no different anchor are in one list of the index, and each decision reads all of it.
    """

    __slots__ = ("_entries", "read", "tried")

    def __init__(self, policy: SplitPolicy) -> None:
        self._entries = dict(index_policy(policy.document))
        self.read = self.tried = 0
        super().__init__(self._find, "")

    def _find(self, key: str) -> Any:
        entry = self._entries.get(key)
        if type(entry) is list:
            self.read += len(entry)
        return entry

    def matching_rules(self, url: str, whole: View, vos: Iterable[str], part: Callable[[str], View]) -> Iterator[Rule]:
        self.tried += sum(len(self._places(*owner)) for owner in ((ISSUER, url), *((VO, vo) for vo in vos)))
        for rule in super().matching_rules(url, whole, vos, part):
            self.tried += 1
            yield rule

    def names(self, account: str) -> bool:
        self.tried += len(self.find(POOLS) or ())
        return super().names(account)


class Evaluator:
    """Decides tokens by one policy, without bans: these are not part of the policy."""

    def __init__(self, policy: SplitPolicy, now: float) -> None:
        """Take a policy, and the time of all decisions in seconds since 1970."""
        self._policy = _CountingPolicy(policy)
        self._decided = 0
        # The reason to decline a token has all served VOs.
        self._of_each = DECISION + len(self._policy.site.serve or ()) // _READ_IN_A_UNIT
        self._pools = policy.pools
        self._now = now
        self._numbers = {(rule["name"], rule["source"]): number for number, rule in enumerate(policy.rules)}

    @property
    def effort(self) -> int:
        """The work of all decisions so far, in the units of a budget."""
        policy = self._policy
        return self._of_each * self._decided + TRIED * policy.tried + policy.read // _READ_IN_A_UNIT

    def decide(self, token: Token, uid_of: Callable[[str], int | None] | None = None) -> TokenOutcome:
        """Decide a token as if every account existed, or with uids of accounts, None for one that does not exist."""
        self._decided += 1
        decision = decide(self._policy, NO_BANS, read_claims(token), self._now)
        if uid_of is not None and decision.account is not None:
            confirm(decision, self._policy.site.accounts, uid_of)
        number = None if decision.rule is None else self._numbers[decision.rule, decision.source or ""]
        return TokenOutcome(decision, number, None if decision.pool is None else self._pools[decision.pool])
