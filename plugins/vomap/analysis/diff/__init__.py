"""Compare two policies: find the tokens that they decide differently, and prove that all others stay the same.

The comparison goes issuer by issuer. It compares the admission (admission.py) and the clauses (clauses.py,
equality.py). For each part that differs, it generates example tokens and lets both policies decide them: tokens that
match one clause, and tokens that match two clauses of which one differs. If no token shows the effect of a
difference, the policies are not proven equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.analysis.budget import Budget
from vomap.analysis.clauses import MOST_CLAUSES_IN_ALL, Clause, Conditions, SplitPolicy
from vomap.analysis.diff.equality import MOST_PAIRS, ClauseComparison
from vomap.analysis.diff.lines import (
    ISSUER_ADDED,
    ISSUER_DROPPED,
    REFUSED_OTHERWISE,
    SHADOWED,
    VO_ADDED,
    VO_DROPPED,
    DiffLine,
    DiffLines,
    OutcomePair,
)
from vomap.analysis.outcome import Evaluator
from vomap.analysis.tokens.assembly import Token
from vomap.analysis.tokens.from_clauses import ExampleTokens, simplicity
from vomap.analysis.tokens.group_claims import write_groups
from vomap.claims import GROUPS_CLAIM

if TYPE_CHECKING:
    from vomap.policy.documents import PolicyDocument

# The work for unchanged rules, for changed ones, and for all else, in the units of a budget: more would take minutes.
MOST_WORK = 1_300_000
# A site has hundreds of rules. Up to this number the work may be more, and still takes seconds.
_FEW_RULES, _MORE_FOR_FEW = 1_000, 8
# If the declaration of an issuer differs, variations of at most this number of its tokens are decided.
_BASES = 20
_OF_A_CLAUSE = 3
_CAPTURE = re.compile("<c[0-9]+>")


@dataclass
class PolicyDiff:
    """The result of a comparison: its lines, and the reasons why all else is not proven equal.

    It is bounded if work was left out that a thorough comparison does.
    """

    lines: list[DiffLine]
    unproven: list[str]
    is_bounded: bool

    @property
    def is_none(self) -> bool:
        """Whether it is proven that no token is decided differently. A shadowed rule alone changes no decision."""
        return not self.unproven and all(line.kind == SHADOWED for line in self.lines)


def compare(
    old: PolicyDocument,
    new: PolicyDocument,
    now: float,
    progress: Callable[[int], None] = lambda _: None,
    *,
    is_thorough: bool = False,
) -> PolicyDiff:
    """Compare the documents of two policies at a time in seconds since 1970.

    `progress` is called with the number of tokens decided so far. A thorough comparison does all of the work, without
    a limit.
    """
    most = None if is_thorough else MOST_CLAUSES_IN_ALL
    return _PolicyComparison(SplitPolicy(old, most), SplitPolicy(new, most), now, progress, is_thorough).compare()


class _PolicyComparison:
    """The state of one comparison."""

    def __init__(
        self, old: SplitPolicy, new: SplitPolicy, now: float, progress: Callable[[int], None], is_thorough: bool
    ) -> None:
        self.old, self.new = old, new
        is_small = max(len(old.rules), len(new.rules)) <= _FEW_RULES
        most = MOST_WORK * (_MORE_FOR_FEW if is_small else 1)
        work, pairs = (None, None) if is_thorough else (most, MOST_PAIRS)
        # For tokens of unchanged rules, tokens of changed ones, and all else: none of them takes the work of another.
        self.of_unchanged, self.of_changed, self.of_others = Budget(work), Budget(work), Budget(work)
        self.pairs = Budget(pairs)
        self.evaluators = Evaluator(old, now), Evaluator(new, now)
        self.example_tokens = ExampleTokens(old, new, now)
        self.progress = progress
        self.asked = 0
        self.lines = DiffLines(old, new)
        self.unproven: dict[str, None] = {}
        self.all_proven = True
        self.mapped: Token | None = None
        # The rules of the new policy that decided a token. For each clause of the old one, a token that it decided.
        self.reached: set[int | None] = set()
        self.reached_old: dict[tuple[str, str | None, Conditions], OutcomePair] = {}

    def compare(self) -> PolicyDiff:
        for url in dict.fromkeys([*self.old.admission.issuers, *self.new.admission.issuers]):
            self._compare_issuer(url)
        if not self.all_proven:
            self._compare_vos()
        self._compare_limits()
        self._find_shadowed()
        is_bounded = self._report_left_out()
        return PolicyDiff(self.lines.in_order(), list(self.unproven), is_bounded)

    def _compare_issuer(self, url: str) -> None:
        """Compare the admission and the clauses of one issuer."""
        comparison = ClauseComparison(self.old.possible(url), self.new.possible(url), self.pairs)
        bases: list[Token] = []
        explained = self._try_clauses(comparison, bases)
        admission = self.old.admission.of(url), self.new.admission.of(url)
        if admission[0] == admission[1] and comparison.is_proven:
            return
        self.all_proven = False
        if not (admission[0] and admission[1]):
            # One of the policies declines every token of this issuer. One line says so.
            self._add_issuer(url, added=not admission[0])
            return
        self._compare_admission(url, *admission, bases)
        self._compare_order(comparison)
        explained |= self._compare_overlaps(comparison)
        for side, alone in ((self.old, comparison.only_old), (self.new, comparison.only_new)):
            for clause in alone:
                if id(clause) not in explained and not comparison.is_redundant_in_other(clause):
                    self._doubt(f"rule {_rule(side, clause)} differs, and vomap found no token for which that matters")

    def _try_clauses(self, comparison: ClauseComparison, bases: list[Token]) -> set[int]:
        """Decide tokens for each clause, and return the clauses that change a decision.

        Some tokens that are mapped are added to `bases`.
        """
        changed = {id(clause) for clause in (*comparison.only_old, *comparison.only_new)}
        explained = set()
        for side, issuer_clauses in ((self.old, comparison.old), (self.new, comparison.new)):
            for clause in issuer_clauses.clauses:
                if side is self.new and clause.meaning in comparison.old.place:
                    continue
                is_changed = id(clause) in changed
                if (self.of_changed if is_changed else self.of_unchanged).is_spent:
                    continue
                found = list(self._tokens_of(side, clause, thorough=is_changed))
                # As generated, with groups in `wlcg.groups`: the claim with the groups may be what differs.
                mapped = [token for token, _, each in found if each.old.is_mapped or each.new.is_mapped]
                bases += mapped[:_OF_A_CLAUSE]
                if self._add_clause(side, clause, [(asked, each) for _, asked, each in found]):
                    explained.add(id(clause))
        return explained

    def _tokens_of(
        self, side: SplitPolicy, clause: Clause, *, thorough: bool
    ) -> Iterator[tuple[Token, Conditions, OutcomePair]]:
        """Yield tokens that match a clause, each with the conditions that it was made for, and its outcomes."""
        made = self.example_tokens.of_changed_clause(clause) if thorough else self.example_tokens.of_clause(clause)
        budget = self.of_changed if thorough else self.of_unchanged
        for asked, token in made:
            outcomes = self._decide(token, budget)
            yield token, asked, outcomes
            if budget.is_spent:
                return
            if self._is_reached(side, clause, outcomes):
                if side is self.old:
                    self.reached_old.setdefault((clause.url, *clause.conditions), outcomes)
                if not thorough:
                    return

    def _is_reached(self, side: SplitPolicy, clause: Clause, outcomes: OutcomePair) -> bool:
        return (outcomes.old if side is self.old else outcomes.new).rule == clause.number

    def _add_clause(self, side: SplitPolicy, clause: Clause, found: list[tuple[Conditions, OutcomePair]]) -> bool:
        """Add the changes for tokens that match a clause, and return True if there are any."""
        # A token that fails a check before any rule shows nothing about this rule.
        about = [
            (asked, each)
            for asked, each in found
            if self._is_reached(side, clause, each) or each.kind not in (None, REFUSED_OTHERWISE)
        ]
        some = "" if all(each.kind for _, each in about) else "some of "
        for asked, each in about:
            who = self._who(clause.url, (clause.vo, asked))
            self.lines.add_token(some + who if asked is clause.asked else who, each)
        return any(each.kind for _, each in about)

    def _compare_order(self, comparison: ClauseComparison) -> None:
        """Decide tokens that match two clauses whose order differs between the policies."""
        for clause, other in comparison.swapped:
            if self.of_others.is_spent:
                return
            if not self._try_pair(clause, other, (None, None)):
                rules = f"{_rule(self.old, clause)} and {_rule(self.old, other)}"
                self._doubt(f"rules {rules} are in another order, and vomap found no token for which that matters")

    def _compare_overlaps(self, comparison: ClauseComparison) -> set[int]:
        """Decide tokens that match a clause of one policy only and another clause.

        Return the clauses that change a decision.
        """
        explained: set[int] = set()
        for alone, is_old in ((comparison.only_old, True), (comparison.only_new, False)):
            for clause in alone:
                changed = (clause.number, None) if is_old else (None, clause.number)
                for other in _overlapping(clause, comparison, self.pairs):
                    if self.of_others.is_spent:
                        return explained
                    if self._try_pair(clause, other, changed):
                        explained |= {id(clause), id(other)}
        return explained

    def _try_pair(self, clause: Clause, other: Clause, changed: tuple[int | None, int | None]) -> bool:
        """Decide tokens that match two clauses, and return True if a decision changes."""
        who = self._who(clause.url, clause.conditions, other.conditions)
        tokens = self.example_tokens.of_pair(clause, other)
        changes = [self.lines.add_overlap(who, self._decide(token), changed) for token in tokens]
        return any(changes)

    def _compare_admission(self, url: str, old: dict[str, object], new: dict[str, object], bases: list[Token]) -> None:
        """Decide tokens for each check of an issuer that differs: variations of tokens that are mapped."""
        naming = [self.example_tokens.token(url, {}, way) for way in self.example_tokens.ways(url, None)[:_OF_A_CLAUSE]]
        in_order = sorted([*naming, *bases], key=simplicity)
        with_groups = [token for token in in_order if GROUPS_CLAIM in token]
        chosen = [*in_order[:_BASES], *with_groups[:_BASES]]
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) == new.get(name) and (name in old) == (name in new):
                continue
            if name == "spelling" and not self._is_spelled_otherwise(url):
                continue
            tokens = self.example_tokens.of_field(url, name, chosen)
            changes = [self.lines.add_field(f"issuer {url}, {name}", self._decide(token)) for token in tokens]
            if not any(changes):
                self._doubt(f"issuer {url} has another `{name}`, and vomap found no token for which that matters")

    def _is_spelled_otherwise(self, url: str) -> bool:
        """Return True if the policies spell a VO differently that an issuer may name in both.

        A VO that it may name in one of them has a line of its own.
        """
        sides = self.old.admission, self.new.admission
        old, new = (side.spellings_of(url) for side in sides)
        named = [
            vo for vo in {*old, *new} if all(side.serves(vo) and side.authority.may_name(url, vo) for side in sides)
        ]
        return any(old.get(vo, {vo}) != new.get(vo, {vo}) for vo in named)

    def _compare_vos(self) -> None:
        """Add a line for each VO that only one of the policies serves."""
        for kind, side, other in ((VO_DROPPED, self.old, self.new), (VO_ADDED, self.new, self.old)):
            served = side.admission.served_vos()
            for vo in sorted(set(served) - set(other.admission.served_vos())):
                self._add_vo(kind, side, vo, served[vo])

    def _add_vo(self, kind: str, side: SplitPolicy, vo: str, urls: list[str]) -> None:
        tokens = [self.example_tokens.token(url, {}, way) for url in urls for way in self.example_tokens.ways(url, vo)]
        outcomes = [self._decide(token) for token in tokens]
        results = [(each.old if side is self.old else each.new, each) for each in outcomes]
        speaking = [each for result, each in results if result.vo == vo]
        self.lines.add(kind, vo, f"{side.admission.spelled(vo)}, by {', '.join(urls)}", (speaking or outcomes)[0])

    def _add_issuer(self, url: str, *, added: bool) -> None:
        kind, side, other = (ISSUER_ADDED, self.new, self.old) if added else (ISSUER_DROPPED, self.old, self.new)
        if url in other.admission.issuers:
            # Both policies declare the issuer. Only one of them serves its VO.
            return
        vos = [side.admission.spelled(vo) for vo in sorted(side.admission.issuers[url].declared_vos())]
        who = f"{url} for {', '.join(vos)}" if vos else url
        self.lines.add(kind, url, who, self._decide(self.example_tokens.token(url, {}, None)))

    def _compare_limits(self) -> None:
        """Add the changes for accounts that do not exist, or that have a low uid."""
        old, new = (policy.admission.site.accounts for policy in (self.old, self.new))
        lowest = min(old.minimum_uid, new.minimum_uid)
        if old.minimum_uid != new.minimum_uid:
            self._try_account(f"an account with uid {lowest}", lowest)
        if old.must_exist != new.must_exist:
            self._try_account("an account that does not exist", None)

    def _try_account(self, what: str, uid: int | None) -> None:
        if self.mapped is None:
            self._doubt(f"site: {what} is decided differently, and vomap found no token that both policies map")
            return
        results = (evaluator.decide(self.mapped, lambda _: uid) for evaluator in self.evaluators)
        outcomes = OutcomePair(self.mapped, *results)
        assert outcomes.kind is not None, "one of the two refuses what the other accepts"
        self.lines.add(outcomes.kind, what, f"every issuer, {what}", outcomes)

    def _find_shadowed(self) -> None:
        """Add the rules that decide no token any more, because an earlier rule decides it."""
        for clauses in self.new.clauses.values():
            first = {clause.conditions: clause for clause in reversed(clauses)}
            for clause in first.values():
                shown = self.reached_old.get((clause.url, *clause.conditions))
                if self.of_unchanged.is_spent:
                    return
                if shown is not None and shown.new.rule is not None and not self._reaches(clause):
                    who = f"{_rule(self.new, clause)}, by {shown.new.place}"
                    self.lines.add(SHADOWED, clause.number, who, shown)

    def _reaches(self, clause: Clause) -> bool:
        """Return True if the rule of a clause decides a token in the new policy."""
        for _, token in self.example_tokens.of_changed_clause(clause):
            if clause.number in self.reached or self.of_unchanged.is_spent:
                break
            self._decide(token, self.of_unchanged)
        return clause.number in self.reached

    def _report_left_out(self) -> bool:
        """Add what was not compared, for the work would have been too much. Return False if there is nothing."""
        left = []
        if not self.all_proven:
            left += ["tokens of all changed rules"] if self.of_changed.is_spent else []
            left += ["tokens that match two rules"] if self.of_others.is_spent or self.pairs.is_spent else []
            left += ["rules that decide no token any more"] if self.of_unchanged.is_spent else []
        incomplete = len(self.old.incomplete) + len(self.new.incomplete)
        left += [f"{incomplete:,} rules that many issuers may use"] if incomplete else []
        if left:
            self._doubt(f"vomap did not try {', '.join(left)}, which would take minutes")
        return bool(left)

    def _decide(self, token: Token, budget: Budget | None = None) -> OutcomePair:
        before = sum(evaluator.effort for evaluator in self.evaluators)
        issuers = (policy.admission.issuers.get(token["iss"]) for policy in (self.old, self.new))
        written = write_groups(token, *issuers)
        outcomes = OutcomePair(written, *(evaluator.decide(written) for evaluator in self.evaluators))
        (budget or self.of_others).take(sum(evaluator.effort for evaluator in self.evaluators) - before)
        self.reached.add(outcomes.new.rule)
        self.asked += 1
        self.progress(self.asked)
        both = outcomes.old.decision.account is not None and outcomes.new.decision.account is not None
        if both and (self.mapped is None or simplicity(written) < simplicity(self.mapped)):
            self.mapped = written
        return outcomes

    def _who(self, url: str, *conditions: tuple[str | None, Conditions]) -> str:
        """Return the tokens that clauses of one issuer are for, in the words of a mapfile."""
        parts = {f"issuer {url}": None}
        for vo, asked in conditions:
            if vo is not None:
                side = self.new if self.new.admission.knows(vo) else self.old
                parts[f"VO {side.admission.spelled(vo)}"] = None
            for key, values in asked:
                parts[f"{key} {' or '.join(_CAPTURE.sub('*', value) for value in values)}"] = None
        return ", ".join(parts)

    def _doubt(self, why: str) -> None:
        self.unproven[why] = None


def _overlapping(clause: Clause, comparison: ClauseComparison, budget: Budget) -> Iterator[Clause]:
    """Yield the clauses of both policies that may match the same token as a clause, and have another outcome."""
    tried = {clause.conditions}
    for issuer_clauses in (comparison.old, comparison.new):
        for _, other in issuer_clauses.near(clause, budget):
            alike = clause.is_certain and other.outcome == clause.outcome
            if other.conditions not in tried and not alike and clause.overlaps(other):
                tried.add(other.conditions)
                yield other


def _rule(side: SplitPolicy, clause: Clause) -> str:
    rule = side.rules[clause.number]
    return f"{rule['name']} ({rule['source']})"
