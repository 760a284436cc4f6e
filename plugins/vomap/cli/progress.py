"""Progress, on a terminal, of what takes over a second."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

_PATIENCE, _EVERY = 1.0, 0.2
_LOOK_AT = 1000


@contextlib.contextmanager
def shown(what: str) -> Iterator[Callable[[int], None]]:
    """Yield what is to be told, again and again, how far the work has come; it shows that on a terminal alone."""
    begun = last = time.monotonic()
    is_shown = False

    def told(number: int) -> None:
        nonlocal last, is_shown
        if number % _LOOK_AT:
            return
        now = time.monotonic()
        if now - begun > _PATIENCE and now - last > _EVERY and sys.stderr.isatty():
            print(f"\r{what}: {number:,}", end="", file=sys.stderr, flush=True)
            last, is_shown = now, True

    try:
        yield told
    finally:
        if is_shown:
            # The line is blank again for what is told next.
            print("\r\033[K", end="", file=sys.stderr, flush=True)
