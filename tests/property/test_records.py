"""A record decides again as its token did, or vomap says that it does not know: for any policy, bans and token."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import assume, event, given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from property.strategies import KNOWN, NOW, ban_file, bans, json_values, mapfiles, tokens, tokens_of_two_vos, written
from unit.policy.composed import bans_of, policy_of
from vomap import Error
from vomap.analysis.kept_claims import RecordDecider, UndecidableError
from vomap.claims import DECISIVE, EVERY_CLAIM, Claims, read_claims
from vomap.log import DecisionLog
from vomap.log.reader import read_log
from vomap.log.record import Record
from vomap.policy import ERROR, Decision
from vomap.policy.decide import decide
from vomap.policy.model import Bans, Policy

# The rules and bans drawn here ask for no other claim.
ENOUGH: list[Any] = [EVERY_CLAIM, [*DECISIVE, "extra"], [*DECISIVE, "extra", "absent"]]
any_claims = st.sampled_from([*ENOUGH, [*DECISIVE], ["extra"], []]) | st.lists(st.sampled_from(sorted(KNOWN)))
forgeable = st.sampled_from([*sorted(KNOWN - {"iss", "sub", "aud", "scope", "wlcg.groups"}), "absent", "time", "x\n"])
other_token: SearchStrategy[dict[str, Any]] = st.builds(
    lambda token, value: {**token, "x\n": value}, tokens(), json_values
)
any_token = tokens() | tokens_of_two_vos() | other_token


@given(
    mapfiles() | mapfiles(of_two_vos=True),
    st.lists(bans(), max_size=3),
    st.lists(any_token, min_size=1),
    any_claims,
    st.frozensets(forgeable, max_size=2),
)
def test_a_record_decides_as_its_token(
    mapfile: dict[str, Any],
    banned: list[dict[str, Any]],
    several: list[dict[str, Any]],
    kept: Any,
    forged: frozenset[str],
) -> None:
    """The log has only legal records. A decision that it makes again is that of the token, whatever the log keeps.

    If the log keeps all claims that the policy and the bans ask for, no record is undecidable. Any claim
    may be forged, as on ARC.
    """
    policy, found = policy_of(written(mapfile)), bans_of(ban_file(*banned))
    decider = RecordDecider(policy, found)
    for token in several:
        claims = _claims(token)
        claims.forged = forged
        record = _logged(policy, found, claims, kept)
        again = record.claims()
        assert again is not None
        try:
            decision = decider.decide(record, again)
        except UndecidableError:
            event("undecidable")
            assert kept not in ENOUGH
            continue
        event("decided")
        expected = decide(policy, found, claims, NOW)
        assert (decision.outcome, decision.account, decision.pool) == (
            expected.outcome,
            expected.account,
            expected.pool,
        )


def _claims(token: dict[str, Any]) -> Claims:
    try:
        return read_claims(token)
    except Error:
        assume(False)
        raise


def _logged(policy: Policy, banned: Bans, claims: Claims, kept: Any) -> Record:
    """Log the decision for a token, and return its record."""
    decision: Decision = decide(policy, banned, claims, NOW)
    if decision.pool is not None:
        decision.settle(ERROR, "pool: no account was leased")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        log = DecisionLog({"to": str(path), "claims": kept})
        log.write(decision, callout="vomap-htcondor", ce="htcondor", now=NOW, asked=banned.claims)
        (record,) = read_log(str(path))
    assert isinstance(record, Record), record
    return record
