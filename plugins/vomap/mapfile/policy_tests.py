"""Run the tests of mapfiles against the policy that the mapfiles compose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from vomap.claims import TokenError, read_claims
from vomap.mapfile.compose import compose
from vomap.mapfile.entries import DEFAULT_SITE, PolicyTest
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings
from vomap.mapfile.times import parse_time
from vomap.policy import MAPPED, Decision, failed
from vomap.policy.decide import decide
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS, Bans, Policy

_FIELDS = ("outcome", "account", "pool", "rule", "vo")


@dataclass(frozen=True)
class PolicyTestResult:
    """The decision about one test, and its differences from the expectation.

    `explain` decides once more, and returns the steps of the decision. `banned` marks a test that a ban changes.
    """

    test: PolicyTest
    decision: Decision
    differences: tuple[str, ...]
    explain: Callable[[], list[str]]
    banned: bool = False

    @property
    def passed(self) -> bool:
        """Whether the test passed. A test that only a ban changes counts as passed."""
        return not self.differences or self.banned

    def __str__(self) -> str:
        """Return the expectation and the decision on one line."""
        if not self.differences:
            return f"{self.test.place}: passed"
        kind = "warning: a ban changes what this test expects" if self.banned else "test failed"
        return f"{self.test.place}: {kind}: {'; '.join(self.differences)} ({self.decision.reason})"


def run_tests(
    tests: Iterable[PolicyTest], policy: Policy, mapfiles: Sequence[Mapfile], bans: Bans, now: float
) -> Iterator[PolicyTestResult]:
    """Run the tests of mapfiles, in order, against the policy that the mapfiles compose.

    A test marked `alone` uses only the policy of its own file, without a site. All other tests use the whole policy,
    first without bans: a result that only a ban changes is not an error of the policy.
    """
    alone: dict[str, Policy] = {}
    for test in tests:
        at = now if test.at is None else parse_time(test.at)
        file = test.place.file
        if test.alone and file not in alone:
            document = compose([each for each in mapfiles if each.path == file], Findings()).document
            alone[file] = policy_of({**document, "site": DEFAULT_SITE})
        result = _judge(test, alone[file] if test.alone else policy, NO_BANS, at)
        if result.passed and not test.alone:
            under_bans = _judge(test, policy, bans, at)
            result = replace(under_bans, banned=bool(under_bans.differences))
        yield result


def _judge(test: PolicyTest, policy: Policy, bans: Bans, at: float) -> PolicyTestResult:
    decision = _decide(test.token, policy, bans, at)
    differences = tuple(
        f"expected {field} {test.expect[field]}, got {getattr(decision, field) or 'none'}"
        for field in _FIELDS
        if field in test.expect and not _same(field, test.expect[field], getattr(decision, field))
    )
    if "outcome" not in test.expect and decision.outcome != MAPPED:
        differences = (f"expected mapped, got {decision.outcome}", *differences)
    return PolicyTestResult(test, decision, differences, partial(_steps, test.token, policy, bans, at))


def _steps(token: Mapping[str, Any], policy: Policy, bans: Bans, at: float) -> list[str]:
    trace: list[str] = []
    decision = _decide(token, policy, bans, at, trace)
    return trace or [decision.reason]


def _same(field: str, expected: str, got: str | None) -> bool:
    return got is not None and (expected.lower() == got.lower() if field == "vo" else expected == got)


def _decide(
    token: Mapping[str, Any], policy: Policy, bans: Bans, at: float, trace: list[str] | None = None
) -> Decision:
    try:
        return decide(policy, bans, read_claims(token), at, trace)
    except TokenError as error:
        return failed(str(error))
