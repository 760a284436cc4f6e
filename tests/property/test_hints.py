"""No hint of `vomap explain`, if it is followed, maps a token that a rule excludes by its group or role."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from property.strategies import NOW
from unit.policy.composed import policy_document
from vomap.analysis.near_misses import NearMiss, find_near_misses
from vomap.claims import read_claims
from vomap.policy import DENIED, MAPPED, Decision, index
from vomap.policy.decide import decide
from vomap.policy.model import NO_BANS, Policy

ISSUER = "https://one.example/"
SITE = f"mapfile: 1\nsite: {{audience: [ANY]}}\nissuers: {{{ISSUER}: {{vo: b}}}}\n"
GROUPS = ("/b", "/b/x", "/b/x/y", "/b/pilot", "/b/*", "/b/x/**")
ROLES = ("", "/Role=pilot", "/Role=op", "/Role=p*")
HELD = [group + role for group in GROUPS if "*" not in group for role in ROLES if "*" not in role]
POOL = [list(held) for size in (1, 2) for held in combinations(HELD, size)]

patterns = st.lists(st.builds(str.__add__, st.sampled_from(GROUPS), st.sampled_from(ROLES)), min_size=1, max_size=2)
some_rules = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(("group", "first-group")),
            "texts": patterns,
            "denies": st.sampled_from((False, False, True)),
        }
    ),
    max_size=2,
)


@st.composite
def near(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[str]]:
    """Return rules, and groups of a token of which the last is below a group of a rule, or a group for a role."""
    group, below = draw(st.sampled_from((("/b", "/b/x"), ("/b/x", "/b/x/y"), ("/b/*", "/b/x/y"), ("/b", "/b/pilot"))))
    role = draw(st.sampled_from(ROLES))
    rule = {"key": draw(st.sampled_from(("group", "first-group"))), "texts": [group + role], "denies": False}
    others = draw(st.lists(st.sampled_from(HELD), max_size=1))
    held = draw(st.sampled_from((below + role.replace("*", "ilot"), below)))
    return [*draw(some_rules), rule, *draw(some_rules)], [*others, held]


def _documents(drawn: list[dict[str, Any]], old: str = "", new: str = "") -> list[dict[str, Any]]:
    """Return the rules, with a pattern in place of another one."""
    return [
        {
            "name": f"rule{at}",
            "source": f"x.yaml:{at}",
            rule["key"]: [new if text == old else text for text in rule["texts"]],
            **({"deny": "no"} if rule["denies"] else {"account": f"account{at}"}),
            "vo": ["b"],
        }
        for at, rule in enumerate(drawn)
    ]


def _policy(documents: list[dict[str, Any]]) -> Policy:
    return index.policy_of({**policy_document(SITE), "rules": documents})


def _decide(policy: Policy, groups: list[str], other: list[str]) -> Decision:
    claims = {"iss": ISSUER, "sub": "x", "aud": "ANY", "scope": "compute.create", "wlcg.groups": groups}
    return decide(policy, NO_BANS, read_claims({**claims, "groups": other}), NOW)


def _misses(policy: Policy, groups: list[str], other: list[str]) -> list[NearMiss]:
    claims = {"iss": ISSUER, "sub": "x", "aud": "ANY", "scope": "compute.create", "wlcg.groups": groups}
    token = read_claims({**claims, "groups": other})
    return find_near_misses(policy, NO_BANS, token, decide(policy, NO_BANS, token, NOW), NOW).found


def _followed(miss: NearMiss, drawn: list[dict[str, Any]]) -> Policy | None:
    """Return the policy of an administrator who follows a hint, or None if it gives no advice about the policy."""
    if miss.change.advice is not None:
        return _policy(_documents(drawn, *miss.change.advice))
    if miss.change.make_policy is not None and "of the issuer reads it" in miss.difference:
        return miss.change.make_policy()
    return None


@given(near(), st.lists(st.sampled_from(HELD), max_size=1))
def test_no_hint_admits_who_is_excluded(case: tuple[list[dict[str, Any]], list[str]], other: list[str]) -> None:
    """A token that a rule denies stays unmapped, and a wider pattern maps no token without the role of the rule."""
    drawn, groups = case
    policy = _policy(_documents(drawn))
    before = {str(held): _decide(policy, held, other) for held in POOL}
    for miss in _misses(policy, groups, other):
        followed = _followed(miss, drawn)
        if followed is None:
            continue
        event("advice: pattern" if miss.change.advice else "advice: claim")
        for held in POOL:
            after = _decide(followed, held, other)
            if after.outcome != MAPPED or before[str(held)].outcome == MAPPED:
                continue
            assert before[str(held)].outcome != DENIED, (str(miss), held)
            role = (miss.change.advice or ("", ""))[0].partition("/Role=")[2]
            roles = [each.partition("/Role=")[2] for each in held]
            assert not role or any(_has_role(role, each) for each in roles), (str(miss), held)


def _has_role(pattern: str, role: str) -> bool:
    return role.startswith(pattern.removesuffix("*")) if pattern.endswith("*") else role == pattern


@given(near())
def test_advice_leads_as_far_as_the_hint_says(case: tuple[list[dict[str, Any]], list[str]]) -> None:
    """With the pattern that a hint advises, the token is mapped, as it is without the difference."""
    drawn, groups = case
    policy = _policy(_documents(drawn))
    for miss in _misses(policy, groups, []):
        if miss.change.advice is not None:
            followed = _followed(miss, drawn)
            assert followed is not None
            assert _decide(followed, groups, []).outcome == MAPPED, str(miss)


def test_no_hint_leads_around_a_rule_that_denies() -> None:
    """A token that a rule denies by group has no near miss: without the group it would be another token."""
    drawn = [
        {"key": "group", "texts": ["/b/x"], "denies": True},
        {"key": "group", "texts": ["/b"], "denies": False},
    ]
    policy = _policy(_documents(drawn))
    assert _decide(policy, ["/b", "/b/x"], []).outcome == DENIED
    assert _misses(policy, ["/b", "/b/x"], []) == []
