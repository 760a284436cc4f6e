"""vomap decides the local account that a token runs as on a grid Compute Element."""

from __future__ import annotations

import posix

__version__ = "0.1.0"


class Error(Exception):
    """A failure with one message for the administrator or the user. The command ends with `exit_code`."""

    exit_code: int = 3


def require_descriptors() -> None:
    """Raise Error if standard input, output or error is closed: a file opened later would take its number."""
    for descriptor, name in enumerate(("input", "output", "error")):
        try:
            posix.fstat(descriptor)
        except OSError:
            raise Error(f"standard {name} is closed") from None


def printable(text: str) -> str:
    """Return a text in printable ASCII: tokens, mapfiles and file names could contain control codes of a terminal.

    Quotes and backslashes stay as they are: a text may have a command for a shell.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(mark if " " <= mark <= "~" else ascii(mark)[1:-1] for mark in text)
