"""Groups and entitlements become memberships, or are told to be none."""

from __future__ import annotations

from typing import Any

import pytest

from vomap.claims import read_claims
from vomap.claims.memberships import (
    EntitlementForm,
    normalise_percent,
    parse_entitlement,
    parse_fqan,
    read_memberships,
)

EGI = EntitlementForm("urn:mace:egi.eu", "aai.egi.eu", in_scope=False)
PILOT = "urn:mace:egi.eu:group:vo.example.org:role=pilot#aai.egi.eu"


@pytest.mark.parametrize(
    ("text", "fqan"),
    [
        ("/cms", "/cms"),
        ("/cms/", "/cms"),
        ("/cms/pilots", "/cms/pilots"),
        ("/cms/Role=pilot", "/cms/Role=pilot"),
        ("/cms/Role=NULL", "/cms"),
        ("/cms/Role=NULL/Capability=NULL", "/cms"),
        ("/cms/Capability=NULL", "/cms"),
        ("/cms/Role=pilot/Capability=NULL", "/cms/Role=pilot"),
        ("/cms/role=pilot", "/cms/role=pilot"),
        ("/CMS", "/CMS"),
    ],
)
def test_groups(text: str, fqan: str) -> None:
    """One trailing slash, Role=NULL and Capability=NULL are dropped; case stays."""
    membership = parse_fqan(text)
    assert membership is not None
    assert membership.fqan == fqan


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//",
        "cms",
        "cms/pilots",
        "/cms//",
        "//cms",
        "/cms//pilots",
        "/Role=pilot",
        "/Role=NULL",
        "/Capability=NULL",
        "/cms/Role=",
        "/cms/Role=pilot/sub",
        "/cms/Role=a/Role=b",
        "/cms/Capability=x",
        "/cms/Role=pilot/Capability=x",
        "/cms/.",
        "/cms/../atlas",
        "/cms/two words",
        "/cms/Role=two words",
        "/cms\u00a0",
    ],
)
def test_no_groups(text: str) -> None:
    """What is no legal FQAN is no membership, rather than the nearest one."""
    assert parse_fqan(text) is None


@pytest.mark.parametrize(
    ("value", "fqan"),
    [
        (PILOT, "/vo.example.org/Role=pilot"),
        ("urn:mace:egi.eu:group:vo#aai.egi.eu", "/vo"),
        ("urn:mace:egi.eu:group:vo", "/vo"),
        ("urn:mace:egi.eu:group:vo:sub:deep:role=x#aai.egi.eu", "/vo/sub/deep/Role=x"),
        ("URN:MACE:EGI.EU:group:VO:Sub", "/VO/Sub"),
        ("urn:mace:egi%2eeu:group:%76o", "/vo"),
        ("urn:mace:egi.eu:group:a%2fb", "/a%2Fb"),
        ("urn:mace:egi.eu:group:a%3ab", "/a%3Ab"),
        ("urn:mace:egi.eu:group:100%", "/100%"),
    ],
)
def test_entitlements(value: str, fqan: str) -> None:
    """An entitlement names the same membership as the FQAN would; namespace without case, groups with it."""
    membership = parse_entitlement(value, EGI)
    assert membership is not None
    assert membership.fqan == fqan


@pytest.mark.parametrize(
    "value",
    [
        "",
        "urn:mace:egi.eu",
        "urn:mace:egi.eu:group:",
        "urn:mace:egi.eu:group:role=pilot",
        "urn:mace:egi.eu:group::role=pilot",
        "urn:mace:egi.eu:group::vo",
        "urn:mace:egi.eu:group:vo:",
        "urn:mace:egi.eu:group:vo:role=.",
        "urn:mace:egi.eu:group:vo: sub",
        "urn:mace:egi.eu:group:vo:\u2003sub",
        "urn:mace:egi.eu:group:vo#other.example",
        "urn:mace:egi.eu:group:vo#",
        "urn:mace:egi.eu:group:vo#AAI.EGI.EU",
        "urn:mace:egi.eu:group:vo#aai.egi.eu#aai.egi.eu",
        "urn:mace:egi.eu:res:vo#aai.egi.eu",
        "urn:mace:egi.eu:GROUP:vo#aai.egi.eu",
        "urn:mace:egi.eu.evil:group:vo#aai.egi.eu",
        "urn:mace:egi.eu:evil:group:vo#aai.egi.eu",
        "urn:geant:egi.eu:group:vo#aai.egi.eu",
        "urn:mace:egi.eu:group:vo:role=a:role=b",
        "urn:mace:egi.eu:group:vo:role=a:sub",
        "urn:mace:egi.eu:group:vo:role=",
        "urn:mace:egi.eu:group:vo::sub",
        "urn:mace:egi.eu:group:vo:a/b",
        "urn:mace:egi.eu:group:vo:Role=pilot",
        "urn:mace:egi.eu:group:vo:Capability=x",
        "urn:mace:egi.eu:group:vo:role=a/b",
        "urn:mace:egi.eu:group:..:vo",
        "urn:mace:egi.eu:group:%2e%2e:vo",
    ],
)
def test_no_entitlements(value: str) -> None:
    """Another authority, another namespace, a resource or a disguised role: no membership."""
    assert parse_entitlement(value, EGI) is None


def test_case_is_ascii_only() -> None:
    """A Kelvin sign is no `k`, and a dotted capital I is no `i`."""
    form = EntitlementForm("urn:geant:kit.edu", None, in_scope=False)
    assert parse_entitlement("URN:GEANT:KIT.EDU:group:vo", form) is not None
    assert parse_entitlement("urn:geant:\u212ait.edu:group:vo", form) is None
    assert parse_entitlement("urn:geant:k\u0130t.edu:group:vo", form) is None


def test_no_authority_declared() -> None:
    """Where no authority is declared, an entitlement that names one is somebody else's."""
    form = EntitlementForm("urn:mace:egi.eu", None, in_scope=False)
    assert parse_entitlement("urn:mace:egi.eu:group:vo", form) is not None
    assert parse_entitlement("urn:mace:egi.eu:group:vo#aai.egi.eu", form) is None


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("", ""),
        ("a", "a"),
        ("%41%7e%2E", "A~."),
        ("%2f%3A", "%2F%3A"),
        ("%", "%"),
        ("%4", "%4"),
        ("%zz", "%zz"),
        ("100%", "100%"),
        ("%2541", "%2541"),
        ("%c3%a9", "%C3%A9"),
    ],
)
def test_percent_encoding(text: str, normal: str) -> None:
    """Hex in upper case, unreserved characters decoded, once; a `%` that begins no encoding stays."""
    assert normalise_percent(text) == normal


def _fqans(token: dict[str, Any], form: EntitlementForm | None) -> tuple[list[str], list[str]]:
    passed_over: list[str] = []
    return [each.fqan for each in read_memberships(read_claims(token), form, passed_over)], passed_over


def test_every_source_in_order_each_once() -> None:
    """Groups first, then the new claim, then the old; a membership that is there twice counts where it came first."""
    token = {
        "eduperson_entitlement": ["urn:mace:egi.eu:group:old", PILOT],
        "entitlements": [PILOT, "urn:mace:egi.eu:group:cms"],
        "wlcg.groups": ["/cms, /cms/pilots ", "/cms/"],
    }
    assert _fqans(token, EGI) == (["/cms", "/cms/pilots", "/vo.example.org/Role=pilot", "/old"], [])


def test_without_a_declaration_entitlements_say_nothing() -> None:
    """Which namespace an issuer may use is declared, or its entitlements are only texts."""
    assert _fqans({"entitlements": [PILOT], "wlcg.groups": "/cms"}, None) == (["/cms"], [])


def test_what_is_no_membership_is_told() -> None:
    """Each value that was passed over is told once, in plain characters."""
    fqans, told = _fqans({"wlcg.groups": "/cms,,é", "entitlements": "urn:x"}, EGI)
    assert fqans == ["/cms"]
    assert told == ["'' is no membership", "'\\xe9' is no membership", "'urn:x' is no membership"]


def test_entitlements_in_scope_count_where_declared() -> None:
    """A requested scope is no proof, unless the issuer is declared to put granted entitlements there."""
    token = {"scope": f"openid entitlements:{PILOT} eduperson_entitlement:urn:mace:egi.eu:group:old entitlements:"}
    assert _fqans(token, EGI) == ([], [])
    declared = EntitlementForm("urn:mace:egi.eu", "aai.egi.eu", in_scope=True)
    assert _fqans(token, declared) == (["/vo.example.org/Role=pilot", "/old"], [])
    assert _fqans({}, declared) == ([], [])


def test_the_root_is_the_first_part() -> None:
    """The VO's name in the token is the first part of a group, whatever follows."""
    for text in ("/vo", "/vo/a/b", "/vo/Role=x"):
        membership = parse_fqan(text)
        assert membership is not None
        assert membership.root == "vo"
