"""HTCondor's payload: vomap reads JSON as the standard library does, and the claims are its members, by type."""

from __future__ import annotations

import json
from typing import Any

from vomap.claims import Claims, TokenError, is_clean
from vomap.claims.htcondor_payload import read_payload
from vomap.claims.strict_json import parse_json

# Of a longer text very long numbers are read in another way.
_SHORT = 4300


def check(data: bytes) -> None:
    """Read a payload. Raises AssertionError if the rules above are broken."""
    expected: Any = None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is not None and len(text) <= _SHORT:
        expected = _standard(text)
        assert _ours(text) == (None if expected is None else repr(expected[0])), "another reading than json's"
    try:
        claims = read_payload(data)
    except TokenError:
        return
    assert text is not None, "a payload that is no UTF-8 was read"
    if expected is not None:
        _check_claims(claims, expected[0])


def _check_claims(claims: Claims, members: Any) -> None:
    assert isinstance(members, dict), "a payload that is no object was read"
    texts = {name: value for name, value in members.items() if isinstance(value, str) and is_clean(value)}
    assert claims.texts == texts
    for name, value in members.items():
        strings = [item for item in value if isinstance(item, str) and is_clean(item)] if type(value) is list else []
        assert claims.lists.get(name, ()) == tuple(strings)
    assert claims.lists.keys() <= members.keys()
    assert claims.several <= members.keys()
    assert all(isinstance(claims.text(name), str) for name in ("iss", "sub") if isinstance(members.get(name), str))


def _ours(text: str) -> str | None:
    try:
        # repr distinguishes 1 from 1.0 and from true.
        return repr(parse_json(text))
    except ValueError:
        return None


def _standard(text: str) -> tuple[object] | None:
    """Return what the standard library reads when it is strict, or None."""
    try:
        return (json.loads(text, object_pairs_hook=_pairs, parse_constant=_refused),)
    except (ValueError, RecursionError):
        return None


def _pairs(members: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(members)) != len(members):
        raise ValueError("twice")
    return dict(members)


def _refused(name: str) -> object:
    raise ValueError(name)
