"""`vomap replay`: what it prints, what it takes, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vomap.cli import run
from vomap.log import format_record

Capture = pytest.CaptureFixture[str]
ISSUER = "https://one.example/"
SITE = f"""\
mapfile: 1
site: {{audience: [ANY], accounts: {{must-exist: no}}}}
issuers:
  {ISSUER}: {{vo: One}}
rules:
  - {{name: jo, vo: One, subject: jo, account: jo}}
"""
MEMBERS: dict[str, Any] = {
    "time": "2026-11-22T12:00:00Z",
    "ce": "htcondor",
    "outcome": "mapped",
    "account": "jo",
    "vo": "One",
    "rule": "jo",
    "source": "site.yaml:6",
    "reason": "rule: jo",
    "issuer": ISSUER,
    "subject": "jo",
    "client": None,
    "jti": "j-1",
    "audience": ["ANY"],
    "unchecked": [],
    "policy": "d",
    "callout": "vomap-htcondor",
    "claims": {"scope": "compute.read"},
}


class Log:
    """A log, a mapfile, and `vomap replay` of the one with the other."""

    def __init__(self, folder: Path, capsys: Capture) -> None:
        """Write a mapfile."""
        self.log, self.mapfile, self.table, self.capsys = folder / "log", folder / "site.yaml", folder / "t", capsys
        self.mapfile.write_text(SITE)

    def replay(self, *records: dict[str, Any] | str, words: tuple[str, ...] = ()) -> tuple[int, str, str]:
        """Write records, or lines, replay them, and return the exit code and what was printed."""
        lines = [each if isinstance(each, str) else format_record({**MEMBERS, **each}) for each in records]
        self.log.write_text("".join(lines))
        code = run(["replay", str(self.log), "--mapfiles", str(self.mapfile), *words])
        return (code, *self.capsys.readouterr())


@pytest.fixture
def log(tmp_path: Path, capsys: Capture) -> Log:
    """Return an empty log."""
    return Log(tmp_path, capsys)


def test_exit_codes(log: Log) -> None:
    """0 for nothing changed, 1 for a change, 3 for a line that is broken, whatever else there is."""
    assert log.replay({})[:2] == (0, "decided again: 1; the same: 1; changed: 0\n")
    code, out, _ = log.replay({}, {"account": "other"})
    assert code == 1
    assert "        1  One: mapped to other (rule: jo) -> mapped to jo (rule: jo)" in out
    code, _, err = log.replay({}, '{"time": "2026-\n')
    assert (code, err) == (3, f"vomap: {log.log}:2: is not a whole JSON object\n")


def test_a_log_obeys_no_terminal(log: Log) -> None:
    """A user who can write to a log, as every user can to syslog, must not move the cursor of its reader."""
    hostile = "a\x1b[2J\u202e"
    _, out, err = log.replay({"account": hostile, "vo": hostile, "reason": hostile, "rule": hostile, "jti": hostile})
    assert out.count("\n") > 1
    assert all(line.isprintable() for line in (out + err).splitlines())
    _, out, _ = log.replay({"account": hostile, "subject": "jo", "claims": {"scope": "compute.read", hostile: hostile}})
    assert out.isascii()


def test_jobs_without_a_token_are_no_error(log: Log) -> None:
    """condor_ce_history prints `undefined` for a job that was submitted otherwise. Several accounts have such jobs."""
    log.table.write_text("undefined\tanna\nj-1\tjo\nundefined\tbert\nj-2\tundefined\n")
    assert log.replay({}, words=("--against", str(log.table)))[0] == 0


@pytest.mark.parametrize("table", ["j-1", "j-1\tjo\tx\n", "\tjo\n", "j-1\tjo\nj-1\tanna\n"])
def test_what_is_no_table_is_an_error(log: Log, table: str) -> None:
    """A wrong table would show changes that are none."""
    log.table.write_text(table)
    code, _, err = log.replay({}, words=("--against", str(log.table)))
    assert (code, f"{log.table}:" in err) == (3, True)


def test_the_answer_for_programs(log: Log) -> None:
    """Changes, counts, what was left out and what was broken."""
    code, out, _ = log.replay({"account": "other"}, {"claims": None}, '{"time": "\n', words=("--json",))
    answer = json.loads(out)
    assert (code, answer["same"], answer["changed"]) == (3, 0, 1)
    assert answer["broken"] == [f"{log.log}:3: is not a whole JSON object"]
    assert answer["left-out"] == {"the log does not have its claims": 1}
    assert answer["by"]["account"] == {"other": 1, "jo": 1}
    assert answer["changes"][0]["first"]["jti"] == "j-1"
