"""Questions of administrators: one sentence of `vomap explain` answers each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from vomap import cli

FOLDER = Path(__file__).parents[2] / "questions"
NOW = "2026-11-22T12:00:00Z"
LEAST = 25
FILES: dict[str, Any] = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.yaml"))}
QUESTIONS = [pytest.param(name, each, id=each["ask"]) for name, file in FILES.items() for each in file["questions"]]
THREADS = range(1, 41)
EXIT_CODES = {"mapped": 0, "declined": 1, "denied": 1}


@pytest.mark.parametrize(("file", "question"), QUESTIONS)
def test_a_question_has_its_answer(
    file: str,
    question: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line of the output contains the answer, and the exit code is that of the expected outcome."""
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(FILES[file]["policy"], "utf-8")
    Path("bans.yaml").write_text(FILES[file].get("bans", "mapfile: 1\n"), "utf-8")
    words = ["explain", "--mapfiles", "policy.yaml", "--bans", "bans.yaml", "--at", question.get("at", NOW)]
    code = cli.run([*words, "--claims", json.dumps(question["token"])])
    told = capsys.readouterr()
    assert told.err == ""
    assert code == EXIT_CODES[question["outcome"]], told.out
    assert [line for line in told.out.splitlines() if question["answer"] in line], told.out


def test_most_of_what_is_asked_is_answered() -> None:
    """At least 25 of the real threads have an answer here, and the README lists each other thread."""
    answered = {thread for file in FILES.values() for each in file["questions"] for thread in each["threads"]}
    left_out = {
        int(number)
        for cell in re.findall(r"^\| ([0-9, ]+) \|", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
        for number in cell.split(",")
    }
    assert len(answered) >= LEAST
    assert answered | left_out == set(THREADS)
    assert not answered & left_out
