"""The document of a policy and the engine agree which issuer may speak for which VO."""

from __future__ import annotations

import pytest

from unit.policy.composed import policy_document, policy_of
from vomap.policy import index
from vomap.policy.authority import Authority, may_name, owned_vo, vo_of
from vomap.policy.model import Issuer

ONE, LIST, FREE, OPEN, GONE = (f"https://{name}/" for name in ("one", "list", "free", "open", "gone"))
ISSUERS = f"""\
mapfile: 1
issuers:
  {ONE}: {{vo: One}}
  {LIST}: {{vo-from: [group], vos: {{two: Two, also-two: Two, one: One}}, default-vo: Three}}
  {FREE}: {{vo-from: [group]}}
  {OPEN}: {{vo-from: [group], default-vo: Five}}
  {GONE}: none
"""
DOCUMENT = policy_document(ISSUERS)
DOCUMENT["reserved-vos"] = ["Gone", "gone", "Two"]
AUTHORITY = Authority(DOCUMENT)


@pytest.mark.parametrize(
    ("owners", "may"),
    [([], True), ([FREE], True), ([ONE], False), ([FREE, ONE], False), ([""], False), (["", FREE], False)],
)
def test_the_rule(owners: list[str], may: bool) -> None:
    """An issuer without `vos` may name a VO if neither another issuer nor a distrusted issuer is declared for it."""
    assert may_name(owners, FREE) is may


@pytest.mark.parametrize(
    ("vo", "speakers"),
    [
        ("one", [ONE, LIST]),
        ("two", [LIST]),
        ("three", [LIST]),
        ("five", [OPEN]),
        ("six", [FREE, OPEN]),
        ("gone", []),
    ],
)
def test_speakers(vo: str, speakers: list[str]) -> None:
    """Declared issuers speak for their VOs. All issuers without `vos` may speak for a VO that no issuer declares."""
    assert AUTHORITY.speakers(vo) == speakers
    assert [url for url in AUTHORITY.issuers if AUTHORITY.may_speak(url, vo)] == speakers


def test_an_issuer_that_is_not_declared() -> None:
    """An issuer that is not declared speaks for no VO."""
    assert not AUTHORITY.may_speak("https://other/", "six")


@pytest.mark.parametrize(
    ("url", "served", "vos"),
    [
        (ONE, None, {"one"}),
        (LIST, None, {"one", "two", "three"}),
        (LIST, {"two", "six"}, {"two"}),
        (FREE, None, None),
        (FREE, {"one", "six"}, {"six"}),
        (OPEN, {"five", "three", "gone", "six"}, {"five", "six"}),
        (GONE, None, set()),
    ],
)
def test_the_vos_of_an_issuer(url: str, served: set[str] | None, vos: set[str] | None) -> None:
    """The VOs of an issuer include only VOs that the site serves. None means any VO."""
    assert AUTHORITY.vos_of(url, served) == vos


def test_the_vos_of_others() -> None:
    """An issuer without `vos` may not speak for a VO of another issuer or for a reserved VO."""
    assert AUTHORITY.vos_of_others(FREE) == {"one", "two", "three", "five", "gone"}
    assert AUTHORITY.vos_of_others(OPEN) == {"one", "two", "three", "gone"}
    assert AUTHORITY.declared_vos() == {"one", "two", "three", "five"}


def test_a_default_vo_that_several_issuers_share() -> None:
    """An issuer speaks for its default VO, but its tokens cannot name that VO if another issuer has it too."""
    authority = Authority(
        policy_document(f"mapfile: 1\nissuers:\n  {OPEN}: {{vo-from: [group], default-vo: A}}\n  {ONE}: {{vo: A}}\n")
    )
    assert authority.speakers("a") == [OPEN, ONE]
    assert not authority.may_name(OPEN, "a")


@pytest.mark.parametrize("url", [FREE, OPEN])
@pytest.mark.parametrize("vo", ["one", "two", "three", "five", "six", "gone"])
def test_the_engine_keeps_the_rule(url: str, vo: str) -> None:
    """The engine finds the owners of a VO in the compiled policy, and reaches the same result."""
    policy = index.policy_of(DOCUMENT)
    assert (owned_vo(policy, url, _declared(policy.issuer(url)), vo) is not None) is AUTHORITY.may_speak(url, vo)


@pytest.mark.parametrize(
    ("url", "name", "vo"),
    [
        (LIST, "two", "Two"),
        (LIST, "also-two", "Two"),
        (LIST, "Two", None),
        (LIST, "Three", None),
        (FREE, "six", "six"),
        (FREE, "ONE", None),
        (FREE, "\u212aelvin", None),
        (FREE, "-x", None),
        (FREE, "two", None),
        (OPEN, "Five", "Five"),
        (OPEN, "five", None),
    ],
)
def test_which_vo_a_name_means(url: str, name: str, vo: str | None) -> None:
    """With `vos`, only its names mean a VO. Without `vos`, a name means its VO if its spelling matches the policy."""
    policy = policy_of(ISSUERS)
    assert vo_of(policy, url, _declared(policy.issuer(url)), name) == vo


def _declared(issuer: Issuer | None) -> Issuer:
    assert issuer is not None
    return issuer
