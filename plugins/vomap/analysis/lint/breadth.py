"""Find rules that are for more users than they seem to be, and groups that no token can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vomap.analysis.clauses import values_of
from vomap.analysis.lint.context import LintContext, is_for_one, warning
from vomap.analysis.tokens.patterns import legal_groups, split_role
from vomap.mapfile.findings import Finding
from vomap.policy.authority import SCOPE_PATH
from vomap.policy.matching import EVERYTHING_BELOW, AccountName

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument, RuleDocument

ISSUER_ALONE, GROUP_WITHOUT_SCOPE, ILLEGAL_GROUP = "issuer-alone", "group-without-scope", "illegal-group"
# A text for `*` that is legal in any group.
_WORD = "x"
_OF_THE_BEARER = ("vo", "subject", "group", "first-group", "scope", "claim")


def issuer_alone_rules(context: LintContext) -> Iterator[Finding]:
    """Warn of rules that give one account to all tokens of an issuer of many VOs."""
    for rule in context.rules:
        names_vo = "vo" in AccountName(rule.get("account", "")).captures
        if "deny" in rule or names_vo or any(key in rule for key in _OF_THE_BEARER):
            continue
        for url in rule["issuer"]:
            vos = context.served_of(url) if url in context.admission.issuers else set()
            if vos is None or len(vos) > 1:
                gets = f"the account {rule['account']}" if "account" in rule else f"the pool {rule['pool']}"
                message = f"rule {rule['name']} gives {gets} to every token of {url}, whatever VO it speaks for"
                yield warning(ISSUER_ALONE, rule, f"{message}: name a `vo`, or write <vo> in the account")


def groups_without_scope(context: LintContext) -> Iterator[Finding]:
    """Warn of rules that give the account of a role to a group alone, if scopes say what a token is for.

    The scopes of tokens say what they are for if the issuer declares `vo-from: [scope-path]`. Its tokens list all
    groups of the user. Tokens of other issuers have no such scopes that a rule could ask for. A VO's own top group is
    not a role.
    """
    for rule in context.rules:
        groups = [group for group in rule.get("group", ()) if _is_role(group)]
        asks_more = any(key in rule for key in ("first-group", "scope", "claim", "deny"))
        if not groups or asks_more or is_for_one(rule):
            continue
        listing = [url for url, issuer in context.issuers_of(rule) if SCOPE_PATH in issuer.sources]
        if listing:
            message = f"rule {rule['name']} asks for {groups[0]} alone, but tokens of {listing[0]} list all groups of"
            why = "their bearer, whatever they are for: ask for a `scope` as well"
            yield warning(GROUP_WITHOUT_SCOPE, rule, f"{message} {why}")


def _is_role(pattern: str) -> bool:
    """Return True if a pattern takes only roles, or groups below a VO's top group."""
    group, role = split_role(pattern)
    return role is not None or group.removesuffix(EVERYTHING_BELOW).count("/") > 1


def illegal_groups(context: LintContext) -> Iterator[Finding]:
    """Warn of groups in rules that no token can have."""
    for rule in context.rules:
        yield from illegal_groups_of(rule, f"rule {rule['name']}")


def illegal_groups_of(entry: RuleDocument | BanDocument, who: str) -> Iterator[Finding]:
    """Warn of groups in a rule or a ban that no token can have. `who` names the entry in the warning."""
    for key in ("group", "first-group"):
        for pattern in values_of(entry, key):
            if not legal_groups(pattern, _WORD):
                why = "is not a legal group, so no token has it"
            elif any(part.lower().startswith(("role=", "capability=")) for part in split_role(pattern)[0].split("/")):
                why = "does not name a role: a role is written `/Role=NAME`, at the end, and in just these letters"
            else:
                continue
            yield warning(ILLEGAL_GROUP, entry, f"{who}: {pattern} {why}")
