"""The index finds rules by their conditions, so that a token reads only these rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from unit.policy.composed import bans_document, policy_document, policy_of
from vomap.claims import read_claims, read_scopes
from vomap.claims.memberships import GroupForm, read_memberships
from vomap.policy import Decision, index, model
from vomap.policy.decide import decide
from vomap.policy.index import index_policy
from vomap.policy.matching import GroupPattern, Pattern, View
from vomap.policy.model import NO_BANS, Policy

ONE, FREE = "https://one.example/", "https://free.example/"
HEAD = f"""\
mapfile: 1
site: {{audience: unchecked}}
issuers:
  {ONE}: {{vo: One}}
  {FREE}: {{vo-from: [group]}}
rules:
"""
# The condition, the token, and whether the rule is a candidate for the token.
FOUND: list[tuple[str, dict[str, Any], bool]] = [
    ("subject: jo", {"sub": "jo"}, True),
    ("subject: jo", {"sub": "jo2"}, False),
    ("subject: jo", {"sub": ["jo"]}, False),
    ("subject: [jo, al]", {"sub": "al"}, True),
    ("subject: [jo, al]", {"sub": "bo"}, False),
    ("subject: [jo, /DC=x/*]", {"sub": "/DC=x/CN=y"}, True),
    ("subject: [jo, /DC=x/*]", {"sub": "/DC=y/CN=y"}, False),
    ("subject: '*@x'", {"sub": "anybody"}, False),
    ("subject: '*@x'", {"sub": "anybody@x"}, True),
    ("subject: 'robot-*'", {"sub": "robot-7"}, True),
    ("subject: 'robot-*'", {"sub": "rob"}, False),
    ("subject: /a/<user>", {"sub": "/a/b"}, True),
    ("subject: /a/<user>", {"sub": "/b/b"}, False),
    ("claim: {c: [x, y]}", {"c": "y"}, True),
    ("claim: {c: [x, y]}", {"c": ["z", "y"]}, True),
    ("claim: {c: [x, y]}", {"c": "z"}, False),
    ("claim: {c: [x, y], d: z}", {"c": "x"}, True),
    ("claim: {c: '*', d: z}", {"c": "x", "d": "z"}, True),
    ("claim: {2/x: y}", {"2/x": "y"}, True),
    ("claim: {'a b': y}", {"a b": "y"}, True),
    ("claim: {'a b': y}", {"b": "y"}, False),
    ("claim: {a: '/x/*'}", {"a": "/x/y"}, True),
    ("claim: {c: '*', d: z}", {"c": "x", "d": "y"}, False),
    ("group: /g/Role=pilot", {"wlcg.groups": ["/x", "/g"]}, True),
    ("group: /g/Role=pilot", {"wlcg.groups": ["/x", "/g/h"]}, False),
    ("group: /g/**", {"wlcg.groups": ["/g/h/i"]}, True),
    ("group: /g/**", {"wlcg.groups": ["/gg"]}, False),
    ("group: [/g/**, /h/*/i]", {"wlcg.groups": ["/h/x"]}, False),
    ("group: [/g/**, /h/*/i]", {"wlcg.groups": ["/h/x/i"]}, True),
    ("group: '/*/x'", {"wlcg.groups": ["/h"]}, False),
    ("group: '/*/x'", {"wlcg.groups": ["/h/y", "/i/x"]}, True),
    ("group: '/*/x/*/y/**'", {"wlcg.groups": ["/h/x/i/y/z"]}, True),
    ("group: '/*/x/*/y/**'", {"wlcg.groups": ["/h/x/i/z", "/h/z/i/y"]}, False),
    ("group: '/*/Role=pilot'", {"wlcg.groups": ["/h/Role=pilot"]}, True),
    ("group: '/*/Role=pilot'", {"wlcg.groups": ["/h/Role=other", "/pilot"]}, False),
    ("group: '/*/Role=p*'", {"wlcg.groups": ["/h"]}, True),
    ("group: '/g/*/Role=pilot'", {"wlcg.groups": ["/g/x", "/h/Role=pilot"]}, False),
    ("group: '/g/*/Role=pilot'", {"wlcg.groups": ["/g/x/Role=pilot"]}, True),
    ("scope: 'storage.*:/g/**'", {"scope": "storage.read:/g/h"}, True),
    ("scope: 'storage.*:/g/**'", {"scope": "storage.read:/h/g"}, False),
    ("claim: {a/b: '*/x'}", {"a/b": "y/x"}, True),
    ("claim: {a/b: '*/x'}", {"a/b": "x/y"}, False),
    ("first-group: /g", {"wlcg.groups": ["/x", "/g"]}, True),
    ("scope: 'storage.read:/g/**'", {"scope": "a storage.read:/g/h"}, True),
    ("scope: 'storage.read:/g/**'", {"scope": "a storage.read:/h"}, False),
    ("scope: compute.create", {"scope": "compute.create"}, True),
    ("audience: x", {}, True),
]


def _candidates(policy: Policy, claims: dict[str, Any], vos: tuple[str, ...] = ("one",)) -> list[model.Rule]:
    read = read_claims({"iss": ONE, **claims})
    view = View(read, read_memberships(read, GroupForm(), ()), read_scopes(read))
    return list(policy.matching_rules(ONE, view, vos, lambda _: view))


@pytest.mark.parametrize("owner", [f"issuer: {ONE}", "vo: ONE"])
@pytest.mark.parametrize(("condition", "token", "found"), FOUND)
def test_which_rules_are_found(owner: str, condition: str, token: dict[str, Any], found: bool) -> None:
    """The index finds a rule by its issuer or VO and its most selective condition, if the literal parts match."""
    outcome = "account: <user>" if "<user>" in condition else "account: a"
    policy = policy_of(f"{HEAD}  - {{name: r, {owner}, {condition}, {outcome}}}\n")
    assert [rule.name for rule in _candidates(policy, token)] == ["r"] * found


def test_rules_of_others_are_not_found() -> None:
    """The index does not find rules of other issuers or of VOs that the token does not speak for."""
    policy = policy_of(
        f"""\
{HEAD}  - {{name: a, issuer: {FREE}, account: a}}
  - {{name: b, vo: two, account: a}}
  - {{name: c, issuer: [{FREE}, "{ONE}"], account: a}}
  - {{name: d, vo: [two, one], account: a}}
  - {{name: e, vo: three, account: a}}
"""
    )
    assert [rule.name for rule in _candidates(policy, {"sub": "x"})] == ["c", "d"]
    assert [rule.name for rule in _candidates(policy, {"sub": "x"}, ("one", "three"))] == ["c", "d", "e"]


def test_a_token_reads_of_a_long_list_what_it_has() -> None:
    """For the list that finds a rule, the candidate has only the token's values. It has all values of other lists."""
    policy = policy_of(
        f"{HEAD}  - {{name: r, vo: one, subject: [a, b, c], claim: {{x: [p, q]}}, account: a}}\n"
        "  - {name: s, vo: one, claim: {x: [p, q], y: [z]}, account: a}\n"
    )
    first, second = _candidates(policy, {"sub": "b", "x": ["q", "r"]})
    assert [pattern.text for pattern in dict(first.conditions.asked)["subject"]] == ["b"]
    assert [pattern.text for pattern in dict(first.conditions.asked)["claim x"]] == ["p", "q"]
    asked = {key: [pattern.text for pattern in patterns] for key, patterns in second.conditions.asked}
    assert asked == {"claim x": ["q"], "claim y": ["z"]}


def test_the_pieces_that_a_token_asks_for() -> None:
    """A token reads the same few pieces for any number of rules."""
    rules = "".join(f"  - {{name: r{at}, vo: one, subject: s{at}, account: a{at}}}\n" for at in range(1000))
    taken = dict(index_policy(policy_document(HEAD + rules)))
    asked: list[str] = []

    def find(key: str) -> Any:
        asked.append(key)
        return taken.get(key)

    decision = decide(Policy(find, ""), NO_BANS, read_claims({"iss": ONE, "sub": "s7", "scope": "compute.create"}), 0)
    assert decision.account == "a7"
    assert [key.replace("\t", " ") for key in asked] == [
        "site",
        f"issuer {ONE}",
        f"asked issuer {ONE}",
        "asked vo one",
        "vo one subject s7",
        "rule 7",
    ]


def test_a_claim_without_a_name() -> None:
    """A rule with a claim that has no name matches no token. Later rules still match."""
    rules = "  - {name: r, vo: one, claim: {c: x}, account: a}\n  - {name: s, vo: one, account: b}\n"
    document = policy_document(HEAD + rules)
    document["rules"][0]["claim"] = {"": ["x"]}
    claims = read_claims({"iss": ONE, "sub": "s", "scope": "compute.create"})
    assert decide(index.policy_of(document), NO_BANS, claims, 0).account == "b"


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that decides for many tokens caches a limited number of issuers and rules. Its answers stay right."""
    monkeypatch.setattr(model, "_MOST_CACHED", 2)
    policy = policy_of(
        "mapfile: 1\nsite: {audience: unchecked}\nissuers:\n"
        + "".join(f"  https://i{at}/: {{vo: v{at}}}\n" for at in range(9))
        + "rules:\n"
        + "".join(f"  - {{name: r{at}, vo: v{at}, account: a{at}}}\n" for at in range(9))
    )
    for at in (*range(9), *range(9)):
        claims = read_claims({"iss": f"https://i{at}/", "sub": "s", "scope": "compute.create"})
        assert decide(policy, NO_BANS, claims, 0).account == f"a{at}"
        assert len(policy._issuers) <= 2
        assert len(policy._rules) <= 2
        assert len(policy._known_places) <= 2


@pytest.mark.parametrize(
    ("pattern", "aspect", "anchor"),
    [
        ("x", "scope", "x"),
        ("/a/b", "scope", "/a/b"),
        ("*", "*", ""),
        ("a*", "<1/scope", "a"),
        ("robot-*", "<6/scope", "robot-"),
        ("<user>@x.org", ">6/scope", "@x.org"),
        ("ab*c", "<2/scope", "ab"),
        ("a*bc", ">2/scope", "bc"),
        ("/a*/b*", "<2/scope", "/a"),
        ("/a*/**", "<2/scope", "/a"),
        ("*/**", "*", ""),
        ("/*/**", "1/scope", ""),
        ("*/a", "@1/scope", "a"),
        ("a/*", "1/scope", "a"),
        ("/*", "1/scope", ""),
        ("/a/b*/c", "@0,1,3/scope", "/a/c"),
        ("/a/**", "2/scope", "/a"),
        ("storage.read:/**", "1/scope", "storage.read:"),
    ],
)
def test_what_a_pattern_is_found_by(pattern: str, aspect: str, anchor: str) -> None:
    """The index finds a pattern by its literal parts. It tries a pattern without literal parts with every token."""
    assert Pattern(pattern, below=True, capture=True).found_by("scope") == (aspect, anchor)


@pytest.mark.parametrize(
    ("pattern", "aspect", "anchor"),
    [
        ("/a/Role=x", "group", "/a"),
        ("/a/**", "2/group", "/a"),
        ("/*", "1/group", ""),
        ("/*/Role=x", "@r/group", "x"),
        ("/*/Role=x*", "1/group", ""),
        ("/robot-*", "<7/group", "/robot-"),
        ("/a/*/Role=x", "@1,r/group", "a/x"),
        ("/a/**/Role=x", "@1,r/group", "a/x"),
        ("/*/b", "@2/group", "b"),
        ("/*/b/Role=*", "@2/group", "b"),
    ],
)
def test_what_a_group_is_found_by(pattern: str, aspect: str, anchor: str) -> None:
    """The index finds a group pattern by its literal parts and its role."""
    assert GroupPattern(pattern).found_by("group") == (aspect, anchor)


def _ban_lookups(document: Mapping[str, Any], token: dict[str, Any]) -> tuple[Decision, list[str]]:
    """Decide about a token, and return the decision and the keys of the pieces of the bans that it read."""
    found = dict(index.index_bans(document))
    asked: list[str] = []

    def find(key: str) -> Any:
        asked.append(key)
        return found.get(key)

    policy = policy_of(f"{HEAD}  - {{name: r, issuer: {ONE}, account: a}}\n")
    claims = read_claims({"iss": ONE, "sub": "s", "scope": "compute.create", **token})
    return decide(policy, model.Bans(find, ""), claims, 0), asked


def _bans(*bans: str) -> Mapping[str, Any]:
    lines = "".join(f"  - {{{ban}, reason: r}}\n" for ban in bans)
    return bans_document(f"mapfile: 1\nbans:\n{lines}")


def _listed(count: int, text: str) -> list[str]:
    return [text.format(at) for at in range(count)]


def test_a_ban_of_many_owners_and_many_groups_is_found() -> None:
    """If a ban has too many pairs of owner and group, the index finds it by its owner.

    It still applies to each group.
    """
    subjects, groups = _listed(200, "s{}"), _listed(100, "/one/b{}")
    document = _bans(f"subject: [{', '.join(subjects)}], group: [{', '.join(groups)}]")
    assert len(subjects) * len(groups) > index._MOST_PLACES
    assert not [key for key, _ in index.index_bans(document) if "\tgroup\t" in key]
    for subject in ("s0", "s199"):
        for group in ("/one/b0", "/one/b99"):
            assert _ban_lookups(document, {"sub": subject, "wlcg.groups": group})[0].reason == "ban: r"
        assert _ban_lookups(document, {"sub": subject, "wlcg.groups": "/one/x"})[0].outcome == "mapped"


def test_a_sieve_leaves_out_no_group_that_is_banned() -> None:
    """With thousands of banned groups, the engine looks up few groups of a token. It finds each banned group."""
    document = _bans(f"group: [{', '.join(_listed(2000, '/one/b{}'))}]")
    groups = _listed(300, "/one/g{}")
    decision, asked = _ban_lookups(document, {"wlcg.groups": groups})
    assert decision.outcome == "mapped"
    assert sum(key.startswith("\tgroup\t") for key in asked) < 60
    for banned in _listed(2000, "/one/b{}")[::7]:
        assert _ban_lookups(document, {"wlcg.groups": [*groups, banned]})[0].reason == "ban: r"


@pytest.mark.parametrize(
    ("bans", "token"),
    [
        (_listed(100, "subject: s, group: /one/b{}"), {"wlcg.groups": ["/one/x"]}),
        ([f"client: c, group: [{', '.join(_listed(100, '/one/b{}'))}]"], {"client_id": "c", "wlcg.groups": "/one"}),
        (_listed(100, "jti: j{}, subject: s"), {"jti": "j"}),
        (_listed(100, "issuer: https://one.example/, subject: t{}"), {}),
        (_listed(100, "subject: robot-{}-*"), {}),
        (_listed(100, "group: /*/x{}/Role=r"), {"wlcg.groups": ["/one/y/Role=r"]}),
    ],
)
def test_a_token_reads_no_ban_that_it_cannot_meet(bans: list[str], token: dict[str, Any]) -> None:
    """The index finds a ban by its most selective condition, so that a token without it does not read the ban."""
    decision, asked = _ban_lookups(_bans(*bans), token)
    assert decision.outcome == "mapped"
    assert not [key for key in asked if key.startswith(("ban\t", "list\t"))]
