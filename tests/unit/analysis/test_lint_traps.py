"""The edges of the warnings about traps: entries that are valid, and give more than they seem to give."""

from __future__ import annotations

import time

import pytest

from vomap.analysis.lint import lint_mapfiles
from vomap.analysis.lint.context import LintContext
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Finding, Findings

NOW = time.mktime((2026, 11, 22, 12, 0, 0, 0, 0, 0))
ONE = "issuers: {https://one/: {vo: One}, https://two/: {vo: Two}}\n"
BOTH = "issuers: {https://b1/: {vo: Both}, https://b2/: {vo: Both}}\n"
LISTED = "issuers: {https://listed/: {vo-from: [group], vos: [a, b]}}\n"
FREE = "issuers: {https://free/: {vo-from: [group]}}\n"
ENTITLED = 'issuers: {https://e/: {vo-from: [group], entitlements: {namespace: "urn:x:y"}}}\n'


def _warnings(*texts: str) -> list[Finding]:
    findings = Findings()
    files = [Mapfile(f"{at}.yaml", f"mapfile: 1\n{text}") for at, text in enumerate(texts)]
    composition = compose(files, findings)
    findings.raise_errors()
    return lint_mapfiles(LintContext(composition, [], NOW)).warnings


def _fires(code: str, declared: str, *rules: str, site: str = "", more: str = "") -> int:
    """Return how often a code is found for the rules of a whole site."""
    text = f"site: {{audience: [ANY]{site}}}\n{declared}"
    if rules:
        text += "rules:\n" + "".join(f"  - {{name: r{at}, {rule}}}\n" for at, rule in enumerate(rules))
    return [each.code for each in _warnings(text + more)].count(code)


@pytest.mark.parametrize(
    ("rule", "fires"),
    [
        ("issuer: https://one/, claim: {email: <u>@x}, account: <u>", 1),
        ("issuer: https://one/, claim: {nickname: <u>}, account: one-<u>", 1),
        ("issuer: https://one/, claim: {email: <u>@x}, subject: <s>, account: <s>-<u>", 1),
        ("issuer: https://one/, claim: {uid: <u>}, account: <u>", 0),
        ('issuer: https://one/, claim: {email: "*@x"}, subject: <s>, account: <s>', 0),
        ('issuer: https://one/, claim: {email: "*@x"}, account: one', 0),
    ],
)
def test_an_account_of_a_chosen_claim(rule: str, fires: int) -> None:
    """Only a capture from a claim that users choose is a trap. A condition on such a claim is none."""
    assert _fires("chosen-account", ONE, rule) == fires


@pytest.mark.parametrize("outcome", ["account: x", "deny: no"])
def test_the_client_chooses_the_first_group(outcome: str) -> None:
    """The order of groups decides whether the rule maps, or whether the bearer evades it."""
    assert _fires("chosen-order", ONE, f"issuer: https://one/, first-group: /one/a, {outcome}") == 1
    assert _fires("chosen-order", ONE, f"issuer: https://one/, group: /one/a, {outcome}") == 0


@pytest.mark.parametrize(
    ("declared", "rule", "fires"),
    [
        (ONE, "vo: One, group: /one/**/Role=r, account: x", 1),
        (ONE, "issuer: https://one/, group: [/one/x, /one/a/**/Role=r], account: x", 1),
        (ONE, 'vo: One, group: "/one/*/Role=r", account: x', 0),
        (ONE, "vo: One, group: /one/**, account: x", 0),
        (ONE, "vo: One, group: /one/**/Role=r, deny: x", 0),
        (ENTITLED, "issuer: https://e/, group: /one/**/Role=r, account: x", 0),
        (FREE, "issuer: https://undeclared/, group: /one/**/Role=r, account: x", 0),
    ],
)
def test_a_role_at_any_depth(declared: str, rule: str, fires: int) -> None:
    """Only issuers of plain groups let the name of a group be a role."""
    assert _fires("role-at-any-depth", declared, rule) == fires
