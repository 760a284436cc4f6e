"""ARC's environment: claims do not depend on other variables or their order, and no variable forges issuer or subject.

The data are lines `name=value`, each ended by a NUL, as in /proc/self/environ.
"""

from __future__ import annotations

from typing import Any

from vomap.claims import GROUPS_CLAIM, Claims, TokenError, TokenRefused, is_clean
from vomap.claims.arc_environment import read_environment

_OURS = (b"BEARER_TOKEN_", b"X509_SUBJECT_NAME")
_TOKEN = b"BEARER_TOKEN_0_"


def check(data: bytes) -> None:
    """Read an environment. Raises AssertionError if the rules above are broken."""
    environ: dict[bytes, bytes] = {}
    for entry in data.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if equals:
            environ.setdefault(name, value)
    read = _read(environ)
    assert read == _read(dict(reversed(environ.items()))), "the order of variables matters"
    ours = {name: value for name, value in environ.items() if name.startswith(_OURS)}
    assert read == _read({**ours, b"CLAIM_sub_0": b"root", b"SUBJECT": b"root"}), "other variables matter"
    if read is None:
        return
    texts, lists, _ = read
    for claim, shown in (("iss", b"ISSUER"), ("sub", b"SUBJECT")):
        assert claim not in lists
        if claim in texts:
            # ARC shows no ISSUER and no SUBJECT for an empty text.
            assert _raw(texts[claim]) == environ.get(_TOKEN + shown, b""), f"{claim} is not what ARC shows"
    for claim, shown in (("aud", b"AUDIENCE_"), (GROUPS_CLAIM, b"GROUP_")):
        shows = {value for name, value in environ.items() if name.startswith(_TOKEN + shown)}
        assert {_raw(value) for value in _values(texts, lists, claim)} - {b""} <= shows, (
            f"{claim} is not what ARC shows"
        )
    assert all(is_clean(text) for name in (*texts, *lists) for text in _values(texts, lists, name))
    assert all(lists.values()), "a list of nothing"


def _read(environ: dict[bytes, bytes]) -> Any:
    try:
        claims = read_environment(environ)
    except (TokenError, TokenRefused):
        return None
    assert isinstance(claims, Claims)
    return claims.texts, claims.lists, claims.several


def _values(texts: dict[str, str], lists: dict[str, tuple[str, ...]], name: str) -> tuple[str, ...]:
    return (texts[name],) if name in texts else lists.get(name, ())


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
