"""Read a raw token strictly, without a check of its signature: a JWS in compact form (RFC 7515 section 7.1)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from vomap.claims import Claims, TokenError
from vomap.claims.htcondor_payload import read_payload
from vomap.claims.strict_json import parse_json

# HTCondor passes no longer token. Tokens of grids are much shorter.
LONGEST_TOKEN = 1 << 14
_PARTS = 3


@dataclass(frozen=True)
class RawToken:
    """The parts of a token: the header, the claims, the bytes that are signed, and the signature."""

    header: dict[str, object]
    claims: Claims
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        """The issuer as the token writes it, "" if the token names none."""
        return self.claims.text("iss") or ""


def read_token(raw: bytes) -> RawToken:
    """Read a token, with or without blanks around it. Its claims are those that the HTCondor callout reads.

    Raises TokenError for anything else. It also refuses what two programs could read in two ways: a key that occurs
    twice, and base64url that is not the only text for its bytes.
    """
    raw = raw.strip()
    if not raw:
        raise TokenError("token: it is empty")
    if len(raw) > LONGEST_TOKEN:
        raise TokenError(f"token: longer than {LONGEST_TOKEN} bytes")
    parts = raw.split(b".")
    if len(parts) != _PARTS:
        raise TokenError(f"token: expected three parts with dots between them, not {len(parts)}")
    header, payload, signature = map(_decode, parts)
    return RawToken(_read_header(header), read_payload(payload), b".".join(parts[:2]), signature)


def _decode(part: bytes) -> bytes:
    """Decode base64url (RFC 7515 section 2). Raises TokenError for any text but the only one for its bytes."""
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
    except UnicodeDecodeError:
        raise TokenError("token: the header is not UTF-8") from None
    except ValueError as error:
        raise TokenError(f"token: the header is not valid JSON: {error}") from None
    if not isinstance(header, dict):
        raise TokenError("token: the header is not a JSON object")
    return header
