"""A near miss is one difference that vomap proves. vomap reports no other differences."""

from __future__ import annotations

from typing import Any

import pytest

from unit.policy.composed import bans_of, policy_of
from vomap.analysis.describe import describe_token
from vomap.analysis.near_misses import NearMiss, describe_expired_bans, find_near_misses
from vomap.claims import read_claims
from vomap.policy import MAPPED
from vomap.policy.decide import decide

NOW = 1_795_348_800.0
ONE, OLD, PLAIN, LISTED = (
    "https://one.example/",
    "https://old.example/",
    "http://plain.example",
    "https://listed.example/",
)
POLICY = f"""\
mapfile: 1
site: {{audience: [ANY, "https://wlcg.cern.ch/jwt/v1/any"], maximum-lifetime: 1h}}
issuers:
  {ONE}: {{vo: One}}
  {PLAIN}: {{vo: Plain}}
  {OLD}: none
  {LISTED}: {{vo-from: [group], vos: {{a: A}}}}
rules:
  - {{name: pilots, vo: One, group: /one/pilots/Role=pilot, account: pilot}}
  - {{name: deep, vo: One, group: /one/*/deep/**, account: deep}}
  - {{name: jo, vo: One, subject: jo@one.example, account: jo}}
  - {{name: data, vo: One, scope: "storage.read:/one/data/**", account: data}}
  - {{name: node, vo: One, claim: {{node: a.b}}, account: node}}
  - {{name: plain, vo: Plain, account: plain}}
  - {{name: a, vo: A, account: a}}
"""
GOOD = {"iss": ONE, "sub": "x", "aud": "ANY", "scope": "compute.create"}


def _misses(claims: dict[str, Any], bans: str | None = None) -> list[NearMiss]:
    members = {**GOOD, **claims}
    policy = policy_of(POLICY)
    decision = decide(policy, bans_of(bans), read_claims(members), NOW)
    return find_near_misses(policy, bans_of(bans), read_claims(members), decision, NOW).found


@pytest.mark.parametrize(
    ("claims", "told", "account"),
    [
        ({"iss": ONE.rstrip("/"), "sub": "jo@one.example"}, "a slash at the end", "jo"),
        ({"iss": "https://One.example/", "sub": "jo@one.example"}, "letters have case", "jo"),
        ({"iss": "one.example/", "sub": "jo@one.example"}, "an issuer is a whole URL", "jo"),
        ({"iss": f" {ONE}", "sub": "jo@one.example"}, "a blank", "jo"),
        ({"iss": "http://one.example/", "sub": "jo@one.example"}, "http is not https", "jo"),
        ({"iss": "https://plain.example"}, "https is not http", "plain"),
        ({"sub": "jo"}, "what follows the @ is missing", "jo"),
        ({"sub": "Jo@one.example"}, "letters have case", "jo"),
        ({"sub": "jo@one-example"}, "a dot", "jo"),
        ({"sub": "jo@one.example "}, "blanks", "jo"),
        ({"sub": "jo%40one.example"}, "percent-encoding", "jo"),
        ({"wlcg.groups": ["/one/pilots"]}, "the role is missing", "pilot"),
        ({"wlcg.groups": ["/one/pilots/Role=production"]}, "another role", "pilot"),
        ({"wlcg.groups": ["/one/pilots/Role=Pilot"]}, "the role: letters have case", "pilot"),
        ({"wlcg.groups": "/one/pilots/Role=pilot,/other"}, "declare `groups: {form: comma-separated}`", "pilot"),
        ({"wlcg.groups": ["/one/pilots/eu/Role=pilot", "/other"]}, "a child is not its parent", "pilot"),
        ({"wlcg.groups": ["/one/Role=pilot"]}, "a parent is not its child", "pilot"),
        ({"wlcg.groups": ["/one/x/Deep"]}, "letters have case", "deep"),
        ({"wlcg.groups": ["one/x/deep"]}, "is not a group", "deep"),
        ({"scope": "compute.create storage.read:/one"}, "a path is not what is below it", "data"),
        ({"scope": "compute.create storage.read:/one/Data"}, "letters have case", "data"),
        ({"scope": ["compute.create", "storage.read:/one/data"]}, "'scope' is a list", "data"),
        ({"node": "a-b"}, "a dot", "node"),
        ({"nodes": "a.b"}, "'nodes' is not 'node'", "node"),
        (
            {"iss": PLAIN, "aud": "https://wlcg.cern.ch/jwt/v1/any/"},
            "not for 'https://wlcg.cern.ch/jwt/v1/any'",
            "plain",
        ),
        ({"iss": PLAIN, "scope": "openid"}, "no scope such as compute.create", "plain"),
        ({"iss": PLAIN, "exp": NOW - 100}, "time: the token is not valid at this time", "plain"),
        ({"iss": PLAIN, "iat": NOW - 10, "exp": NOW + 7000}, "lifetime: the token lives longer than the site", "plain"),
        ({"iss": PLAIN, "wlcg.ver": "2.0"}, "version", "plain"),
        ({"iss": LISTED, "wlcg.groups": ["/A"]}, "'a' is: letters have case", "a"),
    ],
)
def test_a_difference_is_named_and_proven(claims: dict[str, Any], told: str, account: str) -> None:
    """The hint names one difference. Without this difference the token gets the account that the hint names."""
    found = [miss for miss in _misses(claims) if told in miss.difference]
    assert found, [str(miss) for miss in _misses(claims)]
    assert found[0].decision.outcome == MAPPED
    assert found[0].decision.account == account


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "somebody-else"},
        {"iss": "https://unknown.example/"},
        {"iss": OLD.rstrip("/")},
        {"iss": OLD},
        {"sub": "jo@one.example"},
        {"wlcg.groups": ["/one/x/deep/er"]},
        {"sub": "jo@one.example", "wlcg.groups": ["/two"]},
        {"sub": None, "subject": "a\tb"},
    ],
    ids=str,
)
def test_where_nothing_is_near_nothing_is_told(claims: dict[str, Any]) -> None:
    """A token that resembles no rule has no near miss. A mapped token that missed no earlier rule has none either."""
    assert [str(miss) for miss in _misses(claims)] == []


def test_a_claim_with_a_meaning_of_its_own_is_no_other_claim() -> None:
    """`aud` is not a wrong name of the claim `uid` that a rule asks for."""
    policy = policy_of(POLICY.replace("{node: a.b}", "{uid: ANY}"))
    token = read_claims({**GOOD})
    found = find_near_misses(policy, bans_of(), token, decide(policy, bans_of(), token, NOW), NOW).found
    assert [str(miss) for miss in found] == []


def test_two_differences_lead_only_to_the_next_stage() -> None:
    """The near miss names only the first difference, and the refusal that follows. It promises no account."""
    (miss,) = _misses({"iss": ONE.rstrip("/"), "sub": "somebody-else"})
    assert str(miss).endswith("otherwise it would be declined later: rule: none matches")


def test_an_earlier_rule_that_was_missed_is_told() -> None:
    """A mapped token has a near miss only if it misses an earlier rule by its spelling."""
    (miss,) = _misses({"sub": "jo@one.example", "wlcg.groups": ["/one/Pilots/Role=pilot"]})
    assert miss.decision.account == "pilot"
    assert _misses({"sub": "jo@one.example", "wlcg.groups": ["/one/pilots"]}) == []
    assert _misses({"wlcg.groups": ["/one/pilots/Role=pilot"], "sub": "jo"}) == []


def test_of_a_banned_token_nothing_is_told() -> None:
    """A banned token has no near miss: vomap gives no hint that helps to evade a ban."""
    assert _misses({"sub": "jo"}, "mapfile: 1\nbans:\n  - {subject: jo, reason: leaked}\n") == []


def test_a_ban_that_has_expired_is_told() -> None:
    """`vomap explain` reports an expired ban only for a token that the ban matches. It reports no ban in force."""
    bans = bans_of(
        "mapfile: 1\nbans:\n  - {subject: jo, reason: leaked, until: 2026-11-01}\n"
        "  - {subject: jo, reason: holds, until: 2027-11-01}\n  - {subject: other, reason: x, until: 2026-11-01}\n"
        "  - {subject: jo, reason: for ever}\n"
    )
    (told,) = describe_expired_bans(policy_of(POLICY), bans, read_claims({**GOOD, "sub": "jo"}), NOW)
    assert "(leaked) would refuse the token, but expired on 2026-11-01T23:59:59Z" in told


def test_a_time_that_no_calendar_has() -> None:
    """Such a time has no date, and the explanation goes on without one."""
    (times,) = [line for line in describe_token(read_claims({"exp": 2**52}), NOW) if line.startswith("times")]
    assert times.startswith("times: expires in ")
    assert "(" not in times
    (times,) = [line for line in describe_token(read_claims({"exp": NOW}), NOW) if line.startswith("times")]
    assert times == "times: expired 0 seconds ago (2026-11-22T12:00:00Z)"
