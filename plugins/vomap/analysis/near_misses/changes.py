"""Define a change to a token or a policy, and the token that is explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vomap.analysis.tokens.assembly import Token
from vomap.analysis.tokens.group_claims import as_entitlement
from vomap.claims import ENTITLEMENT_CLAIMS, GROUPS_CLAIM, Claims, read_scopes
from vomap.claims.memberships import (
    Membership,
    name_roots,
    parse_entitlement,
    parse_fqan,
    parse_group,
    read_memberships,
)
from vomap.policy.model import RULE, Policy, documents

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument

# The work for one token: comparisons of one of its texts with one of a rule. More would take longer than seconds.
MOST_COMPARED = 100_000


@dataclass(frozen=True)
class SingleChange:
    """A sentence about one difference, and the function that makes the token's claims or the policy without it.

    `is_spelling` is true if the difference is easy to overlook. Only such a difference is reported for a token that
    is mapped. `advice` is the pattern of a rule and the wider one that the sentence advises to write in its place.
    """

    sentence: str
    make_token: Callable[[], Mapping[str, Any]] | None = None
    make_policy: Callable[[], Policy] | None = None
    is_spelling: bool = True
    advice: tuple[str, str] | None = None


@dataclass
class AskedTexts:
    """The texts that the rules of a policy ask for, each once, in the order of the rules, and the order of the rules.

    `texts` has them by the key of their condition, `claims` are pairs of the name of a claim and a text. `last_denial`
    is the number of the last rule that denies by group, -1 if there is none.
    """

    texts: dict[str, dict[str, None]] = field(default_factory=dict)
    claims: dict[tuple[str, str], None] = field(default_factory=dict)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    last_denial: int = -1
    _first_groups: dict[str, int] = field(default_factory=dict)
    _groups: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of_policy(cls, policy: Policy) -> AskedTexts:
        """Read the rules of a policy, once each."""
        asked = cls({key: {} for key in ("subject", "group", "first-group", "scope")})
        for number, rule in enumerate(documents(RULE, policy.find)):
            asked.places[rule["name"], rule["source"]] = number
            for key, texts in asked.texts.items():
                if key in rule:
                    texts.update(dict.fromkeys(rule[key]))
            asked._note_groups(rule, number)
            for name, values in rule.get("claim", {}).items():
                asked.claims.update(dict.fromkeys((name, value) for value in values))
        return asked

    def _note_groups(self, rule: RuleDocument, number: int) -> None:
        patterns = (*rule.get("group", ()), *rule.get("first-group", ()))
        for pattern in patterns:
            self._first_groups.setdefault(pattern, number)
        self._groups[rule["name"], rule["source"]] = frozenset(patterns)
        if patterns and "deny" in rule:
            self.last_denial = number

    def asks_for_group(self, name: str, source: str, pattern: str) -> bool:
        """Return True if a rule, by its name and source, has this pattern of a group."""
        return pattern in self._groups.get((name, source), ())

    def may_widen(self, pattern: str) -> bool:
        """Return True if a wider pattern in place of this one takes no token from a later rule that denies by group."""
        return self._first_groups[pattern] > self.last_denial


class Effort:
    """The comparisons that may still be made for one token, and the number of texts that were not compared."""

    def __init__(self) -> None:
        self._left = MOST_COMPARED
        self.not_compared = 0

    def take(self, comparisons: int) -> bool:
        """Count comparisons for one text of a rule, and return False if no more may be made."""
        if self._left < comparisons:
            self.not_compared += 1
            return False
        self._left -= comparisons
        return True


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
        self.effort = Effort()
        self.memberships: list[Membership] = []
        if issuer is not None:
            read = read_memberships(self.claims, issuer.group_form, issuer.entitlements)
            self.memberships = name_roots(read, issuer.name_paths)

    @cached_property
    def asked(self) -> AskedTexts:
        """The texts that the rules of the policy ask for."""
        return AskedTexts.of_policy(self.policy)

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
        for name in ENTITLEMENT_CLAIMS:
            values = self.claims.values(name)
            written = [self._rewritten(value, old, new) for value in values]
            if written != list(values):
                changed[name] = written
        return changed

    def _rewritten(self, entitlement: str, old: Membership, new: Membership) -> str:
        """Return an entitlement, or the new one if it names the old membership."""
        for form in self.issuer.entitlements if self.issuer else ():
            if _same(parse_entitlement(entitlement, form), old):
                return as_entitlement(new.fqan, form, form.authority)
        return entitlement

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
