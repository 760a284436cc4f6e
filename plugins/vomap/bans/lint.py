"""Bans that keep nobody out, that a token's bearer gets around, or whose tokens never come to vomap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vomap.analysis.lint.breadth import ILLEGAL_GROUP, illegal_groups_of
from vomap.analysis.lint.checks import Check, CheckTable
from vomap.analysis.lint.context import name_and_source, warning
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

    from vomap.analysis.lint.checks import LintReport
    from vomap.analysis.lint.context import LintContext, Rule
    from vomap.bans.warnings import Doubt
    from vomap.bans.wildcards import StarDoubt
    from vomap.mapfile.findings import Finding

UNUSED_BAN, EXPIRED_BAN, EVADABLE_BAN = "unused-ban", "expired-ban", "evadable-ban"
UNWIRED_BAN, BARE_STAR = "unwired-ban", "bare-star"
# With more bans, the checks that decide tokens for each ban are skipped: they would take minutes.
MOST_BANS = 2_000


def expired_bans(context: LintContext) -> Iterator[Finding]:
    """Warn of bans that hold no more."""
    for ban in context.bans:
        if not Ban(ban).holds_at(context.now):
            yield warning(EXPIRED_BAN, ban, f"this ban ({ban['reason']}) held only until {written(ban['until'])}")


def unused_bans(context: LintContext) -> Iterator[Finding]:
    """Warn of bans that no token meets, in a whole site; bans that have expired have a code of their own."""
    if not context.is_whole or not context.bans:
        return
    trial = _trial(context)
    for ban in context.bans:
        if Ban(ban).holds_at(context.now) and next(trial.meeting(ban), None) is None:
            doubts = list(doubts_of_conditions(ban, context.authority))
            why = doubts[0].told if doubts else "its conditions exclude each other, or no issuer speaks so"
            yield warning(UNUSED_BAN, ban, f"no token was found that this ban ({ban['reason']}) keeps out: {why}")


def evadable_bans(context: LintContext) -> Iterator[Finding]:
    """Warn of bans of the site's own that the bearer of a token gets around, in a whole site."""
    if not context.is_whole or not context.bans:
        return
    trial, bans = _trial(context), bans_of({"bans": context.bans})
    for ban in _own(context):
        for doubt in (*evasions(ban, context.authority), *doubts_of_vos(ban, trial, bans)):
            yield warning(EVADABLE_BAN, ban, f"this ban ({ban['reason']}): {doubt.told}{_commands(doubt)}")


def unwired_bans(context: LintContext) -> Iterator[Finding]:
    """Warn of bans by issuers that no CE is wired for, in a whole site; of a published list once."""
    if not context.is_whole:
        return
    files: dict[str, list[Rule]] = {}
    for ban in context.bans:
        if unwired_issuers(ban, context.authority.issuers):
            files.setdefault(file_of(ban) if is_published(file_of(ban)) else ban["source"], []).append(ban)
    for bans in files.values():
        yield warning(UNWIRED_BAN, bans[0], unwired_sentence(bans, context.authority.issuers))


def bare_stars(context: LintContext) -> Iterator[Finding]:
    """Warn of `*` in bans of the site's own and in rules with `deny`, where what has a slash passes."""
    for rule in context.rules:
        for doubt in star_doubts(rule) if "deny" in rule else ():
            yield warning(BARE_STAR, rule, f"rule {name_and_source(rule)}: {doubt.told}{_pattern(doubt)}")
    for ban in _own(context):
        for doubt in star_doubts(ban):
            yield warning(BARE_STAR, ban, f"this ban ({ban['reason']}): {doubt.told}{_star_advice(ban, doubt)}")


def _trial(context: LintContext) -> Trial:
    return Trial(policy_of(context.document), context.document, context.now, context.pieces.get)


def _own(context: LintContext) -> Iterator[Rule]:
    """Yield the bans of the site's own that hold: of a published list the publisher decides what it bans."""
    for ban in context.bans:
        if Ban(ban).holds_at(context.now) and not is_published(file_of(ban)):
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


def illegal_groups(context: LintContext) -> Iterator[Finding]:
    """Warn of groups in bans that no token can have."""
    for ban in context.bans:
        yield from illegal_groups_of(ban, f"ban ({ban['reason']})")


_TABLE = CheckTable(
    always=(
        Check(illegal_groups, (ILLEGAL_GROUP,)),
        Check(expired_bans, (EXPIRED_BAN,)),
        Check(unwired_bans, (UNWIRED_BAN,)),
        Check(bare_stars, (BARE_STAR,)),
    ),
    each=(
        Check(unused_bans, (UNUSED_BAN,)),
        Check(evadable_bans, (EVADABLE_BAN,)),
    ),
)
CODES = _TABLE.codes


def lint(context: LintContext) -> LintReport:
    """Return the warnings about bans, and about rules that refuse as bans do."""
    return _TABLE.run(context, is_large=len(context.bans) > MOST_BANS)
