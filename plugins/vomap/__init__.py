"""vomap decides which local account a token runs as on a grid Compute Element."""

from __future__ import annotations

__version__ = "0.1.0"


class Error(Exception):
    """A failure that is told to a person in one message; `exit_code` is what a command then ends with."""

    exit_code: int = 3
