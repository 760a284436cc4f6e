"""Describe the causes of a refusal: absent and unread claims, missing rules, owners of VOs, the rule that denies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from vomap.analysis.describe import describe_outcome
from vomap.claims import ENTITLEMENT_CLAIMS, Claims, read_scopes
from vomap.mapfile.findings import nearest
from vomap.policy import DECLINED, DENIED, Decision
from vomap.policy.authority import GROUP, SOURCES, named_in, owned_vo, vo_of
from vomap.policy.decide import TokenFacts, decide
from vomap.policy.matching import Conditions, View
from vomap.policy.model import OWNERS, RULE, SITE, SPELLED, Bans, Policy, documents, key_of

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument

# Claims in which issuers and their administrators write groups.
_LIKE_GROUPS = ("wlcg.groups", "groups", "group", "wlcg_groups", "wlcg", "isMemberOf", "roles", *ENTITLEMENT_CLAIMS)
# Claims with a meaning of their own (RFC 7519, RFC 9068 and the WLCG profile). None of them is another one misspelled.
_MEANT = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "ver", "wlcg.ver", "client_id", "azp", "typ"}
)
_MOST_NAMED = 3
# A search for a similar word takes long for a long word, and for many.
_LONGEST, _MOST_COMPARED = 64, 1_000


def describe_causes(policy: Policy, bans: Bans, claims: Claims, decision: Decision, now: float) -> list[str]:
    """Return a sentence for each cause of a refusal, the most important first. A ban and a mapping have none.

    `decision` is the decision on the claims at `now`, in seconds since 1970.
    """
    stage = decision.reason.partition(":")[0]
    if decision.outcome == DENIED and stage == "rule":
        return [_denial(policy, bans, claims, decision, now)]
    facts = TokenFacts(policy, claims, now)
    if decision.outcome != DECLINED or facts.issuer is None:
        return []
    if stage == "rule":
        rules = list(documents(RULE, policy.find))
        fitting = [rule for rule in rules if _is_for(rule, facts)]
        are_asked = any("group" in rule or "first-group" in rule for rule in fitting)
        return [*(() if fitting else _missing_rules(facts, rules)), *_groups(facts, are_asked=are_asked)]
    return [*_groups(facts, are_asked=GROUP in facts.issuer.sources), *_owners(facts), *_near_served(facts)]


def has_meaning(name: str) -> bool:
    """Return True if a claim has a meaning of its own, so it is not another claim with a wrong name."""
    return name in _MEANT


def _groups(facts: TokenFacts, *, are_asked: bool) -> Iterator[str]:
    """Yield what the token lacks, if groups are asked for, and the claims that look like groups and are not read."""
    issuer, claims = facts.issuer, facts.claims
    assert issuer is not None, "the caller asks for trusted issuers only"
    read = [*ENTITLEMENT_CLAIMS] if issuer.entitlements else []
    if issuer.groups_claim is not None:
        read.append(issuer.groups_claim)
    if are_asked and read and not facts.whole.memberships and not any(map(claims.values, read)):
        yield _absent(read, claims)
    unread = [name for name in islice(claims.members, _MOST_COMPARED) if name not in read and not has_meaning(name)]
    for name in islice((name for name in unread if name in _LIKE_GROUPS or _nearest(name, read)), _MOST_NAMED):
        yield f"claim: {name!a} is present and not read; vomap reads {_or(read) or 'no groups'} of this issuer"


def _nearest(word: str, legal: Collection[str]) -> str | None:
    """Return the most similar legal word, or None if no word is similar, or if the search would take long."""
    return nearest(word, legal) if len(word) <= _LONGEST and len(legal) <= _MOST_COMPARED else None


def _absent(read: list[str], claims: Claims) -> str:
    which = f"neither {' nor '.join(f'`{name}`' for name in read)}" if len(read) > 1 else f"no `{read[0]}`"
    if any(map(claims.shows, read)):
        which = f"no text in {_or(read)}"
    requested = [name for name in read if name in read_scopes(claims)]
    if requested:
        return f"groups: the token has {which}; its scope has {_or(requested)}, but the issuer granted no membership"
    return f"groups: the token has {which}; the client must request the scope {_or(read)}"


def _or(names: Iterable[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def _is_for(rule: Mapping[str, Any], facts: TokenFacts) -> bool:
    """Return True if a rule is for the issuer, and for a VO of the token."""
    return ("issuer" not in rule or facts.url in rule["issuer"]) and _is_for_vo(rule, facts)


def _is_for_vo(rule: Mapping[str, Any], facts: TokenFacts) -> bool:
    return "vo" not in rule or any(vo.lower() in facts.named.vos for vo in rule["vo"])


def _missing_rules(facts: TokenFacts, rules: Sequence[RuleDocument]) -> Iterator[str]:
    """Yield that no rule is for the VOs and the issuer of the token, and the nearest rules."""
    names = list(facts.named.vos.values())
    more = " or ..." if len(names) > _MOST_NAMED else ""
    vos = f"the VO {' or '.join(map(ascii, names[:_MOST_NAMED]))}{more}" if names else "a token without a VO"
    ruled = {vo for rule in rules for vo in rule.get("vo", ())}
    near = next(filter(None, (_nearest(name, sorted(ruled)) for name in names[:_MOST_NAMED])), None)
    hint = f"; the nearest VO of a rule is {near!a}" if near else ""
    yield f"rule: no rule is for {vos} of the issuer {facts.url!a}{hint}"
    others = (rule for rule in rules if "issuer" in rule and _is_for_vo(rule, facts))
    for rule in islice(others, _MOST_NAMED):
        issuers = " or ".join(map(ascii, rule["issuer"][:_MOST_NAMED]))
        yield f"rule {rule['name']} ({rule['source']}) is for the issuer {issuers}, not for {facts.url!a}"


def _owners(facts: TokenFacts) -> Iterator[str]:
    """Yield a sentence for each name in the token that would be a VO if it were the issuer's, or spelled as its VO."""
    issuer = facts.issuer
    if issuer is None or facts.named.vos or not issuer.names_vos_freely:
        return
    sources = [source for source in SOURCES if source in issuer.sources]
    memberships, scopes = facts.whole.memberships, facts.whole.scopes
    names = [name for source in sources for name in named_in(source, memberships, scopes, issuer.name_paths)]
    for name in islice(dict.fromkeys(names), _MOST_NAMED):
        owners = [url for url in facts.policy.find(key_of(OWNERS, name.lower())) or () if url != facts.url]
        if owned_vo(facts.policy, facts.url, issuer, name) is None and owners:
            owned = " and ".join(ascii(url) if url else "an issuer that the site distrusts" for url in owners)
            yield f"vo: the VO {name!a} belongs to {owned}, so {facts.url!a} may not speak for it"
        elif vo_of(facts.policy, facts.url, issuer, name) is None:
            spelled = " or ".join(map(ascii, facts.policy.find(key_of(SPELLED, name.lower())) or (name.lower(),)))
            yield f"vo: {name!a} names no VO; this policy spells it {spelled}: letters have case"


def _near_served(facts: TokenFacts) -> Iterator[str]:
    """Yield the served VO with nearly the name of a VO that the token speaks for."""
    served = facts.policy.find(SITE)["serve"] or ()
    for name in islice(facts.named.vos.values(), _MOST_NAMED):
        near = _nearest(name, served)
        if near is not None:
            yield f"vo: `serve` has no {name!a}; the nearest name in it is {near!a}"


def _denial(policy: Policy, bans: Bans, claims: Claims, decision: Decision, now: float) -> str:
    """Return what the rule that denies found in the token, and the decision without this rule."""
    place = (decision.rule, decision.source)
    number, rule = next(
        (number, each)
        for number, each in enumerate(documents(RULE, policy.find))
        if (each["name"], each["source"]) == place
    )
    found = " and ".join(_found(rule, TokenFacts(policy, claims, now).whole)) or "the token is for it"
    key = key_of(RULE, str(number))
    document = policy.find(key)
    # A condition that no token meets, and that is not the long list of the rule.
    never = "jti" if document.get("listed") == "audience" else "audience"
    without = Policy(lambda each: {**document, never: []} if each == key else policy.find(each), policy.digest)
    other = decide(without, bans, claims, now)
    return f"rule {decision.rule} denies it because {found}; without this rule: {describe_outcome(other)}"


def _found(rule: RuleDocument, view: View) -> Iterator[str]:
    """Yield each condition of a rule, with the value of the token that meets it."""
    conditions = Conditions(rule)
    for key, wanted in conditions.asked:
        if key == "issuer":
            continue
        value = next(_matching(key, wanted, view), None)
        if value is not None:
            yield f"{key} {value!a} matches"


def _matching(key: str, wanted: Any, view: View) -> Iterator[str]:
    if key in ("group", "first-group"):
        for membership in view.memberships:
            if any(pattern.match(membership) for pattern in wanted):
                yield membership.fqan
        return
    for value in view.values(key):
        if value in wanted if isinstance(wanted, frozenset) else any(pattern.match(value) for pattern in wanted):
            yield value
