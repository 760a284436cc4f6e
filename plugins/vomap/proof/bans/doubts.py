"""What makes a ban look as if it kept out fewer than was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vomap.claims import read_claims
from vomap.claims.memberships import parse_fqan
from vomap.mapfile.findings import did_you_mean
from vomap.policy import MAPPED
from vomap.policy.model import Bans
from vomap.policy.pieces import Declared
from vomap.proof.bans.proofs import Trial, is_banned, outcome, without
from vomap.proof.bans.tokens import Token, filled, ways_to_name

# What the bearer chooses when asking for a token, and what he gets another of.
_ASKED_FOR = ("group", "first-group", "scope", "claim", "audience")


def doubts_of_conditions(ban: Mapping[str, Any], declared: Declared) -> Iterator[str]:
    """Yield what can be said of a ban's document and the issuers of a policy alone."""
    for issuer in ban.get("issuer", ()):
        if issuer not in declared.issuers:
            hint = did_you_mean(issuer, declared.issuers)
            yield f"no issuer {issuer} is declared{hint}; its tokens come to vomap when the CE is wired anew"
    yield from _vos(ban, declared)
    yield from _one_of_several(ban, declared)
    for key in ("group", "first-group"):
        for pattern in ban.get(key, ()):
            if parse_fqan(filled(pattern)) is None:
                yield f"no token has a membership {pattern}: it is no legal group"
    if "subject" not in ban and ("jti" in ban or "client" in ban):
        known = "one token" if "jti" in ban else "one client"
        other = "another token" if "jti" in ban else "a token by another client"
        yield f"this bans {known}, and its bearer can get {other}: ban the subject too"


def doubts_of_tokens(ban: Mapping[str, Any], trial: Trial, after: Bans, token: Token | None) -> Iterator[str]:
    """Yield what a decision shows: that no token meets the ban, or that its bearer may ask for another one.

    `token` meets the ban, `after` holds all bans, this one among them.
    """
    if token is None:
        yield "no token was found that meets this ban: its conditions exclude each other, or no issuer speaks so"
        return
    for key in _ASKED_FOR:
        if key not in ban:
            continue
        claims = read_claims(without(token, key, ban, trial.declared))
        decision = trial.decide(claims, after)
        advice = "ban the subject" if "subject" not in ban else f"leave --{key} out"
        if decision.outcome == MAPPED:
            yield f"a token without this {key}, which its bearer can ask for, is {outcome(decision)}: {advice}"
        elif "subject" not in ban and not is_banned(decision) and trial.names_subjects(claims):
            yield f"rules of {claims.text('iss')} name subjects, who may not need this {key}: {advice}"


def _vos(ban: Mapping[str, Any], declared: Declared) -> Iterator[str]:
    """Yield the VOs that nobody speaks for, or not those whom the ban names."""
    known = {vo for issuer in declared.issuers.values() for vo in issuer.declared_vos()}
    for vo in ban.get("vo", ()):
        speakers = [url for url in declared.issuers if ways_to_name(vo, url, declared) is not None]
        hint = did_you_mean(vo.lower(), known)
        if not speakers or (hint and vo.lower() not in known):
            yield f"no issuer is declared for a VO {vo}{hint}"
        elif "issuer" in ban and not set(speakers).intersection(ban["issuer"]):
            yield f"no token of {' or '.join(ban['issuer'])} speaks for {vo}; one of {', '.join(speakers)} may"


def _one_of_several(ban: Mapping[str, Any], declared: Declared) -> Iterator[str]:
    """Yield the VOs whose other issuers the ban does not name."""
    named = ban.get("issuer", ())
    asked = {vo.lower() for vo in ban.get("vo", ())}
    vos = {vo for url in named if url in declared.issuers for vo in declared.issuers[url].declared_vos()}
    for vo in sorted(vos & asked if asked else vos):
        owners = declared.owners[vo] - {""}
        others = sorted(url for url in owners if url not in named and declared.issuers[url].trusted)
        if others and not owners.isdisjoint(named):
            instead = "leave --issuer out" if asked else f"ban by --vo {vo}"
            yield f"{vo} has more issuers than this ban names: {', '.join(others)}; {instead} to cover them all"
