"""Read the lines of ARC's configuration in the order in which ARC reads them.

Measured on ARC 7.0.0: ARC joins the blocks of one name from several files, but in one file the last block of a name
replaces those before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from vomap.ces.arc import FRAGMENT_FILE
from vomap.ces.kinds import ArcCe
from vomap.ces.wiring import read_configuration, unspaced

JOBS = "arex/ws/jobs"
# A-REX reads its configuration when it starts.
RESTART = "`systemctl restart arc-arex-ws`"


class ArcLine(NamedTuple):
    """A line of ARC's configuration, without blanks around its first `=`, and its number in the file."""

    file: Path
    number: int
    block: str
    text: str

    @property
    def key(self) -> str:
        """The text before the first `=`."""
        return self.text.partition("=")[0]

    @property
    def words(self) -> list[str]:
        """The words after the first `=`."""
        return self.text.partition("=")[2].split()

    def __str__(self) -> str:
        """Return the line with its place."""
        return f"{self.file}:{self.number}: [{self.block}] {self.text}"


def read_arc_lines(ce: ArcCe) -> list[ArcLine]:
    """Return the lines of all files in the order in which ARC reads them."""
    files = (ce.at(ce.CONFIG), *sorted(ce.at(ce.FRAGMENTS).glob("*.conf")))
    return [line for file in files if file.is_file() for line in _read_file(file)]


def _read_file(file: Path) -> list[ArcLine]:
    """Return the lines of a file. A block that comes again in the same file replaces the first one."""
    blocks: dict[str, list[ArcLine]] = {}
    block = ""
    for number, text in enumerate(map(str.strip, read_configuration(file).splitlines()), start=1):
        if text.startswith("["):
            # ARC ignores blanks after the colon.
            block = re.sub(r":\s*", ":", text.strip("[] \t"), count=1)
            blocks[block] = []
        elif text and not text.startswith("#"):
            blocks.setdefault(block, []).append(ArcLine(file, number, block, unspaced(text)))
    return [line for lines in blocks.values() for line in lines]


def fragment_of(ce: ArcCe) -> Path:
    """Return the file of vomap's mapping rule."""
    return ce.at(f"{ce.FRAGMENTS}/{FRAGMENT_FILE}")


def join_lines(lines: Iterable[ArcLine]) -> str:
    """Return the lines with their places."""
    return ", ".join(map(str, lines))
