"""`vomap replay`: what it prints, what it takes, and its exit codes."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vomap.claims import DECISIVE
from vomap.cli import run
from vomap.log import format_record
from vomap.log.pseudonyms import make_pseudonym

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
    "kept": [*DECISIVE],
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
        code = run(["replay", str(self.log), *words, "--mapfiles", str(self.mapfile)])
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
    assert (code, err) == (3, f"vomap: left out 1 line of the logs; it is {log.log}:2: is not a whole JSON object\n")


def test_a_log_obeys_no_terminal(log: Log) -> None:
    """A user who can write to a log, as every user can to syslog, must not move the cursor of its reader."""
    hostile = "a\u202e\u2028b"
    changed = {"account": "other", "reason": f"rule: {hostile}", "issuer": hostile, "subject": hostile, "jti": hostile}
    code, out, err = log.replay({**changed, "claims": {"scope": "compute.read", hostile: hostile}})
    assert (code, out.count("\n")) == (1, 6)
    assert all(line.isprintable() and line.isascii() for line in (out + err).split("\n"))


@pytest.mark.parametrize("name", ["account", "vo", "rule", "reason", "issuer", "subject", "jti"])
def test_no_record_writes_a_line_of_the_report(log: Log, name: str) -> None:
    """Root copies commands from reports. A record with a line break in a member is left out, and counted."""
    command = "condor_ce_rm -constraint true"
    code, out, err = log.replay({}, {name: f"x\n    {command}", "outcome": "mapped"}, {})
    assert (code, out) == (3, "decided again: 2; the same: 2; changed: 0\n")
    assert err == (
        f"vomap: left out 1 line of the logs; it is {log.log}:2: `{name}`: "
        "is not as schemas/decision-1.schema.json expects\n"
    )


def test_the_first_of_many_broken_lines_is_shown(log: Log) -> None:
    """Many broken lines are one sentence with their number and the place of the first."""
    _, _, err = log.replay({}, *(['{"time": \n'] * 1234), '{"time": ' * 3000 + "\n", {})
    assert err == f"vomap: left out 1,235 lines of the logs; the first is {log.log}:2: is not a whole JSON object\n"


def test_a_record_behind_damage_is_decided(log: Log) -> None:
    """A crash leaves NULs before a record. The record is decided, and the line is reported."""
    code, out, err = log.replay("\0" * 100, {}, {})
    assert (code, out) == (3, "decided again: 2; the same: 2; changed: 0\n")
    assert err == f"vomap: left out 1 line of the logs; it is {log.log}:1: has NULs, which a crash leaves\n"


@pytest.mark.parametrize("name", ["fifo", "/dev/zero"])
def test_no_file_makes_replay_wait(log: Log, name: str) -> None:
    """A FIFO without a writer and a device without end are errors at once."""
    path = log.log.parent / name
    if name == "fifo":
        os.mkfifo(path)
    command = [sys.executable, "-m", "vomap.cli", "replay", str(path), "--mapfiles", str(log.mapfile)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    first = f"vomap: {path}: is not a regular file; name the file itself\n"
    assert (done.returncode, done.stderr.startswith(first)) == (3, True)


def test_a_damaged_log_hides_no_other(log: Log) -> None:
    """The decisions before the damage and those of the other logs are in the report, and the exit code is 3."""
    damaged, absent = log.log.parent / "damaged.gz", log.log.parent / "absent"
    damaged.write_bytes(gzip.compress(format_record(MEMBERS).encode() * 1000)[:-8])
    code, out, err = log.replay({}, words=(str(damaged), str(absent)))
    assert code == 3
    assert out == "decided again: 1,001; the same: 1,001; changed: 0\n"
    assert err.startswith(f"vomap: {damaged}: Compressed file ended before")
    assert err.endswith(f"\nvomap: {absent}: No such file or directory\n")


def test_a_log_without_a_record_is_reported(log: Log) -> None:
    """A log that is packed otherwise must not count as one of no decision."""
    other = log.log.parent / "d.log.xz"
    other.write_bytes(lzma.compress(format_record(MEMBERS).encode()))
    code, out, err = log.replay({}, words=(str(other),))
    assert (code, out) == (3, "decided again: 1; the same: 1; changed: 0\n")
    assert f"vomap: {other}: has no record of a decision; a log is text, plain or packed with gzip\n" in err


PERSON = "  - {name: person, vo: One, claim: {voperson_id: v}, account: person}\n"
OUTCOME = "decided again: 0; the same: 0; changed: 0\n"


def test_a_new_rule_on_a_claim_that_the_log_does_not_keep(log: Log) -> None:
    """Such a decision is never "the same" and never "changed". It has its own line, and exit code 3."""
    log.mapfile.write_text(SITE.replace("rules:\n", f"rules:\n{PERSON}"))
    code, out, err = log.replay({}, {"time": "2020-01-01T00:00:00Z"})
    assert (code, out) == (
        3,
        f"{OUTCOME}not decidable: 2: the log does not keep the claim 'voperson_id', which rule person asks for\n",
    )
    assert err == "vomap: vomap could decide no record of these logs again, so the changes are unknown\n"


def test_a_new_ban_on_a_claim_that_the_log_does_not_keep(log: Log) -> None:
    """The ban may deny these tokens. A record of another subject is decided."""
    bans = log.log.parent / "bans.yaml"
    bans.write_text(f"mapfile: 1\nbans:\n  - {{issuer: {ISSUER}, subject: jo, claim: {{email: x}}, reason: r}}\n")
    other = {"subject": "jane", "outcome": "declined", "account": None, "rule": None, "reason": "rule: none matches"}
    code, out, _ = log.replay({}, other, words=("--bans", str(bans)))
    undecided = "not decidable: 1: the log does not keep the claim 'email', which a ban asks for\n"
    assert (code, out) == (3, f"decided again: 1; the same: 1; changed: 0\n{undecided}")
    code, out, _ = log.replay({"kept": "all"}, words=("--bans", str(bans)))
    assert (code, out) == (0, "decided again: 1; the same: 1; changed: 0\n")


def test_the_key_of_the_callouts_is_the_default(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """`vomap log resolve` takes it, too. A missing key and another key have reasons that name the option."""
    key = log.log.parent / "log.key"
    monkeypatch.setattr("vomap.cli.arguments.KEY_FILE", str(key))
    hidden = {"subject": None, "pseudonym": make_pseudonym(bytes(32), ISSUER, "jo")}
    _, out, _ = log.replay(hidden)
    assert "not decidable: 1: its subject is a pseudonym, and vomap cannot read a key in /etc/vomap/log.key: " in out
    key.write_bytes(bytes(32))
    assert log.replay(hidden)[:2] == (0, "decided again: 1; the same: 1; changed: 0\n")
    key.write_bytes(bytes(range(32)))
    _, out, _ = log.replay(hidden, {"subject": None, "pseudonym": None})
    assert "not decidable: 1: its subject is a pseudonym that another key made: name that key with --key FILE\n" in out
    assert "not decidable: 1: its subject was not logged, because " in out


def test_undecidable_records_for_programs(log: Log) -> None:
    """The answer has each reason with its number."""
    log.mapfile.write_text(SITE.replace("rules:\n", f"rules:\n{PERSON}"))
    code, out, _ = log.replay({}, {"kept": "all"}, words=("--json",))
    answer = json.loads(out)
    assert (code, answer["same"], answer["changed"]) == (3, 1, 0)
    reason = "the log does not keep the claim 'voperson_id', which rule person asks for"
    assert answer["undecidable"] == {reason: 1}


def test_jobs_without_a_token_are_no_error(log: Log) -> None:
    """condor_ce_history prints `undefined` for a job that was submitted otherwise. Several accounts have such jobs."""
    log.table.write_text("undefined\tanna\nj-1\tjo\nundefined\tbert\nj-2\tundefined\n")
    assert log.replay({}, words=("--against", str(log.table)))[0] == 0


@pytest.mark.parametrize("table", ["j-1", "j-1\tjo\tx\ty\n", "\tjo\n", "j-1\tjo\nj-1\tanna\n"])
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
    assert answer["broken"] == [
        f"left out 1 line of the logs; it is {log.log}:3: is not a whole JSON object",
        "vomap cannot decide 1 record again, so the changes are not complete",
    ]
    assert (answer["left-out"], answer["undecidable"]) == ({}, {"the log does not have its claims": 1})
    assert answer["by"]["account"] == {"other": 1, "jo": 1}
    assert answer["changes"][0]["first"]["jti"] == "j-1"
