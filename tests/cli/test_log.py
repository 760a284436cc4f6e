"""`vomap log`: the subject of a pseudonym, and the pseudonym of a subject."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vomap.cli import run
from vomap.log.pseudonyms import make_pseudonym

Capture = pytest.CaptureFixture[str]
ISSUER = "https://one.example/"
KEY = bytes(range(32))


@pytest.fixture
def key(tmp_path: Path) -> str:
    """Return the file of a key."""
    path = tmp_path / "key"
    path.write_bytes(KEY)
    return str(path)


def test_both_ways(key: str, capsys: Capture) -> None:
    """`hide` and `resolve` undo each other."""
    assert run(["log", "hide", "jo", "--issuer", ISSUER, "--key", key]) == 0
    pseudonym = capsys.readouterr().out.removesuffix("\n")
    assert run(["log", "resolve", pseudonym, "--issuer", ISSUER, "--key", key]) == 0
    assert capsys.readouterr().out == "jo\n"


@pytest.mark.parametrize(
    ("subject", "printed"),
    [
        ("jo\n    condor_ce_rm -constraint true", r"jo\n    condor_ce_rm -constraint true"),
        ("\x1b[2Jjo", r"\x1b[2Jjo"),
        ("j\xf6", r"j\xf6"),
        ("a\u202eb", r"a\u202eb"),
        ("it's \\", "it's \\"),
        ("\ud800", r"\ud800"),
    ],
)
def test_a_subject_is_printed_in_plain_ascii(key: str, capsys: Capture, subject: str, printed: str) -> None:
    """A stranger chose the subject. It is one line of plain ASCII, and JSON has it unchanged."""
    words = ["log", "resolve", make_pseudonym(KEY, ISSUER, subject), "--issuer", ISSUER, "--key", key]
    assert run(words) == 0
    assert capsys.readouterr().out == f"{printed}\n"
    assert run([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"subject": subject}


@pytest.mark.parametrize("text", ["jo", "~", "~x\x1b[2J", "~AAAA\ncondor_ce_rm -constraint true", "~" + "A" * 40])
def test_what_is_no_pseudonym_is_an_error(key: str, capsys: Capture, text: str) -> None:
    """Any other text gives exit code 1, and one line that quotes it."""
    assert run(["log", "resolve", text, "--issuer", ISSUER, "--key", key]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("vomap: ")
    assert err.removesuffix("\n").isprintable()
