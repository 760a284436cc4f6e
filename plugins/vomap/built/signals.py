"""Writes that belong together, and a signal that comes between them."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

from vomap import Error

_HELD = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held_back(done: str) -> Iterator[None]:
    """Hold SIGHUP, SIGINT and SIGTERM back until the writes within are over, then deliver them.

    Before it delivers one, standard error shows `done`, or the error that the writes ended with.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    except Error as error:
        _report(str(error))
        raise
    else:
        _report(done)
    finally:
        # Without a handler of its own, SIGHUP or SIGTERM ends the process here; SIGINT raises KeyboardInterrupt.
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _report(sentence: str) -> None:
    names = [each.name for each in _HELD if each in signal.sigpending() and _is_heeded(each)]
    if names:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.write(f"vomap: {' and '.join(names)} came, and waited: {sentence}\n")
            sys.stderr.flush()


def _is_heeded(number: signal.Signals) -> bool:
    """Return whether a signal does anything to this process: `nohup` has it ignore SIGHUP."""
    return signal.getsignal(number) is not signal.SIG_IGN
