"""vomap's engine against a second implementation of the design, on tokens made by chance."""

from __future__ import annotations

import ast
import calendar
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ces import htcondor_payload
from proof import oracle
from proof.counts import count
from proof.oracle_compare import FULL, REDUCED, Report, compare_all, shrunk
from proof.tokens import described, tokens

HERE = Path(__file__).parent
CASES = HERE.parent / "cases"
FILES = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(CASES.glob("*.yaml"))}
NOON = "2026-11-22T12:00:00Z"
LEAST_SHARE = 0.1
OUTCOMES = {"mapped", "declined", "denied", "error"}


def _cases() -> list[Any]:
    """Return the cases that HTCondor can show. ARC's environment is out of the oracle's scope."""
    return [
        pytest.param(file, case, id=case["name"])
        for file, content in FILES.items()
        for case in content["cases"]
        if "environment" not in case and case.get("ce") != "arc"
    ]


@cache
def _policy(file: str) -> oracle.Policy:
    return oracle.read([FILES[file]["policy"]], [FILES[file]["bans"]] if "bans" in FILES[file] else [])


@pytest.mark.parametrize(("file", "case"), _cases())
def test_the_oracle_decides_each_case_of_the_design(file: str, case: dict[str, Any]) -> None:
    """The oracle gives the answer of every case in tests/cases that HTCondor can show."""
    payload = case["payload"].encode() if "payload" in case else htcondor_payload(case["token"])
    at = calendar.timegm(time.strptime(case.get("at", NOON), "%Y-%m-%dT%H:%M:%SZ"))
    answer = oracle.decide(_policy(file), payload, at)
    if answer.pool is not None:
        # The oracle stops before the lease, which the cases know to be an error as yet.
        answer = answer._replace(outcome="error", because="pool")
    expected = case["expect"]
    assert answer.outcome == expected["outcome"]
    for key in ("account", "rule", "vo"):
        if key in expected:
            assert (getattr(answer, key) or "none") == expected[key]
    assert answer.because == expected.get("because", answer.because)


def test_there_are_cases() -> None:
    """A scan that finds nothing proves nothing."""
    assert len(_cases()) > 400


def test_the_oracle_imports_nothing_of_vomap() -> None:
    """The oracle shares no line with the engine, and neither does the generator of tokens."""
    for module in ("oracle", "tokens"):
        tree = ast.parse((HERE / f"{module}.py").read_text("utf-8"))
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert "yaml" in names
        assert "vomap" not in {name.partition(".")[0] for name in names}
    loaded = "import sys, proof.oracle, proof.tokens; print([name for name in sys.modules if name.startswith('vomap')])"
    run = subprocess.run(
        [sys.executable, "-c", loaded], cwd=HERE.parent, env={"PYTHONPATH": "."}, capture_output=True, check=True
    )
    assert run.stdout.strip() == b"[]"


def test_a_seed_gives_the_same_tokens() -> None:
    """A seed reproduces its tokens, and another gives others."""
    policy = described()["language"]
    first, again, other = (list(tokens(policy, seed, 50)) for seed in (7, 7, 8))
    assert first == again != other


def test_a_difference_is_shrunk() -> None:
    """A difference is reported with the smallest token: no claims, members or words that it does not need."""
    payload = b'{"iss": "a", "scope": "x y z", "wlcg.groups": ["/a", "/b", "/c"], "sub": "s"}'
    assert shrunk(payload, lambda smaller: b"y" in smaller and b"/b" in smaller) == (
        b'{"scope": "y", "wlcg.groups": ["/b"]}'
    )


def test_engine_and_oracle_agree() -> None:
    """Engine and oracle give every token the same outcome, account or pool, VO, rule and first word of the reason.

    The tokens are worth it: each outcome has its share, and every rule and every ban of the policies decides.
    """
    began = time.monotonic()
    report = compare_all(count(full=FULL, reduced=REDUCED))
    print(_told(report, time.monotonic() - began))
    assert not report.differences, "\n".join(report.differences[:5])
    assert set(report.outcomes) == OUTCOMES
    assert min(report.outcomes.values()) >= LEAST_SHARE * report.tokens
    assert {name for name in _decidable() if not report.reached[name]} == _unreachable()


def _decidable() -> set[tuple[str, str, str]]:
    """Return every rule, by its name, and every ban, by its reason, of each policy."""
    found = {(policy.name, "rules", rule["name"]) for policy in described().values() for rule in policy.rules}
    bans = [(policy.name, "bans", ban["reason"]) for policy in described().values() for ban in policy.banned]
    assert len(set(bans)) == len(bans), "bans are told apart by their reasons"
    return found | set(bans)


def _unreachable() -> set[tuple[str, str, str]]:
    """Return what the policies name as never deciding."""
    return {
        (policy.name, kind, name)
        for policy in described().values()
        for kind, names in policy.unreachable.items()
        for name in names
    }


def _told(report: Report, seconds: float) -> str:
    lines = [f"\n{report.tokens} tokens in {seconds:.0f} s, {len(report.differences)} differences"]
    for title, counter in (("outcome", report.outcomes), ("reason", report.words)):
        for what, number in counter.most_common():
            lines.append(f"  {title:8} {what:10} {number:9} {100 * number / report.tokens:5.1f} %")
    for kind in ("rules", "bans"):
        decided = [number for (_, of_kind, _), number in report.reached.items() if of_kind == kind]
        lines.append(f"  {kind:8} {len(decided)} decide, the least often {min(decided)} times")
    return "\n".join(lines)
