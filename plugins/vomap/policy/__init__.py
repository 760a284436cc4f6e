"""The decision for a token."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vomap.claims import Claims
    from vomap.policy.documents import DecisionDocument

MAPPED, DECLINED, DENIED, ERROR = "mapped", "declined", "denied", "error"
OUTCOMES = (MAPPED, DECLINED, DENIED, ERROR)


class Decision:
    """The outcome for a token, and the reason.

    `reason` begins with the word of the step that decided: ban, issuer, vo, subject, time, audience, computing,
    lifetime, version, rule, account, pool or token. With a pool, `account` is None until an account is leased.
    """

    __slots__ = ("account", "claims", "outcome", "policy", "pool", "reason", "rule", "source", "unchecked", "vo")

    def __init__(self, claims: Claims | None, policy: str | None, outcome: str, reason: str) -> None:
        """Take the claims of the token, None if it cannot be read, and the digest of the policy."""
        self.claims = claims
        self.policy = policy
        self.outcome = outcome
        self.reason = reason
        self.account: str | None = None
        self.pool: str | None = None
        self.vo: str | None = None
        self.rule: str | None = None
        self.source: str | None = None
        self.unchecked: list[str] = []

    def settle(self, outcome: str, reason: str) -> Decision:
        """Set the outcome and its reason. Only a mapped token has an account."""
        self.outcome = outcome
        self.reason = reason
        if outcome != MAPPED:
            self.account = self.pool = None
        return self

    def as_json(self, *, ce: str, time: str) -> DecisionDocument:
        """Return the decision's members, as in schemas/decision-1.schema.json."""
        claims = self.claims
        return {
            "time": time,
            "ce": ce,
            "outcome": self.outcome,
            "account": self.account,
            "vo": self.vo,
            "rule": self.rule,
            "source": self.source,
            "reason": self.reason,
            "issuer": claims.text("iss") if claims else None,
            "subject": claims.text("sub") if claims else None,
            "client": (claims.text("client_id") or claims.text("azp")) if claims else None,
            "jti": claims.text("jti") if claims else None,
            "audience": list(claims.values("aud")) if claims else [],
            "unchecked": self.unchecked,
            "policy": self.policy,
        }


def failed(reason: str, claims: Claims | None = None) -> Decision:
    """Return the decision for a token that vomap cannot decide about."""
    return Decision(claims, None, ERROR, reason)
