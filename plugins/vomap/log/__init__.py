"""Write the decision log: one line of JSON for each decision, as in schemas/decision-1.schema.json.

The CE waits while a callout logs. So this module imports next to nothing, and never waits for a log daemon.
"""

from __future__ import annotations

import posix
import time
from _json import encode_basestring_ascii, make_encoder

from vomap import Error
from vomap.claims import DECISIVE, EVERY_CLAIM, TIMES, is_clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from vomap.claims import Claims
    from vomap.policy import Decision
    from vomap.policy.documents import DecisionDocument, LogDocument

SYSLOG, NOWHERE = "syslog", "none"
PSEUDONYM = "pseudonym"
# A record has a member of its own for these claims.
IN_MEMBERS = ("iss", "sub", "aud", "jti")
# The first member of a record. No record keeps a claim of this name: the begin of a record is nowhere else in it.
FIRST_MEMBER = "time"
KEY_FILE = "/etc/vomap/log.key"
# Bytes. A log daemon cuts longer messages: the limit of rsyslog is 8 kB.
_SOCKET = "/dev/log"
_LONGEST_MESSAGE = 8000
LONGEST_LINE = 1 << 18
# Facility authpriv, level info (RFC 5424 section 6.2.1).
_PRIORITY = 10 * 8 + 6
_GROUP_WRITES = 0o660
# stat(2): the type of a file.
_KIND, _REGULAR = 0o170000, 0o100000


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


# The encoder in C of json.dumps(). An import of `json` takes longer than a decision.
_encode: Any = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, False)


class LogWriteError(Error):
    """vomap cannot log a decision."""


class IncompleteRecordError(LogWriteError):
    """vomap logged a decision without its subject, because there is no key to encrypt it with."""


class _NoDaemonError(LogWriteError):
    """There is no log daemon on this machine."""


class DecisionLog:
    """The decision log of a site: its target, the form of its subjects, and the claims that a replay needs.

    `may_wait` is True if a write opens a file, because a file system may take a long time to answer.
    """

    __slots__ = ("_is_named", "claims", "may_wait", "pseudonyms", "to")

    def __init__(self, document: LogDocument | None) -> None:
        """Take the site's document of the log, None for the default."""
        settings: LogDocument = document or {}
        self._is_named = "to" in settings
        self.to: str = settings.get("to", SYSLOG)
        self.pseudonyms: bool = settings.get("subject") == PSEUDONYM
        # The key of the pseudonyms is a file, too.
        self.may_wait = self.to != NOWHERE and (self.to != SYSLOG or self.pseudonyms)
        # EVERY_CLAIM, or names.
        self.claims: Sequence[str] = settings.get("claims", DECISIVE)

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
        """Log a decision for the second `now`. `asked` has the names of the claims that bans look at.

        Raises IncompleteRecordError if the record lacks its subject, LogWriteError or OSError if there is no record.
        """
        if self.to == NOWHERE:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        record = decision.as_json(ce=ce, time=stamp)
        record["callout"] = callout
        if observed:
            record["observed"] = True
        claims = decision.claims
        failure = _hide_subject(record, claims) if self.pseudonyms else None
        if claims is None:
            record["claims"] = None
        else:
            self._add_claims(record, claims, asked)
        self._send_or_append(record, callout)
        if failure is not None:
            raise IncompleteRecordError(failure)

    def _add_claims(self, record: DecisionDocument, claims: Claims, asked: Sequence[str]) -> None:
        """Add the claims that the site keeps, and their names: a record shows of no other claim that it is absent."""
        # A site that logs fewer claims than decisions need does not log those that bans look at, either.
        more = asked if asked and self.claims != EVERY_CLAIM and set(DECISIVE).issubset(self.claims) else ()
        # No mapfile can ask for a claim with a control character in its name.
        names = filter(is_clean, claims.members) if self.claims == EVERY_CLAIM else [*self.claims, *more]
        # The claims of IN_MEMBERS are members of the record.
        names = [name for name in names if name not in (*IN_MEMBERS, FIRST_MEMBER)]
        record["kept"] = EVERY_CLAIM if self.claims == EVERY_CLAIM else names
        if claims.forged:
            record["forged"] = sorted(filter(is_clean, claims.forged))
        record["claims"] = claims_to_log(claims, [*names, *_not_in_members(claims, is_hidden=self.pseudonyms)])

    def _send_or_append(self, record: DecisionDocument, callout: str) -> None:
        is_syslog = self.to == SYSLOG
        limit = _LONGEST_MESSAGE if is_syslog else LONGEST_LINE
        line = format_record(record)
        if len(line) > limit:
            line = format_record(_shorten(record))
        if not is_syslog:
            _append(self.to, line)
            return
        try:
            _send(line, callout)
        except _NoDaemonError:
            # Many containers have no log daemon. It is an error only if the mapfile names it.
            if self._is_named:
                raise


def _not_in_members(claims: Claims, *, is_hidden: bool) -> list[str]:
    """Return those of the claims IN_MEMBERS that a token has in a form that the members of a record do not show.

    Bans see a list of subjects, for example, and a check sees an audience without text. `is_hidden` leaves out `sub`,
    which would show the subject beside its pseudonym.
    """
    texts = claims.texts
    names = [name for name in ("iss", "sub", "jti") if name not in texts and claims.shows(name)]
    if claims.shows("aud") and not claims.values("aud"):
        names.append("aud")
    return [name for name in names if name != "sub" or not is_hidden]


def _hide_subject(record: DecisionDocument, claims: Claims | None) -> str | None:
    """Replace the subject of a record by its pseudonym. Without a key remove the subject, and return the error."""
    issuer, subject = record["issuer"], record["subject"]
    record["subject"] = None
    if claims is not None and claims.shows("sub"):
        # It stays so for a subject that is not a text, such as a list.
        record["pseudonym"] = None
    if subject is None:
        return None
    from vomap.log.pseudonyms import make_pseudonym, read_key

    try:
        record["pseudonym"] = make_pseudonym(read_key(KEY_FILE), issuer or "", subject)
    except Error as error:
        return str(error)
    return None


def claims_to_log(claims: Claims, names: Sequence[str]) -> dict[str, object]:
    """Return the claims of these names as a decision reads them: None in place of a value that it passes over.

    A list keeps its length, because a decision distinguishes a list of one value from a longer one.
    """
    logged: dict[str, object] = {}
    for name in names:
        if name in TIMES and claims.shows(name):
            logged[name] = claims.times[name]
        elif name in claims.texts:
            logged[name] = claims.texts[name]
        elif name in claims.lists or name in claims.several:
            values: list[str | None] = list(claims.lists.get(name, ()))
            missing = (2 if name in claims.several else 1) - len(values)
            logged[name] = values + [None] * missing
        elif claims.shows(name):
            logged[name] = None
    return logged


def format_record(record: Mapping[str, object]) -> str:
    """Return a record as one line of JSON in ASCII, with its newline."""
    return "".join((*_encode(record, 0), "\n"))


def _shorten(record: Mapping[str, object]) -> dict[str, object]:
    """Return the record of a very long token without claims and audiences, and with its texts cut."""
    short = {name: _cut(value) if isinstance(value, str) else value for name, value in record.items()}
    # vomap does not decide a record without claims again, so it needs no names of forged ones.
    short.pop("forged", None)
    return {**short, "audience": [], "kept": [], "claims": None, "cut": True}


def _cut(text: str) -> str:
    """Return the beginning of a text, of at most 500 bytes in JSON. A character may take 12 bytes there."""
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
    """Append one line with one write, so that lines of several processes never mix.

    Each write opens the file again. So logrotate can rename it at any time, and need not signal a process.
    """
    flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK
    content = line.encode("ascii")
    try:
        descriptor = _open(path, flags)
        try:
            if posix.fstat(descriptor).st_mode & _KIND != _REGULAR:
                raise LogWriteError(f"{path}: is not a regular file")
            written = posix.write(descriptor, content)
            if written != len(content):
                # The next record needs a line of its own.
                posix.write(descriptor, b"\n")
                raise LogWriteError(f"{path}: accepted only {written} of {len(content)} bytes")
        finally:
            posix.close(descriptor)
    except OSError as error:
        raise LogWriteError(f"{path}: {error.strerror}") from None


def _open(path: str, flags: int) -> int:
    """Open a file. If there is none, create it with write permission for its group, whatever the umask is."""
    try:
        return posix.open(path, flags)
    except FileNotFoundError:
        pass
    # A later chmod would leave a moment in which other processes of the group cannot write.
    mask = posix.umask(0o777 & ~_GROUP_WRITES)
    try:
        # No O_EXCL: another process may create the file, and logrotate may rename it, at the same time.
        return posix.open(path, flags | posix.O_CREAT, _GROUP_WRITES)
    finally:
        posix.umask(mask)
