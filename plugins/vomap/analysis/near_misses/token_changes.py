"""Find changes to a token with which it could be mapped. The caller confirms each by deciding again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from vomap.analysis.near_misses.changes import ExplainedToken, SingleChange
from vomap.analysis.near_misses.spellings import NearMemberships, NearTexts, how_near
from vomap.claims import ENTITLEMENT_CLAIMS
from vomap.claims.memberships import Membership, parse_fqan
from vomap.mapfile.findings import nearest
from vomap.policy import Decision
from vomap.policy.matching import EVERYTHING_BELOW

# Names that clients and issuers use for a claim that vomap reads under another name.
_OTHER_NAMES = {
    "entitlement": "entitlements",
    "eduperson_entitlements": "eduperson_entitlement",
    "eduPersonEntitlement": "eduperson_entitlement",
    "scp": "scope",
    "scopes": "scope",
    "audience": "aud",
    "subject": "sub",
}
_SOON = 600
# How many comparisons a search for a similar word takes as long as, for each word.
_SEARCH = 4


def changes_of_token(token: ExplainedToken, decision: Decision, now: float) -> Iterator[SingleChange]:
    """Yield changes to the token, those for the decision's reason among the first."""
    yield from _other_issuer(token)
    if token.issuer is None or not token.issuer.trusted:
        # No other change gives the token an issuer that the policy trusts.
        return
    yield from _other_names(token)
    yield from _checks(token, decision, now)
    yield from _other_subject(token)
    yield from _other_groups(token)
    yield from _other_scopes(token)
    yield from _other_claims(token)


def _other_issuer(token: ExplainedToken) -> Iterator[SingleChange]:
    for url, how in _spellings(token.url):
        declared = token.policy.issuer(url)
        if url != token.url and declared is not None and declared.trusted:
            sentence = f"issuer: the token says {token.url!a}, declared is {url!a}: {how}"
            yield SingleChange(sentence, partial(token.with_claim, "iss", url))


def _spellings(url: str) -> Iterator[tuple[str, str]]:
    yield url + "/", "a slash at the end makes another issuer"
    yield url.rstrip("/"), "a slash at the end makes another issuer"
    yield url.lower(), "letters have case"
    yield url.strip(), "a blank makes another issuer"
    if url.startswith("http://"):
        yield "https://" + url.removeprefix("http://"), "http is not https"
    if url.startswith("https://"):
        yield "http://" + url.removeprefix("https://"), "https is not http"
    else:
        yield "https://" + url, "an issuer is a whole URL"


def _other_names(token: ExplainedToken) -> Iterator[SingleChange]:
    """Yield claims that the token has under another name than vomap reads."""
    for name, read in _OTHER_NAMES.items():
        if name in token.members and read not in token.members:
            value = token.members[name]
            if read == "scope" and isinstance(value, list):
                value = " ".join(map(str, value))
            yield SingleChange(f"claim: {name!a} is not read, {read!a} is", partial(token.with_claim, read, value))
    for name in ENTITLEMENT_CLAIMS:
        text = token.claims.text(name)
        if text is not None and " " in text:
            sentence = f"claim: {name!a} is one text; several entitlements are a list"
            yield SingleChange(sentence, partial(token.with_claim, name, text.split()))
    if isinstance(token.members.get("scope"), list):
        words = " ".join(map(str, token.members["scope"]))
        sentence = "claim: 'scope' is a list; it is one text, with blanks"
        yield SingleChange(sentence, partial(token.with_claim, "scope", words))


def _checks(token: ExplainedToken, decision: Decision, now: float) -> Iterator[SingleChange]:
    """Yield the changes with which the token would pass the site's checks."""
    stage = decision.reason.partition(":")[0]
    issuer = token.issuer
    if stage == "audience" and issuer is not None and issuer.audience:
        audiences = ", ".join(map(ascii, token.claims.values("aud"))) or "no audience"
        ours = sorted(issuer.audience)
        near = (nearest(audience, ours) for audience in token.claims.values("aud"))
        wanted = next(filter(None, near), ours[0])
        sentence = f"audience: the token is for {audiences}, not for {wanted!a}"
        yield SingleChange(sentence, partial(token.with_claim, "aud", wanted))
    elif stage == "computing":
        with_scope = partial(token.with_scope, None, "compute.create")
        yield SingleChange("scope: the token has no scope such as compute.create", with_scope)
    elif stage in ("time", "lifetime"):
        times = {"exp": now + _SOON, "iat": now, "nbf": now}
        fresh = {**token.members, **{name: value for name, value in times.items() if name in token.members}}
        yield SingleChange(f"{stage}: the token is not of now, or lives too long", lambda: fresh)
    elif stage == "version":
        with_version = partial(token.with_claim, "wlcg.ver", "1.0")
        yield SingleChange("version: the token is of another profile", with_version)


def _other_subject(token: ExplainedToken) -> Iterator[SingleChange]:
    subject = token.claims.text("sub") or ""
    for pattern in token.asked.texts["subject"]:
        how = how_near(subject, pattern)
        if how is None and "@" in pattern and pattern.partition("@")[0] == subject:
            how = "what follows the @ is missing"
        if how:
            sentence = f"subject: {subject!a} is not {pattern!a}: {how}"
            yield SingleChange(sentence, partial(token.with_claim, "sub", pattern))


def _other_groups(token: ExplainedToken) -> Iterator[SingleChange]:
    memberships = NearMemberships(token.memberships)
    for pattern in (*token.asked.texts["group"], *token.asked.texts["first-group"]):
        if not token.effort.take(memberships.effort(pattern)):
            continue
        near = memberships.near(pattern)
        if not token.effort.take(len(near)):
            continue
        for membership in near:
            wanted = _wanted(pattern, membership)
            how, is_spelling = (None, False) if wanted is None else _how_otherwise(membership, wanted)
            if wanted is not None and how:
                sentence = f"group: the token has {membership.fqan!a}, not {wanted.fqan!a}: {how}"
                without = partial(token.with_membership, membership, wanted)
                yield SingleChange(sentence, without, is_spelling=is_spelling)
    for text in token.broken_groups():
        bare = "/" + text.strip().strip("/")
        if parse_fqan(bare) is not None:
            sentence = f"group: {text!a} is not a group; write {bare!a}"
            yield SingleChange(sentence, partial(token.with_group_text, text, bare))


def _wanted(pattern: str, near: Membership) -> Membership | None:
    """Return the membership that a pattern asks for. `*` takes the word of the token's own membership."""
    group, _, role = pattern.partition("/Role=")
    words = near.group.split("/")
    parts = [
        words[at] if "*" in part and at < len(words) else part
        for at, part in enumerate(group.removesuffix(EVERYTHING_BELOW).split("/"))
    ]
    return parse_fqan("/".join(parts) + (f"/Role={role}" if role else ""))


def _how_otherwise(membership: Membership, wanted: Membership) -> tuple[str | None, bool]:
    """Return a phrase for the difference between a membership and the wanted one, or None if there are several.

    The second value is True if the spelling differs.
    """
    if membership.group == wanted.group:
        if wanted.role is None or wanted.role == membership.role:
            return None, False
        how = how_near(membership.role or "", wanted.role)
        if how:
            return f"the role: {how}", True
        return "the role is missing" if membership.role is None else "another role", False
    if wanted.role is not None and wanted.role != membership.role:
        return None, False
    if membership.group.startswith(f"{wanted.group}/"):
        return "a child is not its parent; a rule takes both with /**", False
    if wanted.group.startswith(f"{membership.group}/"):
        return "a parent is not its child", False
    return how_near(membership.group, wanted.group), True


def _other_scopes(token: ExplainedToken) -> Iterator[SingleChange]:
    scopes = NearTexts(token.scopes)
    for pattern in token.asked.texts["scope"]:
        wanted = pattern.removesuffix(EVERYTHING_BELOW)
        near = [] if "*" in wanted else [token.scopes[at] for at in scopes.near(wanted)]
        if not token.effort.take(len(near)):
            continue
        for scope in near:
            how = how_near(scope, wanted)
            is_spelling = how is not None
            if how is None and scope.startswith(f"{wanted}/"):
                how = "what is below a path is not the path; a rule takes both with /**"
            if how is None and wanted.startswith(f"{scope}/"):
                how = "a path is not what is below it"
            if how:
                sentence = f"scope: {scope!a} is not {wanted!a}: {how}"
                yield SingleChange(sentence, partial(token.with_scope, scope, wanted), is_spelling=is_spelling)


def _other_claims(token: ExplainedToken) -> Iterator[SingleChange]:
    """Yield claims that rules ask for, and that the token has under a similar name, or with a similar value."""
    values: dict[str, NearTexts] = {}
    for name, wanted in token.asked.claims:
        if name not in values:
            values[name] = NearTexts(token.claims.values(name))
            yield from _other_claim_name(token, name)
        near = [token.claims.values(name)[at] for at in values[name].near(wanted)]
        for value in near if token.effort.take(len(near)) else ():
            how = how_near(value, wanted)
            if how:
                sentence = f"claim {name}: {value!a} is not {wanted!a}: {how}"
                yield SingleChange(sentence, partial(token.with_claim, name, wanted))


def _other_claim_name(token: ExplainedToken, name: str) -> Iterator[SingleChange]:
    if name in token.members or not token.effort.take(_SEARCH * len(token.members)):
        return
    near = nearest(name, token.members)
    if near is not None:
        yield SingleChange(f"claim: {near!a} is not {name!a}", partial(token.with_claim, name, token.members[near]))
