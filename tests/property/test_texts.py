"""Rules that are true of every text: JSON, patterns, percent-encoding, names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from property.strategies import json_values
from vomap.claims import is_clean, read_claims
from vomap.claims.memberships import EntitlementForm, normalise_percent, parse_entitlement, parse_fqan
from vomap.claims.scopes import is_safe, storage_root
from vomap.claims.strict_json import parse_json
from vomap.policy.matching import GroupPattern, Pattern, View, is_account, is_word

CORPUS = (
    '""', '"a"', "0", "-0", "-1", "1.5", "1e5", "1E-5", "1e999", "-1e999", "true", "false", "null", "[]", "{}", " [ ] ",
    "\t{\n}\r", '{"a":1}', '{"a":{"b":[1,2,{"c":null}]}}', r'"\u00e9\n\"\\\/\b\f\r\t"', r'"\ud83d\ude00"', r'"\ud800"',
    '"\u2028"', '"\x7f"', "123456789012345678901234567890", "0.1", "[1, 2]",
    # no JSON
    "", " ", "a", "'a'", "tru", "TRUE", "None", "01", "1.", ".5", "+1", "1e", "--1", "0x10", "1_000", "[1,]", "[,1]",
    "[1 2]", "{,}", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "{1:1}", "{'a':1}", "[", "]", "{", "}", '"', '"a', '"\n"',
    '"\t"', '"\x00"', r'"\x41"', r'"\u12"', r'"\u+123"', "1 2", "{} {}", "[] x", "// c\n1", "/**/1", "\ufeff{}", "NaN",
    "-NaN", "Infinity", "-Infinity", "[NaN]", '{"a":1,"a":1}', '[{"a":1,"b":{"c":1,"c":2}}]', "\x0b1", "\x0c1",
    "\u00a01", "1\u00a0", "1\x00", "\u0661", "[\u0661]", '{"a":1}\x00',
)  # fmt: skip


def _standard(text: str) -> object:
    def pairs(members: list[tuple[str, object]]) -> dict[str, object]:
        if len({name for name, _ in members}) != len(members):
            raise ValueError(members)
        return dict(members)

    def constant(name: str) -> object:
        raise ValueError(name)

    return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)


def _same(text: str) -> bool:
    """Return True if parse_json does with a text the same as the standard library."""
    # repr distinguishes 1 from 1.0 and from true, and -0.0 from 0.0.
    return _read(parse_json, text) == _read(_standard, text)


def _read(parse: Callable[[str], object], text: str) -> str | None:
    try:
        return repr(parse(text))
    except ValueError:
        return None


@pytest.mark.parametrize("text", CORPUS)
def test_json_of_a_corpus(text: str) -> None:
    """parse_json reads what the standard library reads, and refuses what it refuses when it is strict."""
    assert _same(text)


@given(json_values, st.booleans(), st.none() | st.integers(0, 4))
def test_json_that_was_written(value: object, plain: bool, indent: int | None) -> None:
    """A value that was written as JSON is read as it was."""
    assert _same(json.dumps(value, ensure_ascii=plain, indent=indent))


@given(st.text(st.sampled_from('{}[]",:0123456789.eE+-truefalsn \n\\/ux')) | st.text())
def test_json_of_any_text(text: str) -> None:
    """Any text is read or refused as the standard library does."""
    assert _same(text)


@given(json_values, st.data())
def test_json_with_a_mistake(value: Any, data: st.DataObject) -> None:
    """So is JSON with one character taken away or put in."""
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    assert _same(text[:at] + text[at + 1 :])
    assert _same(text[:at] + data.draw(st.characters()) + text[at:])


_LITERAL = st.text(st.characters(exclude_characters="*<"), min_size=1)


@given(_LITERAL, _LITERAL, st.booleans())
def test_a_literal_pattern_matches_only_itself(text: str, other: str, below: bool) -> None:
    """Without `*` and `<` nothing is a pattern, whatever it would mean to a regular expression or to a shell."""
    pattern = Pattern(text, below=below)
    assert pattern.match(text)
    assert pattern.match(other) == (text == other)
    assert not pattern.match(text + other)
    assert not pattern.match(other + text)
    assert not pattern.match(text + "/" + other)
    assert not pattern.match("")


@given(st.text("a/*", min_size=1, max_size=6), st.text("a/", max_size=8))
def test_a_star_stays_within_its_part(pattern: str, value: str) -> None:
    """A pattern matches as a naive reading of its parts says."""
    parts = pattern.split("/")
    if any(part.count("*") > 1 for part in parts):
        return

    def fits(part: str, text: str) -> bool:
        before, star, after = part.partition("*")
        if not star:
            return part == text
        return any(before + "a" * more + after == text for more in range(1, len(text) + 1))

    values = value.split("/")
    expected = len(parts) == len(values) and all(map(fits, parts, values))
    assert Pattern(pattern).match(value) == expected


@given(
    st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=3),
    st.lists(st.text("ab", min_size=1), max_size=3),
)
def test_everything_below_is_by_whole_parts(base: list[str], more: list[str]) -> None:
    """`/x/**` covers /x and /x/y, never /xy."""
    top = "/" + "/".join(base)
    pattern = GroupPattern(top + "/**")
    below = parse_fqan("/" + "/".join([*base, *more]))
    assert below is not None
    assert pattern.match(below)
    beside = parse_fqan(top + "c")
    assert beside is not None
    assert not pattern.match(beside)


ENCODED = st.builds("%{:02x}".format, st.integers(0, 255)) | st.builds("%{:02X}".format, st.integers(0, 255))


@given(st.lists(ENCODED | st.text().filter(lambda text: "%" not in text)).map("".join))
@example("%2541")
@example("%c3%A4")
def test_normalising_twice(text: str) -> None:
    """A normalised text stays as it is, so that two spellings of one text become one."""
    once = normalise_percent(text)
    assert normalise_percent(once) == once


@pytest.mark.parametrize(("text", "normal"), [("100%", "100%"), ("%zz", "%zz"), ("%4%31", "%41"), ("%%34%31", "%41")])
def test_a_percent_sign_that_begins_no_encoding(text: str, normal: str) -> None:
    """Such a character is text. Decoding is done once, so that a decoded `%` never begins an encoding."""
    assert normalise_percent(text) == normal


@given(st.text() | st.text("/abRoleNULLCapability=. ,"))
def test_a_membership_is_canonical(text: str) -> None:
    """A membership's FQAN names the same membership, and no part of its group is anything but a name."""
    membership = parse_fqan(text)
    if membership is None:
        return
    again = parse_fqan(membership.fqan)
    assert again is not None
    assert (again.group, again.role) == (membership.group, membership.role)
    parts = membership.group.split("/")
    assert parts[0] == ""
    assert parts[1] == membership.root
    assert all(part not in ("", ".", "..") and "Role=" not in part[:5] for part in parts[1:])


@given(st.lists(st.text("aR/:%=2fole#.", max_size=8), max_size=4), st.sampled_from(("", "#z", "#y")))
def test_an_entitlement_gives_only_legal_memberships(parts: list[str], authority: str) -> None:
    """For any entitlement, the result is a membership that a group could name, or nothing."""
    form = EntitlementForm("urn:x", "z", in_scope=False)
    membership = parse_entitlement(":".join(["urn:x:group", *parts]) + authority, form)
    if membership is not None:
        assert authority != "#y"
        again = parse_fqan(membership.fqan)
        assert again is not None
        assert (again.group, again.role) == (membership.group, membership.role)


@given(st.text("ab/.%2eE:", max_size=12))
def test_a_storage_root_is_a_name(path: str) -> None:
    """A path's first part names a VO only if nothing in the path climbs."""
    root = storage_root(f"storage.read:{path}")
    if root is not None:
        assert path.startswith(f"/{root}")
        assert "/" not in root
        assert root not in ("", ".", "..")
        assert is_safe(f"storage.read:{path}")


@given(st.text(max_size=40) | st.text("aZ0_.-", max_size=40))
def test_an_account_is_a_word(name: str) -> None:
    """A legal account is never an option, a path or a uid, and has no character with a special meaning."""
    if is_account(name):
        assert is_word(name)
        assert is_clean(name)
        assert name.isascii()
        assert not name.startswith(("-", "."))
        assert not name.isdigit()
        assert len(name) <= 32
        assert not set(name) & set(" /:@+,;'\"\\$`\n")


@given(st.lists(st.text("a/.%2Ffe:", min_size=1).map(lambda path: f"x:{path}"), max_size=3))
def test_rules_see_only_safe_scopes(scopes: list[str]) -> None:
    """Of a view, `safe` leaves just the scopes that are safe, each looked at by itself."""
    view = View(read_claims({"scope": " ".join(scopes)}), [], scopes)
    assert list(view.safe().scopes) == [scope for scope in scopes if is_safe(scope)]
