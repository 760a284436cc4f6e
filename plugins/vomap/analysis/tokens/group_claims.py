"""Write the groups of an example token, which are in `wlcg.groups` at first, to the claims that its issuer uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vomap.analysis.tokens.patterns import split_role
from vomap.claims import ENTITLEMENT_CLAIMS, GROUPS_CLAIM
from vomap.claims.memberships import EntitlementForm
from vomap.policy.model import Issuer


class WrittenToken(dict[str, Any]):
    """A token whose groups are in the claims of its issuer already."""


def write_groups(token: Mapping[str, Any], *issuers: Issuer | None) -> dict[str, Any]:
    """Return a token with its groups in each claim that one of these declarations of its issuer names.

    `token` has them in `wlcg.groups`, as FQANs. They stay there if the issuer is not declared (None).
    """
    if isinstance(token, WrittenToken) or GROUPS_CLAIM not in token:
        return dict(token)
    groups = token[GROUPS_CLAIM]
    written = {name: value for name, value in token.items() if name != GROUPS_CLAIM}
    for issuer in issuers:
        claim = GROUPS_CLAIM if issuer is None else issuer.groups_claim
        if claim is not None:
            written[claim] = groups
        elif issuer is not None and issuer.entitlements:
            form = issuer.entitlements[0]
            entitlements = [as_entitlement(group, form, form.authority) for group in groups]
            written[ENTITLEMENT_CLAIMS[0]] = [*as_list(token.get(ENTITLEMENT_CLAIMS[0])), *entitlements]
    return written


def as_entitlement(group: str, form: EntitlementForm, authority: str | None) -> str:
    """Return the entitlement (AARC-G069) that names a group or role, given as an FQAN, with an authority or without."""
    path, role = split_role(group)
    named = path[1:].replace("/", ":") + (f":role={role}" if role else "")
    return f"{form.prefix}{named}" + (f"#{authority}" if authority else "")


def as_list(value: Any) -> list[Any]:
    """Return the values of a claim, which is a list, one value, or None."""
    return [] if value is None else value if isinstance(value, list) else [value]
