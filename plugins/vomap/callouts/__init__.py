"""What the callouts have in common, from their words to their answer: an account, a reason and an exit code.

HTCondor reads exit code 0 as accepted, 1 as "ask the next plugin" and all else as refused
(src/condor_io/condor_auth_ssl.cpp); ARC reads 0 as mapped, 1 as "no mapping", and all else as refused
(src/hed/shc/legacy/unixmap.cpp). In an authgroup ARC reads 0 as a member and all else as none
(src/hed/shc/legacy/auth_plugin.cpp).
"""

from __future__ import annotations

import _thread
import posix
import time

from vomap import Error, printable
from vomap.accounts import confirm, find_entry
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

# Which of a decision's CEs each is for, as in its schema.
_CES = {HTCONDOR: "htcondor", ARC_MAP: "arc", ARC_AUTHORIZE: "arc", TOKEN: "token"}

EXIT_CODES = {
    HTCONDOR: {MAPPED: 0, DECLINED: 1, DENIED: 2, ERROR: 3},
    ARC_MAP: {MAPPED: 0, DECLINED: 2, DENIED: 2, ERROR: 3},
    ARC_AUTHORIZE: {MAPPED: 0, DECLINED: 1, DENIED: 1, ERROR: 1},
    TOKEN: {MAPPED: 0, DECLINED: 1, DENIED: 2, ERROR: 3},
}
# Of whatever went wrong.
FAILED = 3
# `vomap-arc map --decline continue`: rules that follow in ARC's own list may map the token.
DECLINE_CONTINUES = 1
# One byte more than the account's name, and ARC finds no such account; HTCondor ends the name at the newline.
_PRINTED = {HTCONDOR: "%s\n", ARC_MAP: "%s", ARC_AUTHORIZE: "", TOKEN: "%s\n"}
# As whom a callout that root starts looks at what a token brought.
USER = "vomap"
_LONGEST_REASON = 1000
# HTCondor waits for 20 s and has no time-out for plugins; nobody waits longer than this for us.
SECONDS = 4.0
_TO_SAY_SO = 0.1
TO_LOG = 0.5
# HTCondor passes tokens of at most 16 kB.
LONGEST_INPUT = 1 << 20
_AT_ONCE = 1 << 16
# The third field of a line, of which the second has no blanks; `fusectl`, which is everywhere, is none of them.
_IN_USER_SPACE = (b" fuse ", b" fuse.", b" fuseblk ")


class InputError(Error):
    """The CE did not give what it promises to give."""


class OptionError(Error):
    """A callout was configured with words that it does not know."""


class TimeLimit:
    """Ends the process when its time is over, with exit 3 or another code, whatever it is waiting for then.

    A thread does, not a signal: a system call that is restarted would swallow the signal.
    """

    def __init__(
        self,
        callout: str,
        seconds: float = SECONDS,
        *,
        failed: int = FAILED,
        leave: Callable[[int], object] = posix._exit,  # noqa: SLF001 - its name, though it is public
    ) -> None:
        """Take how many seconds there are, the exit code for when they are over, and what ends the process with it."""
        self._callout, self._leave = callout, leave
        self._end = time.monotonic() + seconds
        self._told: tuple[int, str, str] = (failed, f"error: no answer after {seconds:g} s", "")

    def start(self) -> TimeLimit:
        """Begin to watch, and return this limit. Raises RuntimeError if there can be no thread."""
        _thread.start_new_thread(self._watch, ())
        return self

    def stand(self, code: int, sentence: str, more: str, seconds: float | None = None) -> None:
        """Take what was answered: it stands now, whatever happens, and this is said; perhaps after fewer seconds."""
        self._told = (code, sentence, more)
        if seconds is not None:
            self._end = time.monotonic() + seconds

    def _watch(self) -> None:
        while (left := self._end - time.monotonic()) > 0:
            time.sleep(min(left, TO_LOG))
        code, sentence, more = self._told
        try:
            # Whoever reads standard error may be what hangs.
            _thread.start_new_thread(say, (self._callout, sentence, more))
            time.sleep(_TO_SAY_SO)
        finally:
            self._leave(code)


def answered(
    callout: str, answer: Callable[[TimeLimit], int], seconds: float = SECONDS, *, failed: int = FAILED
) -> int:
    """Return the exit code that `answer` returns, or exit 3, or another code, if it fails.

    After so many seconds the process ends with the code of a failure. Raises what is no failure of vomap's own words.
    """
    try:
        require_descriptors()
        if may_be_held():
            from vomap.callouts.child import answered_aside

            return answered_aside(callout, answer, seconds, failed)
        return answer(TimeLimit(callout, seconds, failed=failed).start())
    except Error as error:
        say(callout, f"error: {error}")
        return failed


def may_be_held() -> bool:
    """Tell whether the kernel might not let go of who waits for a file, when its time is over.

    That is so where any file system is one in user space (FUSE): which of them a path leads to cannot be found out
    without waiting. Where this cannot be told, it may be so. The lines are those of proc(5), /proc/PID/mounts.
    """
    try:
        descriptor = posix.open("/proc/self/mounts", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return True
    mounts = b""
    while piece := posix.read(descriptor, _AT_ONCE):
        mounts += piece
    posix.close(descriptor)
    return b" fuse" in mounts and any(kind in mounts for kind in _IN_USER_SPACE)


def become_user(name: str) -> None:
    """Leave root behind, for a user that is there, before looking at anything that the token brought."""
    if posix.geteuid() != 0:
        return
    user = find_entry(name)
    if user is None:
        return
    posix.setgroups([])
    posix.setgid(user.pw_gid)
    posix.setuid(user.pw_uid)


def require_descriptors() -> None:
    """Refuse to work with a closed standard input, output or error: a file opened later would take its place.

    Raises InputError.
    """
    for descriptor, name in enumerate(("input", "output", "error")):
        try:
            posix.fstat(descriptor)
        except OSError:
            raise InputError(f"standard {name} is closed") from None


def read_input() -> bytes:
    """Read standard input to its end. Raises InputError if that fails, or if there is more than any token holds."""
    pieces: list[bytes] = []
    size = 0
    while True:
        try:
            piece = posix.read(0, _AT_ONCE)
        except OSError as error:
            raise InputError(f"standard input: {error.strerror}") from None
        if not piece:
            return b"".join(pieces)
        size += len(piece)
        if size > LONGEST_INPUT:
            raise InputError(f"standard input holds more than {LONGEST_INPUT} bytes")
        pieces.append(piece)


def read_options(words: Sequence[str], known: Sequence[str], switches: Sequence[str] = ()) -> dict[str, str]:
    """Return the options, `--name VALUE` or `--name=VALUE`, by their names; a switch has no value, and is empty.

    Raises OptionError for anything else.
    """
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


def built_files(options: dict[str, str]) -> tuple[str, str]:
    """Return the paths of the built policy and the built bans."""
    policy = options.get("--policy", POLICY_FILE)
    return policy, options.get("--bans", bans_beside(policy))


class Answer:
    """A decision, and how the site wants it logged.

    `log` is the site's own document of the log, None without one; `now` the second for which the decision was made,
    which a replay asks for again; `asked` the names of the claims that bans look at.
    """

    __slots__ = ("asked", "decision", "log", "now")

    def __init__(
        self,
        decision: Decision,
        log: LogDocument | None = None,
        now: int | None = None,
        asked: Sequence[str] = (),
    ) -> None:
        self.decision, self.log, self.asked = decision, log, asked
        self.now = int(time.time()) if now is None else now


def decided(policy_file: str, bans_file: str, read_token: Callable[[Policy], Claims]) -> Answer:
    """Return the decision for the token that `read_token` reads; what fails becomes an error, never a mapping."""
    log = None
    try:
        policy, bans = read_policy(policy_file), read_bans(bans_file)
        log = policy.site.log
        claims = read_token(policy)
        now = int(time.time())
        decision = decide(policy, bans, claims, now)
        asked = bans.claims
        # Their file is closed before accounts are looked up, which takes descriptors of its own.
        del bans
        return Answer(confirm(decision, policy.site.accounts), log, now, asked)
    except TokenRefused as error:
        return Answer(Decision(None, None).settle(DENIED, str(error)), log)
    except Error as error:
        return Answer(failed(str(error)), log)


def give(callout: str, answer: Answer, limit: TimeLimit, *, decline: int | None = None, observe: bool = False) -> int:
    """Print the answer to a CE, log it, say why, and return the exit code.

    `decline` is the code of a declined token if it is another. With `observe` the CE is told nothing but to ask on.
    """
    decision = answer.decision
    if decision.outcome == MAPPED and decision.account is not None and _PRINTED[callout] and not observe:
        try:
            _print(_PRINTED[callout] % decision.account)
        except OSError as error:
            decision.settle(ERROR, f"output: {error.strerror or error}")
    outcome = DECLINED if observe else decision.outcome
    code = decline if outcome == DECLINED and decline is not None else EXIT_CODES[callout][outcome]
    sentence = f"{'observed: ' if observe else ''}{_sentence(decision)}"
    log = DecisionLog(answer.log)
    # A file may lie where nobody answers.
    limit.stand(code, sentence, "; not logged: the decision log does not answer", TO_LOG if log.may_wait else None)
    say(callout, sentence, _logged(log, callout, answer, observe))
    return code


def _logged(log: DecisionLog, callout: str, answer: Answer, observed: bool) -> str:
    """Log a decision and return what went wrong, to be said: it changes no answer."""
    try:
        log.write(
            answer.decision,
            callout=callout,
            ce=_CES[callout],
            now=answer.now,
            asked=answer.asked,
            observed=observed,
        )
    except IncompleteRecordError as error:
        return f"; logged without its subject: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer stands
        return f"; not logged: {error}"
    return ""


def say(callout: str, sentence: str, more: str = "") -> None:
    """Say why on standard error, on one line of plain characters; a CE that does not listen changes nothing.

    A sentence that is too long loses its end, for a token may have made it so; `more` is said in any case.
    """
    end = printable(more)[:_LONGEST_REASON]
    line = printable(sentence)[: _LONGEST_REASON - len(end)] + end
    try:
        posix.write(2, f"{callout}: {line}\n".encode("ascii"))
    except OSError:
        pass


def _print(text: str) -> None:
    content = text.encode("ascii")
    if posix.write(1, content) != len(content):
        raise OSError("standard output took only a part of the account's name")


def _sentence(decision: Decision) -> str:
    """Write a decision as one sentence, the outcome first."""
    told = [f"{decision.outcome}"]
    if decision.account:
        told.append(f" to {decision.account}")
    if decision.vo:
        told.append(f" for {decision.vo}")
    told.append(f": {decision.reason}")
    if decision.source:
        told.append(f" ({decision.source})")
    return "".join(told)
