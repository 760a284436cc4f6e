"""What bounds a callout from outside its own code: its time, its input and its open descriptors."""

from __future__ import annotations

import _thread
import posix
import time

from vomap.callouts.answer import say
from vomap.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# HTCondor waits for 20 s and has no time-out for plugins; nobody waits longer than this for us.
SECONDS = 4.0
# HTCondor passes tokens of at most 16 kB.
LONGEST_INPUT = 1 << 20


class InputError(Error):
    """The CE did not give what it promises to give."""


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
            piece = posix.read(0, LONGEST_INPUT)
        except OSError as error:
            raise InputError(f"standard input: {error.strerror}") from None
        if not piece:
            return b"".join(pieces)
        size += len(piece)
        if size > LONGEST_INPUT:
            raise InputError(f"standard input holds more than {LONGEST_INPUT} bytes")
        pieces.append(piece)
