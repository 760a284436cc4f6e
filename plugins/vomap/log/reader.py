"""Read the decision log: files of vomap or of a log daemon, compressed with gzip or not, and output of journalctl."""

from __future__ import annotations

import gzip
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
# The begin of a record. It is nowhere else in a record: quotes are escaped, and no claim that is kept has this name.
_BEGIN = f'{{"{FIRST_MEMBER}": '.encode("ascii")


class LogError(Error):
    """vomap cannot read a log."""


@dataclass(frozen=True)
class BrokenLine:
    """A line that looks like a record, and cannot be read as one."""

    line: int
    why: str


class LogReader:
    """Read logs one after the other. `broken` counts the lines that look like records and are none.

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
        for found in read_log(path):
            if isinstance(found, Record):
                yield found
                continue
            self.broken += 1
            if self.first_broken is None:
                self.first_broken = f"{path}:{found.line}: {found.why}"


def read_log(path: str) -> Iterator[Record | BrokenLine]:
    """Yield the decisions and the broken lines of a log. Lines of other programs are ignored.

    `path` is a file of vomap or of a log daemon, or output of `journalctl --all -o json`. It may be compressed with
    gzip. `-` is standard input. Raises LogError, also for any path that is not a regular file.
    """
    try:
        with _opened(path) as file:
            for number, content in _lines(path, file):
                yield from _read_line(number, content)
    except UnreadableFileError as error:
        raise LogError(str(error)) from None
    except (OSError, EOFError, zlib.error) as error:
        raise LogError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with open_regular_file(path) as file:
        is_compressed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        yield gzip.GzipFile(fileobj=file) if is_compressed else file  # type: ignore[misc]


def _lines(path: str, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines, numbered from 1. Of a line of more than _LONGEST_LINE bytes, yield only so many."""
    number = length = 0
    while content := file.readline(_LONGEST_LINE):
        if not length:
            number += 1
            yield number, content
        length = 0 if content.endswith(b"\n") else length + len(content)
        if length > _ENDLESS:
            raise LogError(f"{path}:{number}: this line has more than {_ENDLESS >> 30} GiB, so this is not a log")


def _read_line(number: int, content: bytes) -> Iterator[Record | BrokenLine]:
    begin = content.find(b"{")
    if begin < 0 or (begin and not _HEAD.fullmatch(content, 0, begin)):
        return
    try:
        members = _read_members(content[begin:])
    except RecordError as error:
        yield BrokenLine(number, str(error))
        members = _last_record(content, begin)
    if members is not None:
        yield Record(number, members)


def _last_record(content: bytes, begin: int) -> DecisionDocument | None:
    """Return the record at the end of a broken line, if there is one.

    A full disk may have cut a record short, and the next record follows on the same line.
    """
    at = content.rfind(_BEGIN, begin + 1)
    try:
        return _read_members(content[at:]) if at > 0 else None
    except RecordError:
        return None


def _read_members(content: bytes) -> DecisionDocument | None:
    """Return the members of a record, None for what another program logged. Raises RecordError."""
    try:
        text = content.decode("utf-8")
        found = parse_object(text)
    except (UnicodeDecodeError, RecordError):
        if content.startswith(_BEGIN) or b'"outcome"' in content:
            raise RecordError("is not a whole JSON object") from None
        return None
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
