"""The decision log, read again: from files, packed or not, and from what a log daemon made of it."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from vomap import Error
from vomap.claims import Claims, TokenError, read_claims
from vomap.mapfile.times import point_in_time
from vomap.policy import OUTCOMES

_GZIP = b"\x1f\x8b"
_LONGEST_LINE = 1 << 20
# What HTCondor and systemd call the message of a log entry in JSON.
_MESSAGE = "MESSAGE"


class LogError(Error):
    """A log that cannot be read."""


@dataclass(frozen=True)
class Record:
    """One decision of a log: its line, and its members as in schemas/decision-1.schema.json."""

    line: int
    members: dict[str, Any]

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
class Unread:
    """A line that looks like a decision's and is none."""

    line: int
    why: str


def read_log(path: str) -> Iterator[Record | Unread]:
    """Yield the decisions of a log, and the lines that are broken; lines of others are passed over.

    `path` is a file of lines, packed by gzip or not, as vomap or a log daemon writes it, or as `journalctl -o json`
    prints it; `-` is standard input. Raises LogError.
    """
    try:
        with _opened(path) as file:
            number = 0
            while content := file.readline(_LONGEST_LINE):
                number += 1
                found = _read_line(number, content)
                if found is not None:
                    yield found
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


def _read_line(number: int, content: bytes) -> Record | Unread | None:
    begin = content.find(b"{")
    if begin < 0:
        return None
    try:
        members = json.loads(content[begin:])
    except (ValueError, RecursionError):
        return Unread(number, "is no whole JSON object") if b'"outcome"' in content else None
    message = members.get(_MESSAGE)
    if isinstance(message, str):
        return _read_line(number, message.encode("utf-8", "surrogatepass"))
    if "outcome" not in members:
        return None
    wrong = [name for name, is_right in _MEMBERS.items() if not is_right(members.get(name, ()))]
    return Unread(number, f"`{wrong[0]}` is not as in the decision's schema") if wrong else Record(number, members)


def _is_time(value: object) -> bool:
    try:
        point_in_time(value if isinstance(value, str) else "")
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
    "pseudonym": lambda value: value == () or isinstance(value, str),
}
