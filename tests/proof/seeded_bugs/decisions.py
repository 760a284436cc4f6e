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


def _last_rule(matching_rules: Any, *args: Any) -> Iterator[Any]:
    return reversed(list(matching_rules(*args)))


def _until_exclusive(is_in_force: Any, ban: Any, now: float) -> Any:
    return is_in_force(ban, now + 1)


def _without_any_ban(ask_with: Any, facts: Any, _: Any, trace: Any) -> Any:
    return ask_with(facts, (), trace)


def _first_refusal(refuse_with_fewer: Any, question: Any, bans: Any, trace: Any) -> Any:
    from vomap.policy.decide import _ask_with, _decide_unbanned, _vos_of_rules

    decision = refuse_with_fewer(question, bans, trace)
    if decision is None or decision.reason.startswith("ban: ") or _decide_unbanned(question, None).outcome == DENIED:
        return decision
    banned = sorted(question.banned & _vos_of_rules(question.facts))
    fewer = (each for size in range(len(banned)) for each in combinations(banned, size))
    decisions = (_ask_with(question.facts, each, None)[0] for each in fewer)
    return next(each for each in decisions if each.outcome != MAPPED)


def _blind_to_unfound(refuse_banned: Any, question: Any, bans: Any, view: Any, trace: Any) -> Any:
    if not question.facts.named.vos:
        bans = [ban for ban in bans if not ban.only_vos]
    return refuse_banned(question, bans, view, trace)


def _never_plain(_: Any, *__: Any) -> bool:
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


def _default_vo_of_token(is_made_by_token: Any, rule: Any, captured: Any, issuer: Any) -> Any:
    freely = rule.conditions.vo is None and issuer.names_vos_freely
    return is_made_by_token(rule, captured, issuer) or freely


def _unserved_seen(may_see: Any, question: Any, root: str) -> Any:
    vo = question.facts.vo_of(root)
    return may_see(question, root) if vo is None else vo not in question.banned


def _banned_seen(may_see: Any, question: Any, root: str) -> Any:
    vo, serve = question.facts.vo_of(root), question.facts.policy.site.serve
    return may_see(question, root) if vo is None else serve is None or vo in serve


def _all_seen(part: Any, question: Any, vo: str | None) -> Any:
    return part(question, vo) if vo is None else question.facts.whole.safe()


_OUTSIDE = "vomap.policy.decide:_outside_its_time"
_PLAIN_TIMES = Call("vomap.policy.decide:_has_plain_times", _never_plain)
BUGS: Mapping[str, Sequence[Replacement]] = {
    "the last rule that matches": [Call("vomap.policy.model:Policy.matching_rules", _last_rule)],
    "a ban until, exclusive": [Call("vomap.policy.model:Ban.is_in_force", _until_exclusive)],
    "what is refused without a ban, allowed with it": [Call("vomap.policy.decide:_refuse_with_fewer", lambda *_: None)],
    "what is refused with one VO banned, allowed with two": [Call("vomap.policy.decide:_ask_with", _without_any_ban)],
    "what is denied with one VO banned, declined with two": [
        Call("vomap.policy.decide:_refuse_with_fewer", _first_refusal)
    ],
    "a ban by VO blind to what rules do not find": [Call("vomap.policy.decide:_refuse_banned", _blind_to_unfound)],
    "the skew the other way": [_PLAIN_TIMES, Call(_OUTSIDE, _expired_early)],
    "a skew of a second less": [_PLAIN_TIMES, Call(_OUTSIDE, _begins_late)],
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
        Call("vomap.policy.decide:_is_made_by_token", _default_vo_of_token)
    ],
    "a capture gives a pool's account": [Call("vomap.policy.pools:Pool.has", lambda *_: False)],
    "an unserved VO's groups seen by rules without vo": [
        Call("vomap.policy.decide:_Question._may_see", _unserved_seen)
    ],
    "a banned VO's groups seen by rules without vo": [Call("vomap.policy.decide:_Question._may_see", _banned_seen)],
    "another VO's groups seen by rules with vo": [Call("vomap.policy.decide:_Question.part", _all_seen)],
}
