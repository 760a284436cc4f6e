"""Read the lines of ARC's configuration in the order in which ARC reads them."""

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
    found = []
    for file in (ce.at(ce.CONFIG), *sorted(ce.at(ce.FRAGMENTS).glob("*.conf"))):
        block = ""
        lines = read_configuration(file).splitlines() if file.is_file() else []
        for number, text in enumerate(map(str.strip, lines), start=1):
            if text.startswith("["):
                # ARC ignores blanks after the colon.
                block = re.sub(r":\s*", ":", text.strip("[] \t"), count=1)
            elif text and not text.startswith("#"):
                found.append(ArcLine(file, number, block, unspaced(text)))
    return found


def fragment_of(ce: ArcCe) -> Path:
    """Return the file of vomap's mapping rule."""
    return ce.at(f"{ce.FRAGMENTS}/{FRAGMENT_FILE}")


def join_lines(lines: Iterable[ArcLine]) -> str:
    """Return the lines with their places."""
    return ", ".join(map(str, lines))
