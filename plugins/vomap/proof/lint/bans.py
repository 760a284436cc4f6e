"""Bans that keep nobody out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vomap.mapfile.times import written
from vomap.policy.model import Ban
from vomap.policy.pieces import policy_of
from vomap.proof.bans.doubts import doubts_of_conditions
from vomap.proof.bans.proofs import Trial
from vomap.proof.lint.matter import warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vomap.mapfile.findings import Finding
    from vomap.proof.lint.matter import Matter

IDLE_BAN, EXPIRED_BAN = "idle-ban", "expired-ban"


def expired_bans(matter: Matter) -> Iterator[Finding]:
    """Warn of bans that hold no more."""
    for ban in matter.bans:
        if not Ban(ban).holds_at(matter.now):
            yield warning(EXPIRED_BAN, ban, f"this ban ({ban['reason']}) held only until {written(ban['until'])}")


def idle_bans(matter: Matter) -> Iterator[Finding]:
    """Warn of bans that no token meets, in a whole site; bans that have expired are told apart."""
    if not matter.is_whole or not matter.bans:
        return
    trial = Trial(policy_of(matter.document), matter.declared, matter.now, matter.pieces.get)
    for ban in matter.bans:
        if Ban(ban).holds_at(matter.now) and next(trial.meeting(ban), None) is None:
            doubts = list(doubts_of_conditions(ban, matter.declared))
            why = doubts[0] if doubts else "its conditions exclude each other, or no issuer speaks so"
            yield warning(IDLE_BAN, ban, f"no token was found that this ban ({ban['reason']}) keeps out: {why}")
