"""Tests that would hold of any policy, or that another test has made already."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vomap.claims import TokenError, read_claims
from vomap.proof.lint_matter import warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from vomap.mapfile.compose import Case
    from vomap.mapfile.findings import Finding, Place
    from vomap.proof.lint_matter import Matter

IDLE_TEST = "idle-test"


def idle_tests(matter: Matter) -> Iterator[Finding]:
    """Warn of tests whose outcome no policy could change, and of a token that is tested twice for the same time."""
    seen: dict[str, Place] = {}
    for case in matter.cases:
        why = _decided_without_policy(case.token)
        first = seen.setdefault(_asked(case), case.place)
        if why is None and first is not case.place:
            why = f"{first.file}:{first.line} tests the same token"
        if why is not None:
            yield warning(IDLE_TEST, case.place, f"this test tests nothing: {why}")


def _decided_without_policy(token: dict[str, Any]) -> str | None:
    """Return why every policy does the same with a token, or None if it may matter which one it is."""
    try:
        claims = read_claims(token)
    except TokenError as error:
        return f"whatever the policy, the token is an error ({error})"
    if not claims.text("iss"):
        return "whatever the policy, a token that names no issuer (`iss`) is declined"
    return None


def _asked(case: Case) -> str:
    """Return what two tests have in common of which one is enough."""
    file = case.place.file if case.alone else None
    return json.dumps([case.token, case.at, file], sort_keys=True)
