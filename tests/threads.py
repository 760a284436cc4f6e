"""Threads that help a test. Each ends before the test closes what the thread uses, and before the next test begins.

The number of a closed descriptor belongs to the next file that is opened. A thread that still writes to that number
writes into a file of another test.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PATIENCE = 30.0


def end(*threads: threading.Thread, seconds: float = PATIENCE) -> None:
    """Wait until all threads have ended. Raises AssertionError if one still runs after so many seconds."""
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    running = [thread.name for thread in threads if thread.is_alive()]
    assert not running, f"threads that still run after {seconds:g} s: {', '.join(running)}"


@contextmanager
def helping(*threads: threading.Thread) -> Iterator[None]:
    """Start threads, and leave the block only when all have ended. Raises AssertionError if one does not end."""
    started = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
        yield
    finally:
        end(*started)


@contextmanager
def pipe_from(write: Callable[[int], None] | None, seconds: float = PATIENCE) -> Iterator[int]:
    """Yield the reading end of a pipe, to which `write` writes in a thread of its own. None writes nothing.

    At the end, this closes the reading end first: the writer gets EPIPE, and ends. Then it closes the writing end. If
    the writer goes on, this raises AssertionError and leaves the writing end open: no other file may get its number.
    """
    reading, writing = os.pipe()
    writer = threading.Thread(target=_until_no_reader, args=(write, writing), daemon=True)
    try:
        if write is not None:
            writer.start()
        yield reading
    finally:
        os.close(reading)
        if write is not None:
            end(writer, seconds=seconds)
        os.close(writing)


def _until_no_reader(write: Callable[[int], None], writing: int) -> None:
    # No other error ends it in silence: EBADF would mean that the descriptor was closed too early.
    with suppress(BrokenPipeError):
        write(writing)
