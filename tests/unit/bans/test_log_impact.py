"""The impact of a ban on the decision log. The engine decides, and an undecidable record counts as unknown."""

from __future__ import annotations

from typing import Any

import pytest

from unit.policy.composed import bans_document, policy_of
from vomap.analysis.replay import NO_CLAIMS, NO_KEY, NOT_LOGGED, OTHER_KEY
from vomap.bans.log_impact import CLAIM_NOT_LOGGED, DecisionCount, Identity, IdentityCount, LogImpact
from vomap.claims import DECISIVE
from vomap.log.pseudonyms import make_pseudonym
from vomap.log.record import Record

ONE, MANY = "https://one.example/", "https://many.example/"
POLICY = f"""\
mapfile: 1
site: {{audience: ANY}}
issuers:
  {ONE}: {{vo: One}}
  {MANY}: {{vo-from: [group]}}
rules:
  - {{name: jo, vo: One, account: jo}}
"""
TIME = "2026-11-22T12:00:00Z"
KEY = b"k" * 32
HIDDEN = make_pseudonym(KEY, ONE, "jo")


def _record(**members: Any) -> Record:
    whole: Any = {
        "time": TIME,
        "outcome": "mapped",
        "account": "jo",
        "vo": "One",
        "rule": "jo",
        "reason": "rule: jo",
        "issuer": ONE,
        "subject": "jo",
        "jti": "j-1",
        "audience": ["ANY"],
        "kept": [*DECISIVE],
        "claims": {"scope": "compute.read", "client_id": "c"},
        **members,
    }
    return Record(1, whole)


def _hits(ban: str, *records: Record, **more: Any) -> LogImpact:
    (document,) = bans_document(f"mapfile: 1\nbans:\n  - {{{ban}, reason: r}}\n")["bans"]
    hits = LogImpact(document, policy_of(POLICY), **more)
    for record in records:
        hits.add(record)
    return hits


@pytest.mark.parametrize(
    ("ban", "is_hit"),
    [
        ("subject: jo", True),
        ("subject: j*", True),
        ("subject: jane", False),
        ("vo: one", True),
        ("vo: two", False),
        ("vo: One, subject: jo", True),
        (f"issuer: {ONE}", True),
        (f"issuer: {MANY}", False),
        ("jti: j-1", True),
        ("client: c", True),
        ("audience: ANY", True),
        ("scope: compute.read", True),
        ("group: /one/**", False),
        ("subject: jo, until: 2099-01-01", True),
        ("subject: jo, until: 2020-01-01", False),
    ],
)
def test_the_engine_says_who_is_hit(ban: str, is_hit: bool) -> None:
    """The engine applies each condition of the ban, and never after the end of the ban."""
    hits = _hits(ban, _record())
    assert hits.decisions == is_hit
    assert set(hits.identities) == ({Identity(ONE, "jo", None)} if is_hit else set())
    assert not hits.unknown


def test_identities_have_their_accounts_and_tokens() -> None:
    """Issuer and subject make one identity. Its decisions are counted for each account, in any order of the records."""
    hits = _hits(
        "subject: [jo, jane]",
        _record(time="2026-11-22T12:00:02Z", account="late"),
        _record(time="2026-11-22T12:00:03Z", account=None, outcome="denied", reason="time: x", jti=None),
        _record(time="2026-11-22T12:00:01Z", account="early", jti="j-2"),
        _record(time="2026-11-22T12:00:00Z", account="late"),
        _record(time="2026-11-22T12:00:04Z", issuer=MANY, outcome="declined", account=None),
        _record(subject="jane", account=None, outcome="error", reason="pool: x"),
        _record(subject="other"),
    )
    assert hits.decisions == 6
    of_jo = {
        "late": DecisionCount(2, "2026-11-22T12:00:02Z"),
        None: DecisionCount(1, "2026-11-22T12:00:03Z"),
        "early": DecisionCount(1, "2026-11-22T12:00:01Z"),
    }
    assert hits.latest_first() == [
        (Identity(MANY, "jo", None), _count({None: DecisionCount(1, "2026-11-22T12:00:04Z")}, "j-1")),
        (Identity(ONE, "jo", None), _count(of_jo, "j-1", "j-2")),
        (Identity(ONE, "jane", None), _count({None: DecisionCount(1, TIME)}, "j-1")),
    ]


def _count(accounts: dict[str | None, DecisionCount], *jtis: str) -> IdentityCount:
    return IdentityCount(accounts, dict.fromkeys(jtis))


def test_what_is_hidden_is_unknown() -> None:
    """A pseudonym without its key is unknown if all other conditions of the ban match. Otherwise it does not match."""
    hidden = _record(subject=None, pseudonym=HIDDEN)
    assert dict(_hits("subject: jo", hidden).unknown) == {NO_KEY: 1}
    assert dict(_hits("vo: One, subject: jo", hidden).unknown) == {NO_KEY: 1}
    assert not _hits("vo: Two, subject: jo", hidden).unknown
    assert dict(_hits("subject: jo", _record(subject=None, pseudonym=None)).unknown) == {NOT_LOGGED: 1}
    other_key = _hits("subject: jo", _record(subject=None, pseudonym=HIDDEN), resolve=lambda *_: None)
    assert dict(other_key.unknown) == {OTHER_KEY: 1}


def test_a_ban_that_asks_for_no_subject_needs_no_key() -> None:
    """For a ban without a subject, a pseudonym is the identity and needs no key."""
    hits = _hits("vo: One", _record(subject=None, pseudonym=HIDDEN))
    assert set(hits.identities) == {Identity(ONE, None, HIDDEN)}
    assert not hits.unknown


def test_with_its_key_a_pseudonym_is_a_subject() -> None:
    """With the key, the subject of a pseudonym is the identity."""
    hits = _hits("subject: jo", _record(subject=None, pseudonym=HIDDEN), resolve=lambda *_: "jo")
    assert set(hits.identities) == {Identity(ONE, "jo", None)}


def test_what_was_not_kept_is_unknown() -> None:
    """A record without the claims, or without the one claim, that a ban needs is unknown."""
    assert dict(_hits("subject: jo", _record(claims=None)).unknown) == {NO_CLAIMS: 1}
    assert dict(_hits("claim: {email: x}", _record()).unknown) == {CLAIM_NOT_LOGGED: 1}
    assert not _hits("claim: {email: x}, vo: Two", _record()).unknown
    assert not _hits("claim: {client_id: d}", _record()).unknown
    assert _hits("claim: {email: x}", _record(kept=["email"], claims={"email": "x"})).decisions == 1


@pytest.mark.parametrize(
    ("ban", "kept", "is_known"),
    [
        ("scope: compute.modify", ["client_id"], False),
        ("scope: compute.modify", ["scope"], True),
        ("client: d", ["client_id"], False),
        ("client: d", ["client_id", "azp"], True),
        ("group: /x", ["scope"], False),
        ("group: /x", ["scope", "wlcg.groups"], True),
        ("claim: {email: x}", ["email"], True),
        ("claim: {email: x}", "all", True),
        ("claim: {email: x}", [], False),
        ("subject: jane", [], True),
        ("jti: j-2", [], True),
        ("audience: other", [], True),
        ("vo: Two", [], True),
        ("vo: One, claim: {email: x}", [], False),
        ("subject: jo, claim: {email: x}, until: 2020-01-01", [], True),
        ("claim: {email: x}, until: 2020-01-01", [], True),
    ],
)
def test_a_ban_is_tested_with_what_a_record_keeps(ban: str, kept: Any, *, is_known: bool) -> None:
    """A record that does not keep what the ban looks at is unknown. It is never one that the ban would not deny."""
    hits = _hits(ban, _record(kept=kept, claims={}))
    assert hits.decisions == 0
    assert dict(hits.unknown) == ({} if is_known else {CLAIM_NOT_LOGGED: 1})


@pytest.mark.parametrize(
    ("ban", "is_known"),
    [
        ("claim: {email: x}", False),
        ("jti: j-2", False),
        ("vo: One, claim: {email: x}", False),
        ("claim: {department: x}", True),
        ("jti: j-2, subject: jane", True),
    ],
)
def test_a_claim_that_may_be_forged_is_unknown(ban: str, *, is_known: bool) -> None:
    """On ARC another claim's name may hide the claim that the ban asks for, so no person knows what the token has."""
    hits = _hits(ban, _record(kept="all", forged=["email", "jti"], jti=None, claims={"email": None, "jti": None}))
    assert (hits.decisions, dict(hits.unknown)) == (0, {} if is_known else {CLAIM_NOT_LOGGED: 1})


def test_a_ban_by_vo_and_claim_may_deny_a_token_of_two_vos() -> None:
    """Without its claim the ban must not become one by VO alone, which only takes the VO away."""
    members = {"issuer": MANY, "kept": ["scope", "wlcg.groups"], "claims": {"wlcg.groups": ["/a", "/b"]}}
    assert dict(_hits("vo: a, claim: {email: x}", _record(**members)).unknown) == {CLAIM_NOT_LOGGED: 1}
    assert not _hits("vo: c, claim: {email: x}", _record(**members)).unknown


def test_for_programs() -> None:
    """The result for JSON contains all decisions, identities and reasons of unknown records."""
    assert _hits("subject: jo", _record(), _record(claims=None)).as_json() == {
        "decisions": 1,
        "identities": [
            {
                "issuer": ONE,
                "subject": "jo",
                "pseudonym": None,
                "decisions": 1,
                "last": TIME,
                "accounts": [{"account": "jo", "decisions": 1, "last": TIME}],
                "jtis": ["j-1"],
            }
        ],
        "unknown": {NO_CLAIMS: 1},
    }
