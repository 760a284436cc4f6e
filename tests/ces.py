"""How the two CEs show a token to a plugin, as measured on HTCondor 23.9.6 and ARC 7.0.0."""

from __future__ import annotations

import json
from typing import Any


def htcondor_payload(token: dict[str, Any]) -> bytes:
    """Return HTCondor's standard input for a token's claims."""
    return json.dumps(token).encode()


def arc_environment(token: dict[str, Any]) -> dict[bytes, bytes]:
    """Return ARC's variables for a token's claims: strings and the strings of arrays, each cut at a NUL."""
    shown: dict[str, str] = {}
    claims = {name: _strings(value) for name, value in token.items()}
    for name, values in claims.items():
        for index, value in enumerate(values):
            shown[f"CLAIM_{name}_{index}"] = value
    issuer, subject = (next(iter(claims.get(name, [])), "") for name in ("iss", "sub"))
    if issuer:
        shown["ISSUER"] = issuer
    if subject:
        shown["SUBJECT"] = subject
    for field, name in (("AUDIENCE", "aud"), ("GROUP", "wlcg.groups")):
        shown.update({f"{field}_{index}": value for index, value in enumerate(claims.get(name, []))})
    words = [word for word in next(iter(claims.get("scope", [])), "").split(" ") if word]
    shown.update({f"SCOPE_{index}": word for index, word in enumerate(words)})
    variables = {f"BEARER_TOKEN_0_{field}": value for field, value in shown.items()}
    if issuer and subject:
        variables["X509_SUBJECT_NAME"] = f"{issuer}/{subject}"
    # An environment is a list of `name=value`: a `=` in a claim's name moves the border.
    entries = (_bytes(f"{name}={value}").partition(b"=") for name, value in variables.items())
    return {name: value for name, _, value in entries}


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value.partition("\0")[0]]
    if isinstance(value, list):
        return [member.partition("\0")[0] for member in value if isinstance(member, str)]
    return []


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
