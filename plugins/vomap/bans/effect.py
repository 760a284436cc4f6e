"""Test a ban with an example token that matches it: the decisions before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from vomap.analysis.tokens.group_claims import as_list, write_groups
from vomap.bans.ban_file import without_keys
from vomap.bans.rule_tokens import RuleTokens
from vomap.bans.tokens import COMPUTING, tokens_for
from vomap.claims import COMPUTING as ALL_COMPUTING
from vomap.claims import GROUPS_CLAIM, Claims, TokenError, read_claims
from vomap.claims.memberships import parse_fqan
from vomap.policy import DENIED, MAPPED, Decision
from vomap.policy.authority import Authority
from vomap.policy.decide import decide
from vomap.policy.index import bans_of
from vomap.policy.matching import GroupPattern, Pattern
from vomap.policy.model import ASKED, ISSUER, VO, Bans, Policy, key_of

if TYPE_CHECKING:
    from vomap.analysis.tokens.assembly import Token


@dataclass(frozen=True)
class BanEffect:
    """An example token, and the decisions about it before and after a ban."""

    claims: Claims
    before: Decision
    after: Decision

    @property
    def is_denied(self) -> bool:
        """Whether a ban denies the token now."""
        return is_banned(self.after)

    @property
    def was_mapped(self) -> bool:
        """Whether the token was mapped before the ban."""
        return self.before.outcome == MAPPED

    def as_json(self) -> dict[str, object]:
        """Return the members for JSON output."""
        return {
            "proved": self.is_denied,
            "issuer": self.claims.text("iss"),
            "subject": self.claims.text("sub"),
            "before": describe_outcome(self.before),
            "was-mapped": self.was_mapped,
            "after": describe_outcome(self.after),
        }


class BanTester:
    """Test bans with a policy: `authority` says who speaks for a VO, `rule_tokens` makes tokens that match rules."""

    def __init__(self, policy: Policy, document: Mapping[str, Any], now: float) -> None:
        """Take the policy, the document of its site and issuers, and the time."""
        self.authority = Authority(document)
        self.rule_tokens = RuleTokens(document, policy.find, now)
        self._policy = policy
        self.now = now

    def names_subjects(self, claims: Claims) -> bool:
        """Return True if rules for a token's issuer, or its VO, name subjects."""
        url = claims.text("iss")
        issuer = self.authority.issuers.get(url or "")
        vos = () if issuer is None else issuer.declared_vos()
        owners = [key_of(ISSUER, url or ""), *(key_of(VO, vo) for vo in vos)]
        aspects = {aspect for owner in owners for aspect in self._policy.find(key_of(ASKED, owner)) or ()}
        return any(aspect.rpartition("/")[2] == "subject" for aspect in aspects)

    def decide(self, claims: Claims, bans: Bans) -> Decision:
        """Return the decision about a token."""
        return decide(self._policy, bans, claims, self.now)

    def claims_of(self, token: Token) -> Claims:
        """Return the claims of an example token, its groups in the claims that its issuer uses. Raises TokenError."""
        return read_claims(write_groups(token, self.authority.issuers.get(token["iss"])))

    def banned_tokens(self, ban: Mapping[str, Any]) -> Iterator[tuple[Token, Claims]]:
        """Yield example tokens that a ban, by itself, denies. They are made from its own conditions."""
        return self._banned_among(ban, tokens_for(ban, self.authority, self.now))

    def _banned_among(self, ban: Mapping[str, Any], tokens: Iterable[Token]) -> Iterator[tuple[Token, Claims]]:
        alone = bans_of({"bans": [ban]})
        for token in tokens:
            try:
                claims = self.claims_of(token)
            except TokenError:
                continue
            if is_banned(self.decide(claims, alone)):
                yield token, claims

    def find_effect(self, ban: Mapping[str, Any], before: Bans, after: Bans) -> tuple[Token, BanEffect] | None:
        """Return a token that matches a ban, and the ban's effect on it, or None if vomap finds no such token.

        A token that was mapped before is preferred. vomap tries tokens made from the ban's own conditions first, then
        tokens that match rules and have the ban's conditions as well.
        """
        found = None
        of_rules = self._banned_among(ban, self.rule_tokens.with_conditions_of(ban, self.authority))
        for token, claims in chain(self.banned_tokens(ban), of_rules):
            proof = BanEffect(claims, self.decide(claims, before), self.decide(claims, after))
            if not proof.is_denied or proof.was_mapped:
                return token, proof
            found = found or (token, proof)
        return found


def is_banned(decision: Decision) -> bool:
    """Return True if a ban denied the token."""
    return decision.outcome == DENIED and decision.reason.startswith("ban: ")


def describe_outcome(decision: Decision) -> str:
    """Return a decision in a few words."""
    if decision.outcome == MAPPED:
        return f"mapped to {decision.account or f'the pool {decision.pool}'}"
    return f"{decision.outcome}: {decision.reason}"


def tokens_without(token: Token, key: str, ban: Mapping[str, Any], authority: Authority) -> list[Token]:
    """Return tokens that the bearer of a token can request instead and that fail one condition of a ban."""
    if key == "scope":
        return _other_scopes(token, ban)
    if key == "group":
        return [_other_groups(token, ban)]
    if key == "audience":
        issuer = authority.issuers.get(token["iss"])
        others = sorted((issuer and issuer.audience) or ())
        left = [each for each in others if each not in ban[key]][:1]
        return [{**token, "aud": left} if left else without_keys(token, "aud")]
    return [without_keys(token, *set(ban["claim"]) - {"iss", "sub"})]


def _other_groups(token: Token, ban: Mapping[str, Any]) -> Token:
    groups = [group for group in map(parse_fqan, as_list(token[GROUPS_CLAIM])) if group is not None]
    banned = [GroupPattern(pattern) for pattern in ban["group"]]
    asked = [*groups, *(root for each in groups if (root := parse_fqan(f"/{each.root}")) is not None)]
    others = [each.fqan for each in asked if not any(pattern.match(each) for pattern in banned)]
    return {**token, GROUPS_CLAIM: list(dict.fromkeys(others))} if others else without_keys(token, GROUPS_CLAIM)


def _other_scopes(token: Token, ban: Mapping[str, Any]) -> list[Token]:
    """Return the token with the scopes that a ban does not name: with all, and with each single scope for jobs."""
    banned = [Pattern(pattern, below=True) for pattern in ban["scope"]]
    scopes = dict.fromkeys([*COMPUTING, *sorted(ALL_COMPUTING), *token["scope"].split(" ")])
    left = [scope for scope in scopes if not any(pattern.match(scope) for pattern in banned)]
    for_jobs = [scope for scope in left if scope in ALL_COMPUTING]
    rest = [scope for scope in left if scope not in ALL_COMPUTING]
    several = [for_jobs, *([scope] for scope in for_jobs), []]
    return [{**token, "scope": " ".join([*some, *rest])} for some in several]
