"""Patterns: each matches what a regular expression of the same meaning does, and what it captures is one word.

The data are two lines: a pattern and a value.
"""

from __future__ import annotations

import re

from vomap.claims import read_claims
from vomap.claims.memberships import parse_fqan
from vomap.policy.matching import (
    AccountName,
    GroupPattern,
    Pattern,
    PatternError,
    View,
    anchors_for,
    is_account,
    is_word,
)

_WORD = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
_HOLE = re.compile(r"\*|<([a-z][a-z0-9_-]*)>", re.ASCII)


def check(data: bytes) -> None:
    """Match a value. Raises AssertionError if the rules above are broken."""
    text, _, value = data.decode("utf-8", "surrogateescape").partition("\n")
    for below in (False, True):
        _check_pattern(text, value, below=below)
    _check_group(text, value)
    _check_account(text, value)
    assert is_word(value) == bool(re.fullmatch(_WORD, value))
    assert is_account(value) == bool(re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}", value) and not value.isdigit())


def _check_pattern(text: str, value: str, *, below: bool) -> None:
    try:
        pattern = Pattern(text, below=below, capture=True)
    except PatternError:
        assert "*" in text or "<" in text, "a literal text was refused"
        return
    captured: dict[str, str] = {}
    matched = pattern.match(value, captured)
    expected = re.fullmatch(_expression(text, below=below), value)
    assert matched == bool(expected), "another meaning than that of the regular expression"
    if "*" not in text and "<" not in text:
        assert matched == (text == value), "a literal pattern matches only itself"
    if expected is None:
        assert captured == {}
        return
    assert list(captured.values()) == list(expected.groups())
    assert all(is_word(word) for word in captured.values())
    assert tuple(captured) == pattern.captures
    aspect, anchor = pattern.found_by("claim x")
    claims = read_claims({"x": value})
    if claims.text("x") is not None:
        assert anchor in anchors_for(aspect)(View(claims, [], [])), "it is not found by its anchor"


def _check_group(text: str, value: str) -> None:
    membership = parse_fqan(value)
    try:
        pattern = GroupPattern(text)
    except PatternError:
        return
    if membership is None:
        return
    group, mark, role = text.rpartition("/Role=")
    expected = re.fullmatch(_expression(group if mark else text, below=True), membership.group)
    fits_role = not mark or (membership.role and re.fullmatch(_expression(role, below=False), membership.role))
    assert pattern.match(membership) == bool(expected and fits_role)
    if pattern.only_role is not None and pattern.match(membership):
        assert membership.role == pattern.only_role


def _check_account(text: str, value: str) -> None:
    try:
        account = AccountName(text)
    except PatternError:
        return
    if not account.captures:
        assert account.expand({"vo": value}) == text
        return
    assert account.expand({}) is None
    words = dict.fromkeys(account.captures, value)
    assert account.expand(words) == _HOLE.sub(lambda hole: value, text)
    if is_word(value):
        assert is_word(account.expand(words) or "")


def _expression(text: str, *, below: bool) -> str:
    """Return a regular expression with the meaning of a pattern."""
    end = ""
    if below and text.endswith("/**"):
        text, end = text[:-3], "(?s:/.*)?"
    pieces, at = [], 0
    for hole in _HOLE.finditer(text):
        pieces += [re.escape(text[at : hole.start()]), f"({_WORD})" if hole[1] else "[^/]+"]
        at = hole.end()
    return "".join([*pieces, re.escape(text[at:]), end])
