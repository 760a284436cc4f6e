"""Describe a token in words, for `vomap explain`."""

from __future__ import annotations

from vomap.claims import Claims, read_scopes
from vomap.mapfile.times import describe_duration, format_utc
from vomap.policy import MAPPED, Decision

_TENSES = {"exp": ("expires", "expired"), "nbf": ("becomes valid", "became valid"), "iat": ("is issued", "was issued")}


def describe_token(claims: Claims, now: float) -> list[str]:
    """Return a line each for a token's issuer, subject, audience, scopes and times. `now` is in seconds since 1970."""
    named = [("issuer", claims.values("iss")), ("subject", claims.values("sub")), ("audience", claims.values("aud"))]
    lines = [f"{name}: {', '.join(map(ascii, values)) or 'none'}" for name, values in named]
    lines.append(f"scopes: {' '.join(read_scopes(claims)) or 'none'}")
    times = [_describe_time(name, seconds, now) for name, seconds in claims.times.items()]
    lines.append(f"times: {', '.join(times) or 'none shown'}")
    return lines


def describe_outcome(decision: Decision) -> str:
    """Return a decision in words: the account with the rule that gives it, or the outcome with its reason."""
    if decision.outcome != MAPPED:
        return f"{decision.outcome}: {decision.reason}"
    to = f"to {decision.account}" if decision.account else f"to the pool {decision.pool}"
    return f"mapped {to} by {decision.rule} ({decision.source})"


def _describe_time(name: str, seconds: float | None, now: float) -> str:
    if seconds is None:
        return f"{name} is not a number"
    coming, gone = _TENSES[name]
    if seconds > now:
        return f"{coming} in {describe_duration(seconds - now)}{_date(seconds)}"
    return f"{gone} {describe_duration(now - seconds)} ago{_date(seconds)}"


def _date(seconds: float) -> str:
    """Return a time as a date in brackets, or nothing if no calendar has it."""
    try:
        return f" ({format_utc(seconds)})"
    except (ValueError, OverflowError, OSError):
        return ""
