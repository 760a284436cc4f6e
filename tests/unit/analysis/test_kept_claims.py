"""A decision from the claims that a record keeps: it is that of the token, or vomap says which claim is missing."""

from __future__ import annotations

from typing import Any

import pytest

from unit.policy.composed import bans_of, policy_of
from vomap.analysis import kept_claims
from vomap.analysis.kept_claims import RecordDecider, UndecidableError
from vomap.claims import DECISIVE
from vomap.log.record import Record
from vomap.policy.model import Policy

ONE, MANY = "https://one.example/", "https://many.example/"
SITE = f"""\
mapfile: 1
site: {{audience: ANY}}
issuers:
  {ONE}: {{vo: One}}
  {MANY}: {{vo-from: [group]}}
rules:
"""
OTHERS = "{name: others, vo: One, account: one}"
PERSON = "claim: {voperson_id: v}"
BY_RULE = "the log does not keep the claim 'voperson_id', which rule person asks for"
BY_BAN = "the log does not keep the claim 'voperson_id', which a ban asks for"


def _decided(rules: list[str], bans: list[str], **members: Any) -> str:
    """Return the outcome and the account of a token whose record lacks the claim `voperson_id`, or why there is none.

    The token is that of the subject `jo`.
    """
    policy = policy_of(SITE + "".join(f"  - {rule}\n" for rule in rules))
    banned = "".join(f"  - {{{ban}, reason: r}}\n" for ban in bans)
    decider = RecordDecider(policy, bans_of(f"mapfile: 1\nbans:\n{banned}" if bans else None))
    return _decide(decider, **members)


def _decide(decider: RecordDecider, **members: Any) -> str:
    whole: Any = {"time": "2026-11-22T12:00:00Z", "issuer": ONE, "subject": "jo", "jti": "j", "audience": ["ANY"]}
    whole.update({"kept": [*DECISIVE], "claims": {"scope": "compute.read"}, **members})
    record = Record(1, whole)
    claims = record.claims()
    assert claims is not None
    try:
        decision = decider.decide(record, claims)
    except UndecidableError as error:
        return str(error)
    return f"{decision.outcome} {decision.account}"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([f"{{name: person, vo: One, {PERSON}, account: p}}"], BY_RULE),
        ([f"{{name: person, vo: One, {PERSON}, account: p}}", OTHERS], BY_RULE),
        ([f"{{name: person, vo: One, {PERSON}, deny: no}}", OTHERS], BY_RULE),
        (["{name: person, vo: One, claim: {voperson_id: <user>}, account: <user>}", OTHERS], BY_RULE),
        ([f"{{name: person, vo: One, subject: jo, {PERSON}, account: p}}", OTHERS], BY_RULE),
        # An earlier rule decides, or another condition is not met.
        ([OTHERS, f"{{name: person, vo: One, {PERSON}, account: p}}"], "mapped one"),
        ([f"{{name: person, vo: One, subject: jane, {PERSON}, account: p}}", OTHERS], "mapped one"),
        ([f"{{name: person, vo: Two, {PERSON}, account: p}}", OTHERS], "mapped one"),
        ([f"{{name: person, vo: One, group: /a, {PERSON}, account: p}}", OTHERS], "mapped one"),
        ([f"{{name: person, vo: One, {PERSON[:-1]}, scope2: x}}, group: /a, account: p}}", OTHERS], "mapped one"),
    ],
)
def test_a_rule_that_asks_for_a_claim_that_was_not_kept(rules: list[str], expected: str) -> None:
    """The decision is not known if such a rule may match, and known if the rule cannot match or comes too late."""
    assert _decided(rules, []) == expected


@pytest.mark.parametrize(
    ("bans", "expected"),
    [
        ([PERSON], BY_BAN),
        ([f"subject: jo, {PERSON}"], BY_BAN),
        ([f"vo: One, {PERSON}"], BY_BAN),
        ([f"{PERSON}, until: 2099-01-01"], BY_BAN),
        ([f"subject: jane, {PERSON}"], "mapped one"),
        ([f"vo: Two, {PERSON}"], "mapped one"),
        ([f"{PERSON}, until: 2020-01-01"], "mapped one"),
        ([f"subject: jo, {PERSON}, until: 2020-01-01"], "mapped one"),
        # The token is denied, whatever the claim is.
        ([PERSON, "subject: jo"], "denied None"),
    ],
)
def test_a_ban_that_asks_for_a_claim_that_was_not_kept(bans: list[str], expected: str) -> None:
    """The decision is not known if such a ban may deny the token."""
    assert _decided([OTHERS], bans) == expected


def test_a_token_that_fails_a_check_is_denied_whatever_it_has() -> None:
    """Checks come before rules, and no ban lets a token in."""
    rules = [f"{{name: person, vo: One, {PERSON}, account: p}}"]
    assert _decided(rules, [PERSON], audience=["other"]) == "denied None"


def test_a_ban_by_vo_and_claim_denies_a_token_of_two_vos() -> None:
    """Without its claim the ban would be one by VO alone, which only takes the VO away. So it must not become one."""
    members = {"issuer": MANY, "claims": {"scope": "compute.read", "wlcg.groups": ["/a", "/b"]}}
    rules = ["{name: b, vo: b, account: b}"]
    assert _decided(rules, ["vo: a"], **members) == "mapped b"
    assert _decided(rules, [f"vo: a, {PERSON}"], **members) == BY_BAN


@pytest.mark.parametrize("kept", ["all", [*DECISIVE, "voperson_id"]])
def test_a_claim_that_was_kept_is_known(kept: Any) -> None:
    """With the claim, or with the knowledge that the token does not have it, each decision is known."""
    rules = [f"{{name: person, vo: One, {PERSON}, account: p}}", OTHERS]
    assert _decided(rules, [], kept=kept) == "mapped one"
    assert _decided(rules, [], kept=kept, claims={"scope": "compute.read", "voperson_id": "v"}) == "mapped p"
    assert _decided(rules, [PERSON], kept=kept) == "mapped one"


def test_a_claim_that_no_record_keeps_is_not_known() -> None:
    """The begin of a record must be nowhere else in it, so no record keeps the claim `time`, also with `all`."""
    rules = ["{name: r, vo: One, claim: {time: x}, account: p}", OTHERS]
    assert _decided(rules, [], kept="all") == "the log does not keep the claim 'time', which rule r asks for"


def test_an_account_stays_reserved_by_a_rule_that_may_match() -> None:
    """A rule names its account, so no capture makes it, also if the rule asks for a missing claim."""
    rules = [
        f"{{name: person, vo: One, subject: jane, {PERSON}, account: jo}}",
        "{name: user, vo: One, subject: <user>, account: <user>}",
        OTHERS,
    ]
    assert _decided(rules, []) == "mapped one"


@pytest.mark.parametrize("name", ["scope", "wlcg.ver", "exp"])
def test_every_decision_reads_some_claims(name: str) -> None:
    """A site may keep fewer claims than each decision reads. Then no decision is known."""
    kept = [each for each in DECISIVE if each != name]
    assert _decided([OTHERS], [], kept=kept) == f"the log does not keep the claim {name!r}, which the decision asks for"


def test_a_claim_of_groups_that_was_not_kept() -> None:
    """An issuer that is declared anew may have its groups in another claim."""
    policy = policy_of(SITE.replace("{vo-from: [group]}", "{vo-from: [group], groups: {claim: gr}}") + f"  - {OTHERS}")
    decider = RecordDecider(policy, bans_of())
    assert _decide(decider, issuer=MANY) == "the log does not keep the claim 'gr', which the decision asks for"
    assert _decide(decider) == "mapped one"


def test_many_sets_of_claims_build_few_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger may write any set of kept claims into a log. vomap makes a few policies for them, and never errs."""
    made: list[frozenset[str]] = []
    policy_without = kept_claims._policy_without

    def counted(policy: Policy, missing: frozenset[str]) -> Policy:
        made.append(missing)
        return policy_without(policy, missing)

    monkeypatch.setattr(kept_claims, "_policy_without", counted)
    rules = [f"{{name: r{at}, vo: One, claim: {{c{at}: x}}, account: a}}" for at in range(30)]
    decider = RecordDecider(policy_of(SITE + "".join(f"  - {rule}\n" for rule in [*rules, OTHERS])), bans_of())
    for at in range(30):
        kept = [*DECISIVE, *(f"c{each}" for each in range(30) if each != at)]
        assert _decide(decider, kept=kept).startswith("the log does not keep the claim 'c")
    assert _decide(decider, kept=[*DECISIVE, *(f"c{each}" for each in range(30))]) == "mapped one"
    assert len(made) <= 9
