"""The arguments and the results of the modules that measure.

Each has `measure(work, settings)`: `work` is a folder of the run that they share. The module of real CEs is
`real_ces`, for `ces` is a module of tests/, which the others import.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How one run measures: the interpreter, the rounds, the size of the big policy, and whether it is for CI."""

    python: str
    rounds: int = 200
    big: int = 1_000_000
    quick: bool = False


@dataclass(frozen=True)
class Table:
    """One table of the report, with the text before it."""

    title: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table as a section of Markdown: heading, text and rows, with a newline at the end."""
        lines = [f"## {self.title}", ""]
        if self.text:
            lines += [self.text, ""]
        lines += [_line(self.columns), _line(("---",) * len(self.columns))]
        lines += [_line(row) for row in self.rows]
        return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
