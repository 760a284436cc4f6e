"""Read the files of a topology from a checkout, from its folder of VO files, or from a single VO file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vomap import Error, printable
from vomap.mapfile.findings import Finding

FOLDER = "virtual-organizations"
SNAPSHOT = "SNAPSHOT.yaml"
SUFFIX = ".yaml"
# The largest VO file of 2026 has 12 kB, all of them have half a megabyte. These limits bound the time of the YAML
# reader, which would read a file of some megabytes for minutes.
LARGEST_FILE = 1 << 18
LARGEST_TOPOLOGY = 1 << 23
MOST_FILES = 10_000
NOT_REGULAR = "is not a regular file; expected a VO file"
_LONGEST_QUOTE = 100
_MOST_SHOWN = 100


class TopologyError(Error):
    """A topology from which vomap cannot generate a mapfile. `problems` has every error, at most the first 100."""

    def __init__(self, problems: Sequence[Finding | str]) -> None:
        """Take the errors in the order in which they are shown."""
        super().__init__(problems)
        more = [f"and {len(problems) - _MOST_SHOWN} more"] if len(problems) > _MOST_SHOWN else []
        # The name of a VO file can contain a line break, and would forge a line of the output.
        self.problems = (*(printable(str(problem)) for problem in problems[:_MOST_SHOWN]), *more)

    def __str__(self) -> str:
        """Return a single error on one line, several errors as a list."""
        if len(self.problems) == 1:
            return self.problems[0]
        return "\n  error: ".join([f"{len(self.problems)} errors", *self.problems])


@dataclass(frozen=True)
class TopologyFiles:
    """The YAML files of a folder of VO files: each file's content by its name, at most LARGEST_FILE + 1 bytes of it.

    `unreadable` has the reason for each file that vomap cannot read, such as a link in a tarball. `snapshot` is the
    content of SNAPSHOT.yaml, `checkout` the folder that the files come from. A tarball may state its commit, and the
    time of that commit in seconds since 1970.
    """

    contents: Mapping[str, bytes]
    snapshot: bytes | None = None
    checkout: Path | None = None
    archived_commit: str | None = None
    archived_time: int | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of all files, sorted without case."""
        return sorted([*self.contents, *self.unreadable], key=lambda name: (name.lower(), name))


def read_folder(source: Path) -> TopologyFiles:
    """Return the files of a topology checkout, or of its folder of VO files. Raises TopologyError."""
    # The parent by name, also of `.` and of a folder that is a link. resolve() would follow the link.
    source = Path(os.path.abspath(source))
    folder = source / FOLDER if (source / FOLDER).is_dir() else source
    contents, unreadable = dict[str, bytes](), dict[str, str]()
    try:
        names = sorted(path.name for path in folder.iterdir() if is_yaml(path.name))
        snapshot = folder.parent / SNAPSHOT
        stated = _read(snapshot) if snapshot.exists() else None
    except OSError as error:
        raise TopologyError([f"{error.filename}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise TopologyError([f"{folder.parent / SNAPSHOT}: {error}"]) from None
    if len(names) > MOST_FILES:
        raise _too_many_files(str(source))
    size = 0
    for name in names:
        try:
            contents[name] = _read(folder / name)
        except OSError as error:
            unreadable[name] = f"cannot be read: {error.strerror}"
        except ValueError as error:
            unreadable[name] = str(error)
        size += len(contents.get(name, b""))
        if size > LARGEST_TOPOLOGY:
            raise _too_large(str(source))
    files = TopologyFiles(contents, snapshot=stated, checkout=folder, unreadable=unreadable)
    check_contents(str(source), files)
    return files


def read_file(path: Path) -> TopologyFiles:
    """Return a single VO file as the files of a topology. Raises TopologyError."""
    try:
        files = TopologyFiles({path.name: _read(path)})
    except OSError as error:
        raise TopologyError([f"{path}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise TopologyError([f"{path}: {error}"]) from None
    check_contents(str(path), files)
    return files


def is_yaml(name: str) -> bool:
    """Return True for the name of a VO file. Hidden files belong to editors."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def check_contents(source: str, files: TopologyFiles) -> None:
    """Refuse a source that has no VO files, or too many or too large ones. Raises TopologyError."""
    if not files.names:
        raise TopologyError([f"{source}: no VO files; expected a topology checkout, its {FOLDER}, or a tarball of it"])
    if len(files.names) > MOST_FILES:
        raise _too_many_files(source)
    if sum(map(len, files.contents.values())) > LARGEST_TOPOLOGY:
        raise _too_large(source)


def _too_many_files(source: str) -> TopologyError:
    return TopologyError([f"{source}: more than {MOST_FILES} VO files; expected a topology checkout"])


def _too_large(source: str) -> TopologyError:
    return TopologyError([f"{source}: all VO files together are larger than {LARGEST_TOPOLOGY} bytes"])


def digest(contents: Mapping[str, bytes]) -> str:
    """Return what `LC_ALL=C sha256sum *.yaml | sha256sum` prints in a folder of these files."""
    lines = (f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def quoted(text: str) -> str:
    """Return text of others in quotes: printable ASCII, at most 100 characters."""
    shown = ascii(text)
    return shown if len(shown) <= _LONGEST_QUOTE else shown[:_LONGEST_QUOTE] + "..."


def read_regular(path: Path, largest: int) -> bytes:
    """Return the beginning of a regular file. Raises OSError, and ValueError for anything else, without waiting."""
    # Without O_NONBLOCK an open of a FIFO would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(NOT_REGULAR)
        return file.read(largest)


def _read(path: Path) -> bytes:
    return read_regular(path, LARGEST_FILE + 1)
