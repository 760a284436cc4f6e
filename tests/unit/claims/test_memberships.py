"""Groups and entitlements become memberships, or are reported as malformed."""

from __future__ import annotations

from typing import Any

import pytest

from vomap.claims import read_claims
from vomap.claims.memberships import (
    EntitlementForm,
    GroupForm,
    find_malformed,
    normalise_percent,
    parse_entitlement,
    parse_fqan,
    read_every_membership,
    read_memberships,
)

LISTED = GroupForm()
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
    """A malformed FQAN gives no membership, not the nearest one."""
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
    """An entitlement names the same membership as the FQAN would: namespace without case, groups with it."""
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
        "urn:mace:egi.eu:group:vo:a\tb",
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
    """A Kelvin sign is not a `k`, and a dotted capital I is not an `i`."""
    form = EntitlementForm("urn:geant:kit.edu", None, in_scope=False)
    assert parse_entitlement("URN:GEANT:KIT.EDU:group:vo", form) is not None
    assert parse_entitlement("urn:geant:\u212ait.edu:group:vo", form) is None
    assert parse_entitlement("urn:geant:k\u0130t.edu:group:vo", form) is None


def test_no_authority_declared() -> None:
    """Where no authority is declared, an entitlement that names one belongs to another issuer."""
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
    """Hex in upper case, unreserved characters decoded, once. A `%` that begins no encoding stays."""
    assert normalise_percent(text) == normal


def _fqans(
    token: dict[str, Any], form: EntitlementForm | None, groups: GroupForm | None = LISTED
) -> tuple[list[str], list[str]]:
    claims, forms = read_claims(token), () if form is None else (form,)
    fqans = [each.fqan for each in read_memberships(claims, groups, forms)]
    return fqans, list(find_malformed(claims, groups, forms))


def _every_fqan(token: dict[str, Any], groups: GroupForm | None) -> list[str]:
    return sorted(each.fqan for each in read_every_membership(read_claims(token), groups, ()))


def test_every_source_in_order_each_once() -> None:
    """Groups first, then the new claim, then the old. A membership that is there twice counts at its first place."""
    token = {
        "eduperson_entitlement": ["urn:mace:egi.eu:group:old", PILOT],
        "entitlements": [PILOT, "urn:mace:egi.eu:group:cms"],
        "wlcg.groups": ["/cms", "/cms/pilots", "/cms/"],
    }
    assert _fqans(token, EGI) == (["/cms", "/cms/pilots", "/vo.example.org/Role=pilot", "/old"], [])


def test_without_a_declaration_entitlements_say_nothing() -> None:
    """Which namespace an issuer may use is declared, or its entitlements are only texts."""
    assert _fqans({"entitlements": [PILOT], "wlcg.groups": "/cms"}, None) == (["/cms"], [])


def test_a_value_that_is_not_a_group_is_reported() -> None:
    """Each value that was passed over is reported once, in plain characters."""
    fqans, told = _fqans({"wlcg.groups": ["/cms", "", "é"], "entitlements": "urn:x"}, EGI)
    assert fqans == ["/cms"]
    slash = "is not a group: it does not begin with a slash"
    assert told == [f"'' {slash}", f"'\\xe9' {slash}", "'urn:x' is not a group: it has no `:group:`"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/ctao/Role=dpps/Role=pipelines/Role=user", "it has several roles; a group has one `/Role=NAME`, at its end"),
        ("/cms/Role=pilot/x", "`Role=` is before the end"),
        ("/cms/Role=pilot/Capability=x", "`Capability=` is not NULL, or not at its end"),
        ("/cms/Role=", "its role has no valid name"),
        ("//cms", "it has an empty part"),
        ("/cms//x", "it has an empty part"),
        ("/cms/../x", "it has the part '..'"),
        ("/cms/a b", "it has a blank"),
        ("cms/x", "it does not begin with a slash"),
        ("/cms,/x", "it has a comma; the issuer's `groups: {form: comma-separated}` splits a string that is alone"),
    ],
)
def test_why_a_text_is_not_a_group(text: str, why: str) -> None:
    """The sentence names the reason, so an administrator need not guess it."""
    _, (told,) = _fqans({"wlcg.groups": [text]}, None)
    assert told.startswith(f"{text!a} is not a group: {why}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("urn:mace:egi.eu:group:escape:escape/pilots#aai.egi.eu", "a part has a slash; a colon separates parts"),
        ("urn:mace:egi.eu:group:a:role=x:b", "`role=` is before the end"),
        ("urn:mace:egi.eu:group:a::b", "it has an empty part"),
        ("urn:mace:egi.eu:group:a#other", "the issuer does not declare the authority 'other'"),
        ("urn:geant:x:group:a", "the issuer does not declare the namespace 'urn:geant:x'"),
        ("urn:mace:egi.eu:res:a", "it has no `:group:`"),
    ],
)
def test_why_a_text_is_not_an_entitlement(text: str, why: str) -> None:
    """The sentence names the reason, the declared namespace and authority among them."""
    assert _fqans({"entitlements": [text]}, EGI) == ([], [f"{text!a} is not a group: {why}"])


def test_roles_in_another_claim() -> None:
    """Only `wlcg.groups` has roles, and the sentence says so."""
    _, (told,) = _fqans({"groups": ["cms/Role=pilot"]}, None, GroupForm("groups"))
    assert told == "'cms/Role=pilot' is not a group: only groups in `wlcg.groups` have roles"


@pytest.mark.parametrize("groups", ["/eve.example/x,/vo.example.org/Role=pilot", ["/nova/x,/dune"], ["/a,/b", "/c"]])
def test_a_comma_splits_only_where_it_is_declared(groups: Any) -> None:
    """Who may name a subgroup can write the group of another VO behind a comma: such a string is not a group."""
    fqans, told = _fqans({"wlcg.groups": groups}, None)
    assert fqans == [each for each in groups if "," not in each] if isinstance(groups, list) else fqans == []
    assert "it has a comma" in told[0]
    assert "groups: {form: comma-separated}" in told[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/cms/Role=pilot, /cms", ["/cms/Role=pilot", "/cms"]),
        (["/cms/Role=pilot, /cms"], ["/cms/Role=pilot", "/cms"]),
        (["/a,/b", 7, None], ["/a", "/b"]),
        (["/a,/b", "/c"], ["/c"]),
        (["/a,/b", "x\x01"], []),
        (["/a,/b", ""], []),
        (",/a,,", ["/a"]),
        ("", []),
    ],
)
def test_one_string_is_split_where_it_is_declared(value: Any, expected: list[str]) -> None:
    """A string that is alone in its claim is split. Members that are not strings do not count, as ARC hides them."""
    assert _fqans({"wlcg.groups": value}, None, GroupForm(comma_separated=True))[0] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["cms/pilots", "/cms"], ["/cms/pilots", "/cms"]),
        (["cms/Role=pilot", "cms/Role=NULL", "Role=x", "cms/Capability=NULL"], []),
        (["cms/", "/", "", "a//b", "a,b"], ["/cms"]),
    ],
)
def test_another_claim_lists_groups_without_roles(value: Any, expected: list[str]) -> None:
    """In another claim a missing first slash is added, and roles are not named. `wlcg.groups` is then ignored."""
    assert _fqans({"groups": value, "wlcg.groups": ["/vo"]}, None, GroupForm("groups"))[0] == expected


def test_an_issuer_without_groups() -> None:
    """Where the issuer is declared to write none, `wlcg.groups` names no membership for rules."""
    assert _fqans({"wlcg.groups": ["/cms"]}, EGI, None) == ([], [])


@pytest.mark.parametrize("groups", [None, LISTED, GroupForm(comma_separated=True), GroupForm("groups")])
def test_bans_see_every_reading_of_groups(groups: GroupForm | None) -> None:
    """For every declaration, bans see each string as a whole and split at commas."""
    token = {"wlcg.groups": ["/eve/x,/cms/Role=pilot", " /b "]}
    assert _every_fqan(token, groups) == ["/b", "/cms/Role=pilot", "/eve/x", "/eve/x,/cms/Role=pilot"]


def test_bans_see_another_claim_and_the_usual_one() -> None:
    """With another claim declared, bans see that one, roles included, and `wlcg.groups` as well."""
    token = {"wlcg.groups": ["/a"], "groups": ["b/Role=x, c"]}
    assert _every_fqan(token, GroupForm("groups")) == ["/a", "/b/Role=x", "/c"]


def test_entitlements_in_scope_count_where_declared() -> None:
    """A requested scope proves nothing, unless the issuer is declared to put granted entitlements there."""
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
