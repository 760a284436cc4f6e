"""Define a change to a token or a policy, and the token that is explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vomap.analysis.tokens.assembly import Token
from vomap.analysis.tokens.group_claims import as_entitlement
from vomap.claims import ENTITLEMENT_CLAIMS, GROUPS_CLAIM, Claims, read_scopes
from vomap.claims.memberships import Membership, parse_entitlement, parse_fqan, parse_group, read_memberships
from vomap.policy.model import Policy


@dataclass(frozen=True)
class SingleChange:
    """A sentence about one difference, and the token's claims or the policy without it.

    `is_spelling` is true if the difference is easy to overlook. Only such a difference is reported for a token that
    is mapped.
    """

    sentence: str
    members: Mapping[str, Any] | None = None
    policy: Policy | None = None
    is_spelling: bool = True


class ExplainedToken:
    """A token's claims, read as its issuer is declared."""

    def __init__(self, policy: Policy, claims: Claims) -> None:
        self.policy = policy
        self.members: Token = dict(claims.members)
        self.claims = claims
        self.url = self.claims.text("iss") or ""
        self.scopes = read_scopes(self.claims)
        self.issuer = issuer = policy.issuer(self.url)
        # The claim that lists groups. None if the issuer is declared without one.
        self.groups_claim = GROUPS_CLAIM if issuer is None else issuer.groups_claim
        self._parse = parse_fqan if self.groups_claim == GROUPS_CLAIM else parse_group
        self.memberships = (
            [] if issuer is None else read_memberships(self.claims, issuer.group_form, issuer.entitlements)
        )

    def with_claim(self, name: str, value: Any) -> Token:
        """Return the claims with one of them changed."""
        return {**self.members, name: value}

    def with_scope(self, old: str | None, new: str) -> Token:
        """Return the claims with one scope in another's place, or added."""
        words = [new if word == old else word for word in self.scopes]
        return self.with_claim("scope", " ".join(words if old is not None else [*words, new]))

    def with_membership(self, old: Membership, new: Membership) -> Token:
        """Return the claims with one membership in another's place, under whatever name the token has it."""
        changed: Token = dict(self.members)
        items = self._group_items()
        for item in items:
            if self.groups_claim is not None and _same(self._parse(item), old):
                changed[self.groups_claim] = [new.fqan if each == item else each for each in items]
        form = self.issuer.entitlements if self.issuer else None
        for name in ENTITLEMENT_CLAIMS if form is not None else ():
            values = self.claims.values(name)
            if form and any(_same(parse_entitlement(value, form), old) for value in values):
                written = as_entitlement(new.fqan, form)
                changed[name] = [written if _same(parse_entitlement(value, form), old) else value for value in values]
        return changed

    def with_group_text(self, old: str, new: str) -> Token:
        """Return the claims with one text among the groups changed."""
        claim = self.groups_claim or GROUPS_CLAIM
        return self.with_claim(claim, [new if each == old else each for each in self._group_items()])

    def broken_groups(self) -> list[str]:
        """Return the texts in the group claim that are not valid groups."""
        return [item for item in self._group_items() if self._parse(item) is None]

    def _group_items(self) -> list[str]:
        """Return the texts in the group claim. A text that the issuer separates by commas is split."""
        if self.groups_claim is None:
            return []
        values = self.claims.values(self.groups_claim)
        if self.issuer is None or not self.issuer.groups_comma_separated or len(values) != 1:
            return list(values)
        return [piece.strip(" ") for piece in values[0].split(",")]


def _same(one: Membership | None, other: Membership) -> bool:
    return one is not None and (one.group, one.role) == (other.group, other.role)
