"""Read the order of the rooms: a room imports only from rooms above it in the table of docs/design/architecture.md."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path("docs", "design", "architecture.md")


def read_rooms(checkout: Path) -> tuple[str, ...]:
    """Return the rooms of the table, from top to bottom. Raises OSError if the page is missing."""
    _, _, section = (checkout / PAGE).read_text("utf-8").partition("\n## The rooms\n")
    return tuple(re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE))
