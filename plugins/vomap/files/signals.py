"""Defer signals, so that no signal ends the process between two writes that belong together."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

from vomap import Error

_DEFERRED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def defer_signals(done: str) -> Iterator[None]:
    """Defer SIGHUP, SIGINT and SIGTERM until the block ends, then deliver them.

    After a signal, standard error shows the sentence `done`, or the error of the block. Only the main thread can use
    this. It sets handlers, because a signal mask would leave the signal to another thread.
    """
    received: list[int] = []
    # Ignored signals stay ignored: `nohup` starts a process that ignores SIGHUP.
    active = [number for number in _DEFERRED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda each, _: received.append(each)) for number in active}
    try:
        yield
    except Error as error:
        _report(received, str(error))
        raise
    else:
        _report(received, done)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in dict.fromkeys(received):
            # By default SIGHUP and SIGTERM end the process here, and SIGINT raises KeyboardInterrupt.
            signal.raise_signal(each)


def _report(received: list[int], sentence: str) -> None:
    if received:
        names = " and ".join(signal.Signals(number).name for number in dict.fromkeys(received))
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.write(f"vomap: {names} arrived during a write: {sentence}\n")
            sys.stderr.flush()
