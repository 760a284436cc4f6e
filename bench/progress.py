"""Show the progress of a run on a terminal."""

from __future__ import annotations

import sys


def tell(sentence: str) -> None:
    """Write one line to standard error, if a terminal reads it."""
    if sys.stderr.isatty():
        print(sentence, file=sys.stderr, flush=True)
