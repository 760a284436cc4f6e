"""A replay decides a log again. It reports each change, and never counts an undecidable record as the same."""

from __future__ import annotations

from typing import Any

import pytest

import vomap.analysis.replay as proof
from unit.policy.composed import bans_of, policy_of
from vomap.analysis.owners import Owners
from vomap.analysis.replay import Gain, Replay
from vomap.claims import DECISIVE
from vomap.log.pseudonyms import make_pseudonym
from vomap.log.record import Record

ONE = "https://one.example/"
POLICY = f"""\
mapfile: 1
site: {{audience: ANY}}
issuers:
  {ONE}: {{vo: One}}
rules:
  - {{name: jo, vo: One, subject: jo, account: jo}}
  - {{name: others, vo: One, account: one}}
"""
KEY = b"k" * 32


def _record(**members: Any) -> Record:
    whole: Any = {
        "time": "2026-11-22T12:00:00Z",
        "ce": "htcondor",
        "callout": "vomap-htcondor",
        "outcome": "mapped",
        "account": "jo",
        "vo": "One",
        "rule": "jo",
        "source": "0.yaml:6",
        "reason": "rule: jo",
        "issuer": ONE,
        "subject": "jo",
        "client": None,
        "jti": "j-1",
        "audience": ["ANY"],
        "unchecked": [],
        "policy": "d",
        "kept": [*DECISIVE],
        "claims": {"scope": "compute.read"},
        **members,
    }
    return Record(1, whole)


def _replay(record: Record, policy: str = POLICY, **more: Any) -> Replay:
    result = Replay(policy_of(policy), bans_of(more.pop("bans", None)), **more)
    result.add(record)
    return result


def test_the_same_policy_gives_the_same_answer() -> None:
    """With an unchanged policy the replay reports no change."""
    result = _replay(_record())
    assert (result.same, result.changed, dict(result.left_out)) == (1, 0, {})
    assert result.counted() == {}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("account: jo}", "account: jane}", "mapped to jane (rule: jo)"),
        ("subject: jo, ", "subject: jane, ", "mapped to one (rule: others)"),
        ("audience: ANY", "audience: CE", "denied (audience: the token is for 'ANY', not for this site)"),
        (f"{ONE}: {{vo: One}}", f"{ONE}: none", "declined (issuer: 'https://one.example/' is distrusted)"),
    ],
)
def test_another_answer_is_a_change(old: str, new: str, told: str) -> None:
    """The replay reports another account or outcome as a change, with the reasons before and now."""
    result = _replay(_record(), POLICY.replace(old, new))
    (change,) = result.changes
    assert str(change.before) == "mapped to jo (rule: jo)"
    assert str(change.after) == told
    assert result.first[change].members["jti"] == "j-1"
    assert result.counted()["VO"] == {"One": 1}


def test_another_rule_with_the_same_account_is_no_change() -> None:
    """Only outcome and account count. Another name of the rule is not a change."""
    assert _replay(_record(rule="before", reason="rule: before")).same == 1


def test_changes_are_counted_by_account_and_rule() -> None:
    """The replay counts the changes of each account and each rule, before and after."""
    counted = _replay(_record(account="was", rule="old", reason="rule: old")).counted()
    assert counted == {"VO": {"One": 1}, "account": {"was": 1, "jo": 1}, "rule": {"old": 1, "jo": 1}}


def test_a_ban_is_a_change() -> None:
    """The replay applies the current bans to old tokens, and reports a ban as a change."""
    result = _replay(_record(), bans="mapfile: 1\nbans:\n  - {subject: jo, reason: leaked}\n")
    (change,) = result.changes
    assert str(change.after) == "denied (ban: leaked)"


def test_a_token_is_decided_as_of_its_time() -> None:
    """The replay decides a token with the time of its record, so a later expiry is not a change."""
    assert _replay(_record(claims={"scope": "compute.read", "exp": 1795352400})).same == 1


def test_an_account_that_was_refused_is_refused_again() -> None:
    """The replay looks up no accounts. If an account did not exist, the same account is not a change."""
    members = {"outcome": "denied", "account": None, "reason": "account: jo does not exist"}
    assert _replay(_record(**members)).same == 1
    assert _replay(_record(**members), POLICY.replace("account: jo}", "account: jane}")).changed == 1


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"outcome": "error", "reason": "account: the name service fails"}, proof.AN_ERROR),
        ({"callout": "vomap-arc authorize"}, proof.AN_AUTHORIZATION),
        ({"outcome": "denied", "reason": "token: a certificate came with it", "claims": None}, proof.REFUSED_BEFORE),
    ],
)
def test_what_has_nothing_to_compare_is_left_out(members: dict[str, Any], why: str) -> None:
    """The replay leaves out a record whose decision does not depend on the policy, and counts it by its reason."""
    whole = _record(**members)
    if members.get("claims", ()) is None:
        del whole.members["kept"]
    result = _replay(whole)
    assert (result.same, result.changed, dict(result.left_out), dict(result.undecidable)) == (0, 0, {why: 1}, {})


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"claims": None}, proof.NO_CLAIMS),
        ({"claims": None, "cut": True, "reason": "token: x"}, proof.NO_CLAIMS),
        ({"subject": None, "pseudonym": "~x"}, proof.NO_KEY),
        ({"subject": None, "pseudonym": None}, proof.NOT_LOGGED),
        ({"kept": ["scope"]}, "the log does not keep the claim 'wlcg.groups', which the decision asks for"),
    ],
)
def test_what_cannot_be_decided_again_is_told(members: dict[str, Any], why: str) -> None:
    """The replay counts an undecidable record neither as the same nor as changed, but by its reason."""
    result = _replay(_record(**members))
    assert (result.same, result.changed, dict(result.left_out), dict(result.undecidable)) == (0, 0, {}, {why: 1})


def test_a_record_of_an_earlier_vomap_is_not_decidable() -> None:
    """A record that does not name the claims that it keeps says nothing of a claim that it does not have."""
    record = _record()
    del record.members["kept"]
    assert dict(_replay(record).undecidable) == {proof.NO_NAMES: 1}


def test_a_pseudonym_is_resolved_by_its_key() -> None:
    """With the key of the pseudonyms the replay decides a record by its subject."""
    members = {"subject": None, "pseudonym": make_pseudonym(KEY, ONE, "jo")}
    assert _replay(_record(**members), resolve=lambda issuer, _: "jo" if issuer == ONE else None).same == 1
    assert dict(_replay(_record(**members), resolve=lambda *_: None).undecidable) == {proof.OTHER_KEY: 1}


def test_another_plugin_is_compared_with() -> None:
    """The accounts of another plugin replace those of the log. The replay leaves out tokens without such an account."""
    observed = _record(outcome="mapped", account="jo", observed=True)
    assert _replay(observed, owners=Owners(["j-1\tjo"])).same == 1
    (change,) = _replay(observed, owners=Owners(["j-1\tother"])).changes
    assert (str(change.before), str(change.after)) == ("mapped to other (by another plugin)", "mapped to jo (rule: jo)")
    assert dict(_replay(observed, owners=Owners(["j-2\tjo"])).left_out) == {proof.UNKNOWN: 1}
    assert dict(_replay(_record(jti=None), owners=Owners(["j-2\tjo"])).left_out) == {proof.NO_JTI: 1}


@pytest.mark.parametrize(
    ("table", "same", "changed"),
    [
        ([f"{ONE}\tjo\tjo"], 1, 0),
        ([f"{ONE}\tjo\tother"], 0, 1),
        (["j-1\tjo", f"{ONE}\tjo\tother"], 1, 0),
        ([f"{ONE}\tjane\tjo"], 0, 0),
        (["https://other/\tjo\tjo"], 0, 0),
    ],
)
def test_a_table_may_name_issuer_and_subject(table: list[str], same: int, changed: int) -> None:
    """ARC may keep the issuer and the subject of a job, and no `jti`. The `jti` comes first."""
    result = _replay(_record(), owners=Owners(table))
    assert (result.same, result.changed) == (same, changed)
    hidden = _record(subject=None, pseudonym=make_pseudonym(KEY, ONE, "jo"))
    result = _replay(hidden, owners=Owners(table), resolve=lambda *_: "jo")
    assert (result.same, result.changed) == (same, changed)


def test_a_subject_with_several_accounts_is_not_decidable() -> None:
    """The groups of a token may choose the account, so the table does not say which one this token had."""
    owners = Owners([f"{ONE}\tjo\tjo", f"{ONE}\tjo\tother"])
    assert dict(_replay(_record(), owners=owners).undecidable) == {proof.SEVERAL_ACCOUNTS: 1}
    hidden = _record(subject=None, pseudonym="~x")
    assert dict(_replay(hidden, owners=owners).undecidable) == {proof.NO_KEY: 1}


@pytest.mark.parametrize("other", [0, 1, 2])
@pytest.mark.parametrize(
    "members", [{}, {"outcome": "declined", "account": None}, {"outcome": "error", "account": None}]
)
def test_a_jti_of_two_issuers_is_not_decidable(members: dict[str, Any], other: int) -> None:
    """A `jti` is unique for its issuer alone, so the table does not say whose token it names, in any order."""
    records = [_record(), _record(subject="jane")]
    records.insert(other, _record(issuer="https://other.example/", **members))
    result = Replay(policy_of(POLICY), bans_of(), owners=Owners(["j-1\tjo", "j-2\tjo", f"{ONE}\tjo\tjo"]))
    result.add(_record(jti="j-2", subject="jane"))
    for record in records:
        result.add(record)
    undecidable = 2 if members.get("outcome") == "error" else 3
    assert dict(result.undecidable) == {proof.SEVERAL_ISSUERS: undecidable}
    assert (result.same, result.changed, dict(result.gains)) == (0, 1, {})
    for change in result.changes:
        assert result.first[change].members["jti"] == "j-2"


def test_a_change_that_is_not_known_any_more_is_none() -> None:
    """No report shows a change of which no decision is left."""
    result = Replay(policy_of(POLICY), bans_of(), owners=Owners(["j-1\tother"]))
    result.add(_record())
    assert result.changed == 1
    result.add(_record(issuer="https://other.example/"))
    assert (result.changes, result.counted()) == ({}, {})


def test_a_jti_that_the_table_does_not_name_may_have_two_issuers() -> None:
    """It joins nothing: the issuer and the subject do."""
    result = Replay(policy_of(POLICY), bans_of(), owners=Owners([f"{ONE}\tjo\tjo"]))
    result.add(_record())
    result.add(_record(issuer="https://other.example/"))
    assert (result.same, dict(result.undecidable)) == (1, {})


@pytest.mark.parametrize(
    ("members", "gains"),
    [
        ({}, {Gain("jo", "jo", has_jti=True): 1}),
        ({"jti": None}, {Gain("jo", "jo", has_jti=False): 1}),
        ({"subject": "jane"}, {Gain("one", "others", has_jti=True): 1}),
        ({"audience": ["other"]}, {}),
        # vomap refuses the account, whatever the other plugin does.
        ({"outcome": "denied", "account": None, "reason": "account: jo does not exist"}, {}),
    ],
)
def test_who_may_gain_access_is_counted(members: dict[str, Any], gains: dict[Gain, int]) -> None:
    """The other plugin may have refused a token that its table does not name. If vomap maps it, it may gain access."""
    result = _replay(_record(**members), owners=Owners(["j-2\tjo"]))
    assert dict(result.gains) == gains
    assert sum(result.left_out.values()) == 1


def test_a_gain_that_is_not_known_is_not_decidable() -> None:
    """Whether vomap maps a token that the table does not name may depend on a claim that was not kept."""
    policy = POLICY.replace("account: jo}", "account: jo, claim: {email: x}}")
    result = _replay(_record(), policy, owners=Owners(["j-2\tjo"]))
    assert (dict(result.gains), sum(result.undecidable.values())) == ({}, 1)
