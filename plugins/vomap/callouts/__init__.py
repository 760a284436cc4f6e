"""The common parts of the callouts: options, input, time limit, decision, reason and exit code.

HTCondor reads exit code 0 as accepted, 1 as "ask the next plugin", and all other codes as refused
(src/condor_io/condor_auth_ssl.cpp). ARC reads 0 as mapped, 1 as "no mapping", and all other codes as refused
(src/hed/shc/legacy/unixmap.cpp). In an authgroup ARC reads 0 as a member, and all other codes as not a member
(src/hed/shc/legacy/auth_plugin.cpp).
"""

from __future__ import annotations

import _thread
import posix
import time

from vomap import Error, printable, require_descriptors
from vomap.accounts import USERS_FILE, confirm, find_local_user
from vomap.claims import TokenRefused
from vomap.log import DecisionLog, IncompleteRecordError
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED, Decision, failed
from vomap.policy.decide import decide
from vomap.store import POLICY_FILE, bans_beside, read_bans, read_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vomap.claims import Claims
    from vomap.policy.documents import LogDocument
    from vomap.policy.model import Policy

HTCONDOR, ARC_MAP, ARC_AUTHORIZE = "vomap-htcondor", "vomap-arc map", "vomap-arc authorize"
TOKEN = "vomap-token"  # noqa: S105 - its name  # nosec B105

# The `ce` of each callout in schemas/decision-1.schema.json.
_CES = {HTCONDOR: "htcondor", ARC_MAP: "arc", ARC_AUTHORIZE: "arc", TOKEN: "token"}

EXIT_CODES = {
    HTCONDOR: {MAPPED: 0, DECLINED: 1, DENIED: 2, ERROR: 3},
    ARC_MAP: {MAPPED: 0, DECLINED: 2, DENIED: 2, ERROR: 3},
    ARC_AUTHORIZE: {MAPPED: 0, DECLINED: 1, DENIED: 1, ERROR: 1},
    TOKEN: {MAPPED: 0, DECLINED: 1, DENIED: 2, ERROR: 3},
}
# The exit code of every failure.
FAILED = 3
# `vomap-arc map --decline continue`: ARC goes on to its next mapping rule.
DECLINE_CONTINUES = 1
# Decide and log, print nothing, and decline: the next plugin or rule, or the caller, decides.
OBSERVE = "--observe"
# ARC reads every byte as part of the account's name. HTCondor reads the name up to the newline.
_PRINTED = {HTCONDOR: "%s\n", ARC_MAP: "%s", ARC_AUTHORIZE: "", TOKEN: "%s\n"}
# A callout that root starts becomes this user before it reads a token.
USER = "vomap"
_LONGEST_REASON = 1000
# HTCondor waits for 20 s for the client, and sets no time limit for plugins.
SECONDS = 4.0
_TO_PRINT = 0.1
TO_LOG = 0.5
# HTCondor passes tokens of at most 16 kB.
LONGEST_INPUT = 1 << 20
_PIECE = 1 << 16
# The third field of a line. The second field has no blanks. `fusectl`, which is on every machine, is not one of them.
_FUSE_TYPES = (b" fuse ", b" fuse.", b" fuseblk ")


class InputError(Error):
    """The CE did not provide the input that its interface promises."""


class OptionError(Error):
    """The CE configuration has an option that the callout does not know."""


class TimeLimit:
    """A time limit that ends the process with exit code 3, or another code, whatever the process waits for.

    A thread ends the process. After a signal the kernel can restart a system call, and go on waiting.
    """

    def __init__(
        self,
        callout: str,
        seconds: float = SECONDS,
        *,
        failed: int = FAILED,
        leave: Callable[[int], object] = posix._exit,  # noqa: SLF001 - its name, though it is public
    ) -> None:
        """Take the seconds, the exit code when they are over, and the function that ends the process with a code."""
        self._callout, self._leave = callout, leave
        self._end = time.monotonic() + seconds
        self._committed: tuple[int, str, str] = (failed, f"error: no answer after {seconds:g} s", "")

    def start(self) -> TimeLimit:
        """Start the thread, and return this limit. Raises RuntimeError if the system has no thread left."""
        _thread.start_new_thread(self._watch, ())
        return self

    def commit(self, code: int, sentence: str, more: str, seconds: float | None = None) -> None:
        """Set the exit code and the reason for the end of the time: the decision is final. `seconds` may shorten it."""
        self._committed = (code, sentence, more)
        if seconds is not None:
            self._end = time.monotonic() + seconds

    def _watch(self) -> None:
        while (left := self._end - time.monotonic()) > 0:
            time.sleep(min(left, TO_LOG))
        code, sentence, more = self._committed
        try:
            # The reader of standard error can hang, too.
            _thread.start_new_thread(log_line, (self._callout, sentence, more))
            time.sleep(_TO_PRINT)
        finally:
            self._leave(code)


def run_guarded(
    callout: str, answer: Callable[[TimeLimit], int], seconds: float = SECONDS, *, failed: int = FAILED
) -> int:
    """Return the exit code of `answer`, or the code `failed` if it raises Error.

    After `seconds` the process ends with the code `failed`. All other exceptions are passed on.
    """
    try:
        require_descriptors()
        if has_fuse_mount():
            from vomap.callouts.child import run_in_child

            return run_in_child(callout, answer, seconds, failed)
        return answer(TimeLimit(callout, seconds, failed=failed).start())
    except Error as error:
        log_line(callout, f"error: {error}")
        return failed


def has_fuse_mount() -> bool:
    """Return True if a FUSE file system is mounted: reading there can block for ever, and SIGKILL does not help.

    A path can lead to any file system, and a look at the path can block as well. Also return True if the mounts cannot
    be read. Source: proc(5), /proc/PID/mounts.
    """
    try:
        descriptor = posix.open("/proc/self/mounts", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return True
    mounts = read_all(descriptor)
    posix.close(descriptor)
    return b" fuse" in mounts and any(kind in mounts for kind in _FUSE_TYPES)


def read_all(descriptor: int, most: float = float("inf")) -> bytes:
    """Return the bytes of a descriptor up to its end, or until they are more than `most`. Raises OSError."""
    pieces: list[bytes] = []
    while most >= 0 and (piece := posix.read(descriptor, _PIECE)):
        most -= len(piece)
        pieces.append(piece)
    return b"".join(pieces)


def become_user(name: str, file: str = USERS_FILE) -> None:
    """Change from root to a user of a file, if it exists, before the callout reads a token that an attacker wrote.

    Raises NameServiceError if the file does not say whether the user exists.
    """
    user = find_local_user(name, file) if posix.geteuid() == 0 else None
    if user is not None:
        uid, gid = user
        posix.setgroups([])
        posix.setgid(gid)
        posix.setuid(uid)


def read_input() -> bytes:
    """Read standard input to its end. Raises InputError if that fails, or for more than LONGEST_INPUT bytes."""
    try:
        content = read_all(0, LONGEST_INPUT)
    except OSError as error:
        raise InputError(f"standard input: {error.strerror}") from None
    if len(content) > LONGEST_INPUT:
        raise InputError(f"standard input holds more than {LONGEST_INPUT} bytes")
    return content


def read_options(words: Sequence[str], known: Sequence[str], switches: Sequence[str] = ()) -> dict[str, str]:
    """Return the values of `--name VALUE` and `--name=VALUE` by name, "" for a switch. Raises OptionError."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in known and (name not in switches or equals):
            raise OptionError(f"unknown option {name!a}; known are {', '.join((*known, *switches))}")
        if not equals and name in known:
            if not rest:
                raise OptionError(f"{name} needs a value")
            value = rest.pop(0)
        if name in found:
            raise OptionError(f"{name} is given twice")
        found[name] = value
    return found


class TokenDecision:
    """A decision, and what its record needs: the site's document of the log, None for the default, and two values.

    `now` is the time of the decision in seconds since 1970, which a replay uses again. None is the present time.
    `asked` are the names of the claims that bans look at.
    """

    __slots__ = ("asked", "decision", "log", "now")

    def __init__(
        self, decision: Decision, log: LogDocument | None = None, now: int | None = None, asked: Sequence[str] = ()
    ) -> None:
        self.decision, self.log, self.asked = decision, log, asked
        self.now = int(time.time()) if now is None else now


def decide_token(options: dict[str, str], read_token: Callable[[Policy], Claims]) -> TokenDecision:
    """Return the decision for the token that `read_token` reads. A failure becomes the outcome `error`."""
    log, file = None, options.get("--policy", POLICY_FILE)
    try:
        policy, bans = read_policy(file), read_bans(options.get("--bans", bans_beside(file)))
        log = policy.site.log
        claims = read_token(policy)
        now = int(time.time())
        decision = decide(policy, bans, claims, now)
        asked = bans.claims
        # This closes the file of the bans: the name service needs descriptors of its own.
        del bans
        return TokenDecision(confirm(decision, policy.site.accounts), log, now, asked)
    except TokenRefused as error:
        return TokenDecision(Decision(None, None, DENIED, str(error)), log)
    except Error as error:
        return TokenDecision(failed(str(error)), log)


def respond(
    callout: str, made: TokenDecision, limit: TimeLimit, *, decline: int | None = None, observe: bool = False
) -> int:
    """Print the account for the CE, log the decision, write the reason, and return the exit code.

    `decline` replaces the exit code of a declined token. With `observe` every token is declined, whatever the decision.
    """
    decision = made.decision
    if decision.outcome == MAPPED and decision.account is not None and _PRINTED[callout] and not observe:
        try:
            write_account((_PRINTED[callout] % decision.account).encode("ascii"))
        except OSError as error:
            decision.settle(ERROR, f"output: {error.strerror or error}")
    outcome = DECLINED if observe else decision.outcome
    code = decline if outcome == DECLINED and decline is not None else EXIT_CODES[callout][outcome]
    sentence = f"{'observed: ' if observe else ''}{_sentence(decision)}"
    log = DecisionLog(made.log)
    # The log may be on a file system that does not answer.
    limit.commit(code, sentence, "; not logged: the decision log does not answer", TO_LOG if log.may_wait else None)
    log_line(callout, sentence, _write_record(log, callout, made, observe))
    return code


def _write_record(log: DecisionLog, callout: str, made: TokenDecision, observed: bool) -> str:
    """Log a decision. Return the failure as the end of the reason: it does not change the exit code."""
    try:
        log.write(
            made.decision,
            callout=callout,
            ce=_CES[callout],
            now=made.now,
            asked=made.asked,
            observed=observed,
        )
    except IncompleteRecordError as error:
        return f"; logged without its subject: {error}"
    except Exception as error:  # noqa: BLE001 - no failure of the log changes the decision
        return f"; not logged: {error}"
    return ""


def log_line(callout: str, sentence: str, more: str = "") -> None:
    """Write one line of printable ASCII on standard error. Ignore an error: the CE may have closed it.

    A long sentence loses its end, because a token may contain long texts. `more` is never cut by that.
    """
    end = printable(more)[:_LONGEST_REASON]
    line = printable(sentence)[: _LONGEST_REASON - len(end)] + end
    try:
        posix.write(2, f"{callout}: {line}\n".encode("ascii"))
    except OSError:
        pass


def write_account(content: bytes) -> None:
    """Write an account on standard output. Raises OSError, also if only a part was written: it could be another's."""
    if posix.write(1, content) != len(content):
        raise OSError("standard output took only a part of the account's name")


def _sentence(decision: Decision) -> str:
    """Return a decision as one sentence that begins with the outcome."""
    account = f" to {decision.account}" if decision.account else ""
    vo = f" for {decision.vo}" if decision.vo else ""
    source = f" ({decision.source})" if decision.source else ""
    return f"{decision.outcome}{account}{vo}: {decision.reason}{source}"
