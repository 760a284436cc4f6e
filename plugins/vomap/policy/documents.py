"""The types of the documents of a policy and of bans, which mapfiles are composed to and the engine reads.

Only type checkers import this module, so it costs a callout nothing. Keys are those of the mapfile language
(docs/reference/mapfile.md). A value that a mapfile may write as one text is always a list here. Times are seconds since
1970, durations are seconds.
"""

from __future__ import annotations

from typing import Literal, Optional, TypedDict, Union

AccountsDocument = TypedDict("AccountsDocument", {"must-exist": bool, "minimum-uid": int, "never": list[str]})


class LogDocument(TypedDict, total=False):
    """Where the decision log goes, and what it keeps of a token."""

    to: str
    subject: Literal["plain", "pseudonym"]
    claims: list[str] | Literal["all"]


_SiteKeys = TypedDict(
    "_SiteKeys",
    {
        # None: the audience is not checked.
        "audience": Optional[list[str]],
        # None: the site serves every VO.
        "serve": Optional[list[str]],
        "rename": dict[str, str],
        "accounts": AccountsDocument,
        "maximum-lifetime": Optional[int],
    },
)


class SiteDocument(_SiteKeys, total=False):
    """The demands of the site on every token and every account."""

    log: LogDocument


_EntitlementKeys = TypedDict("_EntitlementKeys", {"authority": str, "in-scope": bool}, total=False)


class EntitlementsDocument(_EntitlementKeys):
    """One way in which an issuer writes entitlements (AARC-G002, AARC-G069)."""

    namespace: str


class GroupsDocument(TypedDict, total=False):
    """Which claim lists an issuer's groups, and how."""

    claim: str
    form: Literal["list", "comma-separated"]


IssuerDocument = TypedDict(
    "IssuerDocument",
    {
        "vo": str,
        "vo-from": list[str],
        # The VO of each subject, for the VO source `subject`.
        "subjects": dict[str, str],
        # The name in tokens, and the VO that it means.
        "vos": dict[str, str],
        "default-vo": str,
        "entitlements": list[EntitlementsDocument],
        "groups": Union[Literal["none"], GroupsDocument],
        # The profile of the issuer's tokens. It changes no decision.
        "profile": Literal["wlcg", "scitokens", "other"],
        "audience": Optional[list[str]],
        "without-audience": bool,
        "without-compute": bool,
    },
    total=False,
)

# The conditions of rules and bans: a token must meet every key, and of each key any of its values.
ConditionsDocument = TypedDict(
    "ConditionsDocument",
    {
        "issuer": list[str],
        "vo": list[str],
        "subject": list[str],
        "group": list[str],
        "first-group": list[str],
        "scope": list[str],
        "audience": list[str],
        "client": list[str],
        "jti": list[str],
        # Patterns by the name of the claim.
        "claim": dict[str, list[str]],
        # The condition whose long list is kept apart in the compiled policy (policy/index.py).
        "listed": str,
    },
    total=False,
)


class _RuleOutcome(ConditionsDocument, total=False):
    account: str
    pool: str
    deny: str


class RuleDocument(_RuleOutcome):
    """One rule: conditions, its source (file:line), and exactly one of `account`, `pool` and `deny`."""

    name: str
    source: str


class _BanPeriod(ConditionsDocument, total=False):
    # The last second at which the ban is in force.
    until: int | None


class BanDocument(_BanPeriod):
    """One ban: conditions, its source (file:line), and the reason."""

    reason: str
    source: str


class _PoolDurations(TypedDict, total=False):
    lease: int | None
    quarantine: int | None


class PoolDocument(_PoolDurations):
    """One pool: its accounts, each written out or as a range such as `ex{001..200}`."""

    accounts: list[str]


PolicyDocument = TypedDict(
    "PolicyDocument",
    {
        "site": SiteDocument,
        # None: the issuer is distrusted.
        "issuers": dict[str, Optional[IssuerDocument]],
        "reserved-vos": list[str],
        "rules": list[RuleDocument],
        "pools": dict[str, PoolDocument],
    },
)


class BansDocument(TypedDict):
    """All bans, in their order."""

    bans: list[BanDocument]


class _DecisionKeys(TypedDict):
    # UTC, as in 2026-12-31T12:00:00Z.
    time: str
    # htcondor, arc, token or none.
    ce: str
    outcome: str
    account: str | None
    vo: str | None
    rule: str | None
    source: str | None
    reason: str
    issuer: str | None
    subject: str | None
    client: str | None
    jti: str | None
    audience: list[str]
    unchecked: list[str]
    # The digest of the compiled policy.
    policy: str | None


class DecisionDocument(_DecisionKeys, total=False):
    """One decision, as in schemas/decision-1.schema.json, with the keys that only a record of the log has."""

    callout: str
    observed: bool
    pseudonym: str | None
    # The names of the claims that the record keeps, whether or not the token has them. No other claim is known.
    kept: list[str] | Literal["all"]
    # The names of claims that may be forged, as in `Claims.forged`.
    forged: list[str]
    # None: the record would be too long, or the token has no claims that vomap can read.
    claims: dict[str, object] | None
    cut: bool
