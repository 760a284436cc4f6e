"""The one base of everything that vomap raises on purpose."""

from __future__ import annotations


class Error(Exception):
    """A failure that is told to a person in one message; `exit_code` is what a command then ends with."""

    exit_code: int = 3
