"""Exit codes, text that is safe for a terminal, JSON output and progress bars, the same for every verb."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from vomap import printable

if TYPE_CHECKING:
    from vomap.log.reader import LogReader
    from vomap.mapfile.findings import Finding

YES, NO, USAGE, FAILED = 0, 1, 2, 3

# Seconds before a progress bar appears, and between two of its numbers.
_PATIENCE, _EVERY = 1.0, 0.2
# How many steps pass between two looks at the clock.
_STEPS = 1000
# Longer than any text that an administrator compares by eye. A stranger may choose one of a quarter of a megabyte.
_LONGEST_TEXT = 300


def plain(text: str) -> str:
    """Return a text that is safe for a terminal: each line that is not printable ASCII is escaped.

    The authors of published bans and distributed mapfiles write these texts. Without escapes a text could turn its
    letters around, or show other letters than it has.
    """
    return "\n".join(map(printable, text.split("\n")))


def shown(text: str) -> str:
    """Return a text of a stranger for a report: printable, and without the end of a very long one. JSON has all."""
    return printable(text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}...")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 ban, 2 bans."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def left_out(logs: LogReader) -> list[str]:
    """Return sentences on what vomap left out of logs: logs that it cannot read, and lines."""
    faults = list(map(str, logs.unreadable))
    if logs.broken:
        which = "it" if logs.broken == 1 else "the first"
        faults.append(f"left out {counted(logs.broken, 'line')} of the logs; {which} is {logs.first_broken}")
    return faults


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings on standard error, each on one line: the name of a file could contain a line break."""
    for finding in findings:
        print(printable(str(finding)), file=sys.stderr)


def print_copy(path: str, copy: str | None) -> None:
    """Print on standard error that vomap keeps the file that it replaces. Print nothing without a copy."""
    if copy is not None:
        print(plain(f"vomap: {path}: the file before is now {copy}"), file=sys.stderr)


def print_json(output: object) -> None:
    """Print JSON for programs on standard output."""
    print(json.dumps(output, indent=2))


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows the number of steps done so far, on a terminal, after a second and until the end."""
    begun = last = time.monotonic()
    is_shown = False

    def show(number: int) -> None:
        nonlocal last, is_shown
        if number % _STEPS:
            return
        now = time.monotonic()
        if now - begun > _PATIENCE and now - last > _EVERY and sys.stderr.isatty():
            print(f"\r{title}: {number:,}", end="", file=sys.stderr, flush=True)
            last, is_shown = now, True

    try:
        yield show
    finally:
        if is_shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
