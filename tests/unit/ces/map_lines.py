"""How HTCondor reads a line of a map file (MapFile.cpp): three fields, the second perhaps an expression."""

from __future__ import annotations

import re
from typing import NamedTuple


class MapLine(NamedTuple):
    """One line: the method, the expression as it is compiled, and what a match is mapped to."""

    method: str
    expression: str
    mapped: str

    def matches(self, issuer: str, subject: str) -> bool:
        """Return True if this line maps a token. For these expressions, `re` matches as PCRE does."""
        return re.search(self.expression, f"{issuer},{subject}") is not None


def read_map_line(line: str) -> MapLine:
    """Read a line whose second field is between slashes. A backslash escapes a slash and itself there."""
    fields = re.fullmatch(r"(\S+) /((?:\\.|[^\\/])*)/ (\S+)\n", line)
    assert fields is not None, line
    return MapLine(fields[1], re.sub(r"\\([\\/])", r"\1", fields[2]), fields[3])


def read_map_file(text: str) -> list[MapLine]:
    """Read all lines but comments."""
    return [read_map_line(line) for line in text.splitlines(keepends=True) if not line.startswith("#")]
