"""Assemble the claims of an example token: the values that it must have, and the VOs that it must name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vomap.analysis.tokens.group_claims import as_list
from vomap.claims import GROUPS_CLAIM
from vomap.policy.authority import GROUP, SCOPE_PATH
from vomap.policy.model import SUBJECT

# The members of a token, its groups in `wlcg.groups` (group_claims.py).
Token = dict[str, Any]
# The values that a token must have, by condition (`claim NAME` among them).
Values = Mapping[str, Sequence[str]]
# How a token names a VO: the VO source, and the name in the token, or the subject.
Way = tuple[str, str]

COMPUTE = "compute.create"
# With the name of a VO, the scope that names the VO and permits the least.
VO_PATH = "storage.read:/"
_CLAIM = "claim "
_ONE_VALUE = {"jti": "jti", "client": "client_id"}
# Claims to which values are added. In any other claim, a new value replaces the old one.
_LISTS = ("aud", GROUPS_CLAIM)


def assemble_token(
    url: str,
    values: Values,
    ways: Iterable[Way | None] = (),
    *,
    subject: str,
    audience: Iterable[str] = (),
    compute: Iterable[str] = (COMPUTE,),
) -> Token:
    """Return a token of an issuer that has the given values, and names a VO in each of the given ways.

    `subject` is the subject if `values` has none. `audience` are audiences that the issuer's declaration accepts,
    `compute` are the scopes that permit jobs.
    """
    token: Token = {"iss": url, "sub": subject}
    audiences = list(dict.fromkeys([*audience, *values.get("audience", ())]))
    if audiences:
        token["aud"] = audiences if len(audiences) > 1 else audiences[0]
    token["scope"] = " ".join(compute)
    token = with_values(token, values)
    for source, name in filter(None, ways):
        named = [group.split("/")[1] for group in as_list(token.get(GROUPS_CLAIM))]
        if source != GROUP or name not in named:
            token = with_vo(token, (source, name))
    return token


def with_values(token: Token, values: Values) -> Token:
    """Return a token that also has the given values. They replace the subject, and claims with a single value."""
    more = dict(token)
    if "subject" in values:
        more["sub"] = values["subject"][0]
    if "audience" in values:
        more["aud"] = _one_or_several([*as_list(more.get("aud")), *values["audience"]])
    groups = [group for key in ("first-group", "group") for group in values.get(key, ())]
    if groups:
        more[GROUPS_CLAIM] = list(dict.fromkeys([*groups, *more.get(GROUPS_CLAIM, ())]))
    if "scope" in values:
        more["scope"] = " ".join(dict.fromkeys([*more["scope"].split(" "), *values["scope"]]))
    for key, claim in _ONE_VALUE.items():
        if key in values:
            more[claim] = values[key][0]
    for key, texts in values.items():
        if key.startswith(_CLAIM):
            name = key[len(_CLAIM) :]
            several = name in _LISTS or isinstance(more.get(name), list)
            more[name] = _one_or_several([*(as_list(more.get(name)) if several else ()), *texts])
    return more


def with_vo(token: Token, way: Way) -> Token:
    """Return a token that names one more VO, behind those that it names already."""
    source, name = way
    if source == SCOPE_PATH:
        return with_values(token, {"scope": [f"{VO_PATH}{name}"]})
    if source == SUBJECT:
        return {**token, "sub": name}
    return {**token, GROUPS_CLAIM: list(dict.fromkeys([*as_list(token.get(GROUPS_CLAIM)), f"/{name}"]))}


def _one_or_several(values: Iterable[str]) -> str | list[str]:
    several = list(dict.fromkeys(values))
    return several if len(several) > 1 else several[0]
