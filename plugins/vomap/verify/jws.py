"""A raw token: a JWS in compact form (RFC 7515 section 7.1) with claims, read strictly, and believed in nothing."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from vomap.claims import Claims, TokenError
from vomap.claims.htcondor_payload import read_payload
from vomap.claims.strict_json import parse_json

# What HTCondor passes at the most; no token of any grid comes near it.
LONGEST_TOKEN = 1 << 14
_PARTS = 3


@dataclass(frozen=True)
class Token:
    """A token's parts: its header, what it claims, the bytes that are signed, and the signature."""

    header: dict[str, object]
    claims: Claims
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        """The issuer that the token names, as it writes it; empty if it names none."""
        return self.claims.text("iss") or ""


def read_token(raw: bytes) -> Token:
    """Read a token with blanks around it, or none; its claims are what any other callout reads of the same payload.

    Raises TokenError for anything else, and for what could be read in two ways: a key that occurs twice, or base64url
    that another text would decode to as well.
    """
    raw = raw.strip()
    if not raw:
        raise TokenError("token: there is none")
    if len(raw) > LONGEST_TOKEN:
        raise TokenError(f"token: longer than {LONGEST_TOKEN} bytes")
    parts = raw.split(b".")
    if len(parts) != _PARTS:
        raise TokenError(f"token: expected three parts with dots between them, not {len(parts)}")
    header, payload, signature = map(_decode, parts)
    return Token(_read_header(header), read_payload(payload), b".".join(parts[:2]), signature)


def _decode(part: bytes) -> bytes:
    """Decode base64url as RFC 7515 section 2 has it. Whatever is not the one text for these bytes is refused."""
    try:
        content = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        content = b""
    if base64.urlsafe_b64encode(content).rstrip(b"=") != part:
        raise TokenError("token: a part is not base64url without padding")
    return content


def _read_header(content: bytes) -> dict[str, object]:
    try:
        header = parse_json(content.decode("utf-8"))
    except ValueError as error:
        what = "no UTF-8" if isinstance(error, UnicodeDecodeError) else f"no JSON that can be trusted: {error}"
        raise TokenError(f"token: the header is {what}") from None
    if not isinstance(header, dict):
        raise TokenError("token: the header is no JSON object")
    return header
