"""The same tokens on both CEs give the same account: one table, both columns, made by this run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.chroot import FOLDER

TOKENS = yaml.safe_load((Path(__file__).parent / "tokens.yaml").read_text("utf-8"))
# A CE's answer without asking vomap says nothing about vomap.
_BY_ITSELF = ("not asked", "left out")


def _results(ce: str) -> dict[str, str]:
    path = FOLDER / f"{ce}.json"
    assert path.is_file(), f"the results of {ce} are missing: this test comes after those of both CEs, in one run"
    results: dict[str, str] = json.loads(path.read_text("utf-8"))
    return results


def _result(token: dict[str, Any], ce: str, results: dict[str, str]) -> str:
    if token["name"] not in results:
        assert token.get(ce) == "left out", token["name"]
        return "left out"
    return results[token["name"]]


def test_both_ces_give_the_same_account(capsys: pytest.CaptureFixture[str]) -> None:
    """Every token that both CEs ask vomap about becomes the same account, or is refused alike, on both."""
    htcondor, arc = _results("htcondor"), _results("arc")
    # tokens.yaml marks the tokens that a CE cannot be shown. Every other result is there.
    rows = [(token["name"], _result(token, "htcondor", htcondor), _result(token, "arc", arc)) for token in TOKENS]
    width = max(len(name) for name, _, _ in rows)
    with capsys.disabled():
        print(f"\n{'token'.ljust(width)}  {'HTCondor'.ljust(16)}  ARC")
        for name, left, right in rows:
            print(f"{name.ljust(width)}  {left.ljust(16)}  {right}")
    compared = [row for row in rows if row[1] not in _BY_ITSELF and row[2] not in _BY_ITSELF]
    assert [row for row in compared if row[1] != row[2]] == []
    assert len(compared) >= 25
