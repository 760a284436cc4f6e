"""The decision log, read again: from files, packed or not, and from what a log daemon made of it."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from vomap import Error
from vomap.claims import Claims, TokenError, read_claims
from vomap.policy import OUTCOMES

_GZIP = b"\x1f\x8b"
_LONGEST_LINE = 1 << 20
# What systemd calls the message of a log entry in JSON, and who wrote it (systemd.journal-fields(7)).
_MESSAGE, _IDENTIFIER = "MESSAGE", "SYSLOG_IDENTIFIER"
_CALLOUTS = ("vomap-htcondor", "vomap-arc", "vomap-token")
# The head of a line of a log daemon: a time in one word or three, a host, and the program. What another program says,
# a user's name, say, must not pass for a decision.
_HEAD = re.compile(rb"(?:<\d+>)?(?:[^\s\[\]]*[^\s\[\]:] +){2,4}vomap-(?:htcondor|arc|token)\[\d+\]: ")
# How a record begins. Within one, quotes are escaped, so it is nowhere else.
_BEGIN = b'{"time": '
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


# Returns the subject behind an issuer's pseudonym, or None.
Resolve = Callable[[str, str], "str | None"]


class LogError(Error):
    """A log that cannot be read."""


@dataclass(frozen=True)
class Record:
    """One decision of a log: its line, and its members as in schemas/decision-1.schema.json."""

    line: int
    members: dict[str, Any]

    @property
    def time(self) -> int:
        """The second that the token was decided for."""
        return _seconds(self.members["time"])

    def reveal_subject(self, resolve: Resolve | None) -> bool:
        """Put the subject in its pseudonym's place; False if its key is another, or not there."""
        pseudonym = self.members["pseudonym"]
        if resolve is None or pseudonym is None:
            return False
        self.members["subject"] = resolve(self.members["issuer"] or "", pseudonym)
        return self.members["subject"] is not None

    def claims(self) -> Claims | None:
        """Return the token's claims as far as they were kept; None if they were not."""
        kept = self.members.get("claims")
        if not isinstance(kept, dict):
            return None
        said = {"iss": self.members["issuer"], "sub": self.members["subject"], "jti": self.members["jti"]}
        token = {**kept, **{name: value for name, value in said.items() if value is not None}}
        if self.members["audience"]:
            token["aud"] = self.members["audience"]
        try:
            return read_claims(token)
        except TokenError:
            return None


@dataclass(frozen=True)
class BrokenLine:
    """A line that looks like a decision's and is none."""

    line: int
    why: str


def read_log(path: str) -> Iterator[Record | BrokenLine]:
    """Yield the decisions of a log, and the lines that are broken; lines of others are passed over.

    `path` is a file of lines, packed by gzip or not, as vomap or a log daemon writes it, or as
    `journalctl --all -o json` prints it; `-` is standard input. Raises LogError.
    """
    try:
        with _opened(path) as file:
            number, is_begin = 0, True
            while content := file.readline(_LONGEST_LINE):
                # What is longer is no line of ours, whatever its later pieces look like.
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
        packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if packed:
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]
        else:
            yield file


def _read_line(number: int, content: bytes) -> Iterator[Record | BrokenLine]:
    begin = content.find(b"{")
    if begin < 0 or (begin and not _HEAD.fullmatch(content, 0, begin)):
        return
    try:
        members = json.loads(content[begin:].decode("utf-8"))
    except (ValueError, RecursionError):
        if _BEGIN in content or b'"outcome"' in content:
            yield BrokenLine(number, "is no whole JSON object")
        # Another record may follow what a full disk cut short.
        begin = content.find(_BEGIN, begin + 1)
        if begin > 0:
            yield from _read_line(number, content[begin:])
        return
    if _MESSAGE not in members:
        yield from _read_members(number, members)
    elif members.get(_IDENTIFIER) in _CALLOUTS:
        yield from _read_message(number, members[_MESSAGE])


def _read_message(number: int, message: object) -> Iterator[Record | BrokenLine]:
    """Read what a log daemon has as a callout's message; whatever the callout says there is a record."""
    try:
        members = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        members = None
    if isinstance(members, dict):
        yield from _read_members(number, members)
    else:
        yield BrokenLine(number, "has no whole message; `journalctl` leaves long ones out without --all")


def _read_members(number: int, members: dict[str, Any]) -> Iterator[Record | BrokenLine]:
    if "outcome" not in members:
        return
    for name, is_right in _MEMBERS.items():
        if not is_right(members.get(name, ())):
            yield BrokenLine(number, f"`{name}` is not as in the decision's schema")
            return
    yield Record(number, members)


def _seconds(time: str) -> int:
    """Return a record's time in seconds since 1970. Raises ValueError for what is no time."""
    # The general way to read times takes longer than a decision.
    return int(datetime.fromisoformat(f"{time[:-1]}+00:00").timestamp())


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        _seconds(value)
    except ValueError:
        return False
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_null(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


# A member that is not there is tried as an empty tuple, which is nothing of JSON's.
_MEMBERS: dict[str, Callable[[object], bool]] = {
    "time": _is_time,
    "outcome": lambda value: value in OUTCOMES,
    "reason": _is_text,
    **dict.fromkeys(("account", "vo", "rule", "issuer", "subject", "jti"), _is_text_or_null),
    "audience": _is_list_of_texts,
    "claims": lambda value: value is None or isinstance(value, dict),
    # Null if there was no key to make one.
    "pseudonym": lambda value: value == () or _is_text_or_null(value),
}
