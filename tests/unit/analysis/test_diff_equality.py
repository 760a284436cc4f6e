"""ClauseComparison proves that two lists of clauses decide alike, and never proves it of lists that differ."""

from __future__ import annotations

from itertools import permutations

import pytest

from vomap.analysis.budget import Budget
from vomap.analysis.clauses import DENIED, Clause
from vomap.analysis.diff.equality import ClauseComparison, _longest_rise


def _clause(account: str, group: str = "", subject: str = "", vo: str | None = "v") -> Clause:
    asked = [("subject", (subject,))] if subject else []
    asked += [("group", (group,))] if group else []
    outcome = DENIED if account == "deny" else ("made", vo, account) if "<" in account else ("account", vo, account)
    return Clause("https://i/", vo, tuple(asked), outcome, 0)


ALICE, BOB = _clause("a", subject="alice"), _clause("b", subject="bob")
GROUP, BELOW = _clause("g", "/v/x"), _clause("g", "/v/x/**")
ANYBODY, OTHERS = _clause("a"), _clause("z")
MADE = _clause("<c1>", subject="<c1>")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([ALICE, BOB], [BOB, ALICE]),
        ([GROUP, BELOW], [BELOW]),
        ([GROUP, BELOW], [BELOW, GROUP]),
        ([ALICE, ANYBODY], [ANYBODY]),
        ([ANYBODY, BOB], [ANYBODY]),
        ([ALICE, ALICE], [ALICE]),
        ([ALICE, BOB, ANYBODY], [BOB, ANYBODY]),
        ([MADE, MADE], [MADE]),
    ],
)
def test_proven(old: list[Clause], new: list[Clause]) -> None:
    """Clauses that exclude each other may change places, and redundant clauses may be removed."""
    assert ClauseComparison(old, new).is_proven
    assert ClauseComparison(new, old).is_proven


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([ALICE], [BOB]),
        ([ALICE, GROUP], [GROUP, ALICE]),
        ([ALICE, BOB, OTHERS], [ALICE, OTHERS]),
        # The subject alice in the group matches both clauses, so their order counts.
        ([ALICE, GROUP, ANYBODY], [GROUP, ANYBODY]),
        # The engine skips a capture that gives a named account, and the next clause decides.
        ([MADE, ALICE], [MADE]),
        ([ALICE, MADE], [MADE, ALICE]),
        ([_clause("a", vo=None)], [_clause("a")]),
        ([ANYBODY], []),
        # If a list contains a clause twice, the first one decides.
        ([ALICE, GROUP], [GROUP, ALICE, GROUP]),
    ],
)
def test_not_proven(old: list[Clause], new: list[Clause]) -> None:
    """The comparison finds a possible difference in both directions."""
    assert not ClauseComparison(old, new).is_proven
    assert not ClauseComparison(new, old).is_proven


def test_what_changed_places() -> None:
    """The comparison names each pair of clauses that may match one token with different outcomes, once."""
    comparison = ClauseComparison([ALICE, BOB, GROUP], [GROUP, ALICE, BOB])
    assert [{first, second} for first, second in comparison.swapped] == [{ALICE, GROUP}, {BOB, GROUP}]


def test_a_spent_budget_proves_nothing() -> None:
    """Pairs beyond the budget count as pairs that differ."""
    budget = Budget(1)
    assert budget.take()
    assert not budget.is_spent
    assert not budget.take()
    assert budget.is_spent


def test_the_longest_rise() -> None:
    """The chosen numbers rise, and no longer choice of numbers rises."""
    for numbers in permutations(range(6)):
        kept = [number for number, stays in zip(numbers, _longest_rise(numbers)) if stays]
        assert kept == sorted(kept)
        longest = max(
            sum(1 for at in range(6) if mask >> at & 1)
            for mask in range(1, 64)
            if (chosen := [numbers[at] for at in range(6) if mask >> at & 1]) == sorted(chosen)
        )
        assert len(kept) == longest
