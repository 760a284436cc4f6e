"""Read the decision log: files of vomap or of a log daemon, compressed with gzip or not, and output of journalctl."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, cast

from vomap import Error
from vomap.claims import Claims, TokenError, read_claims
from vomap.policy import OUTCOMES

if TYPE_CHECKING:
    from vomap.policy.documents import DecisionDocument

_GZIP = b"\x1f\x8b"
_LONGEST_LINE = 1 << 20
# Fields of systemd's log entries in JSON: the message, and the program that wrote it (systemd.journal-fields(7)).
_MESSAGE, _IDENTIFIER = "MESSAGE", "SYSLOG_IDENTIFIER"
_CALLOUTS = ("vomap-htcondor", "vomap-arc", "vomap-token")
# The head of a line of a log daemon: a time of one word or three, a host, and the program. The program counts: an
# attacker can have other programs log a text that looks like a record, for example as the name of a user.
_HEAD = re.compile(rb"(?:<\d+>)?(?:[^\s\[\]]*[^\s\[\]:] +){2,4}vomap-(?:htcondor|arc|token)\[\d+\]: ")
# The beginning of a record. Quotes within a record are escaped, so this text is nowhere else.
_BEGIN = b'{"time": '
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)

# Returns the subject of an issuer's pseudonym, or None.
Resolve = Callable[[str, str], "str | None"]


class LogError(Error):
    """vomap cannot read a log."""


@dataclass(frozen=True)
class Record:
    """One decision of a log: the number of its line, and its members as in schemas/decision-1.schema.json."""

    line: int
    members: DecisionDocument

    @property
    def time(self) -> int:
        """The time of the decision, in seconds since 1970."""
        return _seconds(self.members["time"])

    def reveal_subject(self, resolve: Resolve | None) -> bool:
        """Replace the pseudonym by the subject. Return False if there is no key, or another key."""
        pseudonym = self.members["pseudonym"]
        if resolve is None or pseudonym is None:
            return False
        self.members["subject"] = resolve(self.members["issuer"] or "", pseudonym)
        return self.members["subject"] is not None

    def claims(self) -> Claims | None:
        """Return the logged claims of the token, None if the record has no claims."""
        logged = self.members.get("claims")
        if logged is None:
            return None
        named = {"iss": self.members["issuer"], "sub": self.members["subject"], "jti": self.members["jti"]}
        token = {**logged, **{name: value for name, value in named.items() if value is not None}}
        if self.members["audience"]:
            token["aud"] = self.members["audience"]
        try:
            return read_claims(token)
        except TokenError:
            return None


@dataclass(frozen=True)
class BrokenLine:
    """A line that looks like a record, and cannot be read as one."""

    line: int
    why: str


def read_log(path: str) -> Iterator[Record | BrokenLine]:
    """Yield the decisions and the broken lines of a log. Lines of other programs are ignored.

    `path` is a file of vomap or of a log daemon, or output of `journalctl --all -o json`. It may be compressed with
    gzip. `-` is standard input. Raises LogError.
    """
    try:
        with _opened(path) as file:
            number, is_begin = 0, True
            while content := file.readline(_LONGEST_LINE):
                # A longer line is not a record. The later pieces of one are ignored, for they may look like records.
                if is_begin:
                    number += 1
                    yield from _read_line(number, content)
                is_begin = content.endswith(b"\n")
    except (OSError, EOFError) as error:
        raise LogError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with open(path, "rb") as file:
        is_compressed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        yield gzip.GzipFile(fileobj=file) if is_compressed else file  # type: ignore[misc]


def _read_line(number: int, content: bytes) -> Iterator[Record | BrokenLine]:
    begin = content.find(b"{")
    if begin < 0 or (begin and not _HEAD.fullmatch(content, 0, begin)):
        return
    try:
        members = json.loads(content[begin:].decode("utf-8"))
    except (ValueError, RecursionError):
        if _BEGIN in content or b'"outcome"' in content:
            yield BrokenLine(number, "is not a whole JSON object")
        # A full disk may have cut this record short, and another record may follow on the same line.
        begin = content.find(_BEGIN, begin + 1)
        if begin > 0:
            yield from _read_line(number, content[begin:])
        return
    if _MESSAGE not in members:
        yield from _read_members(number, members)
    elif members.get(_IDENTIFIER) in _CALLOUTS:
        yield from _read_message(number, members[_MESSAGE])


def _read_message(number: int, message: object) -> Iterator[Record | BrokenLine]:
    """Read a message that systemd logged for a callout. Callouts log nothing but records."""
    try:
        members = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        members = None
    if isinstance(members, dict):
        yield from _read_members(number, members)
    else:
        yield BrokenLine(number, "has no whole message: `journalctl` omits long messages without --all")


def _read_members(number: int, members: dict[str, Any]) -> Iterator[Record | BrokenLine]:
    if "outcome" not in members:
        return
    for name, is_right in _MEMBERS.items():
        if not is_right(members.get(name, ())):
            yield BrokenLine(number, f"`{name}`: is not as schemas/decision-1.schema.json expects")
            return
    yield Record(number, cast("DecisionDocument", members))


def _seconds(time: str) -> int:
    """Return the time of a record in seconds since 1970. Raises ValueError if it is not a valid time."""
    # strptime takes longer than a decision.
    return int(datetime.fromisoformat(f"{time[:-1]}+00:00").timestamp())


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        _seconds(value)
    except ValueError:
        return False
    return True


def _is_text_or_null(value: object) -> bool:
    return value is None or isinstance(value, str)


# The value of a missing member is an empty tuple, which no JSON has.
_MEMBERS: dict[str, Callable[[object], bool]] = {
    "time": _is_time,
    "outcome": lambda value: value in OUTCOMES,
    "reason": lambda value: isinstance(value, str),
    **dict.fromkeys(("account", "vo", "rule", "issuer", "subject", "jti"), _is_text_or_null),
    "audience": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "claims": lambda value: value is None or isinstance(value, dict),
    # None if there was no key.
    "pseudonym": lambda value: value == () or _is_text_or_null(value),
}
