"""The decision log, as callouts write it: one line of JSON for each decision (schemas/decision-1.schema.json).

Whoever asks for an answer waits for it: this imports next to nothing, and never waits for whoever reads the log.
"""

from __future__ import annotations

import posix
import time
from _json import encode_basestring_ascii, make_encoder

from vomap import Error
from vomap.claims import DECISIVE, TIMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from vomap.claims import Claims
    from vomap.policy import Decision
    from vomap.policy.documents import LogDocument

SYSLOG, NOWHERE = "syslog", "none"
PSEUDONYM = "pseudonym"
KEY_FILE = "/etc/vomap/log.key"
# A log daemon cuts what is longer: rsyslog's own limit is 8 kB.
_SOCKET = "/dev/log"
_LONGEST_MESSAGE = 8000
_LONGEST_LINE = 1 << 18
# Facility authpriv, level info (RFC 5424 section 6.2.1).
_PRIORITY = 10 * 8 + 6
_GROUP_WRITES = 0o660
# stat(2): what kind of file it is.
_KIND, _REGULAR = 0o170000, 0o100000


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} is no JSON")


# What json.dumps() writes, by its encoder in C, without what the import of `json` costs.
_encode: Any = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, False)


class LogWriteError(Error):
    """A decision that cannot be logged."""


class IncompleteRecordError(LogWriteError):
    """A decision that was logged without its subject, as it can not be hidden."""


class _NoDaemonError(LogWriteError):
    """There is no log daemon on this machine."""


class DecisionLog:
    """Where decisions are logged, how their subjects are told, and which claims are kept for a replay.

    `may_wait` tells whether writing may have to wait for somebody else.
    """

    __slots__ = ("_is_said", "claims", "may_wait", "pseudonyms", "to")

    def __init__(self, document: LogDocument | None) -> None:
        """Take the document of the site's `log`; None is one that the site says nothing of."""
        said: LogDocument = document or {}
        self._is_said = "to" in said
        self.to: str = said.get("to", SYSLOG)
        self.pseudonyms: bool = said.get("subject") == PSEUDONYM
        # The key of the pseudonyms is a file, too.
        self.may_wait = self.to != NOWHERE and (self.to != SYSLOG or self.pseudonyms)
        self.claims: Sequence[str] = said.get("claims", DECISIVE)

    def write(
        self,
        decision: Decision,
        *,
        callout: str,
        ce: str,
        now: int,
        asked: Sequence[str] = (),
        observed: bool = False,
    ) -> None:
        """Log a decision that was made for the second `now`; `asked` are the claims that bans look at.

        Raises IncompleteRecordError if the record lacks its subject, LogWriteError or OSError if there is no record.
        """
        if self.to == NOWHERE:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        members = {**decision.as_json(ce=ce, time=stamp), "callout": callout}
        if observed:
            members["observed"] = True
        trouble = _hide_subject(members) if self.pseudonyms else None
        kept = kept_claims(decision.claims, self._names(asked)) if decision.claims is not None else None
        self._send_or_append(members, kept, callout)
        if trouble is not None:
            raise IncompleteRecordError(trouble)

    def _names(self, asked: Sequence[str]) -> Sequence[str]:
        """Return the claims to keep: those that bans look at, too, unless the site keeps less than decisions need."""
        names = [*self.claims, *asked] if asked and set(DECISIVE).issubset(self.claims) else self.claims
        # A claim of the subject's name would tell what the pseudonym hides; a record has it as a member anyway.
        return [name for name in names if name != "sub"]

    def _send_or_append(self, members: dict[str, Any], kept: dict[str, Any] | None, callout: str) -> None:
        is_syslog = self.to == SYSLOG
        limit = _LONGEST_MESSAGE if is_syslog else _LONGEST_LINE
        line = as_line({**members, "claims": kept})
        if len(line) > limit:
            line = as_line(_shortened(members))
        if not is_syslog:
            _append(self.to, line)
            return
        try:
            _send(line, callout)
        except _NoDaemonError:
            # In many containers there is none, and the site has not asked for it.
            if self._is_said:
                raise


def _hide_subject(members: dict[str, Any]) -> str | None:
    """Put a pseudonym in the subject's place; without a key the subject is left out, and why is returned."""
    issuer, subject = members["issuer"], members["subject"]
    members["subject"] = None
    if subject is None:
        return None
    members["pseudonym"] = None
    from vomap.log.pseudonyms import pseudonym, read_key

    try:
        members["pseudonym"] = pseudonym(read_key(KEY_FILE), issuer or "", subject)
    except Error as error:
        return str(error)
    return None


def kept_claims(claims: Claims, names: Sequence[str]) -> dict[str, Any]:
    """Return the claims of these names as they count in a decision: what says nothing is null.

    A list keeps its length, for two members of which one says nothing are two.
    """
    kept: dict[str, Any] = {}
    for name in names:
        if name in TIMES and claims.shows(name):
            kept[name] = claims.times[name]
        elif name in claims.texts:
            kept[name] = claims.texts[name]
        elif name in claims.lists or name in claims.several:
            values: list[str | None] = list(claims.lists.get(name, ()))
            missing = (2 if name in claims.several else 1) - len(values)
            kept[name] = values + [None] * missing
    return kept


def as_line(members: Mapping[str, Any]) -> str:
    """Write members as one line of JSON in ASCII, the newline with it."""
    return "".join((*_encode(members, 0), "\n"))


def _shortened(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record of a very long token says: no claims, and no text that is longer than it need be."""
    short = {name: _cut(value) if isinstance(value, str) else value for name, value in members.items()}
    return {**short, "audience": [], "claims": None, "cut": True}


def _cut(text: str) -> str:
    """Return the beginning of a text that takes at most 500 bytes of a line: a character may take twelve."""
    short = text[:500]
    return short if len(encode_basestring_ascii(short)) <= len('""') + 500 else text[:40]


def _send(line: str, callout: str) -> None:
    """Send one message to the log daemon, as syslog(3) does, or fail at once."""
    from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, socket

    name = callout.partition(" ")[0]
    stamp = time.strftime("%b %e %H:%M:%S")
    message = f"<{_PRIORITY}>{stamp} {name}[{posix.getpid()}]: {line[:-1]}".encode("ascii")
    daemon = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
    try:
        daemon.connect(_SOCKET)
        daemon.send(message)
    except FileNotFoundError as error:
        raise _NoDaemonError(f"{_SOCKET}: {error.strerror}") from None
    except OSError as error:
        raise LogWriteError(f"{_SOCKET}: {error.strerror}") from None
    finally:
        daemon.close()


def _append(path: str, line: str) -> None:
    """Append one line by one write, so that lines of many processes never mix; the file is the group's, too.

    Opened anew for each line, so that whoever rotates logs need tell nobody.
    """
    flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK
    content = line.encode("ascii")
    try:
        descriptor = _open(path, flags)
        try:
            if posix.fstat(descriptor).st_mode & _KIND != _REGULAR:
                raise LogWriteError(f"{path}: is no regular file")
            written = posix.write(descriptor, content)
            if written != len(content):
                # The next line must not continue this one.
                posix.write(descriptor, b"\n")
                raise LogWriteError(f"{path}: took only {written} of {len(content)} bytes")
        finally:
            posix.close(descriptor)
    except OSError as error:
        raise LogWriteError(f"{path}: {error.strerror}") from None


def _open(path: str, flags: int) -> int:
    """Open the file; create it, if there is none, for all who log, whatever this process's own mask."""
    try:
        return posix.open(path, flags)
    except FileNotFoundError:
        pass
    # Not changed afterwards: whoever of the group came in between could not write.
    mask = posix.umask(0o777 & ~_GROUP_WRITES)
    try:
        # Not only if there is still none: it may come and go, while logs are rotated.
        return posix.open(path, flags | posix.O_CREAT, _GROUP_WRITES)
    finally:
        posix.umask(mask)
