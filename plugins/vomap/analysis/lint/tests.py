"""Find tests that every policy passes or fails, and tests that repeat another one."""

from __future__ import annotations

import json
from collections.abc import Iterator

from vomap.analysis.lint.context import LintContext, warning
from vomap.mapfile.findings import Finding, Place

UNUSED_TEST = "unused-test"


def unused_tests(context: LintContext) -> Iterator[Finding]:
    """Warn of tests that no policy can change, and of a token that is tested twice for the same time."""
    seen: dict[str, Place] = {}
    for case in context.tests:
        # One of two tests with the same key is enough.
        key = json.dumps([case.token, case.at, case.place.file if case.alone else None], sort_keys=True)
        first = seen.setdefault(key, case.place)
        issuer = case.token.get("iss")
        if not (isinstance(issuer, str) and issuer):
            why = "every policy declines a token without an issuer (`iss`)"
        elif first is not case.place:
            why = f"{first.file}:{first.line} tests the same token"
        else:
            continue
        yield warning(UNUSED_TEST, case.place, f"this test tests nothing: {why}")
