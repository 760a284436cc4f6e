"""Read regular files safely: the owners of their folders could put links, FIFOs or devices there for root to open."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from dataclasses import dataclass

from vomap import Error

# A mapfile of a million rules has about 150 MB. A much larger file is a mistake, and would fill the memory.
LARGEST_FILE = 1 << 30
_MOST_LINKS = 40
# Without O_NONBLOCK an open of a FIFO would wait for a writer. Some devices begin to work when they are opened.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW
# O_PATH does not open a FIFO or a device, and works for a folder that is not readable.
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class RegularFileError(Error):
    """A path does not lead to a regular file, or has a link of another user."""


@dataclass(frozen=True)
class PathStep:
    """A folder, link or file on a path.

    Args:
        path: its path without links.
        owner: the uid of its owner.
        mode: its type and permissions (stat(2)).
        folder: the folder that it is in, None for `/`.

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


@dataclass(frozen=True)
class RegularFile:
    """The content of a file, and its path. Owner and mode of the end are those of the open file."""

    content: bytes
    resolved: ResolvedPath


def read_regular_file(path: str) -> RegularFile:
    """Read a regular file. Parts of the path may be links that belong to root or to this process's user.

    Raises RegularFileError for any other file and for a file larger than LARGEST_FILE, OSError if the open fails.
    """
    with _PathWalk() as walk:
        walk.go(path)
        descriptor, end = walk.open()
        with os.fdopen(descriptor, "rb") as file:
            if os.fstat(descriptor).st_size > LARGEST_FILE:
                raise RegularFileError(
                    f"{path}: is larger than {LARGEST_FILE >> 20} MiB; split it into several mapfiles"
                )
            return RegularFile(file.read(LARGEST_FILE), ResolvedPath(walk.steps, end))


def resolve_folder(path: str) -> ResolvedPath:
    """Resolve the path of a folder. Raises RegularFileError for a link of another user, OSError if it is missing."""
    with _PathWalk() as walk:
        walk.go(path)
        return ResolvedPath(walk.steps, walk.end)


def resolve_new_file(path: str) -> ResolvedPath:
    """Resolve the path of the folder of a file that may be missing. The path may have links.

    Raises RegularFileError for a link of another user, OSError for a missing folder.
    """
    with _PathWalk() as walk:
        try:
            walk.go(path)
        except FileNotFoundError:
            if walk.has_more:
                raise
            return ResolvedPath(walk.steps, walk.end)
        folder = walk.end.folder or walk.end
        return ResolvedPath(tuple(step for step in walk.steps if step != walk.end), folder)


class _PathWalk(contextlib.ExitStack):
    """A walk along a path from `/`, step by step, with descriptors.

    The file that is checked is the file that is opened. Each call with a path would resolve the path again, and an
    attacker could exchange a link in between.
    """

    def __init__(self) -> None:
        super().__init__()
        self._path = ""
        self._seen: list[PathStep] = []
        # The folders from `/` to the present step, and perhaps a file at the end.
        self._here: list[tuple[int, PathStep]] = []
        self._left: list[str] = []

    @property
    def steps(self) -> tuple[PathStep, ...]:
        """The steps so far, in their order, each once."""
        return tuple(dict.fromkeys(self._seen))

    @property
    def end(self) -> PathStep:
        """The present step."""
        return self._here[-1][1]

    @property
    def has_more(self) -> bool:
        """True if the path has more names."""
        return bool(self._left)

    def go(self, path: str) -> None:
        """Go to the end of a path. Raises RegularFileError or OSError."""
        self._path = path
        self._left = _names(path if path.startswith("/") else os.path.join(os.getcwd(), path))
        self._enter("/", None)
        links = 0
        while self._left:
            name = self._left.pop()
            if name == "..":
                self._here = self._here[:-1] or self._here
                continue
            self._enter(name, self._here[-1])
            if stat.S_ISLNK(self.end.mode):
                links += 1
                if links > _MOST_LINKS:
                    raise RegularFileError(f"{path}: its links form a circle; name the file itself")
                self._follow()

    def open(self) -> tuple[int, PathStep]:
        """Open the regular file at the present step. Return its descriptor, and its step with owner and mode."""
        found = self.end
        self._require_regular(found.mode)
        descriptor = os.open(os.path.basename(found.path), _READ, dir_fd=self._here[-2][0])
        try:
            status = os.fstat(descriptor)
            # The file could have been exchanged after the check above.
            self._require_regular(status.st_mode)
        except BaseException:
            os.close(descriptor)
            raise
        end = PathStep(found.path, status.st_uid, status.st_mode, found.folder)
        self._seen = [end if step == found else step for step in self._seen]
        return descriptor, end

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
            raise RegularFileError(
                f"{link.path}: is a link of another user; replace it by the file itself. If you trust its target: "
                f"chown -h {os.geteuid()} {shlex.quote(link.path)}"
            )
        target = os.readlink("", dir_fd=descriptor)
        if target.startswith("/"):
            del self._here[1:]
        self._left += _names(target)

    def _require_regular(self, mode: int) -> None:
        if not stat.S_ISREG(mode):
            raise RegularFileError(f"{self._path}: is not a regular file; name the file itself")


def _names(path: str) -> list[str]:
    """Return the names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
