"""Find values of conditions that no token has: regular expressions, and alternatives of a list that nothing matches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vomap.analysis.clauses import MOST_CLAUSES_IN_ALL, SplitPolicy, values_of
from vomap.analysis.lint.context import LintContext, not_checked, warning
from vomap.mapfile.findings import Finding

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument, PolicyDocument, RuleDocument

REGULAR_EXPRESSION, IMPOSSIBLE_VALUE = "regular-expression", "impossible-value"
_SIGNS = re.compile(r"^\^|\$$|\.\*|\.\+|\\|\||\[")
_ANYTHING = re.compile(r"\.[*+]")
_ESCAPED = re.compile(r"\\(.)")
_OF_A_VO = ("group", "first-group", "scope")


def regular_expressions(context: LintContext) -> Iterator[Finding]:
    """Warn of texts in rules that look like regular expressions. vomap compares them as they are."""
    for rule in context.rules:
        yield from expressions_in(rule, f"rule {rule['name']}")


def expressions_in(entry: RuleDocument | BanDocument, who: str) -> Iterator[Finding]:
    """Warn of texts in a rule or a ban that look like regular expressions. `who` names the entry in the warning."""
    values = [(key, text) for key in ("subject", *_OF_A_VO) for text in values_of(entry, key)]
    values += [(f"claim {name}", text) for name, texts in entry.get("claim", {}).items() for text in texts]
    for key, text in values:
        if _SIGNS.search(text):
            message = (
                f"{who}: {key} {text} looks like a regular expression, and vomap compares these characters as text"
            )
            yield warning(REGULAR_EXPRESSION, entry, f"{message}: {_as_pattern(text)}")


def _as_pattern(text: str) -> str:
    """Return the advice: the pattern to write, or a list of patterns for alternatives."""
    plain = _ESCAPED.sub(r"\1", _ANYTHING.sub("*", text)).removeprefix("^").removesuffix("$")
    if any(sign in plain for sign in "|[]()"):
        return "write a list with one pattern for each alternative, where `*` is any text without a slash"
    return f"write {plain}" if plain else "leave the condition out"


def impossible_values(context: LintContext) -> Iterator[Finding]:
    """Warn of alternatives of a list, and of VOs of a rule, with which the rule matches no token.

    A rule with a VO sees only the groups and paths of that VO. The choice of the site which VOs it serves has no effect
    here. A rule that matches no token at all has a warning of its own (reachability.py).
    """
    document: PolicyDocument = {**context.document, "site": {**context.document["site"], "serve": None}}
    is_limited = context.budget.is_limited
    policy = SplitPolicy(document, MOST_CLAUSES_IN_ALL if is_limited else None)
    uses: dict[int, _Uses] = {}
    for url, clauses in policy.clauses.items():
        possible = set(map(id, policy.possible(url)))
        for clause in clauses:
            if clause.vo is not None and all(len(values) == 1 for _, values in clause.asked):
                use = uses.setdefault(clause.number, _Uses())
                use.add(clause.vo, [(key, values[0]) for key, values in clause.asked], is_used=id(clause) in possible)
    for number in sorted(uses):
        yield from uses[number].doubts(context, context.rules[number])
    untried = [context.rules[number] for number in sorted(policy.incomplete)]
    if untried:
        yield not_checked((IMPOSSIBLE_VALUE,), untried, len(context.rules))


class _Uses:
    """The VOs of a rule and the values of its conditions, and those with which a token can match."""

    def __init__(self) -> None:
        self._vos: dict[str, bool] = {}
        self._values: dict[tuple[str, str], bool] = {}

    def add(self, vo: str, values: list[tuple[str, str]], *, is_used: bool) -> None:
        """Add one clause of the rule."""
        self._vos[vo] = self._vos.get(vo, False) or is_used
        for value in values:
            self._values[value] = self._values.get(value, False) or is_used

    def doubts(self, context: LintContext, rule: RuleDocument) -> Iterator[Finding]:
        """Yield the warnings about values, or about VOs if each value is used."""
        # If no issuer may speak for a VO, its values are not the fault.
        if not any(self._vos.values()) or any(vo.lower() not in self._vos for vo in rule.get("vo", ())):
            return
        unused = [value for value, is_used in self._values.items() if not is_used and value[0] in _OF_A_VO]
        vos = " or ".join(context.admission.spelled(vo) for vo in self._vos)
        for key, value in unused:
            message = f"rule {rule['name']}: no token matches {key} {value}, because it is not of VO {vos}"
            yield warning(IMPOSSIBLE_VALUE, rule, f"{message}: correct the value, or delete it")
        for vo in (vo for vo, is_used in self._vos.items() if not is_used and not unused):
            name = context.admission.spelled(vo)
            message = f"rule {rule['name']} matches no token for VO {name}: none of its groups and scopes is of {name}"
            yield warning(
                IMPOSSIBLE_VALUE, rule, f"{message}; add one that begins with the name of {name}, or delete the VO"
            )
