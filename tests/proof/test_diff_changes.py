"""`vomap diff` on a policy of 300 rules reports every seeded change, and no rewriting of the same meaning."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from proof.counts import count
from proof.site_of_300 import (
    CHECK_IN,
    COLLABORATIONS,
    EGI,
    EXPERIMENTS,
    LAB,
    LAB_EXPERIMENTS,
    edited,
    issuer_of,
    line_of,
    site_of_300,
    written,
)
from vomap.analysis.diff import compare
from vomap.analysis.diff.lines import DiffLine
from vomap.analysis.outcome import TokenOutcome
from vomap.claims import read_claims
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings
from vomap.policy import MAPPED
from vomap.policy.decide import decide
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS, Policy

if TYPE_CHECKING:
    from vomap.policy.documents import PolicyDocument

NOW = 1_800_000_000
HERE = Path(__file__).parent
CHANGES: list[dict[str, Any]] = yaml.safe_load(HERE.joinpath("diff_changes.yaml").read_text("utf-8"))
REWRITES: list[dict[str, Any]] = yaml.safe_load(HERE.joinpath("diff_rewrites.yaml").read_text("utf-8"))
SITE = site_of_300()


def _document(name: str, text: str) -> PolicyDocument:
    findings = Findings()
    document = compose([Mapfile(name, text)], findings).document
    findings.raise_errors()
    return document


OLD = _document("old.yaml", written(SITE))


def test_enough_of_both() -> None:
    """There are at least thirty of both, and none is there twice."""
    for cases in (CHANGES, REWRITES):
        assert len({case["name"] for case in cases}) == len(cases) >= 30


@pytest.mark.parametrize("case", CHANGES, ids=[case["name"] for case in CHANGES])
def test_each_change_is_found(case: dict[str, Any]) -> None:
    """Each change is reported, with the rules that decide, their sources, and a token that shows it."""
    new = edited(SITE, case["edits"])
    document = _document("new.yaml", written(new))
    difference = compare(OLD, document, NOW)
    assert difference.unproven == []
    assert not difference.is_none
    for expected in case["expect"]:
        fitting = [line for line in difference.lines if _fits(line, expected, new)]
        assert fitting, [(line.kind, [*line.who][:2], [*line.old][:2], [*line.new][:2]) for line in difference.lines][
            :20
        ]
    kinds = {expected["change"] for expected in case["expect"]} | set(case.get("also", ()))
    assert {line.kind for line in difference.lines} <= kinds
    for line in difference.lines:
        _assert_shows(line, document)


@pytest.mark.parametrize("case", REWRITES, ids=[case["name"] for case in REWRITES])
def test_no_rewriting_is_a_change(case: dict[str, Any]) -> None:
    """A rewriting of the same meaning changes nothing, and random tokens agree."""
    text = written(edited(SITE, case["edits"]), case.get("comments", ""))
    assert text != written(SITE)
    document = _document("new.yaml", text)
    difference = compare(OLD, document, NOW)
    assert (difference.lines, difference.unproven) == ([], [])
    assert difference.is_none
    policies = policy_of(OLD), policy_of(document)
    draw = random.Random(case["name"])
    mapped = 0
    for _ in range(count(full=10_000, reduced=200)):
        token = _random_token(draw)
        old, new = (_result(policy, token) for policy in policies)
        assert old == new, token
        mapped += old[0] == MAPPED
    assert mapped > 20, "tokens of which hardly any is mapped would prove nothing"


def _fits(line: DiffLine, expected: dict[str, Any], new: dict[str, Any]) -> bool:
    old_rule, new_rule = expected.get("by", (None, None))
    return (
        line.kind == expected["change"]
        and any(expected["who"] in who for who in line.who)
        and any(_is_result(each, old_rule, expected.get("from"), "old.yaml", SITE) for each in line.old.values())
        and any(_is_result(each, new_rule, expected.get("to"), "new.yaml", new) for each in line.new.values())
    )


def _is_result(result: TokenOutcome, rule: str | None, outcome: str | None, file: str, mapfile: dict[str, Any]) -> bool:
    decision = result.decision
    if rule not in ("any", decision.rule):
        return False
    place = None if decision.rule is None else f"{file}:{line_of(mapfile, decision.rule)}"
    if decision.source != place:
        return False
    told = decision.outcome if decision.outcome != MAPPED else decision.account or f"pool {decision.pool}"
    return outcome in (None, told)


def _assert_shows(line: DiffLine, new: PolicyDocument) -> None:
    """Assert that the line's token is decided as its first results say."""
    if line.new and "uid" not in str(line.who) and "does not exist" not in str(line.who):
        for document, results in ((OLD, line.old), (new, line.new)):
            decision = decide(policy_of(document), NO_BANS, read_claims(line.token), NOW)
            shown = next(iter(results.values())).decision
            assert (decision.outcome, decision.account, decision.rule) == (shown.outcome, shown.account, shown.rule)


def _result(policy: Policy, token: dict[str, Any]) -> tuple[Any, ...]:
    decision = decide(policy, NO_BANS, read_claims(token), NOW)
    return decision.outcome, decision.account, decision.pool, decision.vo and decision.vo.lower()


def _random_token(draw: random.Random) -> dict[str, Any]:
    """Return a token of the words of the policy, put together at random."""
    owner = draw.choice((*EXPERIMENTS, *LAB_EXPERIMENTS, *COLLABORATIONS))
    issuers = (issuer_of(owner), LAB, EGI, CHECK_IN, "https://gone.example/")
    fitting = issuers[0] if owner in EXPERIMENTS else LAB if owner in LAB_EXPERIMENTS else draw.choice((EGI, CHECK_IN))
    below = ("", "/prod", "/data", "/test", "/test/a")
    ends = ("", "/analysis", "/local/x", "/Role=pilot", "/admins")
    groups = [
        f"/{draw.choice((owner, owner, owner, 'exp01', 'lab01'))}{draw.choice(below)}{draw.choice(ends)}"
        for _ in range(draw.randrange(4))
    ]
    paths = [f"storage.{draw.choice(('read', 'create'))}:/{owner}{draw.choice(('', '/data', '/x/y'))}"]
    subjects = (f"{owner}-p{draw.randrange(10)}", "someone@lab.example", f"x@{owner}.example", "exp01p1@lab.example")
    token: dict[str, Any] = {
        "iss": fitting if draw.random() < 0.8 else draw.choice(issuers),
        "sub": draw.choice(subjects),
        "aud": draw.choice(("ANY", "ce01.example.org:9619", ["ANY", "elsewhere"], "elsewhere")),
        "scope": " ".join(["compute.create", *(paths if draw.random() < 0.4 else [])]),
    }
    if groups:
        token["wlcg.groups"] = groups
    if draw.random() < 0.2:
        token[draw.choice(("project", "kind"))] = draw.choice(("p-x", "robot-1", "q"))
    if draw.random() < 0.1:
        token |= {"iat": NOW, "exp": NOW + draw.choice((3600, 90_000))}
    if draw.random() < 0.2:
        token["entitlements"] = [f"urn:mace:egi.eu:group:{owner}:role=pilot#aai.egi.eu"]
    return token
