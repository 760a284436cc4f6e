"""Read regular files safely: the owners of their folders could put links, FIFOs or devices there for root to open."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from vomap import Error, printable
from vomap.files.shell import join_words

# A mapfile of a million rules has about 150 MB. A much larger file is a mistake, and would fill the memory.
LARGEST_FILE = 1 << 30
# The OSG's mapfile has 40 kB. Root's build reads files of another user, who could make them large to fill the memory.
LARGEST_FOREIGN = 1 << 24
_MOST_LINKS = 40
# Without O_NONBLOCK an open of a FIFO would wait for a writer. Some devices begin to work when they are opened.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW
# O_PATH does not open a FIFO or a device, and works for a folder that is not readable.
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class UnreadableFileError(Error):
    """The administrator named a file or folder that vomap cannot read, or its path has a link of another user."""

    def __str__(self) -> str:
        """Return the message on one line: the name of a file in a folder could contain a line break."""
        return printable(super().__str__())


@dataclass(frozen=True)
class PathStep:
    """A folder, link or file: its path without links, the uid of its owner, its type and permissions (stat(2)).

    `folder` is the folder that it is in, None for `/`.
    """

    path: str
    owner: int
    mode: int
    folder: PathStep | None = None


@dataclass(frozen=True)
class ResolvedPath:
    """The folders and links of a path from `/` to its end, each once, and the file or folder at its end."""

    steps: tuple[PathStep, ...]
    end: PathStep


def read_regular_file(path: str, largest: int = LARGEST_FILE) -> tuple[bytes, ResolvedPath]:
    """Read a regular file. Parts of the path may be links that belong to root or to this process's user.

    Return the content, and the path, whose end has owner and mode of the open file. Raises UnreadableFileError for any
    other file and for a file of more than `largest` bytes. A file or folder of another user has a smaller limit.
    """
    with _walk(path) as walk:
        walk.go()
        with os.fdopen(walk.open(), "rb", closefd=False) as file:
            is_foreign = _is_foreign(walk.resolved.end)
            limit = min(largest, LARGEST_FOREIGN) if is_foreign else largest
            if os.fstat(file.fileno()).st_size > limit:
                why = ", the limit for a file or folder of another user" if is_foreign else ""
                raise UnreadableFileError(f"{path}: is larger than {limit >> 20} MiB{why}; split it into several files")
            return file.read(limit), walk.resolved


def _is_foreign(file: PathStep) -> bool:
    """Return True if a user other than root and the user of this process owns a file, or the folder that it is in."""
    return any(step is not None and step.owner not in (0, os.geteuid()) for step in (file, file.folder))


@contextlib.contextmanager
def open_regular_file(path: str) -> Iterator[IO[bytes]]:
    """Open a regular file of any size for reading, by the rules of `read_regular_file`. Raises UnreadableFileError."""
    with _walk(path) as walk:
        walk.go()
        with os.fdopen(walk.open(), "rb", closefd=False) as file:
            yield file


def resolve_folder(path: str) -> ResolvedPath:
    """Resolve the path of a folder. Raises UnreadableFileError for a link of another user, and if it is missing."""
    with _walk(path) as walk:
        walk.go()
        return walk.resolved


def resolve_new_file(path: str) -> ResolvedPath:
    """Resolve the path of the folder of a file that may be missing. The path may have links.

    Raises UnreadableFileError for a link of another user, and for a missing folder.
    """
    with _walk(path) as walk:
        try:
            walk.go()
        except FileNotFoundError:
            if walk.left:
                raise
            return walk.resolved
        found = walk.resolved
        return ResolvedPath(tuple(step for step in found.steps if step != found.end), found.end.folder or found.end)


@contextlib.contextmanager
def _walk(path: str) -> Iterator[_PathWalk]:
    """Yield a walk along a path. Errors of the system become UnreadableFileError."""
    try:
        with _PathWalk(path) as walk:
            yield walk
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror}") from None


class _PathWalk(contextlib.ExitStack):
    """A walk along a path from `/`, step by step, with descriptors.

    The file that is checked is the file that is opened. Each call with a path would resolve the path again, and an
    attacker could exchange a link in between.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._seen: list[PathStep] = []
        # The folders from `/` to the present step, and perhaps a file at the end.
        self._here: list[tuple[int, PathStep]] = []
        # The names that the walk has not reached, the last one first.
        self.left: list[str] = []

    @property
    def resolved(self) -> ResolvedPath:
        """The path so far."""
        return ResolvedPath(tuple(dict.fromkeys(self._seen)), self._here[-1][1])

    def go(self) -> None:
        """Go to the end of the path. Raises UnreadableFileError or OSError."""
        path = self._path
        self.left = _names(path if path.startswith("/") else os.path.join(os.getcwd(), path))
        self._enter("/", None)
        links = 0
        while self.left:
            name = self.left.pop()
            if name == "..":
                self._here = self._here[:-1] or self._here
                continue
            self._enter(name, self._here[-1])
            if stat.S_ISLNK(self._here[-1][1].mode):
                links += 1
                if links > _MOST_LINKS:
                    raise UnreadableFileError(f"{path}: its links form a circle; name the file itself")
                self._follow()

    def open(self) -> int:
        """Open the regular file at the end, and return its descriptor. Its step gets the open file's owner and mode."""
        opened, found = self._here[-1]
        self._require_regular(found.mode)
        descriptor = os.open(os.path.basename(found.path), _READ, dir_fd=self._here[-2][0])
        self.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        # The file could have been exchanged after the check above.
        self._require_regular(status.st_mode)
        end = PathStep(found.path, status.st_uid, status.st_mode, found.folder)
        self._seen = [end if step == found else step for step in self._seen]
        self._here[-1] = (opened, end)
        return descriptor

    def _enter(self, name: str, folder: tuple[int, PathStep] | None) -> None:
        descriptor = os.open(name, _LOOK, dir_fd=None if folder is None else folder[0])
        self.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        path = name if folder is None else os.path.join(folder[1].path, name)
        step = PathStep(path, status.st_uid, status.st_mode, None if folder is None else folder[1])
        self._here.append((descriptor, step))
        self._seen.append(step)

    def _follow(self) -> None:
        """Go on to the target of the present link, from `/` or from its folder."""
        descriptor, link = self._here.pop()
        # A link of another user could lead root to a file that this user must not read.
        if link.owner not in (0, os.geteuid()):
            raise UnreadableFileError(
                f"{link.path}: is a link of another user; replace it by the file itself. If you trust its target: "
                f"`chown -h {os.geteuid()} {join_words([link.path])}`"
            )
        target = os.readlink("", dir_fd=descriptor)
        if target.startswith("/"):
            del self._here[1:]
        self.left += _names(target)

    def _require_regular(self, mode: int) -> None:
        if not stat.S_ISREG(mode):
            raise UnreadableFileError(f"{self._path}: is not a regular file; name the file itself")


def _names(path: str) -> list[str]:
    """Return the names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
