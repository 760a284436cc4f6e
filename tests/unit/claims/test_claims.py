"""Claims are strings and lists of strings. Other values are ignored, and reported."""

from __future__ import annotations

import pytest

from vomap.claims import TokenError, is_clean, read_claims


def test_a_string_is_a_text_and_a_list_of_one() -> None:
    """A string can be asked for as a text and as values."""
    claims = read_claims({"aud": "a"})
    assert claims.text("aud") == "a"
    assert claims.values("aud") == ("a",)


def test_a_list_is_no_text() -> None:
    """Where one string is meant, a list says nothing, even a list of one."""
    claims = read_claims({"sub": ["x"]})
    assert claims.text("sub") is None
    assert claims.values("sub") == ("x",)


def test_what_is_not_there_has_no_values() -> None:
    """A claim that is missing is neither an empty text nor an error."""
    claims = read_claims({})
    assert claims.text("sub") is None
    assert claims.values("sub") == ()


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), (True, "a truth value"), (1, "a number"), (1.5, "a number"), ({"a": 1}, "an object")],
)
def test_other_types_say_nothing(value: object, kind: str) -> None:
    """A value that is neither a string nor a list is reported, never turned into text."""
    claims = read_claims({"x": value})
    assert claims.values("x") == ()
    assert claims.passed_over == [f"claim 'x': {kind} says nothing"]


@pytest.mark.parametrize(
    ("member", "kind"),
    [(None, "null"), (False, "a truth value"), (0, "a number"), (["b"], "a list"), ({}, "an object")],
)
def test_other_types_in_a_list_say_nothing(member: object, kind: str) -> None:
    """A list keeps its strings and reports its other members."""
    claims = read_claims({"x": ["a", member]})
    assert claims.values("x") == ("a",)
    assert claims.passed_over == [f"claim 'x': {kind} in a list says nothing"]


def test_a_list_without_strings_is_not_there() -> None:
    """An empty list and a list of numbers are the same as no claim."""
    assert read_claims({"a": [], "b": [1]}).lists == {}


@pytest.mark.parametrize("character", ["\0", "\n", "\x1f", "\x7f", "\x80", "\x9f", chr(0xD800), chr(0xDFFF)])
def test_control_characters(character: str) -> None:
    """A control character is an error in what identifies, and makes any other value say nothing."""
    text = f"a{character}b"
    assert not is_clean(text)
    for name in ("iss", "sub"):
        with pytest.raises(TokenError, match="control character"):
            read_claims({name: text})
    claims = read_claims({"x": text, "y": ["good", text]})
    assert claims.values("x") == ()
    assert claims.values("y") == ("good",)
    assert len(claims.passed_over) == 2


@pytest.mark.parametrize("text", ["", "a b", "é", "\u00a0", "\u2028", "\U0001f600"])
def test_other_characters_are_clean(text: str) -> None:
    """An unusual character is not a control character."""
    assert is_clean(text)
    assert read_claims({"sub": text}).text("sub") == text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(1, 1), (1.5, 1.5), (-1, -1), (True, None), (None, None), ("1", None), ([1], None), (1 << 53, None)],
)
def test_times(value: object, seconds: float | None) -> None:
    """`exp`, `iat` and `nbf` are numbers that a clock can show, or are known to be none."""
    for name in ("exp", "iat", "nbf"):
        assert read_claims({name: value}).times == {name: seconds}


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 10**400])
def test_no_times(value: float) -> None:
    """JSON has 1e999 and numbers of any length. Neither is a time, and neither is an accident."""
    assert read_claims({"exp": value}).times == {"exp": None}


def test_a_time_that_is_a_number_is_not_told() -> None:
    """Times are numbers by their nature: nothing was passed over."""
    assert read_claims({"exp": 1, "iat": 2.5, "nbf": None}).passed_over == []


def test_names_with_any_character_can_be_told() -> None:
    """An ignored claim is shown in plain characters, whatever its name."""
    (told,) = read_claims({"\ud800\n": 1}).passed_over
    assert told.isascii()
    assert told.isprintable()
