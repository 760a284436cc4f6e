"""The log reader separates whole records from broken ones, in logs of any origin."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from owners import OTHER, other_owners
from vomap.claims import EVERY_CLAIM, read_claims
from vomap.log import LONGEST_LINE, DecisionLog, format_record
from vomap.log.reader import BrokenLine, LogError, LogReader, read_log
from vomap.log.record import Record
from vomap.policy import DENIED, Decision

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
        json.dumps({"MESSAGE": LINE.rstrip(), "_UID": "0", "SYSLOG_IDENTIFIER": "vomap-arc"}) + "\n",
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


def test_packed_standard_input_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input may be packed, too. It stays open."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(LINE.encode()))))
    assert list(read_log("-")) == [Record(1, MEMBERS)]
    assert not sys.stdin.buffer.closed


@pytest.mark.parametrize(
    "content",
    [lzma.compress(LINE.encode() * 99), bz2.compress(LINE.encode() * 99), LINE.encode("utf-16"), b"a word\n", b"\0"],
    ids=["xz", "bzip2", "UTF-16", "text", "NULs"],
)
def test_a_log_without_a_record_is_named(tmp_path: Path, content: bytes) -> None:
    """Another log may be good. So each log with content, and without any record, has an error of its own."""
    good, other = tmp_path / "good", tmp_path / "other"
    good.write_text(LINE + LINE[:100])
    other.write_bytes(content)
    logs = LogReader([str(good), str(other)])
    assert len(list(logs.records())) == 1
    why = "has no record of a decision; a log is text, plain or packed with gzip"
    assert list(map(str, logs.unreadable)) == [f"{other}: {why}"]


def test_an_empty_log_is_no_error(tmp_path: Path) -> None:
    """Logrotate may have just created it."""
    (tmp_path / "log").write_text("")
    (tmp_path / "log.gz").write_bytes(gzip.compress(b""))
    logs = LogReader([str(tmp_path / "log"), str(tmp_path / "log.gz")])
    assert (list(logs.records()), logs.unreadable) == ([], [])


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


SYSLOG = "Nov 22 12:00:00 ce01 vomap-htcondor[77]: "


@pytest.mark.parametrize("head", ["", SYSLOG])
@pytest.mark.parametrize("damage", [b"\0" * 100, b"\xff\xfe\0", b"x\0", LINE[:100].encode() + b"\0"])
def test_a_record_behind_nuls_is_read(tmp_path: Path, damage: bytes, head: str) -> None:
    """A crash leaves NULs in a file. The record behind them counts, and the line counts as broken."""
    path = tmp_path / "log"
    path.write_bytes(damage + f"{head}{LINE}{LINE}".encode())
    broken, *whole = _read(path)
    assert isinstance(broken, BrokenLine)
    assert (broken.line, broken.why) == (1, "has NULs, which a crash leaves")
    assert whole == [Record(1, MEMBERS), Record(2, MEMBERS)]


@pytest.mark.parametrize("begin", range(1, len(LINE) - 1))
def test_a_record_behind_the_end_of_one_is_read(tmp_path: Path, begin: int) -> None:
    """A record may have lost its begin. The next record counts, and the line counts as broken."""
    path = tmp_path / "log"
    path.write_text(f"{LINE[begin:-1]}{LINE}{LINE}")
    broken, *whole = _read(path)
    assert (type(broken), broken.line) == (BrokenLine, 1)
    assert whole == [Record(1, MEMBERS), Record(2, MEMBERS)]


@pytest.mark.parametrize(
    "damage",
    [
        b"garbage",
        b"\xff\xfe",
        b"\xff\xfe: ",
        b"\xfd7zXZ\n\xe3",
        b"}",
        b"a{b",
        b"\xffNov 22 12:00:00 ce01 vomap-arc[7]: ",
    ],
)
def test_a_record_behind_damage_is_read(tmp_path: Path, damage: bytes) -> None:
    """The record behind other bytes counts, and each line with such bytes counts as broken."""
    path = tmp_path / "log"
    path.write_bytes(damage + LINE.encode())
    found = _read(path)
    assert [type(each) for each in found] == [BrokenLine] * (1 + damage.count(b"\n")) + [Record]


def test_each_whole_record_of_a_line_is_read(tmp_path: Path) -> None:
    """A line that lost its line end has two records. Both count."""
    path = tmp_path / "log"
    path.write_text(f"{LINE[:-1]}{LINE}")
    assert [type(each) for each in _read(path)] == [BrokenLine, Record, Record]
    path.write_bytes(LINE[:-1].encode() + bytes(9))
    assert [type(each) for each in _read(path)] == [BrokenLine, Record]


@pytest.mark.parametrize("line", [*(LINE[:end] for end in (1, 5, 9)), LINE[9:-1], LINE[40:-1], "\xff", "\0"])
def test_a_part_of_a_record_is_a_broken_line(tmp_path: Path, line: str) -> None:
    """The begin of a record, a record without its begin, and bytes that are not text count as broken lines."""
    path = tmp_path / "log"
    path.write_text(f"{line}\n{LINE}", "latin-1")
    assert [(type(each), each.line) for each in _read(path)] == [(BrokenLine, 1), (Record, 2)]


@pytest.mark.parametrize(
    "head",
    [
        "Nov 22 12:00:00 ce01 sshd[7]: Invalid user ",
        "Nov 22 12:00:00 ce01 sshd[7]: Invalid user \xff",
        "Nov 22 12:00:00 ce01 sudo:    jo : TTY=pts/0 ; COMMAND=",
        "Nov 22 12:00:00 ce01 sshd[7]: message repeated 2 times: [ Invalid user ",
        "Nov 22 12:00:00 ce01 kernel: [  12.3] ",
        "2026-11-22T12:00:00.123456+01:00 ce01 su: ",
        "<86>1 2026-11-22T12:00:00.123Z ce01 su 7 - - ",
        "11/22/26 12:00:00 (pid:7) ",
        "sshd[7]: Invalid user ",
        f"Nov 22 12:00:00 ce01 sshd[7]: Invalid user {SYSLOG}",
        f'Nov 22 12:00:00 ce01 sshd[7]: Invalid user "outcome": {LINE[:-1]}',
    ],
)
def test_no_text_that_a_stranger_types_is_damage(tmp_path: Path, head: str) -> None:
    """A stranger chooses texts that other programs log. Such a line has no record, and is not a broken line."""
    path = tmp_path / "log"
    path.write_text(f"{head}{LINE}{head}\n{SYSLOG}{LINE}", "latin-1")
    assert _read(path) == [Record(3, MEMBERS)]


@pytest.mark.parametrize("message", [None, LINE[:100], [123, 34], "[1]"])
def test_a_message_that_journalctl_left_out_is_told(tmp_path: Path, message: object) -> None:
    """Without --all, journalctl prints null for a message over 4 kB.

    The reader reports that it cannot read the decision.
    """
    path = tmp_path / "log"
    path.write_text(json.dumps({"MESSAGE": message, "SYSLOG_IDENTIFIER": "vomap-htcondor", "_UID": "64"}) + "\n")
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


HOSTILE = "jo\n    condor_ce_rm -constraint true"
TEXTS = ("account", "vo", "rule", "source", "reason", "issuer", "subject", "client", "jti", "policy")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, HOSTILE) for name in TEXTS),
        *((name, text) for name in TEXTS for text in ("\x1b[2J", "a\x85b", "\ud800", 7, ["jo"])),
        *(("account", name) for name in ("", "../x", "a b", "-a", "7", "a" * 33, "\u0130")),
        *((name, text) for name in ("vo", "rule") for text in ("", "a b", "/cms", "caf\u00e9")),
        ("account", None),
        ("outcome", "denied"),
        ("ce", "other"),
        ("callout", HOSTILE),
        ("callout", "vomap-arc kill"),
        ("audience", [HOSTILE]),
        ("unchecked", [HOSTILE]),
        ("unchecked", "time"),
        ("claims", {"scope": HOSTILE}),
        ("claims", {"groups": ["/a", HOSTILE]}),
        ("claims", {HOSTILE: "a"}),
        ("claims", {"scope": 7}),
        ("claims", {"scope": {"a": "b"}}),
        ("claims", {"exp": True}),
        ("claims", {"time": "2026-11-22T12:00:00Z"}),
        ("claims", {"exp": 1e300}),
        ("pseudonym", "jo"),
        ("pseudonym", f"~{HOSTILE}"),
        ("observed", 1),
        ("cut", "yes"),
        ("unknown", "a"),
        ("subject", "s" * LONGEST_LINE),
    ],
)
def test_every_member_of_a_record_is_legal(tmp_path: Path, name: str, value: object) -> None:
    """The reader accepts only what vomap itself can write. Otherwise a text of a stranger could be a line of a report.

    It reports an illegal record once, and none of its texts.
    """
    path = tmp_path / "log"
    path.write_text(json.dumps({**MEMBERS, name: value}) + f"\n{LINE}")
    broken, whole = _read(path)
    assert isinstance(broken, BrokenLine)
    assert "condor_ce_rm" not in broken.why
    assert whole == Record(2, MEMBERS)


@pytest.mark.parametrize("member", [*TEXTS, "time", "ce", "outcome", "audience", "unchecked"])
def test_no_member_of_a_record_is_missing(tmp_path: Path, member: str) -> None:
    """A record has each member that the schema requires, null if it says nothing."""
    path = tmp_path / "log"
    path.write_text(format_record({name: value for name, value in MEMBERS.items() if name != member}) + LINE)
    assert [type(each) for each in _read(path)] == [BrokenLine, Record]


def test_a_key_that_occurs_twice_is_no_record(tmp_path: Path) -> None:
    """A record has each member once. Readers of JSON differ in the one that they take."""
    path = tmp_path / "log"
    path.write_text(LINE.replace('"account": "jo"', '"account": "jo", "account": "root"') + LINE)
    assert [type(each) for each in _read(path)] == [BrokenLine, Record]


@pytest.mark.parametrize("text", ['{"time": ' * 3000, '{"time": ' * 110_000, '{"time": ' + "[" * 900_000])
def test_nesting_of_any_depth_is_one_broken_line(tmp_path: Path, text: str) -> None:
    """A deeply nested line ends neither the reader nor the stack. It is one broken line, and the next one is read."""
    path = tmp_path / "log"
    path.write_text(f"{text}\n{text}{LINE}{LINE}")
    found = _read(path)
    assert [(type(each), each.line) for each in found if isinstance(each, BrokenLine)] == [
        (BrokenLine, 1),
        (BrokenLine, 2),
    ]
    assert found[-1] == Record(3, MEMBERS)


def test_a_record_after_several_halves_is_read(tmp_path: Path) -> None:
    """The line counts as broken once, however many records a full disk has cut short there."""
    path = tmp_path / "log"
    for end in range(1, len(LINE) - 1):
        path.write_text(LINE[:100] + LINE[:50] + LINE[:end] + LINE)
        broken, whole = _read(path)
        assert isinstance(broken, BrokenLine)
        assert whole == Record(1, MEMBERS)


def test_claims_are_no_record(tmp_path: Path) -> None:
    """A token with claims that look like a record does not become one, wherever its own record is cut short."""
    path = tmp_path / "log"
    token = {**MEMBERS, "audience": ["ANY"], "unchecked": ["time"], "claims": None, "account": "root", "observed": None}
    decision = Decision(read_claims({"iss": "https://one/", "sub": "jo", **token}), "d", DENIED, "time: x")
    DecisionLog({"to": str(path), "claims": EVERY_CLAIM}).write(decision, callout="vomap-arc map", ce="arc", now=1)
    line = path.read_text()
    assert '"account": "root"' in line
    for end in range(1, len(line)):
        path.write_text(f"{line[:end]}\n")
        assert all(isinstance(each, BrokenLine) or end == len(line) - 1 for each in _read(path))


def test_a_huge_line_is_one_broken_line(tmp_path: Path) -> None:
    """The reader keeps no more than a part of a line in memory, and goes on with the next one."""
    path = tmp_path / "log"
    path.write_text(LINE[:-2] + "x" * (5 << 20) + LINE + LINE)
    assert [(type(each), each.line) for each in _read(path)] == [(BrokenLine, 1), (Record, 2)]


def test_a_line_without_end_is_no_log(tmp_path: Path) -> None:
    """A small compressed file may have a line without end. The reader stops after 1 GiB of it."""
    path = tmp_path / "log"
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as file:
        for _ in range(65):
            file.write(bytes(1 << 24))
    with pytest.raises(LogError, match="log:1: this line has more than 1 GiB"):
        _read(path)


@pytest.mark.parametrize("uid", ["1000", "65534", "100000", None, "", "-1", "x", 0, "\u0660", ["0", "0"]])
def test_the_journal_says_who_logged(tmp_path: Path, uid: object) -> None:
    """Any user can log under the name of a callout. Only systemd writes `_UID`, and jobs do not have a system user's.

    An entry of another user counts as a broken line, for it pretends to be a decision.
    """
    path = tmp_path / "log"
    entry = {"MESSAGE": LINE.rstrip(), "SYSLOG_IDENTIFIER": "vomap-htcondor", **({} if uid is None else {"_UID": uid})}
    path.write_text(json.dumps(entry) + f"\n{json.dumps({**entry, '_UID': '999'})}\n")
    assert [(type(each), each.line) for each in _read(path)] == [(BrokenLine, 1), (Record, 2)]


def test_a_log_is_opened_as_a_mapfile_is(tmp_path: Path) -> None:
    """The reader opens no FIFO and no device, which could make it wait for ever, nor a link of another user."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "real").write_text(LINE)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(_read(tmp_path / "link")) == 1
    for path in (tmp_path / "fifo", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(LogError, match=f"{path}: is not a regular file"):
            _read(path)
    with other_owners() as owners:
        owners.give(tmp_path / "link", OTHER)
        with pytest.raises(LogError, match="is a link of another user"):
            _read(tmp_path / "link")


def test_broken_lines_are_counted_over_all_logs(tmp_path: Path) -> None:
    """A reader of several logs counts the broken lines, and has the place of the first one."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(f'{LINE}{{"time": \n{LINE}{{"time": \n')
    logs = LogReader([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [record.line for record in logs.records()] == [1, 3, 1, 3]
    assert logs.broken == 4
    assert logs.first_broken == f"{tmp_path / 'a'}:2: is not a whole JSON object"


def test_a_log_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    """The reader goes on with the next log. It has an error for each log that it cannot read to its end."""
    cut = tmp_path / "cut"
    cut.write_bytes(gzip.compress(LINE.encode() * 100)[:-8])
    (tmp_path / "whole").write_text(LINE)
    logs = LogReader([str(tmp_path / "absent"), str(cut), "/dev/zero", str(tmp_path / "whole")])
    assert len(list(logs.records())) == 101
    assert [str(error).partition(": ")[0] for error in logs.unreadable] == [
        str(tmp_path / "absent"),
        str(cut),
        "/dev/zero",
    ]


def test_a_log_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing file, a folder and a damaged compressed file are errors, and not empty logs."""
    cut, damaged = tmp_path / "cut", tmp_path / "damaged"
    packed = gzip.compress(LINE.encode() * 100)
    cut.write_bytes(packed[:-20])
    damaged.write_bytes(packed[:20] + b"\xff" * 40 + packed[60:])
    for path in (tmp_path / "absent", tmp_path, cut, damaged):
        with pytest.raises(LogError, match=path.name):
            _read(path)


@pytest.mark.parametrize("damage", ["behind", "checksum"])
def test_a_damaged_packed_log_has_a_reason(tmp_path: Path, damage: str) -> None:
    """Other bytes behind the packed data, and a wrong checksum. The records before count."""
    path, packed = tmp_path / "log", gzip.compress(LINE.encode() * 2)
    path.write_bytes(packed + b"x\x1b[2J" if damage == "behind" else packed[:-8] + bytes(4) + packed[-4:])
    logs = LogReader([str(path)])
    assert len(list(logs.records())) == 2
    why = "its packed data is damaged, or other data that is not gzip follows it"
    assert list(map(str, logs.unreadable)) == [f"{path}: {why}"]


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
