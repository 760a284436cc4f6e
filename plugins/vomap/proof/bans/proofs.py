"""Does a ban keep out whom it names: a token that meets it, before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vomap.claims import GROUPS_CLAIM, Claims, TokenError, read_claims
from vomap.claims.memberships import parse_fqan
from vomap.policy import DENIED, MAPPED, Decision
from vomap.policy.decide import decide
from vomap.policy.model import Bans, Policy
from vomap.policy.pieces import Declared, bans_of
from vomap.proof.bans.tokens import COMPUTING, Token, tokens_for

_BY_A_BAN = "ban: "


@dataclass(frozen=True)
class Proof:
    """One token, and what became of it before a ban, and what becomes of it with the ban."""

    claims: Claims
    before: Decision
    after: Decision

    @property
    def holds(self) -> bool:
        """Whether the token is denied by a ban now."""
        return is_banned(self.after)

    def as_json(self) -> dict[str, object]:
        """Return the proof's members."""
        return {
            "proved": self.holds,
            "issuer": self.claims.text("iss"),
            "subject": self.claims.text("sub"),
            "before": outcome(self.before),
            "after": outcome(self.after),
        }


class Trial:
    """A policy to try bans with; `declared` are the issuers that it declares."""

    def __init__(self, policy: Policy, declared: Declared, now: float, find: Callable[[str], Any]) -> None:
        """Take the policy, its issuers, the time to decide at, and what finds a piece of the policy by its key."""
        self.declared = declared
        self._policy = policy
        self._now = now
        self._find = find

    def names_subjects(self, claims: Claims) -> bool:
        """Tell whether rules about a token's issuer, or its VO, are found by the subject: so they are for persons."""
        url = claims.text("iss")
        issuer = self.declared.issuers.get(url or "")
        owners = [f"issuer\t{url}", *(f"vo\t{vo}" for vo in (issuer.declared_vos() if issuer is not None else ()))]
        aspects = {aspect for owner in owners for aspect in self._find(f"asked\t{owner}") or ()}
        return any(aspect.rpartition("/")[2] == "subject" for aspect in aspects)

    def decide(self, claims: Claims, bans: Bans) -> Decision:
        """Decide about a token."""
        return decide(self._policy, bans, claims, self._now)

    def meeting(self, ban: Mapping[str, Any]) -> Iterator[tuple[Token, Claims]]:
        """Yield tokens that meet a ban, given as its document, and nothing but this ban considered."""
        alone = bans_of({"bans": [ban]})
        for token in tokens_for(ban, self.declared, self._now):
            try:
                claims = read_claims(token)
            except TokenError:
                continue
            if is_banned(self.decide(claims, alone)):
                yield token, claims

    def prove(self, ban: Mapping[str, Any], before: Bans, after: Bans) -> tuple[Token, Proof] | None:
        """Return a token that meets a ban, if possible one that was mapped, and its proof; None if none was found."""
        found = None
        for token, claims in self.meeting(ban):
            proof = Proof(claims, self.decide(claims, before), self.decide(claims, after))
            if not proof.holds or proof.before.outcome == MAPPED:
                return token, proof
            found = found or (token, proof)
        return found


def is_banned(decision: Decision) -> bool:
    """Tell whether it was a ban that decided."""
    return decision.outcome == DENIED and decision.reason.startswith(_BY_A_BAN)


def outcome(decision: Decision) -> str:
    """Return what becomes of a token, in a few words."""
    if decision.outcome == MAPPED:
        return f"mapped to {decision.account or f'the pool {decision.pool}'}"
    return f"{decision.outcome}: {decision.reason}"


def without(token: Token, key: str, ban: Mapping[str, Any], declared: Declared) -> Token:
    """Return what the bearer of a token may ask for instead, to no longer meet one condition of a ban."""
    less = dict(token)
    if key in ("group", "first-group"):
        roots = [f"/{each.root}" for each in map(parse_fqan, token[GROUPS_CLAIM]) if each is not None]
        less[GROUPS_CLAIM] = list(dict.fromkeys(roots))
        return less if less[GROUPS_CLAIM] != token[GROUPS_CLAIM] else _left_out(less, GROUPS_CLAIM)
    if key == "scope":
        paths = [scope for scope in token["scope"].split(" ") if scope.startswith("storage.read:/")]
        less["scope"] = " ".join([*COMPUTING, *(path for path in paths if path not in ban[key])])
    if key == "audience":
        issuer = declared.issuers.get(token["iss"])
        others = sorted((issuer.audience if issuer is not None else None) or ())
        less["aud"] = [each for each in others if each not in ban[key]][:1]
        if not less["aud"]:
            return _left_out(less, "aud")
    if key == "claim":
        for name in set(ban[key]) - {"iss", "sub"}:
            less.pop(name, None)
    return less


def _left_out(token: Token, claim: str) -> Token:
    return {name: value for name, value in token.items() if name != claim}
