"""The checks of `vomap status`: the lines of its report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vomap import Error

GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True)
class StatusLine:
    """The result of one check: a colour, the name of the thing, and what vomap found or the administrator must do."""

    colour: str
    what: str
    text: str

    def as_json(self) -> dict[str, str]:
        """Return the line as an object of `vomap status --json`."""
        return {"colour": self.colour, "what": self.what, "told": self.text}


def run_guarded(what: str, check: Callable[[], Iterable[StatusLine]], again: str) -> Iterator[StatusLine]:
    """Yield the lines of a check, and a red line named `what` if it fails: one failure must not hide other checks.

    `again` is the command that runs all checks.
    """
    try:
        yield from check()
    except Error as error:
        yield StatusLine(RED, what, f"{error}; then run `{again}`")
    except OSError as error:
        # Users other than root cannot read all files of the CE. That is not a fault of the CE.
        colour = YELLOW if isinstance(error, PermissionError) and os.geteuid() else RED
        where = f"{error.filename}: " if error.filename else ""
        yield StatusLine(colour, what, f"this check failed: {where}{error.strerror}; run `{again}` as root")
    except Exception as error:  # noqa: BLE001 - a mistake in vomap is a fault to report like any other
        text = f"this check failed: {type(error).__name__}: {error}; report this with the output of `{again} --json`"
        yield StatusLine(RED, what, text)
