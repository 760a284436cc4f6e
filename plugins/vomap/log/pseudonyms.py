"""Pseudonyms for subjects: the same subject has the same one, and whoever holds the key can tell whose it is.

It is the subject itself, encrypted: first comes a keyed digest of issuer and subject, by which a forgery is noticed;
from it and the key come the bytes that hide the subject (the way of RFC 5297, a synthetic initialisation vector, with
HMAC-SHA-256 for both).
"""

from __future__ import annotations

import binascii
import hmac

from vomap import Error

_SHORTEST_KEY = 32
_DIGEST = "sha256"
_VECTOR = 16
_BLOCK = 32
_MARK = "~"


class KeyFileError(Error):
    """The key of the pseudonyms cannot be read, or is too short."""


class PseudonymError(Error):
    """A text that is no pseudonym, or none of this key's."""

    exit_code = 1


def read_key(path: str) -> bytes:
    """Return the key that a file holds. Raises KeyFileError."""
    try:
        with open(path, "rb") as file:
            key = file.read(1 << 12)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}; the key of the pseudonyms is read from it") from None
    if len(key) < _SHORTEST_KEY:
        raise KeyFileError(f"{path}: a key has {_SHORTEST_KEY} bytes at the least; make one from /dev/urandom")
    return key


def make_pseudonym(key: bytes, issuer: str, subject: str) -> str:
    """Return the pseudonym of an issuer's subject."""
    text = subject.encode("utf-8", "surrogatepass")
    vector = _digest(key, b"vector", issuer.encode("utf-8", "surrogatepass") + b"\0" + text)[:_VECTOR]
    hidden = binascii.b2a_base64(vector + _hidden(key, vector, text), newline=False).decode("ascii")
    return _MARK + hidden.replace("+", "-").replace("/", "_").rstrip("=")


def resolve_pseudonym(key: bytes, issuer: str, pseudonym_: str) -> str:
    """Return the subject of an issuer that a pseudonym stands for. Raises PseudonymError."""
    body = pseudonym_.removeprefix(_MARK).replace("-", "+").replace("_", "/")
    try:
        content = binascii.a2b_base64(body + "=" * (-len(body) % 4))
        vector, hidden = content[:_VECTOR], content[_VECTOR:]
        text = _hidden(key, vector, hidden)
        subject = text.decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        raise PseudonymError(f"{pseudonym_!a}: is no pseudonym of this key") from None
    if not hmac.compare_digest(make_pseudonym(key, issuer, subject), pseudonym_):
        raise PseudonymError(f"{pseudonym_!a}: is no pseudonym of this key for the issuer {issuer!a}")
    return subject


def _hidden(key: bytes, vector: bytes, text: bytes) -> bytes:
    """Hide a text, or show a hidden one."""
    blocks = range(0, len(text), _BLOCK)
    mask = b"".join(_digest(key, b"mask", vector + number.to_bytes(8, "big")) for number in blocks)
    return bytes(one ^ other for one, other in zip(text, mask))


def _digest(key: bytes, use: bytes, content: bytes) -> bytes:
    return hmac.digest(key, use + b"\0" + content, _DIGEST)
