"""Scopes: single words, what grants computing, and whose storage a path is."""

from __future__ import annotations

import pytest

from vomap.claims import COMPUTING, may_compute, read_claims, read_scopes
from vomap.claims.memberships import Membership
from vomap.claims.scopes import is_safe, refused_levels, storage_root
from vomap.policy.authority import named_in


@pytest.mark.parametrize(
    ("scope", "words"),
    [(" a  b ", ["a", "b"]), ("", []), ("a,b", ["a,b"]), ("a\u00a0b", ["a\u00a0b"]), (["a"], []), (None, [])],
)
def test_only_blanks_part_words(scope: object, words: list[str]) -> None:
    """`scope` is one string of words. A list of scopes is ignored."""
    assert read_scopes(read_claims({"scope": scope})) == words


def test_what_grants_computing() -> None:
    """At least one scope that lets the token do something with jobs."""
    assert {
        "compute.read",
        "compute.create",
        "compute.modify",
        "compute.cancel",
        "condor:/READ",
        "condor:/WRITE",
    } == COMPUTING
    for scope in COMPUTING:
        assert may_compute(["openid", scope])
    for scopes in ([], ["compute"], ["compute.createx"], ["compute.create:/x"], ["condor:/write"], ["storage.read:/"]):
        assert not may_compute(scopes)


@pytest.mark.parametrize(
    ("token", "refused"),
    [
        ({"scope": "compute.create"}, ["WRITE", "READ"]),
        ({"scope": "compute.read"}, ["WRITE"]),
        ({"scope": "compute.create compute.modify compute.cancel"}, []),
        ({"scope": "condor:/WRITE"}, []),
        ({"scope": "condor:/READ"}, ["WRITE"]),
        ({"scope": "compute.read", "ver": "scitoken:2.0"}, ["WRITE", "READ"]),
        ({"scope": "compute.create compute.modify compute.cancel", "ver": "scitoken:2.0"}, ["WRITE", "READ"]),
        ({"scope": "condor:/WRITE", "ver": "scitoken:2.0"}, []),
        ({"scope": "compute.read", "ver": "1.0", "wlcg.ver": "1.0"}, ["WRITE"]),
    ],
)
def test_what_htcondor_will_refuse(token: dict[str, object], refused: list[str]) -> None:
    """The three scopes together are WRITE, WRITE is READ, and a SciToken's compute.* count for nothing."""
    claims = read_claims(token)
    assert refused_levels(claims, read_scopes(claims)) == refused


@pytest.mark.parametrize(
    ("scope", "safe"),
    [
        ("storage.read:/a/b", True),
        ("storage.read:/a/..b", True),
        ("storage.read:/a/...", True),
        ("..", True),
        ("storage.read:/..", False),
        ("storage.read:/a/../b", False),
        ("storage.read:/a/.", False),
        ("storage.read:/%2e%2E/b", False),
        ("storage.read:/.%2e", False),
    ],
)
def test_dots(scope: str, safe: bool) -> None:
    """`.` and `..` never pass, plain or percent-encoded."""
    assert is_safe(scope) is safe


@pytest.mark.parametrize(
    ("scope", "root"),
    [
        ("storage.read:/nova/data", "nova"),
        ("storage.create:/nova", "nova"),
        ("read:/dune/x", "dune"),
        ("write:/dune", "dune"),
        ("storage.modify:/", None),
        ("storage.read://nova", None),
        ("storage.read:nova/data", None),
        ("storage.read:", None),
        ("storage.read", None),
        ("storage:/nova", None),
        ("compute.read:/nova", None),
        ("wlcg.groups:/nova", None),
        ("wlcg.capabilityset:/nova", None),
        ("reads:/nova", None),
        ("storage.read:/nova/../dune", None),
    ],
)
def test_whose_storage(scope: str, root: str | None) -> None:
    """Only storage scopes name a VO by their path. Requests and other scopes prove nothing."""
    assert storage_root(scope) == root


def test_names_of_vos() -> None:
    """Each source gives its names in the token's order, each once."""
    memberships = [Membership("/b/x", None), Membership("/a", "r"), Membership("/b", None)]
    scopes = ["openid", "storage.read:/c/d", "read:/a", "write:/c"]
    assert named_in("group", memberships, scopes) == ["b", "a"]
    assert named_in("scope-path", memberships, scopes) == ["c", "a"]
