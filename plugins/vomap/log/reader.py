"""Read the decision log: files of vomap or of a log daemon, compressed with gzip or not, and output of journalctl."""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from vomap import Error
from vomap.files.regular import UnreadableFileError, open_regular_file
from vomap.log import FIRST_MEMBER
from vomap.log.record import CALLOUTS, OUTCOME, Record, RecordError, check_members, parse_object

if TYPE_CHECKING:
    from vomap.policy.documents import DecisionDocument

_GZIP = b"\x1f\x8b"
_LONGEST_LINE = 1 << 20
# No log has a longer line. Without this limit, a device or a small compressed file could have a line without end.
_ENDLESS = 1 << 30
# Fields of systemd's log entries in JSON (systemd.journal-fields(7)): the message, the program that it names, and the
# uid of the process that sent it. Only systemd itself can write a field that begins with an underscore.
_MESSAGE, _IDENTIFIER, _UID = "MESSAGE", "SYSLOG_IDENTIFIER", "_UID"
# Callouts run as system users. Jobs have the accounts of users, which begin here (SYS_UID_MAX in login.defs(5)).
_FIRST_USER = 1000
# The head of a line of a log daemon: a time of one word or three, a host, and the program. The program counts: an
# attacker can have other programs log a text that looks like a record, for example as the name of a user.
_HEAD = re.compile(rb"(?:<\d+>)?(?:[^\s\[\]]*[^\s\[\]:] +){2,4}vomap-(?:htcondor|arc|token)\[\d+\]: ")
# The head of a line of another program: a time, or the id of a process. A half record has a quote or a brace before
# these. The numbers bound the work on a long line.
_OTHER_HEAD = re.compile(rb'[^"{]{0,100}?(?:[0-9]:[0-9]{2}[^\s"{]{0,20}\s|\[[0-9]{1,10}\]: )')
_NULS = re.compile(rb"\0+")
_NOT_UTF8 = "has bytes that are not UTF-8"
# The begin of a record. It is nowhere else in a record: quotes are escaped, and no claim that is kept has this name.
_BEGIN = f'{{"{FIRST_MEMBER}": '.encode("ascii")


class LogError(Error):
    """vomap cannot read a log."""


@dataclass(frozen=True)
class BrokenLine:
    """A line that has other bytes than whole records, and is not one of another program."""

    line: int
    why: str


class LogReader:
    """Read logs one after the other. `broken` counts the lines that have other bytes than whole records.

    `first_broken` is the place of the first of them, with the reason, None if there is none. `unreadable` has an error
    for each log that vomap cannot read, or cannot read to its end.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        """Take the paths of logs, as `read_log` takes them."""
        self._paths = paths
        self.broken = 0
        self.first_broken: str | None = None
        self.unreadable: list[LogError] = []

    def records(self) -> Iterator[Record]:
        """Yield all decisions that can be read. The end of a damaged log is missing, and no other log."""
        for path in self._paths:
            try:
                yield from self._records_of(path)
            except LogError as error:
                self.unreadable.append(error)

    def _records_of(self, path: str) -> Iterator[Record]:
        """Yield the records of a log. Raises LogError at the end of a log that has lines, and no record."""
        has_line = has_record = False
        for line in _read_lines(path):
            has_line = True
            for found in line:
                if isinstance(found, Record):
                    has_record = True
                    yield found
                else:
                    self._add_broken(path, found)
        if has_line and not has_record:
            raise LogError(f"{path}: has no record of a decision; a log is text, plain or packed with gzip")

    def _add_broken(self, path: str, found: BrokenLine) -> None:
        self.broken += 1
        if self.first_broken is None:
            self.first_broken = f"{path}:{found.line}: {found.why}"


def read_log(path: str) -> Iterator[Record | BrokenLine]:
    """Yield the decisions and the broken lines of a log. Lines of other programs are ignored.

    `path` is a file of vomap or of a log daemon, or output of `journalctl --all -o json`. It may be compressed with
    gzip. `-` is standard input. Raises LogError, also for any path that is not a regular file.
    """
    for line in _read_lines(path):
        yield from line


def _read_lines(path: str) -> Iterator[Iterator[Record | BrokenLine]]:
    """Yield for each line its records, and that it is broken. Raises LogError."""
    try:
        with _opened(path) as file:
            for number, content in _lines(path, file):
                yield _read_line(number, content)
    except UnreadableFileError as error:
        raise LogError(str(error)) from None
    except (OSError, EOFError, zlib.error) as error:
        raise LogError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        file = io.BufferedReader(sys.stdin.buffer)  # type: ignore[type-var]
        try:
            yield _unpacked(file)
        finally:
            # Otherwise standard input would be closed with it.
            file.detach()
        return
    with open_regular_file(path) as regular:
        yield _unpacked(regular)


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    """Return a file, or its content if it is packed with gzip. The file has a buffer to look into."""
    is_packed = file.peek(len(_GZIP)).startswith(_GZIP)  # type: ignore[attr-defined]
    return gzip.GzipFile(fileobj=file) if is_packed else file  # type: ignore[return-value]


def _lines(path: str, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines, numbered from 1. Of a line of more than _LONGEST_LINE bytes, yield only so many."""
    number = length = 0
    while content := _read_part(path, file):
        if not length:
            number += 1
            yield number, content
        length = 0 if content.endswith(b"\n") else length + len(content)
        if length > _ENDLESS:
            raise LogError(f"{path}:{number}: this line has more than {_ENDLESS >> 30} GiB, so this is not a log")


def _read_part(path: str, file: IO[bytes]) -> bytes:
    """Read a line, or _LONGEST_LINE bytes of it. Raises LogError for a packed log with other data behind its end."""
    try:
        return file.readline(_LONGEST_LINE)
    except gzip.BadGzipFile:
        # This error has no text of the system. Its own text has bytes of the file.
        raise LogError(f"{path}: its packed data is damaged, or other data that is not gzip follows it") from None


def _read_line(number: int, content: bytes) -> Iterator[Record | BrokenLine]:
    """Yield the whole records of a line, and before them one BrokenLine if the line has other bytes than these.

    A crash leaves NULs in a file, and no log daemon writes one. So a text behind NULs is a line of its own.
    """
    if b"\0" in content:
        why: str | None = "has NULs, which a crash leaves"
        records = [found for part in _NULS.split(content) if b"{" in part for found in _read_text(part)[1]]
    else:
        why, records = _read_text(content)
    if why is not None:
        yield BrokenLine(number, why)
    for members in records:
        yield Record(number, members)


def _read_text(content: bytes) -> tuple[str | None, list[DecisionDocument]]:
    """Return why a line is broken, or None, and its whole records."""
    begin = content.find(b"{")
    head = content[: max(begin, 0)]
    if begin == 0 or _HEAD.fullmatch(head):
        try:
            members = _read_members(content[begin:])
        except RecordError as error:
            return str(error), _whole_records(content)
        return None if head.isascii() else _NOT_UTF8, [] if members is None else [members]
    # Other programs log what strangers type: whole records, for example, and any bytes.
    if _OTHER_HEAD.match(content):
        return None, []
    if _BEGIN in content:
        return "has other text before a record", _whole_records(content)
    if b'"outcome": ' in content:
        return "has a record without its begin", []
    return None if _is_utf8(content) else _NOT_UTF8, []


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _whole_records(content: bytes) -> list[DecisionDocument]:
    """Return the whole records of a broken line.

    A full disk may have cut a record short, and the next record follows on the same line.
    """
    found = []
    for text in content.split(_BEGIN)[1:]:
        try:
            members = _read_members(_BEGIN + text)
        except RecordError:
            continue
        if members is not None:
            found.append(members)
    return found


def _read_members(content: bytes) -> DecisionDocument | None:
    """Return the members of a record, None for what another program logged. Raises RecordError."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise RecordError(_NOT_UTF8) from None
    found = parse_object(text)
    if _MESSAGE not in found:
        return check_members(found, len(text)) if OUTCOME in found or content.startswith(_BEGIN) else None
    if found.get(_IDENTIFIER) not in CALLOUTS:
        return None
    _require_system_user(found.get(_UID))
    return _read_message(found[_MESSAGE])


def _require_system_user(uid: object) -> None:
    """Raise RecordError unless a system user sent an entry of systemd's log: any user can name any program."""
    if not (isinstance(uid, str) and uid.isascii() and uid.isdigit()):
        raise RecordError("has no `_UID`, which journalctl prints with `-o json`")
    if len(uid) > len(str(_FIRST_USER)) or int(uid) >= _FIRST_USER:
        raise RecordError("another user than a system user logged it, so it is not a decision of a callout")


def _read_message(message: object) -> DecisionDocument:
    """Read a message that systemd logged for a callout. Callouts log nothing but records. Raises RecordError."""
    try:
        found = parse_object(message) if isinstance(message, str) else None
    except RecordError:
        found = None
    if found is None:
        raise RecordError("has no whole message: `journalctl` omits long messages without --all")
    return check_members(found, len(str(message)))
