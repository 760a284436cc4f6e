"""Whether two lists of clauses of one issuer are proven to decide alike, and what stands in the way of the proof.

The proof: if both lists have the same clauses, and any two that stand in another order exclude each other or do the
same, then the first clause that a token meets does the same in both. Before that, a clause that changes nothing is
taken out of its list: one that an earlier clause covers, or one that a later clause covers that does the same, where
nothing between them interferes.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from vomap.analysis.clauses import Clause

# How many pairs of clauses of an issuer are held against each other; what is beyond is not proven.
MOST_PAIRS = 1_000_000


class Budget:
    """How many pairs may still be looked at."""

    def __init__(self, most: int = MOST_PAIRS) -> None:
        """Take how many pairs may be looked at."""
        self._left = most

    @property
    def is_spent(self) -> bool:
        """Whether no more may be looked at."""
        return self._left <= 0

    def take(self) -> bool:
        """Take one, if there is one left."""
        self._left -= 1
        return self._left >= 0


class IssuerClauses:
    """The clauses of one issuer in their order, found by the subject that they mean."""

    def __init__(self, clauses: Iterable[Clause]) -> None:
        """Take the clauses; of two with one meaning the first alone counts."""
        first: dict[Hashable, Clause] = {}
        for clause in clauses:
            first.setdefault(clause.meaning, clause)
        self.clauses = list(first.values())
        self.place = {clause.meaning: at for at, clause in enumerate(self.clauses)}
        self._of_subject: dict[str | None, list[int]] = {}
        self._gone: set[int] = set()
        for at, clause in enumerate(self.clauses):
            self._of_subject.setdefault(clause.subject, []).append(at)

    def near(self, clause: Clause) -> Iterator[tuple[int, Clause]]:
        """Yield the clauses that might be met together with one, in order, each with its place."""
        places: Sequence[int] = range(len(self.clauses))
        if clause.subject is not None:
            places = sorted([*self._of_subject.get(clause.subject, ()), *self._of_subject.get(None, ())])
        for at in places:
            if at not in self._gone:
                yield at, self.clauses[at]

    def interfering(self, clause: Clause, end: int) -> set[Hashable]:
        """Return the meanings of the clauses before a place that may be met together with one and do something else."""
        return {
            other.meaning
            for at, other in self.near(clause)
            if at < end and not (other.is_certain and other.outcome == clause.outcome) and other.overlaps(clause)
        }

    def drop_redundant(self, clause: Clause, budget: Budget) -> bool:
        """Take a clause out if it changes nothing, and tell whether it did."""
        here = self.place[clause.meaning]
        in_the_way = False
        for at, other in self.near(clause):
            if at == here or not other.is_certain:
                in_the_way = in_the_way or (at > here and other.overlaps(clause))
                continue
            if not budget.take():
                return False
            if at > here and (in_the_way or not clause.is_certain):
                return False
            does_the_same = other.outcome == clause.outcome
            if (at < here or does_the_same) and other.covers(clause):
                self._gone.add(here)
                return True
            in_the_way = at > here and not does_the_same and other.overlaps(clause)
        return False


class ClauseComparison:
    """What keeps two lists of clauses from being the same: clauses of one alone, and pairs in another order."""

    def __init__(self, old: Iterable[Clause], new: Iterable[Clause]) -> None:
        """Compare the clauses that one issuer has in two policies."""
        self.old, self.new = IssuerClauses(old), IssuerClauses(new)
        budget = Budget()
        self.only_old = _only_in(self.old, self.new, budget)
        self.only_new = _only_in(self.new, self.old, budget)
        self.swapped = list(self._swapped(Budget()))

    @property
    def is_proven(self) -> bool:
        """Whether both lists decide alike, whatever the token."""
        return not (self.only_old or self.only_new or self.swapped)

    def is_redundant_in_other(self, clause: Clause) -> bool:
        """Tell whether a clause of one list alone would change nothing in the other, whatever the others there do.

        That is so if the other list has a clause that covers it and does the same, and has before that one just what
        the clause's own list has before the clause, as far as it would interfere.
        """
        here, there = (self.old, self.new) if clause.meaning in self.old.place else (self.new, self.old)
        for at, other in there.near(clause):
            if other.is_certain and other.outcome == clause.outcome and other.covers(clause):
                return there.interfering(clause, at) == here.interfering(clause, here.place[clause.meaning])
        return False

    def _swapped(self, budget: Budget) -> Iterator[tuple[Clause, Clause]]:
        """Yield pairs of clauses that stand in another order in the new list, and for which that may matter."""
        common = [clause for clause in self.old.clauses if clause.meaning in self.new.place]
        places = [self.new.place[clause.meaning] for clause in common]
        moved = {clause.meaning for clause, stays in zip(common, _longest_rise(places)) if not stays}
        for clause in common if moved else ():
            if clause.meaning not in moved:
                continue
            here, there = self.old.place[clause.meaning], self.new.place[clause.meaning]
            for at, other in self.old.near(clause):
                place = self.new.place.get(other.meaning)
                if place is None or (at < here) == (place < there) or at == here:
                    continue
                if other.meaning in moved and at < here:
                    # This pair is found from its other side.
                    continue
                alike = clause.is_certain and other.is_certain and clause.outcome == other.outcome
                if not alike and (not budget.take() or clause.overlaps(other)):
                    yield clause, other
                    if budget.is_spent:
                        return


def _only_in(these: IssuerClauses, those: IssuerClauses, budget: Budget) -> list[Clause]:
    alone = [clause for clause in these.clauses if clause.meaning not in those.place]
    return [clause for clause in alone if not these.drop_redundant(clause, budget)]


def _longest_rise(numbers: Sequence[int]) -> list[bool]:
    """Tell of each number whether it is kept where the fewest are taken away so that the rest rises."""
    ends: list[int] = []
    places: list[int] = []
    for number in numbers:
        at = bisect_left(ends, number)
        ends[at : at + 1] = [number]
        places.append(at)
    kept = [False] * len(numbers)
    wanted = len(ends) - 1
    for at in range(len(numbers) - 1, -1, -1):
        if places[at] == wanted:
            kept[at] = True
            wanted -= 1
    return kept
