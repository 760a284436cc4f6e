"""Find unreachable rules: generate tokens that match a rule, and check whether the engine ever selects it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

from vomap.analysis.clauses import Clause, Conditions
from vomap.analysis.lint.context import LintContext, name_and_source, not_checked, warning
from vomap.analysis.outcome import Evaluator, TokenOutcome
from vomap.analysis.tokens.assembly import Token
from vomap.analysis.tokens.from_clauses import ExampleTokens
from vomap.analysis.tokens.group_claims import write_groups
from vomap.analysis.tokens.patterns import GROUPS, common_groups, common_texts
from vomap.analysis.tokens.variants import TokenVariants, asked_by
from vomap.mapfile.findings import Finding

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument

UNREACHABLE_RULE, IMPOSSIBLE_RULE = "unreachable-rule", "impossible-rule"
# vomap does not warn of a rule with more tokens to try, or whose issuer has more VOs.
_MOST_TOKENS = 5_000
_MOST_VOS = 50
# The work to prepare the trial of rules, for each declared issuer.
_OF_AN_ISSUER = 10
_MOST_NAMED = 3
# Such tokens reach no rule. Another code warns of that (lint/undeclared.py).
_NOT_SERVED = "vo: "


def unreachable_rules(context: LintContext) -> Iterator[Finding]:
    """Warn of rules whose tokens are all decided by earlier rules, and of rules that no token matches.

    vomap warns of a rule only if it decided none of the tokens that were generated for it. There is a token for every
    combination that the conditions of the rule, and of the rules that took its tokens, can distinguish. The rules of
    a distributed mapfile are tried as its tests are: by its own rules, without the site's settings.
    """
    untried: list[RuleDocument] = []
    for alone in context.distributed() if context.is_whole else ():
        if context.budget.take(_OF_AN_ISSUER * len(context.document["issuers"])):
            yield from _try_rules(alone, untried)
        else:
            untried += alone.rules
    yield from _try_rules(context, untried)
    if untried:
        yield not_checked((UNREACHABLE_RULE, IMPOSSIBLE_RULE), untried, len(context.rules))


def _try_rules(context: LintContext, untried: list[RuleDocument]) -> Iterator[Finding]:
    """Yield the doubts about rules, and add the rules that were not tried to `untried`."""
    reachability, left = _Reachability(context), []
    clauses: dict[int, list[Clause]] = {}
    for clause in chain.from_iterable(context.policy.clauses.values()):
        clauses.setdefault(clause.number, []).append(clause)
    incomplete = context.policy.incomplete
    for tried, number in enumerate(sorted({*clauses, *incomplete})):
        context.progress(tried)
        rule = context.rules[number]
        if context.is_whole and context.is_distributed(rule):
            continue
        if not context.budget.is_spent and number not in incomplete:
            yield from reachability.doubts(number, clauses[number])
        if context.budget.is_spent or number in incomplete:
            left.append(number)
    untried += [context.rules[number] for number in left if not reachability.is_reached(number)]


class _Reachability:
    """The rules of a policy that decided a token."""

    def __init__(self, context: LintContext) -> None:
        self._context = context
        self._evaluator = Evaluator(context.policy, context.now)
        self._example_tokens = ExampleTokens(context.policy, context.policy, context.now)
        self._variants = TokenVariants(context.admission, self._example_tokens)
        self._reached: set[int | None] = set()

    def is_reached(self, number: int) -> bool:
        """Return True if a rule decided a token."""
        return number in self._reached

    def doubts(self, number: int, clauses: Sequence[Clause]) -> Iterator[Finding]:
        results: list[TokenOutcome] = []
        tokens = chain(self._tokens(clauses), self._varied(number, clauses, results))
        for token in islice(tokens, _MOST_TOKENS + 1):
            if number in self._reached or self._context.budget.is_spent:
                return
            written = write_groups(token, self._context.admission.issuers.get(token["iss"]))
            before = self._evaluator.effort
            result = self._evaluator.decide(written)
            self._context.budget.take(self._evaluator.effort - before)
            self._reached.add(result.rule)
            results.append(result)
        ways = (self._example_tokens.ways(clause.url, None) for clause in clauses if clause.vo is None)
        is_tried = len(results) <= _MOST_TOKENS and all(len(each) <= _MOST_VOS for each in ways)
        if results and number not in self._reached and is_tried:
            yield from self._doubt(number, results)

    def _tokens(self, clauses: Sequence[Clause]) -> Iterator[Token]:
        """Yield tokens that match a rule, the simplest of each clause first."""
        for made in (self._example_tokens.of_clause, self._of_vos, self._example_tokens.of_changed_clause):
            for clause in clauses:
                yield from (token for _, token in made(clause))

    def _of_vos(self, clause: Clause) -> Iterator[tuple[Conditions, Token]]:
        """Yield tokens with groups and paths of a VO, if the pattern does not name the VO."""
        for name in self._context.admission.names(clause.url, clause.vo, _MOST_VOS):
            asked = tuple((key, _of_vo(key, values, name, self._example_tokens.word)) for key, values in clause.asked)
            if asked != clause.asked:
                yield from self._example_tokens.of_clause(clause._replace(asked=asked))

    def _varied(self, number: int, clauses: Sequence[Clause], results: Sequence[TokenOutcome]) -> Iterator[Token]:
        """Yield tokens that avoid the earlier rules which took the others, until no rule has other conditions."""
        asked: set[str] = set()
        while True:
            takers = _takers(number, results)
            more = asked.union(*(asked_by(self._context.rules[taker]) for taker in takers))
            if more == asked:
                return
            asked = more
            for token in list(self._tokens(clauses)):
                yield from self._variants.vary(token, asked)

    def _doubt(self, number: int, results: Sequence[TokenOutcome]) -> Iterator[Finding]:
        rule = self._context.rules[number]
        takers = [self._context.rules[taker] for taker in _takers(number, results)]
        if takers:
            names = [*map(name_and_source, takers[:_MOST_NAMED]), *(["others"] if len(takers) > _MOST_NAMED else [])]
            what = "an earlier rule takes" if len(takers) == 1 else "earlier rules take"
            message = f"rule {rule['name']} decides no token: {what} all of its tokens: {', '.join(names)}"
            yield warning(UNREACHABLE_RULE, rule, message)
        elif not all(result.decision.reason.startswith(_NOT_SERVED) for result in results):
            message = f"rule {rule['name']} decides no token: no token of its issuers matches all of its conditions"
            yield warning(IMPOSSIBLE_RULE, rule, message)


def _takers(number: int, results: Sequence[TokenOutcome]) -> list[int]:
    """Return the rules before one that took its tokens. A token that a later rule took did not match it."""
    return list(dict.fromkeys(each.rule for each in results if each.rule is not None and each.rule < number))


def _of_vo(key: str, values: tuple[str, ...], name: str, word: str) -> tuple[str, ...]:
    """Return the values of a condition, with groups and paths of a VO if the patterns permit."""
    if key not in (*GROUPS, "scope"):
        return values
    common = common_groups if key in GROUPS else common_texts
    found: list[str] = []
    for value in values:
        before = value.partition("/")[0]
        found += common(value, f"{before}/{name}/**", word)[:1] or [value]
    return tuple(found)
