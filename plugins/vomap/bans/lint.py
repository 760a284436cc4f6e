"""Bans that keep nobody out, that a token's bearer gets around, or whose tokens never come to vomap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vomap.analysis.lint.context import told, warning
from vomap.bans.ban_file import is_published
from vomap.bans.commands import add_command
from vomap.bans.effect import Trial
from vomap.bans.foreign_issuers import file_of, unwired_issuers, unwired_sentence
from vomap.bans.warnings import doubts_of_conditions, doubts_of_vos, evasions
from vomap.bans.wildcards import star_doubts, wider_subjects
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.times import written
from vomap.policy.index import bans_of, policy_of
from vomap.policy.model import Ban

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vomap.analysis.lint.context import Matter, Rule
    from vomap.bans.warnings import Doubt
    from vomap.bans.wildcards import StarDoubt
    from vomap.mapfile.findings import Finding

IDLE_BAN, EXPIRED_BAN, EVADABLE_BAN = "idle-ban", "expired-ban", "evadable-ban"
UNWIRED_BAN, BARE_STAR = "unwired-ban", "bare-star"


def expired_bans(matter: Matter) -> Iterator[Finding]:
    """Warn of bans that hold no more."""
    for ban in matter.bans:
        if not Ban(ban).is_in_force(matter.now):
            yield warning(EXPIRED_BAN, ban, f"this ban ({ban['reason']}) held only until {written(ban['until'])}")


def idle_bans(matter: Matter) -> Iterator[Finding]:
    """Warn of bans that no token meets, in a whole site; bans that have expired are told apart."""
    if not matter.is_whole or not matter.bans:
        return
    trial = _trial(matter)
    for ban in matter.bans:
        if Ban(ban).is_in_force(matter.now) and next(trial.meeting(ban), None) is None:
            doubts = list(doubts_of_conditions(ban, matter.authority))
            why = doubts[0].told if doubts else "its conditions exclude each other, or no issuer speaks so"
            yield warning(IDLE_BAN, ban, f"no token was found that this ban ({ban['reason']}) keeps out: {why}")


def evadable_bans(matter: Matter) -> Iterator[Finding]:
    """Warn of bans of the site's own that the bearer of a token gets around, in a whole site."""
    if not matter.is_whole or not matter.bans:
        return
    trial, bans = _trial(matter), bans_of({"bans": matter.bans})
    for ban in _own(matter):
        for doubt in (*evasions(ban, matter.authority), *doubts_of_vos(ban, trial, bans)):
            yield warning(EVADABLE_BAN, ban, f"this ban ({ban['reason']}): {doubt.told}{_commands(doubt)}")


def unwired_bans(matter: Matter) -> Iterator[Finding]:
    """Warn of bans by issuers that no CE is wired for, in a whole site; of a published list once."""
    if not matter.is_whole:
        return
    files: dict[str, list[Rule]] = {}
    for ban in matter.bans:
        if unwired_issuers(ban, matter.authority.issuers):
            files.setdefault(file_of(ban) if is_published(file_of(ban)) else ban["source"], []).append(ban)
    for bans in files.values():
        yield warning(UNWIRED_BAN, bans[0], unwired_sentence(bans, matter.authority.issuers))


def bare_stars(matter: Matter) -> Iterator[Finding]:
    """Warn of `*` in bans of the site's own and in rules with `deny`, where what has a slash passes."""
    for rule in matter.rules:
        for doubt in star_doubts(rule) if "deny" in rule else ():
            yield warning(BARE_STAR, rule, f"rule {told(rule)}: {doubt.told}{_pattern(doubt)}")
    for ban in _own(matter):
        for doubt in star_doubts(ban):
            yield warning(BARE_STAR, ban, f"this ban ({ban['reason']}): {doubt.told}{_star_advice(ban, doubt)}")


def _trial(matter: Matter) -> Trial:
    return Trial(policy_of(matter.document), matter.document, matter.now)


def _own(matter: Matter) -> Iterator[Rule]:
    """Yield the bans of the site's own that hold: of a published list the publisher decides what it bans."""
    for ban in matter.bans:
        if Ban(ban).is_in_force(matter.now) and not is_published(file_of(ban)):
            yield ban


def _commands(doubt: Doubt) -> str:
    return f": {' && '.join(map(add_command, doubt.instead))}" if doubt.instead else ""


def _pattern(doubt: StarDoubt) -> str:
    """Return what to write instead of a pattern, where one text does."""
    values = [value for each in doubt.instead for value in each[doubt.key] if value.endswith("/**") or "/**/" in value]
    return f"; write {values[0]}" if values else ""


def _star_advice(ban: Rule, doubt: StarDoubt) -> str:
    if doubt.key != "subject":
        return _pattern(doubt)
    if "*" in ban["subject"]:
        others = set(ban).intersection(CONDITIONS) - {"subject"}
        return "; leave `subject` out" if others else "; ban the issuers instead"
    return f"; name these forms, too: [{', '.join(map(repr, wider_subjects(ban['subject'])))}]"
