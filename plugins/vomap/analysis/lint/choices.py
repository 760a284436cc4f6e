"""Find rules that let the bearer of a token choose the account: by a claim, by the order or the names of groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vomap.analysis.lint.context import LintContext, warning
from vomap.analysis.tokens.patterns import split_role
from vomap.mapfile.findings import Finding
from vomap.policy.matching import EVERYTHING_BELOW, AccountName, Pattern

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument

CHOSEN_ACCOUNT, CHOSEN_ORDER, ROLE_AT_ANY_DEPTH = "chosen-account", "chosen-order", "role-at-any-depth"
# Users write these themselves, and another user may have the same (OpenID Connect Core, section 5.7).
_CHOSEN_CLAIMS = ("preferred_username", "email", "nickname", "name")


def chosen_accounts(context: LintContext) -> Iterator[Finding]:
    """Warn of accounts that are captured from a claim which users choose."""
    for rule in context.rules:
        captures = set(AccountName(rule.get("account", "")).captures) - {"vo"}
        for name in filter(rule.get("claim", {}).__contains__, _CHOSEN_CLAIMS if captures else ()):
            taken = captures & _captured(rule, name)
            if taken:
                word = min(taken)
                message = f"rule {rule['name']} takes <{word}> of its account from the claim {name}, which users choose"
                how = f"capture <{word}> from `subject`, or write a rule with `subject` and `account` for each user"
                yield warning(CHOSEN_ACCOUNT, rule, f"{message}, so a user can take the account of another: {how}")
                break


def _captured(rule: RuleDocument, name: str) -> set[str]:
    patterns = (Pattern(text, capture=True) for text in rule["claim"][name])
    return {capture for pattern in patterns for capture in pattern.captures}


def chosen_orders(context: LintContext) -> Iterator[Finding]:
    """Warn of rules with `first-group`: the client requests the groups of its token in the order that it wants."""
    for rule in context.rules:
        if "first-group" in rule:
            chosen = rule["first-group"][0]
            what = "evades this rule" if "deny" in rule else "gets what this rule gives"
            message = f"rule {rule['name']}: the client chooses the order of the groups in its token"
            why = f"so each member of {chosen} chooses whether the token {what}"
            yield warning(
                CHOSEN_ORDER, rule, f"{message}, {why}; if only the membership counts, write `group: {chosen}`"
            )


def roles_at_any_depth(context: LintContext) -> Iterator[Finding]:
    """Warn of a role in any subgroup, if an issuer lists plain groups: a manager of a subgroup chooses their names."""
    for rule in context.rules:
        deep = [text for text in (*rule.get("group", ()), *rule.get("first-group", ())) if _is_deep(text)]
        if not deep or "deny" in rule:
            continue
        plain = next((url for url, issuer in context.issuers_of(rule) if issuer.groups_claim is not None), None)
        if plain is not None:
            group, role = split_role(deep[0])
            stem = group.removesuffix(EVERYTHING_BELOW)
            message = f"rule {rule['name']}: {deep[0]} is this role in any subgroup, and {plain} lists plain groups"
            why = f"a manager of a subgroup may name a child group Role={role}"
            how = f"write the group that has the role, such as {stem or '/*'}/Role={role}"
            yield warning(ROLE_AT_ANY_DEPTH, rule, f"{message}: {why}; {how}")


def _is_deep(pattern: str) -> bool:
    group, role = split_role(pattern)
    return role is not None and group.endswith(EVERYTHING_BELOW)
