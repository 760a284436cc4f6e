"""Limit the work of an analysis: what does not fit into the budget is left out and reported."""

from __future__ import annotations

# The work of one decision, and of each rule that it tries. One unit is one or two microseconds.
DECISION, TRIED = 30, 3


class Budget:
    """The work that may still be done, in units. Without a limit, all of it."""

    def __init__(self, most: int | None) -> None:
        self._left = most

    def take(self, units: int = 1) -> bool:
        """Count work, and return False if there was not enough left for it."""
        if self._left is not None:
            self._left -= units
        return not self.is_spent

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return self._left is not None

    @property
    def is_spent(self) -> bool:
        """Whether work was asked for that did not fit."""
        return self._left is not None and self._left < 0
