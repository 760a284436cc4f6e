"""`vomap check` as a linter: the form of warnings, and their effect on the exit code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from vomap.analysis import lint as linter
from vomap.cli import run

EXAMPLES = Path(__file__).parents[1] / "lint"
Capture = pytest.CaptureFixture[str]


def _check(code: str, *words: str, kind: str = "bad") -> int:
    return run(["check", "--mapfiles", str(EXAMPLES / code / f"{kind}.yaml"), *words])


def test_a_warning_is_told_with_its_code(capsys: Capture) -> None:
    """A warning is a line on standard error that ends with its code. It changes no exit code."""
    assert _check("unused-rename") == 0
    printed = capsys.readouterr()
    assert printed.err.endswith(" [unused-rename]\n")
    assert printed.err.count("\n") == 1
    assert printed.out == "1 file, 1 rule, 0 bans: no errors\n"


def test_a_program_gets_the_code(capsys: Capture) -> None:
    """`--json` has the code of each finding. A finding from elsewhere than the linter has none."""
    assert _check("http-issuer", "--json") == 0
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["severity"]) == ("http-issuer", "warning")
    assert "[" not in finding["message"]


def test_what_is_no_word_of_the_linter_has_no_code(tmp_path: Path, capsys: Capture) -> None:
    """Errors of the schema, and warnings from elsewhere than the linter, have the code null."""
    mapfile = tmp_path / "m.yaml"
    mapfile.write_text("mapfile: 1\nissuers: {https://x/: {vo: V}}\n", "utf-8")
    assert run(["check", "--mapfiles", str(mapfile), "--json"]) == 0
    assert [each["code"] for each in json.loads(capsys.readouterr().out)["findings"]] == [None]


def test_strict(capsys: Capture) -> None:
    """With `--strict` a warning is exit 1. Without any warning, nothing changes."""
    assert _check("unused-rename", "--strict") == 1
    assert _check("unused-rename", "--strict", "--json") == 1
    assert _check("unused-rename", "--strict", kind="good") == 0
    capsys.readouterr()


def test_bans_are_told_after_mapfiles(capsys: Capture) -> None:
    """Warnings of bans come with the file of bans, after those of the mapfiles."""
    bans = str(EXAMPLES / "expired-ban" / "bad-bans.yaml")
    assert _check("unused-rename", "--bans", bans) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("[unused-rename]")
    assert second.startswith(f"{bans}:4:")
    assert second.endswith("[expired-ban]")


def test_with_errors_nothing_is_linted(tmp_path: Path, capsys: Capture) -> None:
    """Mapfiles or bans with errors get only these errors, and no warnings."""
    bans = tmp_path / "bans.yaml"
    bans.write_text("mapfile: 1\nbans:\n  - {vo: V}\n", "utf-8")
    assert _check("unused-rename", "--bans", str(bans)) == 1
    told = capsys.readouterr().err
    assert "[" not in told.replace("[a", "")
    assert str(bans) in told


def test_what_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """For a huge policy, text and JSON list the checks that were skipped."""
    monkeypatch.setattr(linter, "MOST_RULES", 0)
    assert _check("shared-account") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    codes = ["impossible-rule", "impossible-value", "shared-account", "unreachable-rule"]
    words = f"not checked, because there are too many rules or bans: {', '.join(codes)}\n"
    assert printed.out.startswith(f"{words}to check all, which takes minutes: `vomap check --thorough --mapfiles ")
    assert _check("shared-account", "--json") == 0
    left_out = json.loads(capsys.readouterr().out)["not-looked-for"]
    assert left_out == codes
    (command,) = re.findall("^to check all, which takes minutes: `vomap (.*)`$", printed.out, re.MULTILINE)
    assert run(shlex.split(command.partition(" --bans ")[0])) == 0
    thorough = capsys.readouterr()
    assert "[shared-account]" in thorough.err
    assert "not checked" not in thorough.out + thorough.err
