"""What near misses are made of: a token, taken apart, and one difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vomap.claims import GROUPS_CLAIM, Claims, read_scopes
from vomap.claims.memberships import ENTITLEMENT_CLAIMS, Membership, parse_entitlement, parse_fqan, read_memberships
from vomap.policy.model import Issuer, Policy


@dataclass(frozen=True)
class Difference:
    """One difference, in words, and the token, or the policy, without it.

    `is_spelling` is true of what looks the same to a person: only that is worth telling of a token that is mapped.
    """

    sentence: str
    members: Mapping[str, Any] | None = None
    policy: Policy | None = None
    is_spelling: bool = True


class Token:
    """A token's claims, and what its issuer's declaration makes of them."""

    def __init__(self, policy: Policy, claims: Claims) -> None:
        """Take the policy that decides and the claims."""
        self.policy = policy
        self.members: dict[str, Any] = dict(claims.members)
        self.claims = claims
        self.url = self.claims.text("iss") or ""
        self.scopes = read_scopes(self.claims)
        self.issuer: Issuer | None = policy.issuer(self.url)
        form = self.issuer.entitlements if self.issuer else None
        self.memberships = read_memberships(self.claims, form, [])

    def with_claim(self, name: str, value: Any) -> dict[str, Any]:
        """Return the claims with one of them changed."""
        return {**self.members, name: value}

    def with_scope(self, old: str | None, new: str) -> dict[str, Any]:
        """Return the claims with one scope in another's place, or added."""
        words = [new if word == old else word for word in self.scopes]
        return self.with_claim("scope", " ".join(words if old is not None else [*words, new]))

    def with_membership(self, old: Membership, new: Membership) -> dict[str, Any]:
        """Return the claims with one membership in another's place, under whatever name the token has it."""
        changed: dict[str, Any] = dict(self.members)
        for item in self._group_items():
            if _same(parse_fqan(item.strip(" ")), old):
                changed[GROUPS_CLAIM] = [new.fqan if each == item else each for each in self._group_items()]
        form = self.issuer.entitlements if self.issuer else None
        for name in ENTITLEMENT_CLAIMS if form is not None else ():
            values = self.claims.values(name)
            if form and any(_same(parse_entitlement(value, form), old) for value in values):
                written = form.prefix + new.group[1:].replace("/", ":") + (f":role={new.role}" if new.role else "")
                changed[name] = [written if _same(parse_entitlement(value, form), old) else value for value in values]
        return changed

    def with_group_text(self, old: str, new: str) -> dict[str, Any]:
        """Return the claims with one text among the groups changed."""
        return self.with_claim(GROUPS_CLAIM, [new if each == old else each for each in self._group_items()])

    def broken_groups(self) -> list[str]:
        """Return what stands among the groups and is no membership."""
        return [item for item in self._group_items() if parse_fqan(item.strip(" ")) is None]

    def _group_items(self) -> list[str]:
        return [item for value in self.claims.values(GROUPS_CLAIM) for item in value.split(",")]


def _same(one: Membership | None, other: Membership) -> bool:
    return one is not None and (one.group, one.role) == (other.group, other.role)
