"""Read the files of a topology from a checkout, from its folder of VO files, or from a single VO file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vomap import Error
from vomap.mapfile.findings import Finding

FOLDER = "virtual-organizations"
SNAPSHOT = "SNAPSHOT.yaml"
SUFFIX = ".yaml"
# The largest VO file of 2026 has 12 kB, all of them have half a megabyte. These limits bound the time of the YAML
# reader, which would read a file of some megabytes for minutes.
LARGEST_FILE = 1 << 18
LARGEST_TOPOLOGY = 1 << 23
MOST_FILES = 10_000
_LONGEST_QUOTE = 100
_MOST_SHOWN = 100


class TopologyError(Error):
    """A topology from which vomap cannot generate a mapfile. `problems` has every error, at most the first 100."""

    def __init__(self, problems: Sequence[Finding | str]) -> None:
        """Take the errors in the order in which they are shown."""
        super().__init__(problems)
        more = [f"and {len(problems) - _MOST_SHOWN} more"] if len(problems) > _MOST_SHOWN else []
        self.problems = (*(str(problem) for problem in problems[:_MOST_SHOWN]), *more)

    def __str__(self) -> str:
        """Return a single error on one line, several errors as a list."""
        if len(self.problems) == 1:
            return self.problems[0]
        return "\n  ".join([f"{len(self.problems)} errors", *self.problems])


@dataclass(frozen=True)
class TopologyFiles:
    """The YAML files of a folder of VO files: each file's content by its name.

    `snapshot` is the content of SNAPSHOT.yaml, `checkout` the folder that the files come from. A tarball may state its
    commit, and the time of that commit in seconds since 1970.
    """

    contents: Mapping[str, bytes]
    snapshot: bytes | None = None
    checkout: Path | None = None
    archived_commit: str | None = None
    archived_time: int | None = None


def read_folder(source: Path) -> TopologyFiles:
    """Return the files of a topology checkout, or of its folder of VO files. Raises TopologyError."""
    # The parent by name, also of `.` and of a folder that is a link. resolve() would follow the link.
    source = Path(os.path.abspath(source))
    folder = source / FOLDER if (source / FOLDER).is_dir() else source
    try:
        names = sorted(path.name for path in folder.iterdir() if is_yaml(path.name))
        contents = {name: _read(folder / name) for name in names[: MOST_FILES + 1]}
        snapshot = folder.parent / SNAPSHOT
        stated = _read(snapshot) if snapshot.exists() else None
    except OSError as error:
        raise TopologyError([f"{error.filename}: cannot be read: {error.strerror}"]) from error
    check_contents(str(source), contents)
    return TopologyFiles(contents, snapshot=stated, checkout=folder)


def read_file(path: Path) -> TopologyFiles:
    """Return a single VO file as the files of a topology. Raises TopologyError."""
    try:
        contents = {path.name: _read(path)}
    except OSError as error:
        raise TopologyError([f"{path}: cannot be read: {error.strerror}"]) from error
    check_contents(str(path), contents)
    return TopologyFiles(contents)


def is_yaml(name: str) -> bool:
    """Return True for the name of a VO file. Hidden files belong to editors."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def check_contents(source: str, contents: Mapping[str, bytes]) -> None:
    """Refuse a source that has no VO files, or too many or too large ones. Raises TopologyError."""
    if not contents:
        raise TopologyError([f"{source}: no VO files; expected a topology checkout, its {FOLDER}, or a tarball of it"])
    if len(contents) > MOST_FILES:
        raise TopologyError([f"{source}: more than {MOST_FILES} VO files; expected a topology checkout"])
    large = [f"{name}: is larger than {LARGEST_FILE} bytes" for name, c in contents.items() if len(c) > LARGEST_FILE]
    if large:
        raise TopologyError(large)
    if sum(map(len, contents.values())) > LARGEST_TOPOLOGY:
        raise TopologyError([f"{source}: all VO files together are larger than {LARGEST_TOPOLOGY} bytes"])


def digest(contents: Mapping[str, bytes]) -> str:
    """Return what `LC_ALL=C sha256sum *.yaml | sha256sum` prints in a folder of these files."""
    lines = (f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def quoted(text: str) -> str:
    """Return text of others in quotes: printable ASCII, at most 100 characters."""
    shown = ascii(text)
    return shown if len(shown) <= _LONGEST_QUOTE else shown[:_LONGEST_QUOTE] + "..."


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise TopologyError([f"{path}: is not a regular file; expected a VO file"])
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)
