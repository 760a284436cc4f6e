"""Read mapfiles and files of bans from the files and folders that a command line names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vomap.files.regular import UnreadableFileError, read_regular_file
from vomap.files.trusted import OURS, Custody, judge_file

_SUFFIX = ".yaml"
# Files that editors and package managers leave behind.
_LEFT_BEHIND = ("~", ".rpmnew", ".rpmsave", ".rpmorig")


# In the folder of mapfiles, the link to the mapfile of the OSG that ships.
OSG_LINK = "50-osg.yaml"


@dataclass(frozen=True)
class Mapfile:
    """The text of one mapfile or file of bans, and the users who can have written it.

    Text that does not come from a file counts as written by the builder.
    """

    path: str
    text: str
    custody: Custody = OURS

    @property
    def digest(self) -> str:
        """The sha256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_files(paths: Iterable[str], *, bans: bool = False, builder: int | None = None) -> list[Mapfile]:
    """Read mapfiles, or files of bans: a file as it is, a folder's `*.yaml` in the order of their names.

    A folder of bans must not contain other files: vomap would ignore the bans in them. `builder` is the uid of the user
    who builds (default: the user of this process). It decides the custody of each file.
    Raises UnreadableFileError for what cannot be read, and for a path that is neither a file nor a folder.
    """
    uid = os.geteuid() if builder is None else builder
    return [_read(str(path), uid) for named in paths for path in files_of(Path(named), bans=bans)]


def read_file(path: str) -> Mapfile:
    """Read one mapfile or file of bans. Raises UnreadableFileError for everything else, also for a folder."""
    return _read(path, os.geteuid())


def is_lost_link(path: Path) -> bool:
    """Return True for a link that leads nowhere."""
    return path.is_symlink() and not path.exists()


def skipped_files(paths: Iterable[str]) -> list[str]:
    """Return the files in folders of mapfiles that vomap does not read because they do not end in `.yaml`."""
    folders = [Path(path) for path in paths if Path(path).is_dir()]
    entries = [entry for folder in folders for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    # `vomap refresh` locks a mapfile with a file beside it.
    ignored = (*_LEFT_BEHIND, f"{_SUFFIX}.lock")
    return [str(entry) for entry in entries if entry.suffix != _SUFFIX and not entry.name.endswith(ignored)]


def files_of(path: Path, *, bans: bool = False) -> list[Path]:
    """Return the files of a path, a file or a folder, as `read_files` reads them. Raises UnreadableFileError."""
    try:
        if not path.is_dir():
            return [path]
        entries = sorted(path.iterdir())
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror}") from None
    visible = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in visible if bans else ():
        if entry.suffix != _SUFFIX and not entry.name.endswith(_LEFT_BEHIND):
            raise UnreadableFileError(
                f"{entry}: does not end in {_SUFFIX}, so its bans would not count: rename it, or move it elsewhere"
            )
    return [entry for entry in visible if entry.suffix == _SUFFIX]


def folders_of(files: Iterable[str]) -> list[str]:
    """Return the shortest list of paths that names files in their order: a folder for all of its files."""
    left, paths = list(files), list[str]()
    while left:
        folder = os.path.dirname(left[0])
        try:
            whole = [os.path.join(folder, file.name) for file in files_of(Path(folder))]
        except UnreadableFileError:
            whole = []
        is_whole = bool(whole) and left[: len(whole)] == whole
        paths.append((folder or ".") if is_whole else left[0])
        del left[: len(whole) if is_whole else 1]
    return paths


def _read(path: str, builder: int) -> Mapfile:
    content, resolved = read_regular_file(path)
    try:
        return Mapfile(path, content.decode("utf-8"), judge_file(resolved, builder))
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"{path}: byte {error.start} is not valid UTF-8: save the file as UTF-8") from None
