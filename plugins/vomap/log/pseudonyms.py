"""Encrypt subjects for the decision log. A subject of an issuer always has the same pseudonym.

A pseudonym begins with a keyed digest of the issuer and the subject. The digest shows forgeries. It is also the
initialisation vector of the bytes that encrypt the subject. This is the synthetic initialisation vector of RFC 5297,
with HMAC-SHA-256 for both parts. An administrator who has the key can decrypt a pseudonym.
"""

from __future__ import annotations

import binascii
import hmac
import re

from vomap import Error

_SHORTEST_KEY = 32
_DIGEST = "sha256"
_VECTOR = 16
_BLOCK = 32
_MARK = "~"
# At least the digest, in base64.
_LIKE_PSEUDONYM = re.compile(_MARK + "[A-Za-z0-9_-]{22,}", re.ASCII)


class KeyFileError(Error):
    """vomap cannot read the key of the pseudonyms, or the key is too short."""


class PseudonymError(Error):
    """A text is not a pseudonym that this key has made."""

    exit_code = 1


def read_key(path: str) -> bytes:
    """Return the key in a file, at least 32 bytes. Raises KeyFileError."""
    try:
        with open(path, "rb") as file:
            key = file.read(1 << 12)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}. vomap reads the key of the pseudonyms from this file") from None
    if len(key) < _SHORTEST_KEY:
        advice = f"make one of {_SHORTEST_KEY} bytes: head -c {_SHORTEST_KEY} /dev/urandom > {path}"
        raise KeyFileError(f"{path}: {len(key)} bytes are too short for a key; {advice}")
    return key


def make_pseudonym(key: bytes, issuer: str, subject: str) -> str:
    """Return the pseudonym of a subject of an issuer: `~` and URL-safe base64 (RFC 4648 section 5)."""
    text = subject.encode("utf-8", "surrogatepass")
    vector = _digest(key, b"vector", issuer.encode("utf-8", "surrogatepass") + b"\0" + text)[:_VECTOR]
    encoded = binascii.b2a_base64(vector + _encrypt(key, vector, text), newline=False).decode("ascii")
    return _MARK + encoded.replace("+", "-").replace("/", "_").rstrip("=")


def resolve_pseudonym(key: bytes, issuer: str, pseudonym: str) -> str:
    """Return the subject of an issuer that a pseudonym encrypts. Raises PseudonymError."""
    body = pseudonym.removeprefix(_MARK).replace("-", "+").replace("_", "/")
    try:
        content = binascii.a2b_base64(body + "=" * (-len(body) % 4))
        vector, encrypted = content[:_VECTOR], content[_VECTOR:]
        text = _encrypt(key, vector, encrypted)
        subject = text.decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        raise PseudonymError(f"{pseudonym!a}: is not a pseudonym of this key") from None
    if not hmac.compare_digest(make_pseudonym(key, issuer, subject), pseudonym):
        raise PseudonymError(f"{pseudonym!a}: is not a pseudonym of this key for the issuer {issuer!a}")
    return subject


def is_like_pseudonym(subject: str) -> bool:
    """Return True if a text has the form of a pseudonym. No issuer is known that has such subjects."""
    return _LIKE_PSEUDONYM.fullmatch(subject) is not None


def _encrypt(key: bytes, vector: bytes, text: bytes) -> bytes:
    """Encrypt a text, or decrypt an encrypted one: both are one exclusive or with the same bytes."""
    blocks = range(0, len(text), _BLOCK)
    mask = b"".join(_digest(key, b"mask", vector + number.to_bytes(8, "big")) for number in blocks)
    return bytes(one ^ other for one, other in zip(text, mask))


def _digest(key: bytes, use: bytes, content: bytes) -> bytes:
    return hmac.digest(key, use + b"\0" + content, _DIGEST)
