"""The prose checker finds what the rules of plain technical English forbid, and leaves code alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.prose.__main__ import faults, main  # noqa: E402 - the checker is not part of vomap

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("prose_cases.yaml").read_text("utf-8"))
PRODUCT = 'def make_it(claims: str) -> str:\n    return claims["client_id"]\n\n\nclass Product: ...\n'


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    """The checker reports the finding of the case at its line, or nothing."""
    product = tmp_path / "plugins" / "vomap" / "product.py"
    file = tmp_path / case["file"]
    for path, text in ((product, PRODUCT), (file, case["text"])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    found = list(faults(file, tmp_path))
    if case["finds"] == "none":
        assert found == []
        return
    ((line, fault),) = found
    assert line == case["line"]
    assert case["finds"] in fault


def test_findings_have_a_place_and_a_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each finding is one line with file and line number. The last line counts them, and the exit code is 1."""
    file = tmp_path / "a.md"
    file.write_text("Good text.\n\nAsk nobody.\n", "utf-8")
    assert main([str(file)]) == 1
    finding, count = capsys.readouterr().out.splitlines()
    assert "a.md:3: " in finding
    assert count.endswith("prose findings: 1")


def test_no_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 0 if there are no findings."""
    file = tmp_path / "a.md"
    file.write_text("Good text.\n", "utf-8")
    assert main([str(file)]) == 0
    assert capsys.readouterr().out == "prose findings: 0\n"
