"""Bugs in the steps of a decision: bans, checks, rules and accounts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from types import SimpleNamespace
from typing import Any

from proof.seeded_bugs.replacement import Call, Replacement
from vomap.policy import DENIED, MAPPED
from vomap.policy.decide import SKEW


def _last_rule(candidates: Any, *args: Any) -> Iterator[Any]:
    return reversed(list(candidates(*args)))


def _until_exclusive(holds_at: Any, ban: Any, now: float) -> Any:
    return holds_at(ban, now + 1)


def _without_any_ban(with_only: Any, deciding: Any, _: Any) -> Any:
    return with_only(deciding, ())


def _first_refusal(refused_anyway: Any, deciding: Any, banned: list[str]) -> Any:
    decision = refused_anyway(deciding, banned)
    if decision is None or decision is deciding.decision or decision.outcome != DENIED:
        return decision
    fewer = (each for size in range(len(banned)) for each in combinations(banned, size))
    decisions = (deciding._with_only(each).decision for each in fewer)
    return next(each for each in decisions if each.outcome != MAPPED)


def _blind_to_unfound(banned: Any, deciding: Any) -> Any:
    if not deciding.naming.candidates:
        deciding.bans = [ban for ban in deciding.bans if not ban.only_vos]
    return banned(deciding)


def _never_at_a_glance(_: Any, *__: Any) -> bool:
    return False


def _expired_early(outside: Any, times: Mapping[str, Any], now: float) -> Any:
    return outside(_moved(times, -2 * SKEW, ("exp",)), now)


def _begins_late(outside: Any, times: Mapping[str, Any], now: float) -> Any:
    return outside(_moved(times, 1, ("iat", "nbf")), now)


def _moved(times: Mapping[str, Any], by: int, names: Sequence[str]) -> dict[str, Any]:
    return {name: time + by if time is not None and name in names else time for name, time in times.items()}


def _maximum_refused(lifetime: Any, site: Any, claims: Any) -> Any:
    maximum = site.maximum_lifetime
    return lifetime(SimpleNamespace(maximum_lifetime=maximum and math.nextafter(maximum, 0)), claims)


def _major_by_first_digit(version: Any, claims: Any) -> Any:
    major, dot, minor = claims.texts.get("wlcg.ver", "").partition(".")
    texts = {"wlcg.ver": major[:1] + dot + minor} if major else claims.texts
    return version(SimpleNamespace(texts=texts, shows=claims.shows))


def _version_of_any_type(version: Any, claims: Any) -> Any:
    return version(claims) if "wlcg.ver" in claims.texts else None


def _missing_audience(other_audience: Any, _: Any, claims: Any) -> Any:
    return other_audience(SimpleNamespace(accept_without_audience=True), claims)


def _audience_of_nobody(other_audience: Any, issuer: Any, claims: Any) -> Any:
    return other_audience(issuer, SimpleNamespace(values=claims.values, shows=lambda _: False))


def _audiences_added(init: Any, issuer: Any, declared: Any, site: Any) -> None:
    init(issuer, declared, site)
    if issuer.audience is not None:
        issuer.audience |= site.audience or frozenset()


def _slash_stripped(read_text: Any, claims: Any, name: str) -> Any:
    text = read_text(claims, name)
    return text.rstrip("/") if text and name == "iss" else text


def _declared_only(spelled: Any, rule: Any, authority: Any) -> Any:
    issuers = {url: issuer for url, issuer in authority.issuers.items() if not issuer.names_vos_freely}
    return spelled(rule, SimpleNamespace(issuers=issuers))


def _default_vo_of_token(made_by_token: Any, deciding: Any, rule: Any, *others: Any) -> Any:
    freely = rule.conditions.vo is None and deciding._declared().names_vos_freely
    return made_by_token(deciding, rule, *others) or freely


def _unserved_seen(may_see: Any, deciding: Any, root: str) -> Any:
    vo = deciding._name(root)
    return may_see(deciding, root) if vo is None else vo not in deciding.banned


def _banned_seen(may_see: Any, deciding: Any, root: str) -> Any:
    vo = deciding._name(root)
    return may_see(deciding, root) if vo is None else deciding._serves(vo)


def _all_seen(part: Any, deciding: Any, vo: str | None) -> Any:
    return part(deciding, vo) if vo is None else deciding.whole.safe()


_OUTSIDE = "vomap.policy.decide:_outside_its_time"
_AT_A_GLANCE = Call("vomap.policy.decide:_is_plainly_within_its_time", _never_at_a_glance)
BUGS: Mapping[str, Sequence[Replacement]] = {
    "the last rule that matches": [Call("vomap.policy.model:Policy.candidates", _last_rule)],
    "a ban until, exclusive": [Call("vomap.policy.model:Ban.holds_at", _until_exclusive)],
    "what is refused without a ban, allowed with it": [
        Call("vomap.policy.decide:_Deciding._refused_anyway", lambda *_: None)
    ],
    "what is refused with one VO banned, allowed with two": [
        Call("vomap.policy.decide:_Deciding._with_only", _without_any_ban)
    ],
    "what is denied with one VO banned, declined with two": [
        Call("vomap.policy.decide:_Deciding._refused_anyway", _first_refusal)
    ],
    "a ban by VO blind to what rules do not find": [Call("vomap.policy.decide:_Deciding._banned", _blind_to_unfound)],
    "the skew the other way": [_AT_A_GLANCE, Call(_OUTSIDE, _expired_early)],
    "a skew of a second less": [_AT_A_GLANCE, Call(_OUTSIDE, _begins_late)],
    "a lifetime of exactly the maximum refused": [Call("vomap.policy.decide:_lifetime", _maximum_refused)],
    "major 10 is major 1": [Call("vomap.policy.decide:_version", _major_by_first_digit)],
    "a wlcg.ver that is not a text": [Call("vomap.policy.decide:_version", _version_of_any_type)],
    "no audience is as good as the site's": [Call("vomap.policy.decide:_other_audience", _missing_audience)],
    "an audience that names nobody": [Call("vomap.policy.decide:_other_audience", _audience_of_nobody)],
    "an issuer's audience added to the site's": [Call("vomap.policy.model:Issuer.__init__", _audiences_added)],
    "an issuer's trailing slash stripped": [Call("vomap.claims:Claims.text", _slash_stripped)],
    "a subject of blanks": [Call("vomap.claims:is_visible", lambda _, text: bool(text))],
    "a capture gives an account named elsewhere": [Call("vomap.policy.model:Policy.names", lambda *_: False)],
    "a capture gives an account made of a default VO": [Call("vomap.policy.index:_spelled_vos", _declared_only)],
    "a default VO taken for the token's own word": [
        Call("vomap.policy.decide:_Deciding._made_by_token", _default_vo_of_token)
    ],
    "a capture gives a pool's account": [Call("vomap.policy.pools:Pool.holds", lambda *_: False)],
    "an unserved VO's groups seen by rules without vo": [
        Call("vomap.policy.decide:_Deciding._may_see", _unserved_seen)
    ],
    "a banned VO's groups seen by rules without vo": [Call("vomap.policy.decide:_Deciding._may_see", _banned_seen)],
    "another VO's groups seen by rules with vo": [Call("vomap.policy.decide:_Deciding._part", _all_seen)],
}
