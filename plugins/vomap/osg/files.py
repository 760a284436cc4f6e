"""The files of a topology: from a checkout, from its folder of VO files, or from a tarball of one."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vomap.osg.problems import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "virtual-organizations"
SNAPSHOT = "SNAPSHOT.yaml"
SUFFIX = ".yaml"
# The largest VO file of 2026 has 12 kB, all together have half a megabyte. What is much larger is something else, and
# would keep the YAML reader busy for minutes.
LARGEST_FILE = 1 << 18
LARGEST_TOPOLOGY = 1 << 23
MOST_FILES = 10_000


@dataclass(frozen=True)
class Files:
    """The YAML files of a folder of VO files, and what says where they come from."""

    contents: Mapping[str, bytes]
    snapshot: bytes | None = None
    checkout: Path | None = None
    archived_commit: str | None = None
    archived_time: int | None = None


def read_folder(source: Path) -> Files:
    """Return the files of a topology checkout, or of its folder of VO files. Raises SourceError."""
    # The parent by name, also of `.`, and of a folder that is a link: resolve() would follow it.
    source = Path(os.path.abspath(source))
    folder = source / FOLDER if (source / FOLDER).is_dir() else source
    try:
        names = sorted(path.name for path in folder.iterdir() if is_yaml(path.name))
        contents = {name: _read(folder / name) for name in names[: MOST_FILES + 1]}
        snapshot = folder.parent / SNAPSHOT
        stated = _read(snapshot) if snapshot.exists() else None
    except OSError as error:
        raise SourceError([f"{error.filename}: cannot be read: {error.strerror}"]) from error
    check_contents(str(source), contents)
    return Files(contents, snapshot=stated, checkout=folder)


def read_file(path: Path) -> Files:
    """Return a single VO file as the files of a topology. Raises SourceError."""
    try:
        contents = {path.name: _read(path)}
    except OSError as error:
        raise SourceError([f"{path}: cannot be read: {error.strerror}"]) from error
    check_contents(str(path), contents)
    return Files(contents)


def is_yaml(name: str) -> bool:
    """Tell whether a file of the folder is one to read; hidden ones are an editor's."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def check_contents(source: str, contents: Mapping[str, bytes]) -> None:
    """Refuse a source that holds no VO files, or too much to be one. Raises SourceError."""
    if not contents:
        raise SourceError([f"{source}: no VO files; expected a topology checkout, its {FOLDER}, or a tarball of it"])
    if len(contents) > MOST_FILES:
        raise SourceError([f"{source}: more than {MOST_FILES} VO files; expected a topology checkout"])
    large = [f"{name}: is larger than {LARGEST_FILE} bytes" for name, c in contents.items() if len(c) > LARGEST_FILE]
    if large:
        raise SourceError(large)
    if sum(map(len, contents.values())) > LARGEST_TOPOLOGY:
        raise SourceError([f"{source}: its VO files are larger than {LARGEST_TOPOLOGY} bytes together"])


def digest(contents: Mapping[str, bytes]) -> str:
    """Return what `LC_ALL=C sha256sum *.yaml | sha256sum` prints in a folder of these files."""
    lines = (f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise SourceError([f"{path}: is no plain file; expected a VO file"])
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)
