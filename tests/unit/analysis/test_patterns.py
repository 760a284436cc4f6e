"""Compare patterns: each common text matches both patterns, and without a common text no value matches both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property import strategies
from vomap.analysis.tokens.patterns import common_groups, common_texts, covers, examples, fresh_word, group_covers
from vomap.claims.memberships import parse_fqan
from vomap.policy.matching import GroupPattern, Pattern

assert strategies.NOW  # registers the profiles of hypothesis

# A small alphabet, so that patterns often have common texts. A capture does not match its `@`.
_text = st.text("ab@", max_size=2)
_part = st.one_of(
    _text,
    st.tuples(_text, _text).map(lambda ends: f"{ends[0]}*{ends[1]}"),
    st.tuples(_text, _text).map(lambda ends: f"{ends[0]}<c1>{ends[1]}"),
)


def _pattern(parts: list[str], below: bool) -> str:
    seen = False
    named = []
    for part in parts:
        # A pattern may have a capture only once.
        named.append(part.replace("<c1>", "*") if seen else part)
        seen = seen or "<c1>" in part
    if below and named[-1:] != [""]:
        # Such a pattern captures nothing.
        return "/".join(named).replace("<c1>", "*") + "/**"
    return "/".join(named)


_patterns = st.builds(_pattern, st.lists(_part, min_size=1, max_size=3), st.booleans()).filter(
    lambda text: "**/" not in text
)
_values = st.lists(st.text("ab@w", max_size=5), min_size=1, max_size=4).map("/".join)


def _compiled(text: str) -> Pattern:
    return Pattern(text, below=True, capture=True)


@given(_patterns, _patterns)
def test_what_meets_fits_both(first: str, second: str) -> None:
    """Each common text matches both patterns."""
    for text in common_texts(first, second, "w"):
        assert _compiled(first).match(text)
        assert _compiled(second).match(text)


@given(_patterns, _patterns, _values)
def test_none_means_that_nothing_fits_both(first: str, second: str, value: str) -> None:
    """If there is no common text, no value matches both patterns."""
    if not common_texts(first, second, "w"):
        assert not (_compiled(first).match(value) and _compiled(second).match(value))


@given(_patterns, _patterns, _values)
def test_what_covers_takes_all(wide: str, narrow: str, value: str) -> None:
    """If a wide pattern covers a narrow one, each value of the narrow pattern matches the wide one."""
    if covers(wide, narrow) and _compiled(narrow).match(value):
        assert _compiled(wide).match(value)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a", "a", ["a"]),
        ("a", "b", []),
        ("a*", "*b", ["awb"]),
        ("<u>@x", "b@*", ["b@x"]),
        ("<u>@x", "*@y", []),
        ("/a/**", "/a/b", ["/a/b"]),
        ("/a/**", "/*/b/**", ["/a/b", "/a/b/w", "/a/b/w/w"]),
        ("/a/*", "/a/**", ["/a/w"]),
        ("/a/*", "/a", []),
        ("x*", "y*", []),
        ("*x", "*y", []),
    ],
)
def test_meet(first: str, second: str, expected: list[str]) -> None:
    """The common texts are the shortest texts that match both patterns, in either order of the patterns."""
    assert common_texts(first, second, "w") == expected
    assert common_texts(second, first, "w") == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("/a", "/a", ["/a", "/a/Role=w"]),
        ("/a/Role=p", "/a", ["/a/Role=p"]),
        ("/a/Role=p", "/a/Role=q", []),
        ("/a/Role=p*", "/*/Role=*q", ["/a/Role=pwq"]),
        ("/a/**", "/b/**", []),
    ],
)
def test_meet_groups(first: str, second: str, expected: list[str]) -> None:
    """Group and role have separate patterns. Each common text is a membership that matches both of them."""
    assert common_groups(first, second, "w") == expected
    for text in expected:
        membership = parse_fqan(text)
        assert membership is not None
        assert GroupPattern(first).match(membership)
        assert GroupPattern(second).match(membership)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("/a", "/a/Role=p", True),
        ("/a/Role=p", "/a", False),
        ("/a/**", "/a/b/Role=p", True),
        ("/a/Role=*", "/a/Role=p", True),
        ("/a/*", "/a/**", False),
    ],
)
def test_group_covers(wide: str, narrow: str, expected: bool) -> None:
    """A group pattern without a role covers all roles. A pattern with a role covers only that role."""
    assert group_covers(wide, narrow) is expected


def test_a_capture_covers_words_alone() -> None:
    """A `*` covers a capture. A capture does not cover a `*`, because a capture matches only words."""
    assert covers("*@x", "<c1>@x")
    assert not covers("<c1>@x", "*@x")
    assert covers("<c1>@x", "bob@x")
    assert not covers("<c1>@x", "a b@x")


def test_a_fresh_word_is_nobodys() -> None:
    """A fresh word matches none of the given patterns."""
    taken = ["s*", "so*", "*y", "*/r*", "n*", "guest", "*x"]
    word = fresh_word(taken)
    assert not any(Pattern(text).match(word) for text in taken)
    assert examples("a*", word) == [f"a{word}"]


def test_where_every_letter_is_taken_there_still_is_a_word() -> None:
    """If patterns match every word, there is still a word. The caller checks each result that uses it."""
    assert fresh_word([f"{letter}*" for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"])
