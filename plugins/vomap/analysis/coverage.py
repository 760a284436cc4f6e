"""Report which rules of a policy decide one of its tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.mapfile.policy_tests import PolicyTestResult

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument


@dataclass(frozen=True)
class Coverage:
    """How many rules there are, and the documents of those that decide no test."""

    rules: int
    not_reached: list[RuleDocument]

    @property
    def reached(self) -> int:
        """How many rules decide a test."""
        return self.rules - len(self.not_reached)

    @property
    def percent(self) -> float:
        """The percentage of rules that decide a test, rounded down to a tenth. It is 100 if there are no rules."""
        return self.reached * 1000 // self.rules / 10 if self.rules else 100.0

    def as_json(self) -> dict[str, object]:
        """Return the coverage for a program."""
        missed = [{"rule": rule["name"], "source": rule["source"]} for rule in self.not_reached]
        return {"rules": self.rules, "reached": self.reached, "percent": self.percent, "not-reached": missed}


def rule_coverage(rules: Sequence[RuleDocument], results: Iterable[PolicyTestResult]) -> Coverage:
    """Return how many of a policy's rules, given as documents, decide one of its tests, passed or failed."""
    deciding = {(result.decision.rule, result.decision.source) for result in results}
    return Coverage(len(rules), [rule for rule in rules if (rule["name"], rule["source"]) not in deciding])
