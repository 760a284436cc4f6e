"""A decision takes seven steps in a fixed order."""

from __future__ import annotations

from typing import Any

import pytest

from unit.policy.composed import bans_of, policy_of
from vomap.claims import read_claims
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED, OUTCOMES, Decision, failed
from vomap.policy.decide import TokenFacts, _vos_of_rules, decide

NOW = 1_800_000_000
ONE, MANY, FREE, GONE, PLAIN = (f"https://{name}.example/" for name in ("one", "many", "free", "gone", "plain"))
POLICY = f"""\
mapfile: 1
site:
  audience: [ce.example:9619, ANY]
  serve: [One, A, B, Default, open.example]
  rename: {{renamed: ours}}
  accounts: {{never: [nobody]}}
  maximum-lifetime: 1h
issuers:
  {ONE}: {{vo: One}}
  {MANY}:
    vo-from: [scope-path, group]
    vos: {{a: A, b: B, c: C}}
    default-vo: Default
    entitlements: {{namespace: "urn:x:y", authority: z}}
    groups: {{claim: wlcg.groups}}
  {FREE}: {{vo-from: [group], audience: unchecked}}
  {PLAIN}: {{vo: One, audience: [other], without-audience: accept, without-compute: accept}}
  {GONE}: none
rules:
  - {{name: denied, vo: One, subject: bad, deny: bad people}}
  - {{name: pooled, vo: One, subject: pool, pool: p}}
  - {{name: captured, issuer: {ONE}, subject: "<user>@x", account: <user>}}
  - {{name: renaming, vo: One, subject: r, account: renamed}}
  - {{name: never, vo: One, subject: n, account: nobody}}
  - {{name: own-group, vo: A, group: /a/x, account: agroup}}
  - {{name: own-path, vo: A, scope: "storage.read:/a/**", account: apath}}
  - {{name: by-claim, issuer: {ONE}, claim: {{role: "p-<role>"}}, account: "r<role>"}}
  - {{name: free-name, issuer: {FREE}, account: <vo>}}
  - {{name: whichever, issuer: {MANY}, first-group: /b, account: <vo>first}}
  - {{name: audience, vo: [A, B], audience: ce.example:9619, account: <vo>ce}}
  - {{name: plain, issuer: {PLAIN}, account: plain}}
pools:
  p: {{accounts: "p{{1..3}}"}}
"""
GOOD = {"sub": "s", "aud": "ANY", "scope": "compute.create", "exp": NOW + 60, "iat": NOW}


def _decide(token: dict[str, Any], bans: str | None = None, policy: str = POLICY) -> Decision:
    return decide(policy_of(policy), bans_of(bans), read_claims({**GOOD, **token}), NOW)


@pytest.mark.parametrize(
    ("token", "outcome", "because", "told"),
    [
        ({}, DECLINED, "issuer", "no token"),
        ({"iss": "https://who.example"}, DECLINED, "issuer", "not declared"),
        ({"iss": GONE}, DECLINED, "issuer", "distrusted"),
        ({"iss": FREE}, DECLINED, "vo", "names no VO"),
        ({"iss": FREE, "wlcg.groups": "/x.example"}, DECLINED, "vo", "does not serve 'x.example'"),
        ({"iss": FREE, "wlcg.groups": "/one"}, DECLINED, "vo", "none that"),
        ({"iss": MANY, "wlcg.groups": "/d"}, DECLINED, "vo", "none that"),
        ({"iss": MANY, "wlcg.groups": "/c"}, DECLINED, "vo", "does not serve 'C'"),
        ({"iss": ONE, "sub": ""}, DENIED, "subject", "no visible subject"),
        ({"iss": ONE, "sub": ["s"]}, DENIED, "subject", "no visible subject"),
        ({"iss": ONE, "aud": "other"}, DENIED, "audience", "'other'"),
        ({"iss": ONE, "aud": []}, DENIED, "audience", "has no text"),
        ({"iss": PLAIN, "aud": []}, DENIED, "audience", "has no text"),
        ({"iss": PLAIN, "aud": 5}, DENIED, "audience", "has no text"),
        ({"iss": PLAIN, "aud": {}}, DENIED, "audience", "has no text"),
        ({"iss": PLAIN, "aud": ["\x01"]}, DENIED, "audience", "has no text"),
        ({"iss": ONE, "sub": "\u200b \u3164"}, DENIED, "subject", "no visible subject"),
        ({"iss": ONE, "wlcg.ver": 2}, DENIED, "version", "not a text"),
        ({"iss": ONE, "wlcg.ver": ["2.0"]}, DENIED, "version", "not a text"),
        ({"iss": ONE, "wlcg.ver": None}, DENIED, "version", "not a text"),
        ({"iss": ONE, "aud": ""}, DENIED, "audience", "''"),
        ({"iss": ONE, "scope": "openid"}, DENIED, "computing", "jobs"),
        ({"iss": ONE, "exp": NOW + 3601}, DENIED, "lifetime", "3601 s"),
        ({"iss": ONE, "exp": None}, DENIED, "time", "not a number"),
        ({"iss": ONE, "iat": "x"}, DENIED, "time", "not a number"),
        ({"iss": ONE, "wlcg.ver": "2.0"}, DENIED, "version", "'2.0'"),
        ({"iss": ONE, "wlcg.ver": "1."}, DENIED, "version", "'1.'"),
        ({"iss": ONE, "wlcg.ver": "1"}, DENIED, "version", "'1'"),
        ({"iss": ONE, "wlcg.ver": "1.\u0661"}, DENIED, "version", "1.x"),
        ({"iss": ONE, "sub": "bad"}, DENIED, "rule", "bad people"),
        ({"iss": ONE, "sub": "n"}, DENIED, "account", "never answers nobody"),
        ({"iss": ONE, "sub": "root@x"}, DENIED, "account", "root"),
        ({"iss": ONE, "sub": "1000@x"}, DENIED, "account", "not a legal"),
        ({"iss": ONE}, DECLINED, "rule", "none matches"),
    ],
)
def test_refusals(token: dict[str, Any], outcome: str, because: str, told: str) -> None:
    """A refusal names the step that refused, and never an account."""
    decision = _decide(token)
    assert (decision.outcome, decision.reason.partition(":")[0]) == (outcome, because)
    assert (told if told != "none that" else "names no VO that its issuer may speak for") in decision.reason
    assert decision.account is None


@pytest.mark.parametrize(
    ("token", "account", "rule", "vo"),
    [
        ({"iss": ONE, "sub": "jo@x"}, "jo", "captured", "One"),
        ({"iss": ONE, "sub": "r"}, "ours", "renaming", "One"),
        ({"iss": ONE, "role": "p-x"}, "rx", "by-claim", "One"),
        ({"iss": ONE, "role": ["p-x"], "wlcg.ver": "1.12"}, "rx", "by-claim", "One"),
        ({"iss": MANY, "wlcg.groups": ["/a/x", "/b"]}, "agroup", "own-group", "A"),
        ({"iss": MANY, "entitlements": "urn:x:y:group:a:x#z"}, "agroup", "own-group", "A"),
        ({"iss": MANY, "scope": "compute.read storage.read:/a/f"}, "apath", "own-path", "A"),
        ({"iss": MANY, "wlcg.groups": "/b"}, "bfirst", "whichever", "B"),
        ({"iss": MANY, "wlcg.groups": ["/a", "/b"], "aud": "ce.example:9619"}, "ace", "audience", "A"),
        ({"iss": FREE, "wlcg.groups": "/open.example", "aud": "anything"}, "open.example", "free-name", "open.example"),
        ({"iss": PLAIN, "aud": ["x", "other"]}, "plain", "plain", "One"),
    ],
)
def test_mappings(token: dict[str, Any], account: str, rule: str, vo: str) -> None:
    """The first rule that matches decides, and the decision names the rule and the VO."""
    decision = _decide(token)
    assert (decision.outcome, decision.account, decision.rule, decision.vo) == (MAPPED, account, rule, vo)
    assert decision.source == f"0.yaml:{1 + POLICY[: POLICY.index(f'name: {rule},')].count(chr(10))}"


@pytest.mark.parametrize(
    "token",
    [
        {"iss": ONE, "sub": "ours@x"},
        {"iss": ONE, "sub": "renamed@x"},
        {"iss": ONE, "sub": "plain@x"},
        {"iss": ONE, "sub": "p2@x"},
        {"iss": ONE, "sub": "afirst@x"},
        {"iss": ONE, "role": ["p-x", "p-y"]},
        {"iss": ONE, "role": "q-x"},
        {"iss": MANY, "wlcg.groups": ["/b/x", "/a"]},
        {"iss": MANY, "wlcg.groups": ["/b", "/a/y"]},
        {"iss": MANY, "scope": "compute.read storage.read:/b/a"},
        {"iss": MANY},
    ],
)
def test_no_rule(token: dict[str, Any]) -> None:
    """A capture never gives a named account, and `<vo>` is never a guess.

    A rule with a VO sees only groups of that VO.
    """
    accounts = {"afirst", "bfirst"} if token.get("sub") == "afirst@x" else set()
    decision = _decide(token)
    assert decision.outcome == DECLINED or decision.account in accounts, decision.account
    assert decision.reason == "rule: none matches" or decision.account in accounts


def test_a_pool_has_no_account_yet() -> None:
    """A decision for a pool names the pool. The account of the pool follows after the decision."""
    decision = _decide({"iss": ONE, "sub": "pool"})
    assert (decision.outcome, decision.account, decision.pool) == (MAPPED, None, "p")


def test_a_free_name_is_the_tokens_own_word() -> None:
    """A VO name that the policy does not spell out may not give an account that the policy names."""
    rule = f"mapfile: 1\nrules:\n  - {{name: last, issuer: {ONE}, account: open.example}}\n"
    decision = decide(
        policy_of(POLICY, rule), bans_of(), read_claims({**GOOD, "iss": FREE, "wlcg.groups": "/open.example"}), NOW
    )
    assert (decision.outcome, decision.reason) == (DECLINED, "rule: none matches")


def test_times_that_are_not_shown() -> None:
    """ARC does not show the times of a token. The decision reports that it did not check them."""
    token = read_claims({"iss": ONE, "sub": "jo@x", "aud": "ANY", "scope": "compute.read"})
    trace: list[str] = []
    decision = decide(policy_of(POLICY), bans_of(), token, NOW, trace)
    assert decision.outcome == MAPPED
    assert decision.unchecked == ["time", "lifetime"]
    assert "checks: passed, time not shown, lifetime not shown" in trace


def test_a_site_that_serves_everybody() -> None:
    """Without `serve`, the site accepts a token without a VO, and declines a token with a VO that it may not name."""
    policy = POLICY.replace("  serve: [One, A, B, Default, open.example]\n", "").replace(
        "    default-vo: Default\n", ""
    )
    assert _decide({"iss": FREE}, policy=policy).reason == "rule: none matches"
    assert _decide({"iss": FREE, "wlcg.groups": "/one"}, policy=policy).reason.startswith("vo: ")


@pytest.mark.parametrize(
    ("bans", "token", "outcome"),
    [
        ("{subject: s, reason: x}", {"iss": "https://who.example"}, DENIED),
        ("{issuer: [https://who.example], reason: x}", {"iss": "https://who.example"}, DENIED),
        ("{jti: j, reason: x}", {"iss": ONE, "jti": "j"}, DENIED),
        ("{client: c, reason: x}", {"iss": ONE, "client_id": "c"}, DENIED),
        ("{client: c, reason: x}", {"iss": ONE, "azp": "c"}, DENIED),
        ("{claim: {e: [x, y]}, reason: x}", {"iss": ONE, "e": ["z", "y"]}, DENIED),
        ("{vo: one, reason: x}", {"iss": ONE, "sub": "jo@x"}, DENIED),
        ("{vo: [a, b], reason: x}", {"iss": MANY, "wlcg.groups": ["/a/x", "/b"]}, DENIED),
        ("{vo: b, reason: x}", {"iss": MANY, "wlcg.groups": ["/a/x", "/b"]}, MAPPED),
        ("{vo: a, reason: x}", {"iss": MANY, "wlcg.groups": ["/a/x", "/c"]}, DENIED),
        ("{vo: b, subject: s, reason: x}", {"iss": MANY, "wlcg.groups": ["/a/x", "/b"]}, DENIED),
        ("{vo: b, subject: other, reason: x}", {"iss": MANY, "wlcg.groups": ["/a/x", "/b"]}, MAPPED),
        ("{vo: other, subject: s, reason: x}", {"iss": MANY, "wlcg.groups": ["/a/x"]}, MAPPED),
        ("{subject: s, reason: x, until: 2027-01-14}", {"iss": MANY, "wlcg.groups": ["/a/x"]}, MAPPED),
        ("{subject: s, reason: x, until: 2027-01-15}", {"iss": MANY, "wlcg.groups": ["/a/x"]}, DENIED),
        ('{subject: s, reason: x, until: "2027-01-15T08:00:00Z"}', {"iss": MANY, "wlcg.groups": ["/a/x"]}, DENIED),
        ('{subject: s, reason: x, until: "2027-01-15T07:59:59Z"}', {"iss": MANY, "wlcg.groups": ["/a/x"]}, MAPPED),
    ],
)
def test_bans(bans: str, token: dict[str, Any], outcome: str) -> None:
    """A ban has priority over every rule and includes its last second. A ban by VO alone removes only that VO."""
    decision = _decide(token, f"mapfile: 1\nbans:\n  - {bans}\n")
    assert decision.outcome == outcome
    if outcome == DENIED:
        assert (decision.reason, decision.source) == ("ban: x", "bans.yaml:3")


BANNED_A = "mapfile: 1\nbans:\n  - {vo: A, reason: x}\n"
TWO_VOS = {"iss": MANY, "wlcg.groups": ["/a/x", "/b"]}


@pytest.mark.parametrize(
    "rules",
    [
        ["vo: A, deny: no", "vo: B, account: bb"],
        ["vo: A, account: nobody", "vo: B, account: bb"],
        [f"issuer: {MANY}, group: /a/x, deny: no", "vo: B, account: bb"],
        [f"issuer: {MANY}, first-group: /b, account: bb"],
        [f"issuer: {MANY}, account: <vo>x"],
    ],
)
def test_a_banned_vo_opens_nothing(rules: list[str]) -> None:
    """A token that the policy refuses without the ban of a VO is also refused with that ban."""
    head = POLICY.partition("rules:\n")[0]
    policy = head + "rules:\n" + "".join(f"  - {{name: r{at}, {rule}}}\n" for at, rule in enumerate(rules))
    assert _decide(TWO_VOS, policy=policy).outcome in (DENIED, DECLINED)
    assert _decide(TWO_VOS, BANNED_A, policy=policy).outcome in (DENIED, DECLINED)


def test_an_order_of_bans_means_nothing() -> None:
    """A ban by VO does not hide another ban. The order of the bans has no effect."""
    both = ["{vo: A, reason: x}", "{vo: A, subject: s, reason: y}"]
    for bans in (both, both[::-1]):
        text = "mapfile: 1\nbans:\n" + "".join(f"  - {ban}\n" for ban in bans)
        assert _decide(TWO_VOS, text).reason == "ban: y"


def test_a_banned_vos_groups_map_nobody() -> None:
    """A rule without a VO does not match the groups of a banned VO."""
    policy = POLICY.partition("rules:\n")[0] + f"rules:\n  - {{name: r, issuer: {MANY}, group: /a/x, account: aa}}\n"
    assert _decide(TWO_VOS, policy=policy).account == "aa"
    assert _decide(TWO_VOS, BANNED_A, policy=policy).outcome == DECLINED


def test_a_group_outside_of_the_issuers_vos_is_a_group() -> None:
    """A group outside of `vos` does not name a VO, but a rule without a VO can match it."""
    policy = POLICY.partition("rules:\n")[0] + f"rules:\n  - {{name: r, issuer: {MANY}, group: /q, account: qq}}\n"
    assert _decide({"iss": MANY, "wlcg.groups": ["/a", "/q"]}, policy=policy).account == "qq"


def test_a_ban_tells_in_the_trace_what_it_takes_away() -> None:
    """The trace shows each step, also the steps that do not decide."""
    trace: list[str] = []
    decide(policy_of(POLICY), bans_of(BANNED_A), read_claims({**GOOD, **TWO_VOS, "n": 1}), NOW, trace)
    told = "\n".join(trace)
    for part in ("claim 'n'", "memberships: '/a/x', '/b'", "speaks for: 'A', 'B'", "bans.yaml:3", "checks: passed"):
        assert part in told


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("groups: {claim: roles}", "the issuer's groups are in 'roles'"),
        ("groups: none", "the issuer declares `groups: none`"),
        ("entitlements: {namespace: 'urn:x:y'}", "the issuer declares `entitlements` and not `groups`"),
    ],
)
def test_groups_that_are_not_read_are_told_in_the_trace(declared: str, told: str) -> None:
    """The trace shows why the engine does not read the claim `wlcg.groups` of a token."""
    policy = f"mapfile: 1\nsite: {{audience: unchecked}}\nissuers:\n  {ONE}: {{vo: One, {declared}}}\n"
    trace: list[str] = []
    token = {**GOOD, "iss": ONE, "wlcg.groups": ["/one"]}
    decide(policy_of(policy), bans_of(), read_claims(token), NOW, trace)
    assert f"claim 'wlcg.groups': present, not read; {told}" in trace


def test_what_a_decision_tells() -> None:
    """The log contains these members of a decision."""
    token = {"iss": ONE, "sub": "jo@x", "aud": ["ANY", "b"], "jti": "j", "azp": "z", "scope": "compute.read"}
    decision = decide(policy_of(POLICY), bans_of(), read_claims(token), NOW)
    assert decision.as_json(ce="arc", time="2027-01-15T08:00:00Z") == {
        "time": "2027-01-15T08:00:00Z",
        "ce": "arc",
        "outcome": "mapped",
        "account": "jo",
        "vo": "One",
        "rule": "captured",
        "source": "0.yaml:22",
        "reason": "rule: captured",
        "issuer": ONE,
        "subject": "jo@x",
        "client": "z",
        "jti": "j",
        "audience": ["ANY", "b"],
        "unchecked": ["time", "lifetime"],
        "policy": "digest",
    }


def test_a_failure_is_an_error() -> None:
    """A failure has the outcome error, a reason and no account."""
    decision = failed("token: why")
    assert (decision.outcome, decision.reason, decision.account, decision.claims) == (ERROR, "token: why", None, None)
    assert set(OUTCOMES) == {MAPPED, DECLINED, DENIED, ERROR}


@pytest.mark.parametrize("scope", ["storage.modify:%2F..%2Fcms", "storage.modify:%2f%2e%2e", "x:y%2F.%2Fz", "x:/../y"])
@pytest.mark.parametrize("more", ["", " openid:/"])
def test_encoded_paths_that_climb_match_nothing(scope: str, more: str) -> None:
    """A path with `..` matches no rule, also with percent-encoding and with other scopes beside it."""
    policy = (
        "mapfile: 1\nsite: {audience: unchecked}\nissuers:\n  https://i/: {vo: V}\n"
        "rules:\n  - {name: r, vo: V, scope: ['storage.modify:*', 'x:*', 'x:/**'], account: a}\n"
    )
    decision = _decide({"iss": "https://i/", "scope": f"compute.create {scope}{more}"}, policy=policy)
    assert (decision.outcome, decision.reason) == (DECLINED, "rule: none matches")


def test_a_refusal_that_holds_without_the_ban_is_explained() -> None:
    """If the engine refuses a token with and without the ban of a VO, the trace reports that."""
    token = {"iss": MANY, "wlcg.groups": ["/a", "/b"], "aud": "elsewhere"}
    trace: list[str] = []
    bans = bans_of("mapfile: 1\nbans:\n  - {vo: A, reason: no agreement}\n")
    decision = decide(policy_of(POLICY), bans, read_claims({**GOOD, **token}), NOW, trace)
    assert (decision.outcome, decision.reason.partition(":")[0]) == (DENIED, "audience")
    assert "what follows holds with no VO banned, too" in trace
    assert trace[-1] == f"denied: {decision.reason}"
    assert decide(policy_of(POLICY), bans, read_claims({**GOOD, **token}), NOW).reason == decision.reason


TWO_OF_THREE = """\
mapfile: 1
site: {audience: unchecked}
issuers:
  https://many/: {vo-from: [group], vos: [A, B, C, D, E, F]}
rules:
  - {name: own, issuer: https://many/, account: x-<vo>}
  - {name: person, vo: A, subject: bob, account: bob}
"""


def _with_banned(groups: str, *banned: str, trace: list[str] | None = None) -> str:
    token = {"iss": "https://many/", "sub": "bob", "wlcg.groups": [f"/{name}" for name in groups]}
    bans = bans_of("mapfile: 1\nbans: [" + ", ".join(f"{{vo: {vo}, reason: r}}" for vo in banned) + "]\n")
    decision = decide(policy_of(TWO_OF_THREE), bans, read_claims({**GOOD, **token}), NOW, trace)
    return decision.account or decision.reason


def test_a_second_ban_opens_no_door_that_the_first_has_closed() -> None:
    """With two of three VOs banned, `<vo>` has one value, but the token stays refused as with one of these bans."""
    assert _with_banned("ABC") == "bob"
    assert _with_banned("ABC", "A") == "rule: none matches"
    trace: list[str] = []
    assert _with_banned("ABC", "A", "C", trace=trace) == "rule: none matches"
    assert "what follows holds with a banned, too" in trace
    assert _with_banned("ABC", "C", "A") == "rule: none matches"
    assert _with_banned("ABC", "B", "C") == "x-a"


def test_a_token_of_very_many_banned_vos_is_denied() -> None:
    """If more than four VOs of a token are banned, the engine denies it.

    Banned VOs that the token lacks do not count.
    """
    assert _with_banned("ABCDE", "B", "C", "D", "E") == "x-a"
    assert _with_banned("ABCDE", "B", "C", "D", "E", "F") == "x-a"
    assert _with_banned("ABCDEF", "B", "C", "D", "E", "F") == "ban: r"


DENY_ONE = """\
mapfile: 1
site: {audience: unchecked, accounts: {never: x-c}}
issuers:
  https://many/: {vo-from: [group], vos: [A, B, C, D, E, F]}
rules:
  - {name: a-first, issuer: https://many/, first-group: /A, account: a}
  - {name: only-vo, issuer: https://many/, group: /C/test, account: x-<vo>}
  - {name: both, issuer: https://many/, group: /D, first-group: /E, account: e}
  - {name: no-e, issuer: https://many/, group: /E, deny: nobody of e}
"""


@pytest.mark.parametrize(
    ("groups", "banned", "outcome"),
    [
        (["/A", "/B", "/C/test"], "", MAPPED),
        (["/A", "/B", "/C/test"], "A", DECLINED),
        (["/A", "/B", "/C/test"], "AB", DENIED),
        (["/E", "/D", "/F"], "", MAPPED),
        (["/E", "/D", "/F"], "D", DENIED),
        (["/E", "/D", "/F"], "DE", DENIED),
        (["/E", "/D", "/F"], "E", DECLINED),
    ],
)
def test_no_ban_weakens_a_refusal(groups: list[str], banned: str, outcome: str) -> None:
    """A token that a rule of the site denies stays denied if more VOs are banned."""
    for order in (banned, banned[::-1]):
        bans = bans_of("mapfile: 1\nbans: [" + ", ".join(f"{{vo: {vo}, reason: r}}" for vo in order) + "]\n")
        claims = read_claims({**GOOD, "iss": "https://many/", "wlcg.groups": groups})
        assert decide(policy_of(DENY_ONE), bans, claims, NOW).outcome == outcome
        trace: list[str] = []
        assert decide(policy_of(DENY_ONE), bans, claims, NOW, trace).outcome == outcome
        assert trace[-1].startswith(outcome)


def test_the_trace_of_a_token_of_an_unknown_issuer() -> None:
    """A token of an unknown issuer has no memberships and speaks for no VO."""
    trace: list[str] = []
    decide(policy_of(POLICY), bans_of(), read_claims({**GOOD, "iss": "https://unknown/"}), NOW, trace)
    assert trace[-3:-1] == ["memberships: none", "VOs that the token speaks for: none"]


def test_the_vos_that_rules_find() -> None:
    """For an issuer with one VO, rules match that VO with any groups in the token.

    For another issuer, rules match each VO that the token names.
    """
    policy, groups = policy_of(POLICY), {"wlcg.groups": ["/a", "/b"]}
    for url, vos in ((ONE, 1), (MANY, 2), ("https://unknown/", 0)):
        facts = TokenFacts(policy, read_claims({**GOOD, **groups, "iss": url}), NOW)
        assert len(_vos_of_rules(facts)) == vos


def test_the_trace_has_each_rule_once_and_of_many_the_near_ones() -> None:
    """A rule for two VOs of the token has one sentence. Of hundreds of rules only the near ones have one."""
    site = f"mapfile: 1\nsite: {{audience: [ANY]}}\nissuers: {{{FREE}: {{vo-from: [group]}}}}\nrules:\n"
    two = policy_of(site + "  - {name: two, vo: [a, b], group: /a/x, account: x}\n")
    trace: list[str] = []
    claims = read_claims(
        {"iss": FREE, "sub": "s", "aud": "ANY", "scope": "compute.create", "wlcg.groups": ["/a", "/b"]}
    )
    decide(two, bans_of(), claims, NOW, trace)
    assert [step for step in trace if step.startswith("rule two")] == ["rule two (0.yaml:5): group does not match"]
    people = "".join(f"  - {{name: p{at}, vo: a, subject: p{at}, account: x}}\n" for at in range(30))
    near = "  - {name: near, vo: a, subject: s, group: /a/x, account: x}\n"
    many = policy_of(site + people + near)
    trace.clear()
    decide(many, bans_of(), claims, NOW, trace)
    assert trace[-3:] == [
        "rule near (0.yaml:35): group does not match",
        "30 other rules: subject does not match",
        "declined: rule: none matches",
    ]
