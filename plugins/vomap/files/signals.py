"""Writes that belong together, and a signal that comes between them."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

from vomap import Error

_DEFERRED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def defer_signals(done: str) -> Iterator[None]:
    """Hold SIGHUP, SIGINT and SIGTERM back until the writes within are over, then deliver them.

    Before it delivers one, standard error shows `done`, or the error that the writes ended with. Only the main thread
    can do this. A handler does it and not a mask, which would leave the signal to another thread.
    """
    came: list[int] = []
    # What is ignored stays so: `nohup` has a process ignore SIGHUP.
    heeded = [number for number in _DEFERRED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda each, _: came.append(each)) for number in heeded}
    try:
        yield
    except Error as error:
        _report(came, str(error))
        raise
    else:
        _report(came, done)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in dict.fromkeys(came):
            # Without a handler of its own, SIGHUP or SIGTERM ends the process here; SIGINT raises KeyboardInterrupt.
            signal.raise_signal(each)


def _report(came: list[int], sentence: str) -> None:
    if came:
        names = " and ".join(signal.Signals(number).name for number in dict.fromkeys(came))
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.write(f"vomap: {names} came, and waited: {sentence}\n")
            sys.stderr.flush()
