"""HTCondor treats tokens of each profile as measured on a real pool."""

from __future__ import annotations

from typing import Any

import pytest

from unit.policy.composed import policy_document
from vomap.ces.htcondor_tokens import htcondor_notes
from vomap.ces.wiring import foreign_issuers
from vomap.claims import read_claims
from vomap.policy.index import policy_of

ALL = "compute.create compute.modify compute.cancel"
DOCUMENT = policy_document(
    "mapfile: 1\nsite: {audience: [ANY]}\nissuers:\n"
    "  https://plain/: {vo: A}\n"
    "  https://other/: {vo: B, profile: other}\n"
    "  https://wlcg/: {vo: C, profile: wlcg}\n"
    "  https://proxy/: {vo-from: [group], entitlements: {namespace: 'urn:x:y'}}\n"
    "  https://gone/: none\n"
)
REFUSES = "HTCondor will refuse this token before it asks vomap"
GRANTS_NOTHING = "it passes as a SciToken, whose `compute.*` scopes grant nothing"


def _notes(issuer: str, token: dict[str, Any], *, is_mapped: bool = True) -> list[str]:
    claims = read_claims({"iss": f"https://{issuer}/", "sub": "s", "aud": "ANY", "scope": ALL, **token})
    return htcondor_notes(policy_of(DOCUMENT), claims, is_mapped=is_mapped)


def test_foreign_issuers() -> None:
    """`profile: other` lists the issuer in the wiring, as entitlements do. Another profile does not."""
    assert foreign_issuers(DOCUMENT) == ["https://other/", "https://proxy/"]


@pytest.mark.parametrize("is_mapped", [True, False])
def test_a_token_without_a_version_and_with_more_claims(is_mapped: bool) -> None:
    """HTCondor refuses it before any plugin, unless its issuer is foreign. The note says what to declare."""
    (note,) = _notes("plain", {"email": "x", "azp": "y", "groups": [], "name": "n"}, is_mapped=is_mapped)
    assert note.startswith(REFUSES)
    assert "and other claims ('azp', 'email', 'groups' and 1 more); " in note
    assert "if all tokens of 'https://plain/' are so, declare `profile: other`, then run `vomap init" in note
    (note,) = _notes("wlcg", {"email": "x"}, is_mapped=is_mapped)
    assert note.endswith(", but its issuer has `profile: wlcg`")
    for issuer in ("other", "proxy"):
        assert _notes(issuer, {"email": "x"}) == []


@pytest.mark.parametrize(("issuer", "aud"), [("plain", "ANY"), ("other", "ANY"), ("proxy", "ANY"), ("plain", [])])
def test_a_token_with_well_known_claims_alone(issuer: str, aud: object) -> None:
    """It passes as a SciToken, whose `compute.*` scopes grant nothing."""
    write, read = _notes(issuer, {"aud": aud})
    assert GRANTS_NOTHING in write
    assert GRANTS_NOTHING in read
    assert _notes(issuer, {"aud": aud, "scope": "condor:/WRITE"}) == []
    assert _notes(issuer, {"aud": aud}, is_mapped=False) == []


def test_a_foreign_token_without_an_audience() -> None:
    """It fails a check of HTCondor, so it counts as foreign, and its `compute.*` scopes count."""
    assert _notes("other", {"aud": []}) == []


def test_tokens_with_a_version() -> None:
    """Those of WLCG may use `compute.*`. SciTokens may not, and the plain reason is given."""
    assert _notes("wlcg", {"wlcg.ver": "1.0", "email": "x"}) == []
    notes = _notes("plain", {"ver": "scitoken:2.0", "email": "x"})
    why = "with `ver` it is a SciToken, whose `compute.*` scopes grant nothing; request `condor:/READ condor:/WRITE`"
    assert notes == [f"mapped, but HTCondor will refuse {level}: {why}" for level in ("WRITE", "READ")]
    notes = _notes("plain", {"ver": "scitoken:2.0", "scope": "condor:/READ"})
    assert notes == ["mapped, but HTCondor will refuse WRITE: the scopes do not grant it"]


@pytest.mark.parametrize(
    ("scope", "meant"),
    [
        ("condor:WRITE", "condor:/WRITE"),
        ("condor:/write", "condor:/WRITE"),
        ("condor/:READ", "condor:/READ"),
        ("compute.Create", "compute.create"),
        ("compute:modify", "compute.modify"),
        ("compute.write", "compute.cancel compute.create compute.modify"),
    ],
)
@pytest.mark.parametrize("is_mapped", [True, False])
def test_a_scope_that_htcondor_does_not_read(scope: str, meant: str, is_mapped: bool) -> None:
    """A scope that is nearly one of HTCondor's is named with the one that was meant, for a refused token as well."""
    notes = _notes("wlcg", {"wlcg.ver": "1.0", "scope": scope}, is_mapped=is_mapped)
    assert notes[-1] == f"scope: HTCondor does not read {scope!a}; it reads {meant!a}"
    assert _notes("wlcg", {"wlcg.ver": "1.0", "scope": "storage.read:/ condor:/WRITE openid"}) == []


@pytest.mark.parametrize("issuer", ["gone", "unknown"])
def test_issuers_without_a_declaration(issuer: str) -> None:
    """HTCondor does not ask vomap about their tokens."""
    assert _notes(issuer, {"email": "x"}) == []
