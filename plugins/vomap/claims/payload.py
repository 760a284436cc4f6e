"""HTCondor's token: the payload that the plugin gets on standard input.

HTCondor writes it exactly as the token has it (src/condor_io/condor_auth_ssl.cpp), which is why it, and not the
ambiguous environment, is the truth there.
"""

from __future__ import annotations

from vomap.claims.claims import Claims, TokenError, read_claims
from vomap.claims.jsontext import parse_json


def read_payload(payload: bytes) -> Claims:
    """Read the claims from a token's payload, a JSON object in UTF-8.

    Raises TokenError if it is anything else, or if a key occurs twice in it.
    """
    try:
        members = parse_json(payload.decode("utf-8"))
    except UnicodeDecodeError:
        raise TokenError("token: the payload is no UTF-8") from None
    except ValueError as error:
        raise TokenError(f"token: the payload is no JSON that can be trusted: {error}") from None
    if not isinstance(members, dict):
        raise TokenError("token: the payload is no JSON object")
    return read_claims(members)
