"""What is wrong with a source, told all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap import Error

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_QUOTE = 100
_MOST_TOLD = 100


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong: where, under which key, and what would be right."""

    file: str
    line: int
    column: int
    key: str
    text: str

    def __str__(self) -> str:
        """Write `file:line:column: key: text`, without what is not known."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.text) if part)


class SourceError(Error):
    """A source from which no mapfile can be made; holds every problem found, of very many the first."""

    def __init__(self, problems: Sequence[Problem | str]) -> None:
        """Take the problems in the order in which they are to be told."""
        super().__init__(problems)
        more = [f"and {len(problems) - _MOST_TOLD} more"] if len(problems) > _MOST_TOLD else []
        self.problems = (*(str(problem) for problem in problems[:_MOST_TOLD]), *more)

    def __str__(self) -> str:
        """Write one problem on the line, several as a list."""
        if len(self.problems) == 1:
            return self.problems[0]
        return "\n  ".join([f"{len(self.problems)} errors", *self.problems])


def quoted(text: str) -> str:
    """Quote text that others wrote: printable ASCII, and not longer than a line."""
    shown = ascii(text)
    return shown if len(shown) <= _LONGEST_QUOTE else shown[:_LONGEST_QUOTE] + "..."
