"""HTCondor's token: the payload that the plugin gets on standard input.

HTCondor writes it exactly as the token has it (src/condor_io/condor_auth_ssl.cpp). So the plugin reads it, and not the
ambiguous environment.
"""

from __future__ import annotations

from vomap.claims import Claims, TokenError, read_claims
from vomap.claims.strict_json import parse_json

_DEEPEST = 64


def read_payload(payload: bytes) -> Claims:
    """Read the claims from a token's payload, a JSON object in UTF-8.

    Raises TokenError if it is anything else, or if a key occurs twice in it.
    """
    try:
        text = payload.decode("utf-8")
        if "[" in text or text.find("{", 1) > 0:
            _refuse_deep(text)
        members = parse_json(text)
    except UnicodeDecodeError:
        raise TokenError("token: the payload is not valid UTF-8") from None
    except ValueError as error:
        raise TokenError(f"token: the payload is not valid JSON: {error}") from None
    if not isinstance(members, dict):
        raise TokenError("token: the payload is not a JSON object")
    return read_claims(members, printable=_is_plain(text))


def _is_plain(text: str) -> bool:
    """Return True if every string of a valid JSON text is printable ASCII, by checks of the whole text.

    No control character but DEL is valid without a backslash (RFC 8259 section 7). It saves 4 % of a decision, compared
    to a check of each string.
    """
    return text.isascii() and "\\" not in text and "\x7f" not in text


def _refuse_deep(text: str) -> None:
    """Raise ValueError for nesting that no token has. The limit of the parser itself depends on the interpreter."""
    if text.count("{") + text.count("[") <= _DEEPEST:
        return
    depth = 0
    in_string = escaped = False
    for mark in text:
        if in_string:
            in_string = escaped or mark != '"'
            escaped = mark == "\\" and not escaped
        elif mark == '"':
            in_string = True
        elif mark in "{[":
            depth += 1
            if depth > _DEEPEST:
                raise ValueError("nested too deep")
        elif mark in "}]":
            depth -= 1
