"""Patterns have literal text, one `*` or `<name>` in a part, and `/**` at the end.

A pattern matches only these texts.
"""

from __future__ import annotations

import pytest

from vomap.claims.memberships import Membership
from vomap.policy import matching
from vomap.policy.matching import AccountName, GroupPattern, Pattern, PatternError, is_word


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("a", "a"),
        ("*", "a"),
        ("*@fnal.gov", "x@fnal.gov"),
        ("a*z", "a--z"),
        ("https://*/x", "https://host/x"),
        ("/a/*/c", "/a/b/c"),
        ("a+b[c].?$", "a+b[c].?$"),
        ("x>", "x>"),
    ],
)
def test_matches(pattern: str, value: str) -> None:
    """`*` matches one or more characters within one part. All other characters match themselves."""
    assert Pattern(pattern).match(value)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("a", "A"),
        ("a", "ab"),
        ("a", "ba"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("*", ""),
        ("*", "a/b"),
        ("a*", "a"),
        ("a*z", "az"),
        ("aa*aa", "aaa"),
        ("*@fnal.gov", "x@fnal.gov.evil.example"),
        ("a.c", "abc"),
        ("a/**", "a/b"),
    ],
)
def test_does_not_match(pattern: str, value: str) -> None:
    """A pattern does not match a part, a prefix or another case. `/**` is valid only where the field allows it."""
    if pattern.endswith("/**"):
        with pytest.raises(PatternError, match="at most one"):
            Pattern(pattern)
    else:
        assert not Pattern(pattern).match(value)


@pytest.mark.parametrize(
    ("value", "matches"),
    [
        ("storage.read:/a", True),
        ("storage.read:/a/b", True),
        ("storage.read:/a/b/c", True),
        ("storage.read:/a/", True),
        ("storage.read:/ab", False),
        ("storage.read:/", False),
        ("storage.read:", False),
    ],
)
def test_everything_below(value: str, matches: bool) -> None:
    """`/**` matches the path itself and all paths below it, by whole parts."""
    assert Pattern("storage.read:/a/**", below=True).match(value) is matches


def test_captures() -> None:
    """`<name>` captures one word of the value."""
    captured: dict[str, str] = {}
    pattern = Pattern("<user>@fnal.gov/<s>", capture=True)
    assert pattern.captures == ("user", "s")
    assert pattern.match("jo-e.x@fnal.gov/9", captured)
    assert captured == {"user": "jo-e.x", "s": "9"}


@pytest.mark.parametrize(
    "value", ["@fnal.gov", "-x@fnal.gov", ".x@fnal.gov", "a b@fnal.gov", "\u00e9@fnal.gov", "a@b@fnal.gov"]
)
def test_only_words_are_captured(value: str) -> None:
    """A capture accepts only a word, and a failed match leaves no captures."""
    captured: dict[str, str] = {}
    assert not Pattern("<user>@fnal.gov", capture=True).match(value, captured)
    assert not Pattern("<user>@fnal.gov/x", capture=True).match("good@fnal.gov/y", captured)
    assert captured == {}


def test_a_match_may_be_asked_without_captures() -> None:
    """A pattern matches without captures, as a ban needs it."""
    assert Pattern("<user>@x", capture=True).match("a@x")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("**", "at most one"),
        ("a*b*c", "at most one"),
        ("*<user>", "at most one"),
        ("<user>*", "at most one"),
        ("<a><b>", "at most one"),
        ("<user", "begins a name"),
        ("<", "begins a name"),
        ("<>", "begins a name"),
        ("<User>", "begins a name"),
        ("<9>", "begins a name"),
        ("<a b>", "begins a name"),
        ("<vo>", "cannot be captured"),
        ("<a>/<a>", "the same name twice"),
    ],
)
def test_no_patterns(text: str, reason: str) -> None:
    """An invalid pattern is an error with its reason."""
    with pytest.raises(PatternError, match=reason):
        Pattern(text, capture=True)


def test_captures_are_for_subjects_and_claims() -> None:
    """Where captures are not allowed, `<` is an error and not text."""
    with pytest.raises(PatternError, match="only a subject or a claim"):
        Pattern("<user>")


@pytest.mark.parametrize(
    ("pattern", "fqan", "matches"),
    [
        ("/cms", ("/cms", None), True),
        ("/cms", ("/cms", "pilot"), True),
        ("/cms", ("/cms/sub", None), False),
        ("/cms", ("/cmsx", None), False),
        ("/cms/*", ("/cms/sub", None), True),
        ("/cms/*", ("/cms", None), False),
        ("/cms/**", ("/cms", None), True),
        ("/cms/**", ("/cms/a/b", "r"), True),
        ("/**", ("/anything/at/all", None), True),
        ("/cms/Role=pilot", ("/cms", "pilot"), True),
        ("/cms/Role=pilot", ("/cms", None), False),
        ("/cms/Role=pilot", ("/cms", "Pilot"), False),
        ("/cms/Role=pilot", ("/cms/sub", "pilot"), False),
        ("/cms/**/Role=p*", ("/cms/sub", "pilot"), True),
        ("/cms/**/Role=p*", ("/cms/sub", "user"), False),
        ("/*/Role=pilot", ("/atlas", "pilot"), True),
    ],
)
def test_groups(pattern: str, fqan: tuple[str, str | None], matches: bool) -> None:
    """A group pattern matches group and role separately. Without `Role=` it matches any role."""
    assert GroupPattern(pattern).match(Membership(*fqan)) is matches


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cms", "does not begin with a slash"),
        ("/cms/", "ends with a slash"),
        ("/", "ends with a slash"),
        ("//cms", "empty part"),
        ("/cms//**", "empty part"),
        ("/cms /atlas", "has a blank"),
        ("/cms/Role=two words", "has a blank"),
        ("/Role=pilot", "names no group"),
        ("//Role=pilot", "names no group"),
        ("/cms/Role=", "one `/Role=NAME`"),
        ("/cms/Role=a/b", "one `/Role=NAME`"),
        ("/cms/Role=a/Role=b", "one `/Role=NAME`"),
        ("/cms/Role=NULL", "leave it out"),
        ("/cms/Capability=x", "leave it out"),
        ("/cms/<group>", "only a subject or a claim"),
        ("/cms/Role=<role>", "only a subject or a claim"),
    ],
)
def test_no_groups(text: str, reason: str) -> None:
    """A group pattern that cannot match any membership is an error."""
    with pytest.raises(PatternError, match=reason):
        GroupPattern(text)


@pytest.mark.parametrize(
    ("text", "captured", "account"),
    [
        ("cmspilot", {}, "cmspilot"),
        ("<vo>pro", {"vo": "nova"}, "novapro"),
        ("u<user>x", {"user": "jo"}, "ujox"),
        ("<vo>.<user>", {"vo": "nova", "user": "jo"}, "nova.jo"),
        ("<user><user>", {"user": "a"}, "aa"),
        ("<vo>pro", {}, None),
    ],
)
def test_accounts(text: str, captured: dict[str, str], account: str | None) -> None:
    """An account is its text with the captured values. With an unknown value, there is no account."""
    assert AccountName(text).expand(captured) == account


@pytest.mark.parametrize("text", ["-<user>", ".<vo>", "a b<user>", "<vo>/x", "<vo>>", "\u00e9<vo>"])
def test_never_an_account(text: str) -> None:
    """A text that can never give a valid account name is an error."""
    with pytest.raises(PatternError, match="never an account"):
        AccountName(text)


@pytest.mark.parametrize("text", ["<", "<User>", "a<user", "<>", "<u>s<"])
def test_no_accounts(text: str) -> None:
    """A `<` that does not begin a name is an error."""
    with pytest.raises(PatternError, match="begins a name"):
        AccountName(text)


@pytest.mark.parametrize(
    ("text", "word"), [("a", True), ("_x.-9", True), ("9", True), ("", False), ("-a", False), ("a b", False)]
)
def test_words(text: str, word: bool) -> None:
    """A word begins with a letter, a digit or `_`."""
    assert is_word(text) is word


def test_each_condition_reads_its_claim() -> None:
    """`_CLAIM_OF` has the claim of each condition that compares one: without it the condition reads a wrong claim."""
    without_claim = {"group", "first-group", "scope", "client"}
    missing = set(matching._KEYS) - without_claim - set(matching._CLAIM_OF)
    assert not missing, f"add the claim of {sorted(missing)} to _CLAIM_OF in policy/matching.py"
