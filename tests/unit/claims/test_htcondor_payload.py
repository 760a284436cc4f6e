"""HTCondor's payload is one JSON object in UTF-8, or an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import vomap
from vomap.claims import TokenError, read_claims
from vomap.claims.htcondor_payload import read_payload
from vomap.claims.strict_json import parse_json


def test_an_object_is_read() -> None:
    """Claims are returned as they are, without the blanks around the object."""
    assert read_payload(b' {"iss": "i", "aud": ["a"]}\r\n\t').texts == {"iss": "i"}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "no JSON value"),
        (b"  ", "no JSON value"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{} {}", "text after"),
        (b'{"a": 1', "not valid JSON"),
        (b"{'a': 1}", "not valid JSON"),
        (b'{"sub": "x", "sub": "y"}', "a key occurs twice"),
        (b'{"a": {"b": 1, "b": 1}}', "a key occurs twice"),
        (b'{"sub": "x", "s\\u0075b": "y"}', "a key occurs twice"),
        (b'{"exp": NaN}', "NaN is not valid JSON"),
        (b'{"exp": -Infinity}', "Infinity is not valid JSON"),
        (b'{"sub": "a\nb"}', "not valid JSON"),
        (b'{"sub": "\xff"}', "not valid UTF-8"),
        (b"\xef\xbb\xbf{}", "no JSON value"),
        (b"\xff\xfe{\x00}\x00", "not valid UTF-8"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"iss": "a\\u0000b"}', "control character"),
        (b'{"sub": "\\ud800"}', "control character"),
    ],
)
def test_anything_else_is_an_error(payload: bytes, reason: str) -> None:
    """A text with two readings, or with none, is an error."""
    with pytest.raises(TokenError, match=reason):
        read_payload(payload)


def test_deep_text_is_refused_without_a_payload_too() -> None:
    """A text that is deeper than the interpreter's stack is an error of the text, not of the program."""
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json("[" * 200_000)


@pytest.mark.parametrize(
    "value",
    ["[" * 63 + "]" * 63, "[" + ", ".join(["{}"] * 100) + "]", '"' + "[" * 100 + '"', r'"\"' + "[{" * 50 + r'\\"'],
)
def test_brackets_that_are_not_deep(value: str) -> None:
    """Only nesting counts: neither many values side by side, nor brackets inside of a text."""
    read_payload(b'{"x": %s}' % value.encode())


@pytest.mark.parametrize("value", ["[" * 64 + "]" * 64, r'"\\"' + "[" * 100, '{"a":' * 64 + "1" + "}" * 64])
def test_brackets_that_are_too_deep(value: str) -> None:
    """No token is so deep. The parser's own limit depends on the interpreter."""
    with pytest.raises(TokenError, match="nested too deep"):
        read_payload(b'{"x": %s}' % value.encode())


def test_long_numbers_are_no_times() -> None:
    """A number of thousands of digits is legal on every interpreter, and is not a time."""
    claims = read_payload(b'{"exp": %s, "iat": -%s, "nbf": 1%s}' % (b"1" * 5000, b"9" * 400, b"0" * 250))
    assert claims.times == {"exp": None, "iat": None, "nbf": None}


@pytest.mark.parametrize("text", ["{", '{"a"}', '{"a":}', '{"a":1,}', "[1", '"a', '"\\x"', "[1 2]", "{1:1}"])
def test_a_mistake_where_the_module_json_is_not_loaded(text: str) -> None:
    """A callout never does this. The scanner of Python 3.10 and 3.11 then raises SystemError, which is not a crash."""
    program = f"""
import sys
sys.path.insert(0, {str(Path(vomap.__file__).parents[1])!r})
from vomap.store import parse_written
from vomap.claims import TokenError, read_claims
from vomap.claims.htcondor_payload import read_payload
loaded = "json" in sys.modules
for read, error in (read_payload, TokenError), (parse_written, ValueError):
    try:
        read({text.encode()!r})
    except error:
        continue
    raise SystemExit("it was read")
raise SystemExit("json was loaded" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("member", ['"%s"', '["%s"]', '["x", "%s", 1]', '{"a": "%s"}'])
@pytest.mark.parametrize("also", ["", ', "é": "\\u00e9"', r', "x": "\""'])
def test_the_check_of_the_whole_text_changes_nothing(member: str, also: str) -> None:
    """A token with any character in a claim is read alike, whether or not its texts are checked one by one."""
    for code in (*range(0x100), 0x2028, 0x2800, 0xD7FF, 0xE000, 0x1F600):
        for sign in (chr(code), f"\\u{code & 0xFFFF:04x}"):
            text = f'{{"sub": "s", "claim": {member % sign}{also}}}'
            try:
                plain = read_claims(json.loads(text))
            except ValueError:
                with pytest.raises(TokenError, match="not valid JSON"):
                    read_payload(text.encode())
                continue
            claims = read_payload(text.encode())
            parts = ("members", "texts", "lists", "several", "passed_over", "forged")
            assert [getattr(claims, part) for part in parts] == [getattr(plain, part) for part in parts], text
