"""The work of `vomap explain` is limited, and it says what it left out. It finds what a full comparison finds."""

from __future__ import annotations

import time
from collections import Counter
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit.policy.composed import bans_of, policy_document
from vomap.analysis import near_misses
from vomap.analysis.near_misses import NearMisses, describe_expired_bans, find_near_misses
from vomap.analysis.near_misses.changes import ExplainedToken
from vomap.analysis.near_misses.spellings import NearMemberships, NearTexts, how_near
from vomap.analysis.near_misses.token_changes import changes_of_token
from vomap.claims import read_claims
from vomap.claims.memberships import parse_fqan
from vomap.policy import decide as deciding
from vomap.policy import index
from vomap.policy.decide import decide
from vomap.policy.documents import PolicyDocument
from vomap.policy.model import NO_BANS, Policy

NOW = 1_795_348_800.0
ISSUER, VO = "https://one.example/", "one.example"
SITE = f"mapfile: 1\nsite: {{audience: [ANY]}}\nissuers: {{{ISSUER}: {{vo: {VO}}}}}\n"
GOOD = {"iss": ISSUER, "sub": "x", "aud": "ANY", "scope": "compute.create"}
# Far above what the work takes, and far below what a comparison of all pairs takes.
SECONDS = 40


def _document(rules: list[dict[str, Any]]) -> PolicyDocument:
    """Return the document of a policy with rules of the issuer."""
    common = {"issuer": [ISSUER], "account": "other"}
    named = [{"name": f"rule{at}", "source": f"x.yaml:{at}", **common, **rule} for at, rule in enumerate(rules)]
    return {**policy_document(SITE), "rules": named}  # type: ignore[typeddict-item]


def _misses(policy: Policy, claims: dict[str, Any]) -> NearMisses:
    token = read_claims({**GOOD, **claims})
    return find_near_misses(policy, NO_BANS, token, decide(policy, NO_BANS, token, NOW), NOW)


def _explained(policy: Policy, claims: dict[str, Any]) -> list[str]:
    trace: list[str] = []
    decide(policy, NO_BANS, read_claims({**GOOD, **claims}), NOW, trace)
    return [*trace, *map(str, _misses(policy, claims).found)]


def test_each_rule_of_a_large_policy_is_read_once() -> None:
    """For the trace and for the near misses together, no rule is read more than twice."""
    entries = dict(index.index_policy(_document([{"subject": [f"person-{at}"]} for at in range(2_500)])))
    asked: Counter[str] = Counter()

    def find(key: str) -> Any:
        asked[key] += 1
        return entries.get(key)

    assert any("letters have case" in sentence for sentence in _explained(Policy(find, ""), {"sub": "PERSON-2000"}))
    assert max(count for key, count in asked.items() if key.startswith("rule\t")) <= 5
    assert sum(count for key, count in asked.items() if key.startswith("rule\t")) < 2 * 2_500


def test_a_thousand_groups_are_not_compared_with_each_of_many_rules() -> None:
    """The work does not grow with the product of a token's groups and the policy's patterns."""
    rules = [{"group": [f"/{VO}/*/unit{at}/Role=r{at % 7}"]} for at in range(10_000)]
    policy = index.policy_of(_document(rules))
    begin = time.process_time()
    found, left_out = _misses(policy, {"wlcg.groups": [f"/{VO}/x/other{at}/Role=x" for at in range(1_000)]})
    assert time.process_time() - begin < SECONDS
    assert (found, left_out) == ([], [])


def test_the_changes_that_are_tried_are_limited_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is decided again for so many changes only, those of the spelling first. vomap says how many remain."""
    rules = [{"group": [f"/{VO}/below/x{at}"], "scope": ["storage.read:/never"]} for at in range(300)]
    rules.append({"scope": ["storage.read:/data"]})
    policy = index.policy_of(_document(rules))
    tried: list[object] = []

    def counted(*words: Any) -> Any:
        tried.append(words)
        return decide(*words)

    monkeypatch.setattr(near_misses, "decide", counted)
    claims = {"wlcg.groups": [f"/{VO}/below"], "scope": "compute.create storage.read:/Data"}
    found, left_out = _misses(policy, claims)
    assert len(tried) == near_misses.MOST_TRIED
    assert ["letters have case" in miss.difference for miss in found] == [True]
    (sentence,) = left_out
    assert sentence.startswith("near misses: vomap tried the 200 nearest of 301 differences; leave groups")


def test_conditions_that_are_not_compared_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the comparisons for a token are used up, vomap says for how many conditions it made none."""
    monkeypatch.setattr("vomap.analysis.near_misses.changes.MOST_COMPARED", 15)
    policy = index.policy_of(_document([{"group": [f"/{VO}/x{at}"]} for at in range(4)]))
    found, left_out = _misses(policy, {"wlcg.groups": [f"/{VO}/x{at}/y" for at in range(14)]})
    assert [miss.decision.rule for miss in found] == ["rule0"]
    assert "vomap did not compare 3 conditions of rules with all of the token" in left_out[0]


def test_an_expired_ban_is_tried_only_if_the_token_may_match_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of expired bans do not cost a decision each."""
    lines = [f"  - {{subject: person-{at}, reason: leaked, until: 2026-11-01}}\n" for at in range(1_000)]
    bans = bans_of(f"mapfile: 1\nbans:\n{''.join(lines)}")
    tried: list[object] = []

    def counted(*words: Any) -> Any:
        tried.append(words)
        return decide(*words)

    monkeypatch.setattr(near_misses, "decide", counted)
    policy = index.policy_of(_document([]))
    assert len(describe_expired_bans(policy, bans, read_claims({**GOOD, "sub": "person-5"}), NOW)) == 1
    assert len(tried) == 1


@pytest.mark.parametrize("claims", [{"sub": "person-3"}, {"sub": "other"}, {"iss": "https://two.example/"}], ids=str)
def test_the_trace_of_a_large_policy_decides_alike(claims: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace of a large policy has the rules that the index finds, says so, and ends with the same outcome."""
    rules: list[dict[str, Any]] = [{"subject": [f"person-{at}"], "audience": ["no"]} for at in range(5)]
    policy = index.policy_of(_document([*rules, *({"subject": [f"person-{at}"]} for at in range(5))]))
    every: list[str] = []
    decision = decide(policy, NO_BANS, read_claims({**GOOD, **claims}), NOW, every)
    monkeypatch.setattr(deciding, "_MOST_TRACED", 9)
    some: list[str] = []
    other = decide(policy, NO_BANS, read_claims({**GOOD, **claims}), NOW, some)
    assert (other.outcome, other.rule, other.reason, every[-1]) == (
        *(decision.outcome, decision.rule, decision.reason),
        some[-1],
    )
    sentence = "of 10 rules, vomap tries only those that may match this token by the index of the policy"
    assert (sentence in some) == ("iss" not in claims)
    assert sentence not in every
    assert len(some) <= len(every) + 1


@pytest.mark.parametrize("rules", [0, 1, 2, 3, 4, 5, 7, 8, 9, 100])
def test_rules_are_counted(rules: int) -> None:
    """The number of rules is right, for each number."""
    policy = index.policy_of(_document([{}] * rules))
    assert index.count_rules(policy.find) == rules


_PARTS = st.sampled_from(["a", "A", "b", "a.b", "a-b", "a_b", "ab", "%61", "B"])
_ROLES = st.sampled_from(["", "/Role=a", "/Role=A", "/Role=b"])
_GROUPS = st.builds(lambda parts, role: f"/one.example/{'/'.join(parts)}{role}", st.lists(_PARTS, min_size=1), _ROLES)
_WILD = st.builds(
    lambda parts, below, role: f"/{'/'.join(parts)}{below}{role}",
    st.lists(st.one_of(_PARTS, st.sampled_from(["*", "a*", "one.example"])), min_size=1, max_size=4),
    st.sampled_from(["", "/**"]),
    _ROLES,
)
_TEXTS = st.text("aA.-_/% 6c", max_size=6)


@given(st.lists(_TEXTS, max_size=6), _TEXTS)
def test_no_near_text_is_missed(texts: list[str], wanted: str) -> None:
    """The texts that are found include all that a comparison of each one finds."""
    near = set(NearTexts(texts).near(wanted))
    beside = {at for at, text in enumerate(texts) if text.startswith(f"{wanted}/") or wanted.startswith(f"{text}/")}
    every = {at for at, text in enumerate(texts) if how_near(text, wanted)}
    assert near.issuperset(every | {at for at in beside if texts[at] and wanted})


@given(st.lists(_GROUPS, max_size=5, unique=True), st.lists(_WILD, max_size=5, unique=True))
def test_no_change_of_a_group_is_missed(groups: list[str], patterns: list[str]) -> None:
    """The changes to groups are those that a comparison of each group with each pattern finds, in the same order."""
    policy = index.policy_of(_document([{"group": [pattern]} for pattern in patterns]))
    claims = read_claims({**GOOD, "wlcg.groups": groups})
    decision = decide(policy, NO_BANS, claims, NOW)

    def sentences() -> list[str]:
        changes = changes_of_token(ExplainedToken(policy, claims), decision, NOW)
        return [each.sentence for each in changes if each.sentence.startswith("group:")]

    found = sentences()
    with pytest.MonkeyPatch.context() as patch:
        members = [each for each in map(parse_fqan, groups) if each is not None]
        patch.setattr(NearMemberships, "near", lambda *_: members)
        assert found == sentences()


def test_all_pairs_are_the_reference() -> None:
    """The spellings that count as near are symmetric, so that either text may be the one that is looked up."""
    texts = ["/a", "/A", "/a/", "/a.b", "/a-b", "/a_b", "//a", " /a", "/%61"]
    for one, other in product(texts, texts):
        assert (how_near(one, other) is None) == (how_near(other, one) is None)
