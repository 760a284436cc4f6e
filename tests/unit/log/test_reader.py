"""The log reader separates whole records from broken ones, in logs of any origin."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from vomap.log import format_record
from vomap.log.reader import BrokenLine, LogError, Record, read_log

MEMBERS: Any = {
    "time": "2026-11-22T12:00:00Z",
    "ce": "htcondor",
    "callout": "vomap-htcondor",
    "outcome": "mapped",
    "account": "jo",
    "vo": "One",
    "rule": "r",
    "source": "a.yaml:1",
    "reason": "rule: r",
    "issuer": "https://one/",
    "subject": "jo",
    "client": None,
    "jti": "j",
    "audience": ["ANY"],
    "unchecked": [],
    "policy": "d",
    "claims": {"scope": "compute.read"},
}
LINE = format_record(MEMBERS)


def _read(path: Path) -> list[Record | BrokenLine]:
    return list(read_log(str(path)))


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        f"Nov 22 12:00:00 ce01 vomap-htcondor[77]: {LINE}",
        f"2026-11-22T12:00:00.123456+01:00 ce01 vomap-arc[77]: {LINE}",
        f"<86>Nov  2 12:00:00 ce01 vomap-token[77]: {LINE}",
        json.dumps({"MESSAGE": LINE.rstrip(), "PRIORITY": "6", "SYSLOG_IDENTIFIER": "vomap-arc"}) + "\n",
        LINE.rstrip("\n"),
    ],
    ids=["own file", "syslog", "syslog, RFC 3339", "syslog, priority", "journalctl -o json", "without line end"],
)
def test_a_record_is_read_from_whatever_kept_it(tmp_path: Path, line: str) -> None:
    """The reader ignores the text that a log daemon puts before the record."""
    path = tmp_path / "log"
    path.write_text(line)
    assert _read(path) == [Record(1, MEMBERS)]


def test_a_packed_log_is_read(tmp_path: Path) -> None:
    """The reader recognizes a compressed log by its first bytes, not by its name."""
    path = tmp_path / "log"
    path.write_bytes(gzip.compress(LINE.encode() * 3))
    assert [each.line for each in _read(path)] == [1, 2, 3]


def test_standard_input_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path `-` means standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINE.encode())))
    assert list(read_log("-")) == [Record(1, MEMBERS)]


@pytest.mark.parametrize("line", ["", "\n", "a word\n", "{}\n", '{"a": 1}\n', "sshd[1]: {not json\n", "[1, {}]\n"])
def test_lines_of_others_are_passed_over(tmp_path: Path, line: str) -> None:
    """The reader skips the lines of other programs."""
    path = tmp_path / "log"
    path.write_text(line + LINE)
    assert [type(each) for each in _read(path)] == [Record]


@pytest.mark.parametrize(
    "line",
    [
        f"Nov 22 12:00:00 ce01 sshd[7]: Invalid user {LINE}",
        f"2026-11-22T12:00:00+01:00 ce01 sshd[7]: vomap-htcondor[1]: {LINE}",
        f"2026-11-22T12:00:00+01:00 ce01 su: vomap-htcondor[1]: {LINE}",
        f"Nov 22 12:00:00 ce01 vomap-htcondor[7]: denied: audience: the token is for {LINE}",
        f"Nov 22 12:00:00 ce01 vomap-htcondorx[7]: {LINE}",
        json.dumps({"MESSAGE": LINE.rstrip(), "SYSLOG_IDENTIFIER": "sshd"}) + "\n",
        json.dumps({"MESSAGE": LINE.rstrip()}) + "\n",
        "x" * (1 << 20) + LINE,
    ],
)
def test_what_another_program_says_is_no_decision(tmp_path: Path, line: str) -> None:
    """The reader accepts only decisions that vomap logged, and not, for example, a user name that sshd logged."""
    path = tmp_path / "log"
    path.write_text(line + LINE)
    assert _read(path)[-1:] == [Record(len(path.read_text().splitlines()), MEMBERS)]
    assert len(_read(path)) == 1


def test_a_record_after_half_of_one_is_read(tmp_path: Path) -> None:
    """After a full disk, a line may lack its line end.

    The reader reports the broken part and returns the next record.
    """
    path = tmp_path / "log"
    path.write_text(LINE[:100] + LINE)
    broken, whole = _read(path)
    assert isinstance(broken, BrokenLine)
    assert whole == Record(1, MEMBERS)


@pytest.mark.parametrize("message", [None, LINE[:100], [123, 34], "[1]"])
def test_a_message_that_journalctl_left_out_is_told(tmp_path: Path, message: object) -> None:
    """Without --all, journalctl prints null for a message over 4 kB.

    The reader reports that it cannot read the decision.
    """
    path = tmp_path / "log"
    path.write_text(json.dumps({"MESSAGE": message, "SYSLOG_IDENTIFIER": "vomap-htcondor"}) + "\n")
    (broken,) = _read(path)
    assert isinstance(broken, BrokenLine)
    assert "--all" in broken.why


def test_a_record_knows_its_time() -> None:
    """The reader gives the time of a record in seconds since 1970."""
    assert Record(1, MEMBERS | {"time": "2026-11-22T12:00:00Z"}).time == 1795348800


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (LINE[: len(LINE) // 2], "not a whole JSON object"),
        (format_record({**MEMBERS, "time": None}), "`time`"),
        (format_record({**MEMBERS, "time": "yesterday"}), "`time`"),
        (format_record({**MEMBERS, "time": "2026-13-01T00:00:00Z"}), "`time`"),
        (format_record({**MEMBERS, "time": "2026-1-1T0:0:0Z"}), "`time`"),
        (format_record({**MEMBERS, "outcome": "perhaps"}), "`outcome`"),
        (format_record({**MEMBERS, "subject": 7}), "`subject`"),
        (format_record({name: value for name, value in MEMBERS.items() if name != "issuer"}), "`issuer`"),
        (format_record({**MEMBERS, "audience": "ANY"}), "`audience`"),
        (format_record({**MEMBERS, "audience": [1]}), "`audience`"),
        (format_record({**MEMBERS, "claims": "none"}), "`claims`"),
        (format_record({**MEMBERS, "pseudonym": 1}), "`pseudonym`"),
    ],
)
def test_a_broken_record_is_told(tmp_path: Path, line: str, why: str) -> None:
    """The reader reports each invalid record."""
    path = tmp_path / "log"
    path.write_text(f"{line.rstrip()}\n{LINE}")
    broken, whole = _read(path)
    assert isinstance(broken, BrokenLine)
    assert broken.line == 1
    assert why in broken.why
    assert whole == Record(2, MEMBERS)


def test_a_log_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing file, a folder and a truncated compressed file are errors, and not empty logs."""
    cut = tmp_path / "cut"
    cut.write_bytes(gzip.compress(LINE.encode() * 100)[:-20])
    for path in (tmp_path / "absent", tmp_path, cut):
        with pytest.raises(LogError, match=path.name):
            _read(path)


def test_a_record_gives_its_claims() -> None:
    """The members and the logged claims together give the claims of the token."""
    claims = Record(1, MEMBERS).claims()
    assert claims is not None
    assert claims.texts == {"iss": "https://one/", "sub": "jo", "jti": "j", "scope": "compute.read"}
    assert claims.lists == {"aud": ("ANY",)}


@pytest.mark.parametrize("members", [{"claims": None}, {"issuer": "a\nb"}])
def test_a_record_without_claims_gives_none(members: dict[str, Any]) -> None:
    """A record without its claims, or with invalid claims, gives no claims."""
    assert Record(1, MEMBERS | members).claims() is None
