"""One line of `vomap status`."""

from __future__ import annotations

from dataclasses import dataclass

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
