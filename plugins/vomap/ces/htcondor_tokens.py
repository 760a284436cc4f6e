"""Describe how HTCondor treats a token before it asks vomap, and its scopes afterwards.

Source: HTCondor's src/condor_utils/condor_scitokens.cpp and the library scitokens-cpp. Measured on HTCondor 23.9.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vomap.ces.wiring import is_foreign
from vomap.claims import ALL_OF_WRITE, COMPUTING, Claims, read_scopes
from vomap.claims.scopes import refused_levels
from vomap.policy.model import DISTRUSTED, ISSUER, SITE, Policy, key_of

if TYPE_CHECKING:
    from vomap.policy.documents import IssuerDocument

# A token without a version that has no other claims passes as a SciToken.
_WELL_KNOWN = frozenset({"iss", "sub", "aud", "scope", "jti", "opt", "iat", "nbf", "exp"})
_MOST_NAMED = 3


def _letters(scope: str) -> str:
    return "".join(mark for mark in scope.casefold() if mark.isalnum())


# The scopes that HTCondor reads, by their letters. `compute.write` is none of WLCG's.
_MEANT = {_letters(scope): scope for scope in COMPUTING} | {"computewrite": " ".join(sorted(ALL_OF_WRITE))}


def htcondor_notes(policy: Policy, claims: Claims, *, is_mapped: bool) -> list[str]:
    """Return how HTCondor-CE treats a token of a declared issuer, apart from asking vomap. Empty for other tokens.

    `is_mapped` is True if vomap maps the token: only then do its scopes matter.
    """
    declared: IssuerDocument | str | None = policy.find(key_of(ISSUER, claims.text("iss") or ""))
    if declared is None or isinstance(declared, str):
        assert declared in (None, DISTRUSTED), "an issuer is distrusted or has a declaration"
        return []
    foreign = is_foreign(declared, policy.find(SITE)["audience"])
    is_plain = not claims.shows("ver") and not claims.shows("wlcg.ver")
    others = sorted(set(claims.members) - _WELL_KNOWN)
    if is_plain and others and not foreign:
        return [_refusal(claims.text("iss") or "", others, declared.get("profile"))]
    as_scitoken = is_plain and not others and (not foreign or bool(claims.values("aud")))
    levels = refused_levels(claims, read_scopes(claims), as_scitoken=as_scitoken) if is_mapped else []
    why = "the scopes do not grant it"
    if claims.text("ver") is not None and claims.text("wlcg.ver") is None and _has_compute(claims):
        why = (
            "with `ver` it is a SciToken, whose `compute.*` scopes grant nothing; request `condor:/READ condor:/WRITE`"
        )
    if as_scitoken and levels:
        why = "without `ver` and `wlcg.ver` it passes as a SciToken, whose `compute.*` scopes grant nothing"
    return [f"mapped, but HTCondor will refuse {level}: {why}" for level in levels] + _wrong_scopes(claims)


def _has_compute(claims: Claims) -> bool:
    return any(scope.startswith("compute.") for scope in read_scopes(claims))


def _wrong_scopes(claims: Claims) -> list[str]:
    """Return a note for each scope that is spelled nearly as one that HTCondor reads."""
    near = {scope: _MEANT.get(_letters(scope)) for scope in read_scopes(claims)}
    wrong = [(scope, meant) for scope, meant in near.items() if meant is not None and meant != scope]
    notes = [f"scope: HTCondor does not read {scope!a}; it reads {meant!a}" for scope, meant in wrong]
    return notes[:_MOST_NAMED]


def _refusal(issuer: str, others: Sequence[str], profile: str | None) -> str:
    named = ", ".join(map(ascii, others[:_MOST_NAMED]))
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    told = (
        "HTCondor will refuse this token before it asks vomap: it has neither `ver` nor `wlcg.ver`, and other claims "
        f"({named}{more})"
    )
    if profile is not None:
        return f"{told}, but its issuer has `profile: {profile}`"
    return f"{told}; if all tokens of {issuer!a} are so, declare `profile: other`, then run `vomap init --replace`"
