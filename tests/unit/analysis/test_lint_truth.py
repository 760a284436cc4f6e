"""The warnings about rules are true of every token. Hypothesis draws small policies and tokens at random."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from property.strategies import NOW, mapfiles, tokens
from vomap.analysis.lint import lint_mapfiles
from vomap.analysis.lint.context import LintContext
from vomap.claims import TokenError, read_claims
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings
from vomap.policy.decide import decide
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS, Policy

_DECIDES_NOTHING = {"unreachable-rule", "impossible-rule", "unserved-vo"}


def _one_rule_a_line(mapfile: dict[str, Any]) -> str:
    rules = mapfile.pop("rules")
    text = json.dumps(mapfile, ensure_ascii=False)[:-1]
    return text + ', "rules": [\n' + ",\n".join(json.dumps(rule, ensure_ascii=False) for rule in rules) + "]}"


def _rule(policy: Policy, token: dict[str, Any]) -> str | None:
    try:
        return decide(policy, NO_BANS, read_claims(token), NOW).source
    except TokenError:
        return None


@given(st.data())
def test_what_is_said_to_decide_for_nobody_does_not(data: st.DataObject) -> None:
    """A rule that the linter reports as unused decides no token."""
    findings = Findings()
    composition = compose([Mapfile("drawn.yaml", _one_rule_a_line(data.draw(mapfiles())))], findings)
    findings.raise_errors()
    warned = lint_mapfiles(LintContext(composition, [], NOW)).warnings
    unused = {f"{each.place.file}:{each.place.line}" for each in warned if each.code in _DECIDES_NOTHING}
    policy = policy_of(composition.document)
    for _ in range(20):
        token = data.draw(tokens())
        assert _rule(policy, token) not in unused, token
