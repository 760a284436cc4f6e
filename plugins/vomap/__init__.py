"""vomap decides which local account a token runs as on a grid Compute Element."""

from __future__ import annotations

__version__ = "0.1.0"


class Error(Exception):
    """A failure with one message for the administrator; `exit_code` is the exit code of a command that it ends."""

    exit_code: int = 3


def printable(text: str) -> str:
    """Return a text in printable ASCII: tokens, mapfiles and file names could contain control codes of a terminal."""
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]
