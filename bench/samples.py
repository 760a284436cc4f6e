"""Repeated measurements of one thing, and the bar for a figure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """The values of the rounds of one run, in one unit. There are at least two rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of all rounds."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """The interquartile range: how far apart the middle half of the rounds lies."""
        lower, _, upper = statistics.quantiles(self.values, n=4, method="inclusive")
        return upper - lower


@dataclass(frozen=True)
class Bar:
    """The limit of a figure, a maximum or a minimum. `goal` is the limit of a later version."""

    limit: float
    unit: str = ""
    goal: float | None = None
    at_least: bool = False

    def text(self) -> str:
        """Return the bar as the report shows it."""
        word = "at least" if self.at_least else "at most"
        goal = "" if self.goal is None else f" (goal {self.goal:g}{self.unit})"
        return f"{word} {self.limit:,g}{self.unit}{goal}"

    def verdict(self, figure: float) -> str:
        """Return whether a figure meets the bar, and the goal where there is one."""
        verdict = _met(self._holds(figure, self.limit))
        return verdict if self.goal is None else f"{verdict} (goal {_met(self._holds(figure, self.goal))})"

    def cells(self, figure: float) -> tuple[str, str]:
        """Return the bar and the verdict, the last two cells of a row."""
        return self.text(), self.verdict(figure)

    def _holds(self, figure: float, limit: float) -> bool:
        return figure >= limit if self.at_least else figure <= limit


NO_BAR = ("", "")


def milliseconds(samples: Samples) -> tuple[str, str]:
    """Return the median and the interquartile range of times in seconds, as two cells."""
    return f"{samples.median * 1e3:.2f} ms", f"{samples.spread * 1e3:.2f} ms"


def _met(holds: bool) -> str:
    return "met" if holds else "not met"
