"""Check which account names vomap may answer, and which accounts a pool contains."""

from __future__ import annotations

import pytest

from vomap.policy.matching import AccountName, is_account
from vomap.policy.model import AccountLimits
from vomap.policy.pools import Pool

LIMITS = AccountLimits(must_exist=True, minimum_uid=1000, never=["condor"])


@pytest.mark.parametrize("name", ["a", "_a", "a.b-c_d", "9a", "a" * 32])
def test_names(name: str) -> None:
    """A valid name matches `[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}` and does not consist of digits only."""
    assert is_account(name)
    assert LIMITS.refusal(name) is None


@pytest.mark.parametrize("name", ["", "1000", "-a", ".a", "a b", "a\n", "a/b", "a:b", "\u00e9", "\u0661", "a" * 33])
def test_no_names(name: str) -> None:
    """A uid, an option and a path are not valid account names."""
    assert not is_account(name)
    assert "not a legal account name" in (LIMITS.refusal(name) or "")


@pytest.mark.parametrize("name", ["root", "condor"])
def test_never_answered(name: str) -> None:
    """The engine never answers root or an account that the site excludes."""
    assert "never answer" in (LIMITS.refusal(name) or "")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("alice", ["alice"], ["alicex", "", "alic"]),
        (
            "ex{001..200}",
            ["ex001", "ex200", "ex042"],
            ["ex000", "ex201", "ex1", "ex0001", "ex", "exabc", "e001", "ex00\u0661"],
        ),
        ("p{1..9}x", ["p1x", "p9x"], ["p0x", "px", "p10x", "p1", "p1y"]),
        ("aa{1..2}aa", ["aa1aa"], ["aaa", "aaaa", "aa1a"]),
    ],
)
def test_pools(text: str, inside: list[str], outside: list[str]) -> None:
    """A range contains the numbers of one length. An account without a range contains only itself."""
    pool = Pool([text])
    assert all(pool.has(account) for account in inside)
    assert not any(pool.has(account) for account in outside)


def test_several_accounts() -> None:
    """A pool contains the accounts of all its texts. An empty pool contains no account."""
    assert Pool(["a", "b{1..2}"]).has("b2")
    assert not Pool([]).has("a")


@pytest.mark.parametrize(
    "text",
    [
        "ex{",
        "ex{}",
        "ex{1}",
        "ex{1..}",
        "ex{..2}",
        "ex{2..1}",
        "ex{1..10}",
        "ex{a..b}",
        "ex{1..2",
        "ex{\u0661..\u0662}",
    ],
)
def test_no_ranges(text: str) -> None:
    """A range needs two numbers of the same length, the smaller first."""
    with pytest.raises(ValueError, match="a range is"):
        Pool([text])


@pytest.mark.parametrize("text", ["", "{1..2}", "-{1..2}", "ex{1..2} ", "a/b", "x" * 32 + "{1..2}"])
def test_ranges_of_no_accounts(text: str) -> None:
    """A range must give valid account names."""
    with pytest.raises(ValueError, match="not a legal account name"):
        Pool([text])


@pytest.mark.parametrize(
    ("template", "account", "could"),
    [
        ("alice", "alice", True),
        ("alice", "alic", False),
        ("<user>", "a", True),
        ("<user>", "", False),
        ("x<user>", "xa", True),
        ("x<user>", "x", False),
        ("x<user>", "ax", False),
        ("<user>x", "ax", True),
        ("<user>x", "axe", False),
        ("ab<user>ba", "aba", False),
        ("a<vo>-<user>z", "acms-jz", True),
        ("a<vo>-<user>z", "acmsjz", False),
        ("a<vo>-<user>z", "a-z", False),
        ("a<vo>-<user>z", "a--z", False),
        ("a<vo>-<user>z", "a---z", True),
        ("<vo><user>", "ab", True),
        ("<vo><user>", "a", False),
    ],
)
def test_an_account_that_captures_could_make(template: str, account: str, could: bool) -> None:
    """Each captured word has at least one character."""
    assert AccountName(template).could_make(account) is could
