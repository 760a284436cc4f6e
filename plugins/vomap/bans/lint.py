"""Warn of bans that deny no token, that a bearer can evade, or for whose tokens the CE does not call vomap."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

from vomap.analysis.lint.breadth import ILLEGAL_GROUP, illegal_groups_of
from vomap.analysis.lint.checks import Check, CheckTable, LintReport
from vomap.analysis.lint.context import LintContext, name_and_source, not_checked, warning
from vomap.analysis.lint.values import REGULAR_EXPRESSION, expressions_in
from vomap.analysis.tokens.group_claims import as_list
from vomap.bans.ban_file import is_published
from vomap.bans.commands import add_command
from vomap.bans.effect import BanTester, describe_outcome, tokens_without
from vomap.bans.issuer_wiring import file_of, unwired_issuers, unwired_sentence
from vomap.bans.tokens import tokens_for
from vomap.bans.warnings import condition_warnings, evasion_warnings, unnamed_vo_warnings
from vomap.bans.wildcards import BanWarning, wider_subjects, wildcard_warnings
from vomap.claims import GROUPS_CLAIM, TokenError
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.findings import Finding
from vomap.mapfile.times import format_utc
from vomap.policy import DENIED, MAPPED
from vomap.policy.index import bans_of, policy_of
from vomap.policy.model import Ban

if TYPE_CHECKING:
    from vomap.analysis.tokens.assembly import Token
    from vomap.policy.documents import BanDocument, RuleDocument

UNUSED_BAN, EXPIRED_BAN, EVADABLE_BAN = "unused-ban", "expired-ban", "evadable-ban"
UNWIRED_BAN, BARE_STAR, EVADABLE_DENY = "unwired-ban", "bare-star", "evadable-deny"
# With more bans, the checks that decide tokens for each ban are skipped: they would take minutes.
MOST_BANS = 2_000
# The rules with `deny` and `group` that are tried, and the example tokens of each.
_MOST_DENIALS = 200
_MOST_TOKENS = 50


def expired_bans(context: LintContext) -> Iterator[Finding]:
    """Warn of expired bans."""
    for ban in context.bans:
        until = ban.get("until")
        if until is not None and not Ban(ban).is_in_force(context.now):
            yield warning(EXPIRED_BAN, ban, f"this ban ({ban['reason']}) expired at {format_utc(until)}")


def unused_bans(context: LintContext) -> Iterator[Finding]:
    """Warn of bans in force that match no token, in the policy of a whole site."""
    if not context.is_whole or not context.bans:
        return
    tester = _tester(context)
    for ban in context.bans:
        if Ban(ban).is_in_force(context.now) and next(tester.banned_tokens(ban), None) is None:
            missed = next(condition_warnings(ban, context.authority), None)
            why = missed.sentence if missed else "its conditions exclude each other, or no issuer issues such tokens"
            yield warning(UNUSED_BAN, ban, f"no token matches this ban ({ban['reason']}): {why}")


def evadable_bans(context: LintContext) -> Iterator[Finding]:
    """Warn of the site's own bans that the bearer of a token can evade, in the policy of a whole site."""
    if not context.is_whole or not context.bans:
        return
    tester, bans = _tester(context), bans_of({"bans": context.bans})
    for ban in _own(context):
        for each in (*evasion_warnings(ban, context.authority), *unnamed_vo_warnings(ban, tester, bans)):
            yield warning(EVADABLE_BAN, ban, f"this ban ({ban['reason']}): {each.sentence}{_commands(each)}")


def unwired_bans(context: LintContext) -> Iterator[Finding]:
    """Warn of bans of issuers without wiring, in the policy of a whole site. A published list gets one warning."""
    if not context.is_whole:
        return
    files: dict[str, list[BanDocument]] = {}
    for ban in context.bans:
        if unwired_issuers(ban, context.authority.issuers):
            files.setdefault(file_of(ban) if is_published(file_of(ban)) else ban["source"], []).append(ban)
    for bans in files.values():
        yield warning(UNWIRED_BAN, bans[0], unwired_sentence(bans, context.authority.issuers))


def bare_stars(context: LintContext) -> Iterator[Finding]:
    """Warn of `*` in the site's own bans and in rules with `deny`: it does not match texts with a slash."""
    for rule in context.rules:
        for key, each in wildcard_warnings(rule) if "deny" in rule else ():
            yield warning(BARE_STAR, rule, f"rule {name_and_source(rule)}: {each.sentence}{_pattern(key, each)}")
    for ban in _own(context):
        for key, each in wildcard_warnings(ban):
            yield warning(BARE_STAR, ban, f"this ban ({ban['reason']}): {each.sentence}{_star_advice(ban, key, each)}")


def evadable_denials(context: LintContext) -> Iterator[Finding]:
    """Warn of rules that deny a group, if another rule maps the bearer without the group, or with a child of it."""
    rules = [rule for rule in context.rules if "deny" in rule and "group" in rule]
    if not context.is_whole or not rules:
        return
    tester = _tester(context)
    for rule in rules[:_MOST_DENIALS]:
        how = next(_evasions(rule, tester), None)
        if how is not None:
            message = f"rule {rule['name']} denies group {rule['group'][0]}, and the bearer can evade it: {how}"
            advice = "deny by `subject`, or let the rules that give accounts ask for a group that such a bearer lacks"
            yield warning(EVADABLE_DENY, rule, f"{message}; {advice}")
    if rules[_MOST_DENIALS:]:
        yield not_checked((EVADABLE_DENY,), rules[_MOST_DENIALS:], len(context.rules))


def _evasions(rule: RuleDocument, tester: BanTester) -> Iterator[str]:
    """Yield how a bearer whose token a rule denies gets an account with another token, by the engine's decisions."""
    conditions = {key: value for key, value in rule.items() if key in CONDITIONS}
    tokens = chain(
        tokens_for(conditions, tester.authority, tester.now),
        tester.rule_tokens.with_conditions_of(conditions, tester.authority),
    )
    for token in islice(tokens, _MOST_TOKENS):
        if not _is_denied_by(rule, token, tester):
            continue
        for other in tokens_without(token, "group", conditions, tester.authority):
            mapped = _mapped(other, tester)
            if mapped is not None:
                yield f"a token without the group is {mapped}"
        parents = as_list(token[GROUPS_CLAIM])
        children = [f"{group.partition('/Role=')[0]}/x" for group in parents]
        mapped = _mapped({**token, GROUPS_CLAIM: children}, tester)
        if mapped is not None:
            yield f"a token with its child group {children[0]} is {mapped}"


def _is_denied_by(rule: RuleDocument, token: Token, tester: BanTester) -> bool:
    try:
        decision = tester.decide(tester.claims_of(token), bans_of({"bans": []}))
    except TokenError:
        return False
    return decision.outcome == DENIED and decision.source == rule["source"]


def _mapped(token: Token, tester: BanTester) -> str | None:
    """Return the outcome for a token in words, or None unless it is mapped."""
    try:
        decision = tester.decide(tester.claims_of(token), bans_of({"bans": []}))
    except TokenError:
        return None
    return describe_outcome(decision) if decision.outcome == MAPPED else None


def _tester(context: LintContext) -> BanTester:
    return BanTester(policy_of(context.document), context.document, context.now)


def _own(context: LintContext) -> Iterator[BanDocument]:
    """Yield the site's own bans in force. The site cannot edit a published list."""
    for ban in context.bans:
        if Ban(ban).is_in_force(context.now) and not is_published(file_of(ban)):
            yield ban


def _commands(each: BanWarning) -> str:
    return f": {' && '.join(map(add_command, each.alternatives))}" if each.alternatives else ""


def _pattern(key: str, each: BanWarning) -> str:
    """Return advice with the better pattern, if there is one."""
    values = [value for form in each.alternatives for value in form[key]]
    values = [value for value in values if value.endswith("/**") or "/**/" in value]
    return f"; write {values[0]}" if values else ""


def _star_advice(ban: BanDocument, key: str, each: BanWarning) -> str:
    if key != "subject":
        return _pattern(key, each)
    if "*" in ban["subject"]:
        others = set(ban).intersection(CONDITIONS) - {"subject"}
        return "; leave `subject` out" if others else "; ban the issuers instead"
    return f"; add these patterns: [{', '.join(map(repr, wider_subjects(ban['subject'])))}]"


def illegal_ban_groups(context: LintContext) -> Iterator[Finding]:
    """Warn of groups in bans that no token can have."""
    for ban in context.bans:
        yield from illegal_groups_of(ban, f"ban ({ban['reason']})")


def expressions_in_bans(context: LintContext) -> Iterator[Finding]:
    """Warn of texts in the site's own bans that look like regular expressions."""
    for ban in _own(context):
        yield from expressions_in(ban, f"this ban ({ban['reason']})")


_TABLE = CheckTable(
    always=(
        Check(illegal_ban_groups, (ILLEGAL_GROUP,)),
        Check(expressions_in_bans, (REGULAR_EXPRESSION,)),
        Check(expired_bans, (EXPIRED_BAN,)),
        Check(unwired_bans, (UNWIRED_BAN,)),
        Check(bare_stars, (BARE_STAR,)),
    ),
    each=(
        Check(unused_bans, (UNUSED_BAN,)),
        Check(evadable_bans, (EVADABLE_BAN,)),
        Check(evadable_denials, (EVADABLE_DENY,)),
    ),
)
CODES = _TABLE.codes


def lint_bans(context: LintContext) -> LintReport:
    """Return the warnings about bans and about rules with `deny`."""
    return _TABLE.run(context, is_large=context.budget.is_limited and len(context.bans) > MOST_BANS)
