"""Prove that two lists of clauses of one issuer decide alike, or find the clauses that prevent the proof.

The proof: both lists have the same clauses. Two clauses whose order differs exclude each other or have the same
outcome. Then the first clause that a token matches has the same outcome in both lists.

Before that, redundant clauses are removed from each list. A clause is redundant if an earlier clause covers it. It is
also redundant if a later clause with the same outcome covers it, and no clause between them interferes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice

from vomap.analysis.budget import Budget
from vomap.analysis.clauses import Clause
from vomap.analysis.tokens.patterns import split_role

# At most this number of pairs of clauses is compared. The rest is not proven.
MOST_PAIRS = 500_000
# At most this number of pairs in another order is found for an issuer.
_MOST_SWAPPED = 5_000


class IssuerClauses:
    """The clauses of one issuer in their order, with an index by subject and by first group."""

    def __init__(self, clauses: Iterable[Clause]) -> None:
        """Take the clauses. Of several with the same meaning, only the first counts."""
        first: dict[Hashable, Clause] = {}
        for clause in clauses:
            first.setdefault(clause.meaning, clause)
        self.clauses = list(first.values())
        self.place = {clause.meaning: at for at, clause in enumerate(self.clauses)}
        self._of_kind: dict[Hashable, list[int]] = {}
        self._of_value: dict[tuple[Hashable, str], list[int]] = {}
        self._gone: set[int] = set()
        for at, clause in enumerate(self.clauses):
            kind, value = _single_value(clause)
            self._of_kind.setdefault(kind, []).append(at)
            self._of_value.setdefault((kind, value), []).append(at)

    def near(self, clause: Clause, budget: Budget) -> Iterator[tuple[int, Clause]]:
        """Yield the clauses that may match the same token as the given one, in order, each with its place.

        If the budget is spent, further clauses are left out.
        """
        for at in () if budget.is_spent else self._near_places(clause):
            if not budget.take():
                return
            if at not in self._gone:
                yield at, self.clauses[at]

    def _near_places(self, clause: Clause) -> Iterable[int]:
        kind, value = _single_value(clause)
        if kind is None:
            return range(len(self.clauses))
        others = (places for other, places in self._of_kind.items() if other != kind)
        return merge(self._of_value.get((kind, value), ()), *others)

    def interfering(self, clause: Clause, end: int, budget: Budget) -> set[Hashable]:
        """Return the meanings of the clauses before a place that may match the same token and have another outcome."""
        return {
            other.meaning
            for at, other in self.near(clause, budget)
            if at < end and not (other.is_certain and other.outcome == clause.outcome) and other.overlaps(clause)
        }

    def drop_redundant(self, clause: Clause, budget: Budget) -> bool:
        """Remove a clause if it is redundant, and return True if it is."""
        here = self.place[clause.meaning]
        in_the_way = False
        for at, other in self.near(clause, budget):
            if at == here or not other.is_certain:
                in_the_way = in_the_way or (at > here and other.overlaps(clause))
                continue
            if at > here and (in_the_way or not clause.is_certain):
                return False
            does_the_same = other.outcome == clause.outcome
            if (at < here or does_the_same) and other.covers(clause):
                self._gone.add(here)
                return True
            in_the_way = at > here and not does_the_same and other.overlaps(clause)
        return False


class ClauseComparison:
    """The differences between an issuer's clauses in two policies: of one policy only, or in another order."""

    def __init__(self, old: Iterable[Clause], new: Iterable[Clause], budget: Budget | None = None) -> None:
        """Take the clauses of both policies, and the pairs that may be compared."""
        self.old, self.new = IssuerClauses(old), IssuerClauses(new)
        self._budget = Budget(MOST_PAIRS) if budget is None else budget
        self.only_old = _only_in(self.old, self.new, self._budget)
        self.only_new = _only_in(self.new, self.old, self._budget)
        self.swapped = list(islice(self._swapped(), _MOST_SWAPPED + 1))

    @property
    def is_complete(self) -> bool:
        """Whether all pairs were compared. If not, the lists are not proven to decide alike."""
        return not self._budget.is_spent and len(self.swapped) <= _MOST_SWAPPED

    @property
    def is_proven(self) -> bool:
        """Whether both lists decide alike, whatever the token."""
        return self.is_complete and not (self.only_old or self.only_new or self.swapped)

    def is_redundant_in_other(self, clause: Clause) -> bool:
        """Return True if a clause of one list only would be redundant in the other list.

        The other list must have a clause that covers it, with the same outcome. The clauses before both that could
        interfere must be the same.
        """
        here, there = (self.old, self.new) if clause.meaning in self.old.place else (self.new, self.old)
        for at, other in there.near(clause, self._budget):
            if other.is_certain and other.outcome == clause.outcome and other.covers(clause):
                theirs = there.interfering(clause, at, self._budget)
                ours = here.interfering(clause, here.place[clause.meaning], self._budget)
                return theirs == ours and not self._budget.is_spent
        return False

    def _swapped(self) -> Iterator[tuple[Clause, Clause]]:
        """Yield pairs of clauses that are in another order in the new list, if that may matter."""
        common = [clause for clause in self.old.clauses if clause.meaning in self.new.place]
        places = [self.new.place[clause.meaning] for clause in common]
        moved = {clause.meaning: clause for clause, stays in zip(common, _longest_rise(places)) if not stays}
        for clause in moved.values():
            here, there = self.old.place[clause.meaning], self.new.place[clause.meaning]
            for at, other in self.old.near(clause, self._budget):
                place = self.new.place.get(other.meaning)
                if place is None or (at < here) == (place < there) or at == here:
                    continue
                if other.meaning in moved and at < here:
                    # This pair is found from its other side.
                    continue
                alike = clause.is_certain and other.is_certain and clause.outcome == other.outcome
                if not alike and clause.overlaps(other):
                    yield clause, other


def _single_value(clause: Clause) -> tuple[Hashable, str]:
    """Return a condition of which a token has a single value, and the value. Without one, return (None, "").

    Clauses with the same condition and another value exclude each other. Only clauses with the same VO see the same
    first group.
    """
    if clause.subject is not None:
        return "subject", clause.subject
    groups = [split_role(group)[0] for group in dict(clause.asked).get("first-group", ())]
    if len(groups) == 1 and "*" not in groups[0]:
        return ("first-group", clause.vo), groups[0]
    return None, ""


def _only_in(these: IssuerClauses, those: IssuerClauses, budget: Budget) -> list[Clause]:
    alone = [clause for clause in these.clauses if clause.meaning not in those.place]
    return [clause for clause in alone if not these.drop_redundant(clause, budget)]


def _longest_rise(numbers: Sequence[int]) -> list[bool]:
    """Return, for each number, whether it belongs to the longest rising subsequence."""
    ends: list[int] = []
    places: list[int] = []
    for number in numbers:
        at = bisect_left(ends, number)
        ends[at : at + 1] = [number]
        places.append(at)
    rising = [False] * len(numbers)
    wanted = len(ends) - 1
    for at in range(len(numbers) - 1, -1, -1):
        if places[at] == wanted:
            rising[at] = True
            wanted -= 1
    return rising
