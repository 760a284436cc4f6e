"""Decide every token case of tests/cases, on each CE of the case."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ces import arc_environment, htcondor_payload
from vomap.accounts import confirm
from vomap.claims import Claims, TokenError, TokenRefused
from vomap.claims.arc_environment import read_environment
from vomap.claims.htcondor_payload import read_payload
from vomap.mapfile.bans import compose_bans
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings
from vomap.mapfile.times import parse_time
from vomap.policy import DENIED, Decision, failed
from vomap.policy.decide import decide
from vomap.policy.index import bans_of, policy_of
from vomap.policy.model import Bans, Policy

FOLDER = Path(__file__).parents[1] / "cases"
SCHEMA = json.loads((FOLDER.parent / "cases.schema.json").read_text("utf-8"))
LEAST_FILES, LEAST_CASES = 15, 150
NOW = "2026-11-22T12:00:00Z"
FILES = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.yaml"))}


def _runs() -> list[Any]:
    """Return a parameter for each case and each CE that it is for."""
    runs = []
    for file, content in FILES.items():
        for case in content["cases"]:
            only = {"payload": "htcondor", "environment": "arc"}
            ces = [only[key] for key in only if key in case] or ([case["ce"]] if "ce" in case else ["htcondor", "arc"])
            runs += [pytest.param(file, case, ce, id=f"{file}-{case['name']}-{ce}") for ce in ces]
    return runs


@cache
def _policy(file: str) -> tuple[Policy, Bans]:
    """Return the policy and the bans of a file. Raise their errors: an invalid mapfile is a mistake in the case."""
    findings = Findings()
    document = compose([Mapfile("policy", FILES[file]["policy"])], findings).document
    bans = compose_bans([Mapfile("bans", FILES[file]["bans"])], findings) if "bans" in FILES[file] else {"bans": []}
    findings.raise_errors()
    return policy_of(document, "digest"), bans_of(bans, "digest")


def _claims(case: dict[str, Any], ce: str) -> Claims:
    if ce == "htcondor":
        return read_payload(case["payload"].encode() if "payload" in case else htcondor_payload(case["token"]))
    if "environment" in case:
        return read_environment({name.encode(): value.encode() for name, value in case["environment"].items()})
    return read_environment(arc_environment(case["token"]))


def _decide(case: dict[str, Any], file: str, ce: str) -> Decision:
    policy, bans = _policy(file)
    try:
        decision = decide(policy, bans, _claims(case, ce), parse_time(case.get("at", NOW)))
    except TokenRefused as error:
        return Decision(None, None, DENIED, str(error))
    except TokenError as error:
        return failed(str(error))
    return confirm(decision, policy.site.accounts, lambda _: 1000)


@pytest.mark.parametrize(("file", "case", "ce"), _runs())
def test_case(file: str, case: dict[str, Any], ce: str) -> None:
    """The decision about a token has the outcome, account, rule, VO and reason that the case expects."""
    decision = _decide(case, file, ce)
    expected = case["expect"]
    assert decision.outcome == expected["outcome"], decision.reason
    for name in ("account", "rule", "vo"):
        if name in expected:
            assert (getattr(decision, name) or "none") == expected[name], decision.reason
    if "because" in expected:
        assert decision.reason.partition(":")[0] == expected["because"]
    assert (decision.account is not None) == (decision.outcome == "mapped")


def test_there_are_cases() -> None:
    """The folder has enough files and cases. Without cases these tests prove nothing."""
    cases = [case for content in FILES.values() for case in content["cases"]]
    assert len(FILES) >= LEAST_FILES
    assert len(cases) >= LEAST_CASES


def test_no_two_cases_are_alike() -> None:
    """No two cases have the same name, or the same policy, bans, token, time and CE."""
    names: set[str] = set()
    questions: set[str] = set()
    for content in FILES.values():
        for case in content["cases"]:
            asked = {key: case.get(key) for key in ("token", "payload", "environment", "at", "ce")}
            question = json.dumps([content["policy"], content.get("bans"), asked], sort_keys=True)
            assert case["name"] not in names
            assert question not in questions, case["name"]
            names.add(case["name"])
            questions.add(question)


@pytest.mark.parametrize("file", FILES)
def test_format(file: str) -> None:
    """A file of cases is valid by its schema."""
    jsonschema.Draft7Validator(SCHEMA).validate(FILES[file])
