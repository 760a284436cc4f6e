"""Rules that decide for nobody: tokens that meet a rule are made, and the engine says what becomes of them."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from vomap.analysis.clauses import Clause
from vomap.analysis.lint.context import name_and_source, warning
from vomap.analysis.outcome import Evaluator
from vomap.analysis.tokens.from_clauses import ExampleTokens
from vomap.analysis.tokens.group_claims import write_groups
from vomap.analysis.tokens.patterns import GROUPS, common_groups, common_texts
from vomap.analysis.tokens.variants import TokenVariants, asked_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vomap.analysis.lint.context import LintContext
    from vomap.analysis.outcome import TokenOutcome
    from vomap.analysis.tokens.assembly import Token
    from vomap.mapfile.findings import Finding

UNREACHABLE_RULE, IMPOSSIBLE_RULE = "unreachable-rule", "impossible-rule"
# A rule with more tokens than these to try, or whose issuer has more VOs, is not doubted.
_MOST_TOKENS = 5_000
_MOST_VOS = 50
# How many tokens are tried in all beyond the first few of each rule.
_MOST_IN_ALL = 500_000
_TOLD = 3
# Such tokens come to no rule at all, which is said otherwise (lint/matching.py).
_NOT_SERVED = "vo: "


def unreachable_rules(context: LintContext) -> Iterator[Finding]:
    """Warn of rules whose tokens are all taken by earlier rules, and of those that no token meets.

    A rule is doubted only if all tokens that were made for it were decided without it, and these are of every kind
    that can be told apart by its own conditions and by those of the rules that took them. The rules of a
    distributed mapfile are tried as its tests are, by its own rules and without the site's settings.
    """
    if context.is_whole:
        for alone in context.distributed():
            yield from unreachable_rules(alone)
    reachability = _Reachability(context)
    clauses: dict[int, list[Clause]] = {}
    for listed in context.policy.clauses.values():
        for clause in listed:
            clauses.setdefault(clause.number, []).append(clause)
    for tried, (number, its_own) in enumerate(sorted(clauses.items())):
        context.progress(tried)
        if not (context.is_whole and context.is_distributed(context.rules[number])):
            yield from reachability.doubts(number, its_own)


class _Reachability:
    """Which rules some token reaches."""

    def __init__(self, context: LintContext) -> None:
        self._context = context
        self._evaluator = Evaluator(context.policy, context.now)
        self._example_tokens = ExampleTokens(context.policy, context.policy, context.now)
        self._variants = TokenVariants(context, self._example_tokens)
        self._reached: set[int | None] = set()
        self._left = _MOST_IN_ALL

    def doubts(self, number: int, clauses: Sequence[Clause]) -> Iterator[Finding]:
        results: list[TokenOutcome] = []
        tokens = chain(self._tokens(clauses), self._varied(number, clauses, results))
        for token in islice(tokens, _MOST_TOKENS + 1):
            if number in self._reached or self._left <= 0:
                return
            written = write_groups(token, self._context.admission.issuers.get(token["iss"]))
            result = self._evaluator.decide(written)
            self._left -= 1
            self._reached.add(result.rule)
            results.append(result)
        if number not in self._reached and results and len(results) <= _MOST_TOKENS and not self._has_many(clauses):
            yield from self._doubt(number, results)

    def _tokens(self, clauses: Sequence[Clause]) -> Iterator[Token]:
        """Yield tokens that meet a rule, the simplest of each clause first."""
        for made in (self._of_clause, self._of_vos, self._of_every_kind):
            for clause in clauses:
                yield from made(clause)

    def _of_clause(self, clause: Clause) -> Iterator[Token]:
        return (token for _, token in self._example_tokens.of_clause(clause))

    def _of_every_kind(self, clause: Clause) -> Iterator[Token]:
        return (token for _, token in self._example_tokens.of_changed_clause(clause))

    def _of_vos(self, clause: Clause) -> Iterator[Token]:
        """Yield tokens whose groups and paths are those of a VO, where a pattern leaves open of which one they are."""
        for name in self._context.admission.names(clause.url, clause.vo)[:_MOST_VOS]:
            asked = tuple((key, _of_vo(key, values, name, self._example_tokens.word)) for key, values in clause.asked)
            if asked != clause.asked:
                yield from self._of_clause(Clause(clause.url, clause.vo, asked, clause.outcome, clause.number))

    def _varied(self, number: int, clauses: Sequence[Clause], results: Sequence[TokenOutcome]) -> Iterator[Token]:
        """Yield tokens that go around the earlier rules which took the others, until no rule asks for more."""
        asked: set[str] = set()
        while True:
            takers = _takers(number, results)
            more = asked.union(*(asked_by(self._context.rules[taker]) for taker in takers))
            if more == asked:
                return
            asked = more
            for token in list(self._tokens(clauses)):
                yield from self._variants.vary(token, asked)

    def _has_many(self, clauses: Sequence[Clause]) -> bool:
        return any(
            clause.vo is None and len(self._example_tokens.ways(clause.url, None)) > _MOST_VOS for clause in clauses
        )

    def _doubt(self, number: int, results: Sequence[TokenOutcome]) -> Iterator[Finding]:
        rule = self._context.rules[number]
        takers = [self._context.rules[taker] for taker in _takers(number, results)]
        if takers:
            names = [*map(name_and_source, takers[:_TOLD]), *(["others"] if len(takers) > _TOLD else [])]
            what = "an earlier rule takes" if len(takers) == 1 else "earlier rules take"
            message = f"rule {rule['name']} decides for nobody: {what} all of its tokens: {', '.join(names)}"
            yield warning(UNREACHABLE_RULE, rule, message)
        elif not all(result.reason.startswith(_NOT_SERVED) for result in results):
            message = f"rule {rule['name']} decides for nobody: no token of its issuers meets all of its conditions"
            yield warning(IMPOSSIBLE_RULE, rule, message)


def _takers(number: int, results: Sequence[TokenOutcome]) -> list[int]:
    """Return the rules before one that took the tokens made for it; one that a later rule took did not meet it."""
    return list(dict.fromkeys(each.rule for each in results if each.rule is not None and each.rule < number))


def _of_vo(key: str, values: tuple[str, ...], name: str, word: str) -> tuple[str, ...]:
    """Return the values of a condition with groups and paths that are those of a VO, as far as they can be."""
    if key not in (*GROUPS, "scope"):
        return values
    common = common_groups if key in GROUPS else common_texts
    found: list[str] = []
    for value in values:
        before = value.partition("/")[0]
        found += common(value, f"{before}/{name}/**", word)[:1] or [value]
    return tuple(found)
