"""`vomap replay --against`: what vomap observed, beside whom another plugin mapped, as HTCondor's history has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vomap.cli import run

ISSUER = "https://one.example/"
RULES = f"""\
mapfile: 1
site: {{audience: ANY}}
issuers:
  {ISSUER}: {{vo: One}}
rules:
  - {{name: people, vo: One, subject: <user>@x, account: <user>}}
"""
Capture = pytest.CaptureFixture[str]


def _record(jti: str | None, subject: str) -> dict[str, Any]:
    members: dict[str, Any] = {"outcome": "mapped", "account": subject.partition("@")[0], "vo": "One", "rule": "people"}
    members.update(time="2026-11-22T12:00:00Z", ce="htcondor", callout="vomap-htcondor", observed=True, policy="d")
    members.update(source="0.yaml:6", reason="rule: people", issuer=ISSUER, subject=subject, client=None, jti=jti)
    return {**members, "audience": ["ANY"], "unchecked": [], "kept": "all", "claims": {"scope": "compute.read"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with rules, and a log of three tokens, one of them without an id."""
    (tmp_path / "rules.yaml").write_text(RULES)
    records = [_record("j-1", "jo@x"), _record("j-2", "jane@x"), _record("j-2", "jane@x"), _record(None, "no@x")]
    (tmp_path / "log").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return tmp_path


def _replay(folder: Path, table: str, *more: str) -> int:
    (folder / "owners").write_text(table)
    words = [str(folder / "log"), "--mapfiles", str(folder / "rules.yaml"), "--against", str(folder / "owners")]
    return run(["replay", *words, *more])


def test_both_agree(folder: Path, capsys: Capture) -> None:
    """Exit 0 without a difference. A token may have brought many jobs."""
    lines = (folder / "log").read_text().splitlines(keepends=True)
    (folder / "log").write_text("".join(lines[:3]))
    assert _replay(folder, "j-1\tjo\nj-2\tjane\nj-2\tjane\n", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["changed"], told["left-out"], told["gains"]) == (3, 0, {}, [])


def test_who_may_gain_access(folder: Path, capsys: Capture) -> None:
    """Tokens outside the table are counted, and of these the tokens that vomap maps. Then the exit code is 1."""
    assert _replay(folder, "j-1\tjo\n") == 1
    assert capsys.readouterr().out == (
        "decided again: 1; the same: 1; changed: 0\n"
        "not decided again: 2: the file of the other plugin does not name its token\n"
        "not decided again: 1: its token has no jti, so the file of the other plugin cannot name it\n"
        "may gain access: 2: mapped to jane (rule people)\n"
        "may gain access: 1: mapped to no (rule people), tokens without jti\n"
    )
    assert _replay(folder, "j-1\tjo\n", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["gains"] == [
        {"count": 2, "account": "jane", "rule": "people", "has_jti": True},
        {"count": 1, "account": "no", "rule": "people", "has_jti": False},
    ]


def test_issuer_and_subject(folder: Path, capsys: Capture) -> None:
    """On ARC a job may have no `jti`. Its issuer and its subject name its token, also one without a `jti`."""
    table = f"j-1\tjo\n{ISSUER}\tjane@x\tjane\n{ISSUER}\tno@x\tother\n"
    assert _replay(folder, table) == 1
    out = capsys.readouterr().out
    assert "decided again: 4; the same: 3; changed: 1\n" in out
    assert "1  One: mapped to other (by another plugin) -> mapped to no (rule: people)\n" in out
    assert "may gain access" not in out


def test_they_differ(folder: Path, capsys: Capture) -> None:
    """Exit 1, with both answers, and how often."""
    assert _replay(folder, "j-1\tjo\nj-2\tother\n") == 1
    told = capsys.readouterr().out
    assert "2  One: mapped to other (by another plugin) -> mapped to jane (rule: people)\n" in told
    assert "mapped to jo" not in told


def test_jobs_without_a_token(folder: Path, capsys: Capture) -> None:
    """HTCondor prints `undefined` for the id of a token that a job does not have: many owners have such jobs."""
    assert _replay(folder, "undefined\tlocal1\nj-1\tjo\nj-2\tjane\nundefined\tlocal2\n", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], [gain["account"] for gain in told["gains"]]) == (3, ["no"])


def test_two_issuers_with_one_jti(folder: Path, capsys: Capture) -> None:
    """The table does not say which of the two has the account, so the result is not complete."""
    record = {**_record("j-1", "jo@x"), "issuer": "https://other.example/", "outcome": "declined", "account": None}
    with (folder / "log").open("a") as file:
        file.write(f"{json.dumps(record)}\n")
    assert _replay(folder, "j-1\tjo\nj-2\tjane\n") == 3
    assert "not decidable: 2: tokens of several issuers have its jti" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("j-1 jo\n", "owners:1: expected a token's jti, a tab, and an account"),
        ("j-1\tjo\nj-2\t\n", "owners:2: expected"),
        ("j-1\tjo\tmore\tand\n", "owners:1: expected"),
        ("j-1\t\tmore\n", "owners:1: expected"),
        ("", "owners:1: the table is empty; expected"),
        ("\n", "owners:1: the table is empty; expected"),
        ("\tjo\n", "owners:1: expected"),
        ("j-1\tjo\nj-1\tjane\n", "owners:2: the token j-1 already has the account jo"),
    ],
)
def test_a_table_that_cannot_be_read(folder: Path, capsys: Capture, table: str, told: str) -> None:
    """A line that is none is an error with its place, and never no difference."""
    assert _replay(folder, table) == 3
    assert told in capsys.readouterr().err


def test_no_table(folder: Path, capsys: Capture) -> None:
    """Nor is a table that is not there."""
    words = ["replay", str(folder / "log"), "--mapfiles", str(folder / "rules.yaml"), "--against", str(folder / "no")]
    assert run(words) == 3
    assert "no: No such file" in capsys.readouterr().err


def test_a_file_that_is_no_log_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No token was decided again, so the output must not read as "nothing would change"."""
    site = tmp_path / "site.yaml"
    site.write_text("mapfile: 1\nsite: {audience: ANY}\n", "utf-8")
    assert run(["replay", str(site), "--mapfiles", str(site)]) == 3
    assert "vomap could decide no record of these logs again" in capsys.readouterr().err
