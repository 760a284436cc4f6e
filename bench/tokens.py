"""Tokens as the issuers make them: claims as a mapping, ready to be shown to a callout."""

from __future__ import annotations

import json
from typing import Any

from policies import EGI, group_of, issuer_of, subject_of

ANY_CE = "https://wlcg.cern.ch/jwt/v1/any"
SCOPE = "compute.read compute.modify compute.create compute.cancel"
PADDED = 16_000
MANY = 1_000
# From 2023 to 2086: a callout looks at the times, too, and the tokens are the same in every run.
ISSUED, LIFETIME = 1_700_000_000, 2_000_000_000


def wlcg(issuer: str, subject: str, number: int = 0) -> dict[str, Any]:
    """Return a token of the WLCG profile, with an identifier of its own for each number."""
    return {
        "wlcg.ver": "1.0",
        "sub": subject,
        "aud": ANY_CE,
        "nbf": ISSUED,
        "scope": SCOPE,
        "iss": issuer,
        "exp": ISSUED + LIFETIME,
        "iat": ISSUED,
        "jti": f"5f0a3b52-7c1e-4d53-9a64-{number:012x}",
        "client_id": subject,
    }


def padded(token: dict[str, Any]) -> dict[str, Any]:
    """Return a token with one more claim, which brings its payload to 16 kB."""
    claim = {**token, "padding": ""}
    return {**claim, "padding": "x" * (PADDED - len(payload(claim)))}


def egi(groups: int, entitlements: int) -> dict[str, Any]:
    """Return a token of EGI Check-in that names so many groups and entitlements, the member's own as the last."""
    token = {**wlcg(EGI, "1a2b3c@egi.eu"), "scope": f"openid profile {SCOPE}"}
    names = [f"urn:mace:egi.eu:group:vo.example.org:team{at:04d}:role=member" for at in range(entitlements - 1)]
    names.append("urn:mace:egi.eu:group:vo.example.org:role=member")
    token["entitlements"] = [f"{name}#aai.egi.eu" for name in names]
    if groups:
        token["wlcg.groups"] = [f"/vo.example.org/unit{at:04d}" for at in range(groups)]
    return token


def of_groups(issuer: str, groups: list[str]) -> dict[str, Any]:
    """Return a token of an issuer that shows groups as the WLCG profile does, and no entitlements."""
    return {**wlcg(issuer, "1a2b3c@example.org"), "wlcg.groups": groups}


def of_big_rule(number: int, rules: int, issuers: int, *, jti: int = 0) -> dict[str, Any]:
    """Return the token that one rule of a big policy is for: it has that rule's subject, or that rule's group."""
    token = wlcg(issuer_of(number, rules, issuers), subject_of(number), jti)
    group = group_of(number, rules, issuers)
    return token if group is None else {**token, "wlcg.groups": [group]}


def payload(token: dict[str, Any]) -> bytes:
    """Return the payload's bytes, as short as issuers write them."""
    return json.dumps(token, separators=(",", ":")).encode()
