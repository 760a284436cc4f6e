"""Find changes to a token with which it could be mapped. The caller confirms each by deciding again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from vomap.analysis.causes import has_meaning
from vomap.analysis.near_misses.changes import ExplainedToken, SingleChange
from vomap.analysis.near_misses.spellings import NearMemberships, NearTexts, how_near
from vomap.claims import ENTITLEMENT_CLAIMS
from vomap.claims.memberships import Membership, parse_fqan
from vomap.mapfile.findings import nearest
from vomap.policy import Decision
from vomap.policy.matching import EVERYTHING_BELOW, Pattern

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
# A similar word is searched in so many groups of the token and of rules, if it has at most so many characters.
_MOST_SIMILAR, _MOST_COMPARED, _LONGEST_SIMILAR = 50, 1_000, 64
_ROLE = "/Role="
_CHILD = "a child is not its parent"


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
        wrong = "is not valid at this time" if stage == "time" else "lives longer than the site accepts"
        yield SingleChange(f"{stage}: the token {wrong}; request a new one", lambda: fresh)
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
                yield _other_group(token, membership, wanted, pattern, how, is_spelling=is_spelling)
    yield from _similar_groups(token)
    for text in token.broken_groups():
        bare = "/" + text.strip().strip("/")
        if parse_fqan(bare) is not None:
            sentence = f"group: {text!a} is not a group; write {bare!a}"
            yield SingleChange(sentence, partial(token.with_group_text, text, bare))


def _other_group(
    token: ExplainedToken, membership: Membership, wanted: Membership, pattern: str, how: str, *, is_spelling: bool
) -> SingleChange:
    """Return the change of a membership. A child of a group also gets the whole pattern that takes both."""
    sentence = f"group: the token has {membership.fqan!a}, not {wanted.fqan!a}: {how}"
    advice = None
    if how == _CHILD and token.asked.may_widen(pattern):
        advice = pattern, _with_children(pattern)
        sentence += f"; a rule takes both with {advice[1]!a}"
    without = partial(token.with_membership, membership, wanted)
    return SingleChange(sentence, without, is_spelling=is_spelling, advice=advice)


def _with_children(pattern: str) -> str:
    """Return the pattern that also takes the groups below, with the same role."""
    group, mark, role = pattern.partition(_ROLE)
    return f"{group}{EVERYTHING_BELOW}{mark}{role}"


def _similar_groups(token: ExplainedToken) -> Iterator[SingleChange]:
    """Yield the groups of rules that differ from a group of the token in one word, which is similar."""
    texts = (*token.asked.texts["group"], *token.asked.texts["first-group"])
    patterns = [(text, text.split("/")) for text in texts[:_MOST_COMPARED] if "*" not in text]
    for membership in token.memberships[:_MOST_SIMILAR]:
        words = membership.fqan.split("/")
        for pattern, wanted in patterns:
            others = [at for at, word in enumerate(wanted) if len(wanted) == len(words) and words[at] != word]
            if len(others) == 1 and _is_similar(words[others[0]], wanted[others[0]]):
                other = parse_fqan(pattern)
                if other is not None:
                    how = "a similar word"
                    yield _other_group(token, membership, other, pattern, how, is_spelling=False)


def _is_similar(word: str, wanted: str) -> bool:
    """Return True if two words are similar, but not in a way that how_near() names. A role is not like a group."""
    is_short = max(len(word), len(wanted)) <= _LONGEST_SIMILAR
    are_roles = word.startswith("Role=") or wanted.startswith("Role=")
    return is_short and not are_roles and how_near(word, wanted) is None and nearest(word, [wanted]) is not None


def _wanted(pattern: str, near: Membership) -> Membership | None:
    """Return the membership that a pattern asks for. `*` takes the word of the token's own membership."""
    group, _, role = pattern.partition(_ROLE)
    if near.role is not None and "*" in role and Pattern(role).match(near.role):
        role = near.role
    words = near.group.split("/")
    parts = [
        words[at] if "*" in part and at < len(words) else part
        for at, part in enumerate(group.removesuffix(EVERYTHING_BELOW).split("/"))
    ]
    return parse_fqan("/".join(parts) + (f"{_ROLE}{role}" if role else ""))


def _how_otherwise(membership: Membership, wanted: Membership) -> tuple[str | None, bool]:
    """Return a phrase for the difference between a membership and the wanted one, or None if there are several.

    The second value is True if the spelling differs.
    """
    if membership.role is None and membership.group == f"{wanted.group}/{wanted.role}":
        return f"it is a group, and the rule asks for the role {wanted.role!a} in {wanted.group!a}", True
    if wanted.role is None and wanted.group == f"{membership.group}/{membership.role}":
        return "it is a role, and the rule asks for a group of this name", True
    if membership.group == wanted.group:
        return _how_role_differs(membership, wanted)
    if wanted.role is not None and wanted.role != membership.role:
        return None, False
    if membership.group.startswith(f"{wanted.group}/"):
        return _CHILD, False
    if wanted.group.startswith(f"{membership.group}/"):
        return "a parent is not its child", False
    return how_near(membership.group, wanted.group), True


def _how_role_differs(membership: Membership, wanted: Membership) -> tuple[str | None, bool]:
    if wanted.role is None or wanted.role == membership.role:
        return None, False
    how = how_near(membership.role or "", wanted.role)
    if how:
        return f"the role: {how}", True
    return "the role is missing" if membership.role is None else "another role", False


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
                how = f"what is below a path is not the path; a rule takes both with {wanted + EVERYTHING_BELOW!a}"
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
    near = nearest(name, [each for each in token.members if not has_meaning(each)])
    if near is not None:
        yield SingleChange(f"claim: {near!a} is not {name!a}", partial(token.with_claim, name, token.members[near]))
