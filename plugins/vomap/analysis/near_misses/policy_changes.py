"""Find changes to a policy with which a token could be mapped: VOs to serve, names, groups and entitlements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from vomap.analysis.near_misses.changes import ExplainedToken, SingleChange
from vomap.claims import ENTITLEMENT_CLAIMS, GROUPS_CLAIM
from vomap.policy import Decision
from vomap.policy.authority import named_in
from vomap.policy.model import ISSUER, SITE, SUBJECT, Policy, entitlement_documents, key_of

if TYPE_CHECKING:
    from vomap.policy.documents import EntitlementsDocument

# Where IAM, Keycloak and others write groups.
_GROUPS_CLAIMS = ("groups", "wlcg_groups")


def changes_of_policy(token: ExplainedToken, decision: Decision) -> Iterator[SingleChange]:
    """Yield changes to the policy that could help, by the reason of the decision."""
    if token.issuer is None or not token.issuer.trusted:
        return
    yield from _groups(token)
    yield from _entitlements(token)
    if decision.reason.startswith("vo:"):
        yield from _vos(token)
        yield from _subjects(token)
    site = token.policy.find(SITE)
    if decision.reason.startswith("vo: the site does not serve") and site["serve"] is not None:
        all_served = partial(_with_entries, token.policy, {SITE: {**site, "serve": None}})
        yield SingleChange("vo: the token is for none of the VOs in the site's `serve`", make_policy=all_served)
    if decision.reason.startswith("audience:") and not token.claims.values("aud"):
        sentence = "audience: the token does not say for whom it is; `without-audience: accept` would take it"
        yield SingleChange(sentence, make_policy=partial(_with_issuer, token, {"without-audience": True}))


def _vos(token: ExplainedToken) -> Iterator[SingleChange]:
    """Yield the names for VOs in the token that are not in its issuer's `vos`."""
    issuer = token.issuer
    if issuer is None or issuer.vos is None:
        return
    sources, paths = [source for source in issuer.sources if source != SUBJECT], issuer.name_paths
    names = [name for source in sources for name in named_in(source, token.memberships, token.scopes, paths)]
    spelled = {listed.lower(): listed for listed in reversed(issuer.vos)}
    for name in names:
        if name in issuer.vos:
            continue
        alike = spelled.get(name.lower())
        how = f"{alike!a} is: letters have case" if alike else "so it names no VO"
        sentence = f"vo: {name!a} is not among the `vos` of {token.url!a}; {how}"
        vo = issuer.vos[alike] if alike else name
        yield SingleChange(sentence, make_policy=partial(_with_vo, token, name, vo))


def _with_vo(token: ExplainedToken, name: str, vo: str) -> Policy:
    """Return the policy with one more name among the `vos` of the token's issuer, for a VO that the site serves."""
    assert token.issuer is not None, "the issuer has `vos`"
    assert token.issuer.vos is not None, "the issuer has `vos`"
    site = token.policy.find(SITE)
    serve = None if site["serve"] is None else [*site["serve"], vo]
    vos = {**token.issuer.vos, name: vo}
    return _with_entries(_with_issuer(token, {"vos": vos}), {SITE: {**site, "serve": serve}})


def _subjects(token: ExplainedToken) -> Iterator[SingleChange]:
    """Yield the table of the issuer's subjects with the one of the token, if it is not there."""
    issuer, subject = token.issuer, token.claims.text("sub")
    if issuer is None or not subject or SUBJECT not in issuer.sources or subject in issuer.subjects:
        return
    alike = next((listed for listed in issuer.subjects if listed.lower() == subject.lower()), None)
    how = f"{alike!a} is: letters have case" if alike else "so it has no VO"
    vo = issuer.subjects[alike] if alike else next(iter(issuer.subjects.values()))
    sentence = f"vo: {subject!a} is not among the `subjects` of {token.url!a}; {how}"
    table = {"subjects": {**issuer.subjects, subject: vo}}
    yield SingleChange(sentence, make_policy=partial(_with_issuer, token, table))


def _groups(token: ExplainedToken) -> Iterator[SingleChange]:
    """Yield declarations of the issuer that would read groups in other claims, or in a text with commas."""
    for claim in (GROUPS_CLAIM, *_GROUPS_CLAIMS):
        if claim != token.groups_claim and token.claims.values(claim):
            sentence = f"claim: {claim!a} is present and not read"
            if token.groups_claim is None or token.asked.last_denial < 0:
                # Otherwise the issuer's tokens would lose the groups by which a rule denies them.
                sentence += f"; `groups: {{claim: {claim}}}` of the issuer reads it"
            yield SingleChange(sentence, make_policy=partial(_with_issuer, token, {"groups": {"claim": claim}}))
    if token.groups_claim is None:
        return
    values = token.claims.values(token.groups_claim)
    if len(values) == 1 and "," in values[0] and token.issuer and not token.issuer.groups_comma_separated:
        declared = token.policy.find(key_of(ISSUER, token.url)).get("groups", {})
        sentence = (
            f"claim {token.groups_claim}: {values[0]!a} has a comma, so it is not a group; if this issuer writes "
            "several groups in one string, declare `groups: {form: comma-separated}`"
        )
        separated = {"groups": {**declared, "form": "comma-separated"}}
        yield SingleChange(sentence, make_policy=partial(_with_issuer, token, separated))


def _entitlements(token: ExplainedToken) -> Iterator[SingleChange]:
    """Yield declarations of the issuer that would accept other entitlements."""
    forms = entitlement_documents(token.policy.find(key_of(ISSUER, token.url)))
    in_scope = [word.partition(":")[2] for word in token.scopes if word.partition(":")[0] in ENTITLEMENT_CLAIMS]
    if in_scope and forms and not any(form.get("in-scope") for form in forms):
        sentence = "claim: entitlements inside `scope` are requests, and count only with `in-scope: yes`"
        accepted = {"entitlements": [{**form, "in-scope": True} for form in forms]}
        yield SingleChange(sentence, make_policy=partial(_with_issuer, token, accepted))
    for value in (value for name in ENTITLEMENT_CLAIMS for value in token.claims.values(name)):
        name, mark, authority = value.partition("#")
        namespace, found, _ = name.partition(":group:")
        if not found or any(_is_read(namespace, mark, authority, form) for form in forms):
            continue
        other = {"namespace": namespace, **({"authority": authority} if mark else {})}
        near = [form for form in forms if namespace.lower() == form["namespace"].lower()]
        if not forms:
            sentence = f"claim: {token.url!a} is declared without `entitlements`, so {value!a} says nothing"
        elif near:
            declared = " and ".join(ascii(form.get("authority")) for form in near)
            sentence = f"claim: {value!a} has the authority {authority!a}, declared is {declared}"
        else:
            declared = " and ".join(ascii(form["namespace"]) for form in forms)
            sentence = f"claim: {value!a} has the namespace {namespace!a}, declared is {declared}"
        yield SingleChange(sentence, make_policy=partial(_with_issuer, token, {"entitlements": [*forms, other]}))


def _is_read(namespace: str, mark: str, authority: str, form: EntitlementsDocument) -> bool:
    """Return True if an entry has the namespace and the authority of an entitlement."""
    return namespace.lower() == form["namespace"].lower() and (not mark or authority == form.get("authority"))


def _with_issuer(token: ExplainedToken, changes: Mapping[str, object]) -> Policy:
    """Return the policy with changes to the declaration of the token's issuer."""
    key = key_of(ISSUER, token.url)
    return _with_entries(token.policy, {key: {**token.policy.find(key), **changes}})


def _with_entries(policy: Policy, entries: Mapping[str, object]) -> Policy:
    """Return the policy with other entries in its index, by their keys."""
    return Policy(lambda key: entries[key] if key in entries else policy.find(key), policy.digest)
