"""Rules that are true of every decision, for any policy and any token."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from ces import arc_environment, htcondor_payload
from property.strategies import (
    KNOWN,
    NOW,
    ban_file,
    bans,
    json_values,
    mapfiles,
    rules,
    tokens,
    tokens_of_two_vos,
    written,
)
from unit.policy.composed import bans_document, bans_of, policy_document, policy_of
from vomap import Error, store
from vomap.claims import Claims, TokenRefused, read_claims
from vomap.claims.arc_environment import read_environment
from vomap.claims.htcondor_payload import read_payload
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED, OUTCOMES, Decision, failed, index, matching
from vomap.policy.decide import decide
from vomap.policy.matching import EVERY_TOKEN
from vomap.policy.model import Bans, Policy
from vomap.store import read_bans, read_policy, writer

POLICY = policy_of(Path(__file__).with_name("policy.yaml").read_text("utf-8"))
NOBODY = bans_of()


def _payload_decision(payload: bytes, policy: Policy = POLICY, banned: Bans = NOBODY) -> Decision:
    try:
        return decide(policy, banned, read_payload(payload), NOW)
    except Error as error:
        return failed(str(error))


def _environment_decision(environment: dict[bytes, bytes]) -> Decision:
    try:
        return decide(POLICY, NOBODY, read_environment(environment), NOW)
    except TokenRefused as error:
        return failed(str(error)).settle(DENIED, str(error))
    except Error as error:
        return failed(str(error))


def _summary(decision: Decision) -> dict[str, Any]:
    return {**decision.as_json(ce="none", time="now"), "pool": decision.pool}


def _is_an_answer(decision: Decision) -> bool:
    event(decision.outcome)
    answered = decision.account is not None or decision.pool is not None
    return decision.outcome in OUTCOMES and answered == (decision.outcome == MAPPED) and bool(decision.reason)


def _claims(token: dict[str, Any]) -> Claims:
    """Read a token that can be read at all."""
    try:
        return read_claims(token)
    except Error:
        assume(False)
        raise


@given(json_values)
def test_any_json_on_htcondors_stdin(value: object) -> None:
    """Any JSON whatever gives one of the four outcomes."""
    assert _is_an_answer(_payload_decision(json.dumps(value).encode()))


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_on_htcondors_stdin(payload: bytes) -> None:
    """So do any bytes whatever."""
    assert _is_an_answer(_payload_decision(payload))


def _is_shown_by_arc(token: dict[str, Any]) -> bool:
    """Return True if ARC shows a token as it is. ARC cuts texts at a NUL, and shows a list of one text as that text.

    It shows no times either. So only HTCondor's token can be over, live too long, or have a malformed time. Of values
    that are neither texts nor lists it shows nothing, so only HTCondor's token can have such a version or audience.
    """
    if not all(isinstance(token.get(name, ""), (str, list)) for name in ("wlcg.ver", "aud")):
        return False
    lists = [value for value in token.values() if isinstance(value, list)]
    return "\\u0000" not in json.dumps(token) and not any(
        sum(isinstance(member, str) for member in members) == 1 for members in lists
    )


FORGED = st.builds(
    "{}_0={}".format, st.sampled_from(sorted(KNOWN)), st.sampled_from(("alice", "/a", "urn:x:y:group:a"))
)


def test_a_version_that_arc_does_not_show() -> None:
    """HTCondor's token is denied for its version. ARC shows none, and the token has no other fault."""
    token = {"iss": "https://one.example/", "sub": "alice", "aud": "ANY", "scope": "compute.create", "wlcg.ver": None}
    assert _payload_decision(htcondor_payload(token)).reason.startswith("version")
    assert _environment_decision(arc_environment(token)).outcome == MAPPED
    assert not _is_shown_by_arc(token)


@given(tokens(), st.dictionaries(st.text() | FORGED, json_values | st.just("x"), max_size=3))
def test_any_token_on_both_ces(token: dict[str, Any], more: dict[str, Any]) -> None:
    """A likely token with anything added is decided, and ARC never maps it to another account than HTCondor."""
    everything = {**more, **token}
    on_htcondor = _payload_decision(htcondor_payload(everything))
    on_arc = _environment_decision(arc_environment(everything))
    assert _is_an_answer(on_htcondor)
    assert _is_an_answer(on_arc)
    if (
        on_arc.outcome == MAPPED
        and _is_shown_by_arc(everything)
        and not on_htcondor.reason.startswith(("lifetime", "time"))
    ):
        assert (on_htcondor.outcome, on_htcondor.account, on_htcondor.pool) == (MAPPED, on_arc.account, on_arc.pool)


_NAMES = st.sampled_from(
    ("0_ISSUER", "0_SUBJECT", "0_AUDIENCE_0", "0_SCOPE_0", "0_SCOPE_1", "0_GROUP_0", "1_ISSUER", "0_", "0", "")
) | st.builds("0_CLAIM_{}_{}".format, st.sampled_from((*sorted(KNOWN), "SUB", "")), st.sampled_from("012x"))
_VALUES = st.binary(max_size=12) | st.sampled_from(
    (b"https://one.example/", b"alice", b"ANY", b"compute.read", b"a_0=b")
)


@given(
    st.dictionaries(_NAMES.map(lambda name: b"BEARER_TOKEN_" + name.encode()) | st.binary(), _VALUES, max_size=12),
    st.none() | st.sampled_from((b"https://one.example//alice", b"/CN=x")),
)
def test_any_environment_of_arc(environment: dict[bytes, bytes], identity: bytes | None) -> None:
    """Any environment gives one of the four outcomes."""
    certificate = {} if identity is None else {b"X509_SUBJECT_NAME": identity}
    assert _is_an_answer(_environment_decision({**environment, **certificate}))


@given(mapfiles(), st.data(), st.lists(tokens(), min_size=1, max_size=8))
def test_a_rule_added_at_the_end(mapfile: dict[str, Any], data: st.DataObject, several: list[dict[str, Any]]) -> None:
    """A rule added at the end never changes what an earlier rule has decided.

    The added rule names no account that a capture may have given: naming one reserves it, which is meant to count at
    once (test_naming_an_account_reserves_it).
    """
    added = data.draw(rules("added", accounts=("spare",)))
    before, after = policy_of(written(mapfile)), policy_of(written({**mapfile, "rules": [*mapfile["rules"], added]}))
    for token in several:
        claims = _claims(token)
        first, second = decide(before, NOBODY, claims, NOW), decide(after, NOBODY, claims, NOW)
        reserved = first.account is not None and after.names(first.account) and not before.names(first.account)
        event("a rule decided" if first.rule else "no rule decided")
        if first.rule is not None and not reserved:
            assert _summary(first) == {**_summary(second), "policy": first.policy}
        elif first.outcome != DECLINED:
            assert second.outcome != MAPPED or reserved


def test_naming_an_account_reserves_it() -> None:
    """No capture gives an account that a rule names.

    At most, the token is refused: it never gets another user's account.
    """
    text = "mapfile: 1\nsite: {audience: unchecked}\nissuers:\n  https://i/: {vo: V}\nrules:\n"
    capture = "  - {name: capture, vo: V, subject: <user>, account: <user>}\n"
    named = "  - {name: named, vo: V, subject: somebody, account: alice}\n"
    token = _claims({"iss": "https://i/", "sub": "alice", "scope": "compute.read"})
    assert decide(policy_of(text + capture), NOBODY, token, NOW).account == "alice"
    assert decide(policy_of(text + capture + named), NOBODY, token, NOW).outcome == DECLINED


@given(tokens(), st.dictionaries(st.text(), json_values, max_size=4), st.randoms(use_true_random=False))
def test_unrelated_claims(token: dict[str, Any], more: dict[str, Any], random: Any) -> None:
    """Claims that no rule asks for, and the order of claims, never matter."""
    _claims(token)
    unrelated = {name: value for name, value in more.items() if name not in KNOWN}
    shuffled = list({**token, **unrelated}.items())
    random.shuffle(shuffled)
    first, second = (_payload_decision(json.dumps(each).encode()) for each in (token, dict(shuffled)))
    event(first.outcome)
    assert _summary(first) == _summary(second)


@settings(max_examples=max(200, settings.default.max_examples if settings.default else 0))
@given(
    mapfiles(of_two_vos=True) | mapfiles(),
    st.lists(bans(), max_size=2),
    bans(),
    st.lists(tokens() | tokens_of_two_vos(), min_size=2, max_size=8),
)
def test_a_ban_added(
    mapfile: dict[str, Any], already: list[dict[str, Any]], added: dict[str, Any], several: list[dict[str, Any]]
) -> None:
    """An added ban never turns a refusal into a mapping, at any place in the list."""
    policy = policy_of(written(mapfile))
    before = bans_of(ban_file(*already))
    for after in (bans_of(ban_file(*already, added)), bans_of(ban_file(added, *already))):
        for token in several:
            claims = _claims(token)
            first, second = decide(policy, before, claims, NOW), decide(policy, after, claims, NOW)
            event(f"{first.outcome} became {second.outcome}")
            if first.outcome != MAPPED:
                assert second.outcome != MAPPED
            if first.outcome == DENIED:
                assert second.outcome == DENIED


@given(mapfiles(), st.lists(bans(), max_size=3), st.lists(tokens(), min_size=1, max_size=8))
def test_build_then_read(
    tmp_path_factory: pytest.TempPathFactory,
    mapfile: dict[str, Any],
    drawn: list[dict[str, Any]],
    several: list[dict[str, Any]],
) -> None:
    """A compiled policy decides as its mapfiles do, in every field of the decision."""
    folder = tmp_path_factory.getbasetemp()
    document, banned = policy_document(written(mapfile)), bans_document(ban_file(*drawn))
    digests = (
        writer.write_compiled(str(folder / "policy"), store.POLICY, document, sources={}, built="now"),
        writer.write_compiled(str(folder / "bans"), store.BANS, banned, sources={}, built="now"),
    )
    policy, read = read_policy(str(folder / "policy")), read_bans(str(folder / "bans"))
    assert (policy.digest, read.digest) == digests
    for token in several:
        claims = _claims(token)
        expected = decide(index.policy_of(document, digests[0]), index.bans_of(banned, digests[1]), claims, NOW)
        event(expected.outcome)
        assert _summary(decide(policy, read, claims, NOW)) == _summary(expected)


@given(mapfiles(), st.lists(bans(), max_size=2), st.lists(tokens(), min_size=1, max_size=8))
def test_rules_are_found_as_if_all_were_tried(
    mapfile: dict[str, Any], drawn: list[dict[str, Any]], several: list[dict[str, Any]]
) -> None:
    """The search for matching rules decides as `vomap explain` does, which tries every rule in order."""
    policy, banned = policy_of(written(mapfile)), bans_of(ban_file(*drawn))
    for token in several:
        claims = _claims(token)
        looked_up = decide(policy, banned, claims, NOW)
        event(looked_up.outcome)
        assert _summary(looked_up) == _summary(decide(policy, banned, claims, NOW, trace=[]))


def _tried_one_by_one(document: Mapping[str, Any]) -> Bans:
    """Return bans that are found by nothing: each is tried with every token."""
    pieces_of_all: dict[str, Any] = {f"ban\t{number}": ban for number, ban in enumerate(document["bans"])}
    pieces_of_all.update({"asked": [""], "asked\t": [EVERY_TOKEN]})
    pieces_of_all[f"\t{EVERY_TOKEN}\t"] = list(range(len(document["bans"])))
    return Bans(pieces_of_all.get, "digest")


@given(mapfiles() | mapfiles(of_two_vos=True), st.lists(bans(), min_size=1, max_size=6), st.data())
def test_bans_are_found_as_if_all_were_tried(
    mapfile: dict[str, Any], drawn: list[dict[str, Any]], data: st.DataObject
) -> None:
    """The search for matching bans decides as a loop over every ban."""
    policy, document = policy_of(written(mapfile)), bans_document(ban_file(*drawn))
    found, tried = index.bans_of(document, "digest"), _tried_one_by_one(document)
    for token in data.draw(st.lists(tokens() | tokens_of_two_vos(), min_size=1, max_size=6)):
        claims = _claims(token)
        looked_up = decide(policy, found, claims, NOW)
        event(f"{looked_up.outcome} by a ban: {looked_up.reason.startswith('ban')}")
        assert _summary(looked_up) == _summary(decide(policy, tried, claims, NOW))


@given(mapfiles(), st.lists(tokens(), min_size=1, max_size=4))
def test_conditions_in_one_step_are_the_general_ones(mapfile: dict[str, Any], several: list[dict[str, Any]]) -> None:
    """Issuer and subject, which are looked at in one step for speed, hold whenever the general way says so."""
    policy = policy_of(written(mapfile))
    for token in several:
        claims = _claims(token)
        decision = _summary(decide(policy, NOBODY, claims, NOW))
        with patch.dict(matching._OF_NEARLY_ALL, clear=True):
            assert _summary(decide(policy, NOBODY, claims, NOW)) == decision


@given(mapfiles())
def test_a_policy_in_pieces_is_whole_again(mapfile: dict[str, Any]) -> None:
    """The pieces of a policy make the document that they were taken from, and no two have one key."""
    document = policy_document(written(mapfile))
    taken = list(index.index_policy(document))
    assert len(taken) == len(dict(taken))
    assert index.document_of_policy(dict(taken)) == document


def test_every_outcome_is_reached() -> None:
    """The properties above are about something: what they draw is mapped, declined, denied and an error."""
    reached: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    changed: Counter[tuple[str, str]] = Counter()

    @settings(max_examples=200, database=None, derandomize=True)
    @given(mapfiles() | mapfiles(of_two_vos=True), tokens() | tokens_of_two_vos(), bans())
    def draw(mapfile: dict[str, Any], token: dict[str, Any], ban: dict[str, Any]) -> None:
        policy, payload = policy_of(written(mapfile)), htcondor_payload(token)
        decision = _payload_decision(payload, policy)
        reached[decision.outcome] += 1
        reached["account"] += decision.account is not None
        reached["pool"] += decision.pool is not None
        reasons[decision.reason.partition(":")[0]] += 1
        changed[decision.outcome, _payload_decision(payload, policy, bans_of(ban_file(ban))).outcome] += 1

    draw()
    advice = "a new strategy shifts the draws: raise max_examples until each is reached"
    assert {MAPPED, DECLINED, DENIED, ERROR, "account", "pool"} <= set(+reached), advice
    assert {"rule", "vo", "issuer", "audience"} <= set(reasons), advice
    assert {(MAPPED, DENIED), (MAPPED, MAPPED), (DECLINED, DENIED)} <= set(changed), advice
    assert reached[MAPPED] >= 10, advice
