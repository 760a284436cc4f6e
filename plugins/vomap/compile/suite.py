"""Run the tests of mapfiles, and report results and coverage."""

from __future__ import annotations

from dataclasses import dataclass

from vomap.analysis.coverage import Coverage, rule_coverage
from vomap.compile.check import PolicyCheck
from vomap.mapfile.policy_tests import PolicyTestResult, run_tests
from vomap.policy.model import Bans, Policy


@dataclass(frozen=True)
class SuiteReport:
    """The result of each test, in the order of the mapfiles, and the rules that the tests reach."""

    results: list[PolicyTestResult]
    coverage: Coverage

    @property
    def failed(self) -> list[PolicyTestResult]:
        """The results of the tests that failed."""
        return [result for result in self.results if not result.passed]


def run_suite(check: PolicyCheck, policy: Policy, bans: Bans, now: float) -> SuiteReport:
    """Run the tests of mapfiles against the policy that they compose; `now` is in seconds since 1970."""
    results = list(run_tests(check.composition.tests, policy, check.mapfiles, bans, now))
    return SuiteReport(results, rule_coverage(check.composition.document["rules"], results))


def result_json(result: PolicyTestResult) -> dict[str, object]:
    """Return the JSON output for one test."""
    return {
        "test": str(result.test.place),
        "passed": result.passed,
        "differences": list(result.differences),
        "changed-by-ban": result.banned,
        "reason": result.decision.reason,
    }
