"""A replay of ARC tokens with a forged name: such a claim is an error only if the policy or a ban asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unit.policy.composed import bans_of, policy_of
from vomap.analysis import replay
from vomap.analysis.replay import Replay
from vomap.claims import DECISIVE, EVERY_CLAIM
from vomap.claims.arc_environment import read_environment
from vomap.log import DecisionLog
from vomap.log.reader import read_log
from vomap.log.record import Record
from vomap.policy.decide import decide

ISSUER = "https://one.example/"
NOW = 1795348800
_DECLARED = f"mapfile: 1\nsite: {{audience: ANY}}\nissuers:\n  {ISSUER}: {{vo: One}}\n"
PLAIN = f"{_DECLARED}rules:\n  - {{name: all, vo: One, account: one}}\n"
# Of another VO: without the forged name, the rule says nothing of the token.
ASKS = f"{PLAIN}  - {{name: other, vo: Two, claim: {{department: x}}, account: two}}\n"
READS = PLAIN.replace("{vo: One}", "{vo: One, groups: {claim: department}}")
BANS = "mapfile: 1\nbans:\n  - {subject: jane, claim: {department: x}, reason: r}\n"
ERROR, MAPPED = ("error", None), ("mapped", "one")


def _record(folder: Path, policy: str, bans: str | None, kept: Any, *, claim: str = "department_0") -> Record:
    """Decide a token with a value that may be the rest of a name, and return the record of the log."""
    token = {"ISSUER": ISSUER, "SUBJECT": "jo", "AUDIENCE_0": "ANY", "SCOPE_0": "compute.read"}
    token[f"CLAIM_{claim}"] = "physics_0=x"
    found = bans_of(bans)
    environment = {f"BEARER_TOKEN_0_{name}".encode(): value.encode() for name, value in token.items()}
    decision = decide(policy_of(policy), found, read_environment(environment), NOW)
    log = DecisionLog({"to": str(folder / "log"), "claims": kept})
    log.write(decision, callout="vomap-arc map", ce="arc", now=NOW, asked=found.claims)
    (record,) = read_log(str(folder / "log"))
    assert isinstance(record, Record), record
    return record


def _replayed(record: Record, policy: str, bans: str | None) -> Replay:
    result = Replay(policy_of(policy), bans_of(bans))
    result.add(record)
    return result


@pytest.mark.parametrize("kept", [EVERY_CLAIM, [*DECISIVE], [*DECISIVE, "department"]])
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((PLAIN, None), (ASKS, None), (MAPPED, ERROR)),
        ((PLAIN, None), (READS, None), (MAPPED, ERROR)),
        ((PLAIN, None), (PLAIN, BANS), (MAPPED, ERROR)),
        ((ASKS, None), (PLAIN, None), (ERROR, MAPPED)),
        ((READS, None), (PLAIN, None), (ERROR, MAPPED)),
        ((PLAIN, BANS), (PLAIN, None), (ERROR, MAPPED)),
        ((PLAIN, None), (PLAIN, None), (MAPPED, MAPPED)),
        ((ASKS, None), (PLAIN, BANS), (ERROR, ERROR)),
    ],
)
def test_a_forged_name_is_decided_by_the_new_policy(
    tmp_path: Path, old: tuple[str, str | None], new: tuple[str, str | None], expected: Any, kept: Any
) -> None:
    """A rule or a ban that asks for the claim makes the token an error, and a policy without them ends the error."""
    result = _replayed(_record(tmp_path, *old, kept), *new)
    before, after = expected
    assert (dict(result.undecidable), dict(result.left_out)) == ({}, {})
    if before == after:
        assert (result.same, result.changed) == (1, 0)
        return
    (change,) = result.changes
    assert (change.before.outcome, change.before.account) == before
    assert (change.after.outcome, change.after.account) == after


@pytest.mark.parametrize("bans", [None, BANS.replace("claim: {department: x}", "claim: {email: x}")])
def test_no_bearer_makes_its_records_undecidable(tmp_path: Path, bans: str | None) -> None:
    """A site that keeps all claims knows of each other claim that a token with a forged name does not have it."""
    record = _record(tmp_path, PLAIN, None, EVERY_CLAIM)
    result = _replayed(record, PLAIN.replace("account: one", "claim: {email: x}, account: one"), bans)
    assert (dict(result.undecidable), result.changed) == ({}, 1)


@pytest.mark.parametrize("claim", ["exp_0", "nbf_0", "jti_0", "entitlements_0"])
def test_a_decisive_claim_may_be_forged(tmp_path: Path, claim: str) -> None:
    """The record has such a claim as the decision read it, so the same policy decides the same."""
    result = _replayed(_record(tmp_path, PLAIN, None, [*DECISIVE], claim=claim), PLAIN, None)
    assert (result.same, dict(result.undecidable), dict(result.left_out)) == (1, {}, {})


def test_an_earlier_record_does_not_name_what_is_forged(tmp_path: Path) -> None:
    """Then its error may stay or end, and is not known."""
    record = _record(tmp_path, ASKS, None, [*DECISIVE])
    del record.members["forged"]
    assert dict(_replayed(record, PLAIN, None).undecidable) == {replay.NO_FORGED: 1}
