"""Define tables of checks: the codes of a linter, and the checks that it skips in a large policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from vomap.analysis.lint.context import LintContext
from vomap.mapfile.findings import Finding


class Check(NamedTuple):
    """A function that yields warnings, and the codes that these can have."""

    find: Callable[[LintContext], Iterator[Finding]]
    codes: tuple[str, ...]


class LintReport(NamedTuple):
    """The warnings of a linter, and the codes whose checks it skipped."""

    warnings: list[Finding]
    skipped: list[str]


class CheckTable(NamedTuple):
    """The checks of a linter. Those of `each` decide tokens for each rule or ban."""

    always: tuple[Check, ...]
    each: tuple[Check, ...]

    @property
    def codes(self) -> frozenset[str]:
        """The codes of all checks."""
        return frozenset(code for check in self.always + self.each for code in check.codes)

    def run(self, context: LintContext, *, is_large: bool) -> LintReport:
        """Run the checks. Skip those of `each` if the policy is large."""
        checks, skipped = (self.always, self.each) if is_large else (self.always + self.each, ())
        warnings = [warning for check in checks for warning in check.find(context)]
        return LintReport(warnings, sorted(code for check in skipped for code in check.codes))
