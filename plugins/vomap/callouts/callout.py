"""What every callout does before it answers: bound itself, take its words, read, decide and confirm.

It takes a handful of words, for which argparse would cost more than the answer.
"""

from __future__ import annotations

import _thread
import posix
import time

from vomap import Error
from vomap.accounts.names import confirm
from vomap.built.store import POLICY_FILE, bans_beside, read_bans, read_policy
from vomap.callouts.answer import say
from vomap.claims.claims import TokenRefused
from vomap.policy.decide import decide
from vomap.policy.decision import DENIED, Decision, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from vomap.claims.claims import Claims

# HTCondor waits for 20 s and has no time-out for plugins; nobody waits longer than this for us.
SECONDS = 4.0
# HTCondor passes tokens of at most 16 kB.
LONGEST_INPUT = 1 << 20
_AT_ONCE = 1 << 16


class InputError(Error):
    """The CE did not give what it promises to give."""


class OptionError(Error):
    """A callout was configured with words that it does not know."""


def bound_time(callout: str, seconds: float = SECONDS) -> None:
    """End the process with exit 3 after so many seconds, whatever it is waiting for then.

    A thread, not a signal: a system call that is restarted would swallow the signal.
    """

    def watch() -> NoReturn:
        time.sleep(seconds)
        try:
            say(callout, f"error: no answer after {seconds:g} s")
        finally:
            posix._exit(3)  # noqa: SLF001 - its name, though it is public

    _thread.start_new_thread(watch, ())


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


def read_options(words: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Return the options, `--name VALUE` or `--name=VALUE`, by their names. Raises OptionError for anything else."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in known:
            raise OptionError(f"unknown option {name!a}; known are {', '.join(known)}")
        if not equals:
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


def decided(policy_file: str, bans_file: str, read_token: Callable[[], Claims]) -> Decision:
    """Return the decision for the token that `read_token` reads; what fails becomes an error, never a mapping."""
    try:
        policy, bans = read_policy(policy_file), read_bans(bans_file)
        decision = decide(policy, bans, read_token(), time.time())
        return confirm(decision, policy.site.accounts)
    except TokenRefused as error:
        return Decision(None, None).settle(DENIED, str(error))
    except Error as error:
        return failed(str(error))
