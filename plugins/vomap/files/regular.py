"""Plain files, and nothing else: some lie in folders of users who could put anything there for root to open."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass

from vomap import Error

# A mapfile of a million rules has some 150 MB. What is much larger was not meant, and would fill the memory.
LARGEST_FILE = 1 << 30
_MOST_LINKS = 40
# Without O_NONBLOCK, opening a FIFO would wait for a writer; some devices begin to work when they are opened.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW
# Opens nothing: neither a FIFO nor a device notices, and a folder need not be readable.
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class RegularFileError(Error):
    """What is no plain file, or no file that we follow."""


@dataclass(frozen=True)
class PathStep:
    """A folder, link or file on the way to a file: its path without links, its owner, its mode (stat(2)), its folder.

    Only the root has no folder.
    """

    path: str
    owner: int
    mode: int
    folder: PathStep | None = None


@dataclass(frozen=True)
class ResolvedPath:
    """The folders and links from the root to a file or folder, each once, and that file or folder itself."""

    steps: tuple[PathStep, ...]
    end: PathStep


@dataclass(frozen=True)
class RegularFile:
    """What a file holds, and the way to it; owner and mode are those of the file that was read."""

    content: bytes
    way: ResolvedPath


def read_regular_file(path: str) -> RegularFile:
    """Read a regular file; its name, and the folders before it, may be links of root's or of our own.

    Raises RegularFileError for anything else, and for more than a mapfile can be; OSError for what cannot be opened.
    """
    with _PathWalk() as walk:
        walk.go(path)
        descriptor, end = walk.open()
        with os.fdopen(descriptor, "rb") as file:
            if os.fstat(descriptor).st_size > LARGEST_FILE:
                raise RegularFileError(
                    f"{path}: is larger than {LARGEST_FILE >> 20} MiB: no mapfile, or one to be taken apart"
                )
            return RegularFile(file.read(LARGEST_FILE), ResolvedPath(walk.steps, end))


def resolve_folder(path: str) -> ResolvedPath:
    """Find the way to a folder. Raises RegularFileError for links of others, OSError for what is not there."""
    with _PathWalk() as walk:
        walk.go(path)
        return ResolvedPath(walk.steps, walk.end)


def resolve_new_file(path: str) -> ResolvedPath:
    """Find the way to the folder of a file that may not be there yet, by way of links if there are any.

    Raises RegularFileError for links of others, OSError if a folder is not there.
    """
    with _PathWalk() as walk:
        try:
            walk.go(path)
        except FileNotFoundError:
            if walk.is_on_the_way:
                raise
            return ResolvedPath(walk.steps, walk.end)
        folder = walk.end.folder or walk.end
        return ResolvedPath(tuple(step for step in walk.steps if step != walk.end), folder)


class _PathWalk(contextlib.ExitStack):
    """A walk from the root down, step by step, by descriptors: what is judged is what is opened.

    A path would be followed anew by each call, and could lead elsewhere each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._path = ""
        self._seen: list[PathStep] = []
        # From the root to where we are: the folders, and perhaps a file at the end.
        self._here: list[tuple[int, PathStep]] = []
        self._left: list[str] = []

    @property
    def steps(self) -> tuple[PathStep, ...]:
        """What was met so far, in order, each once."""
        return tuple(dict.fromkeys(self._seen))

    @property
    def end(self) -> PathStep:
        """Where we are."""
        return self._here[-1][1]

    @property
    def is_on_the_way(self) -> bool:
        """Whether there are names to go yet."""
        return bool(self._left)

    def go(self, path: str) -> None:
        """Go where a path leads. Raises RegularFileError or OSError."""
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
                    raise RegularFileError(f"{path}: leads round in circles; name the file itself")
                self._follow()

    def open(self) -> tuple[int, PathStep]:
        """Open the regular file where we are; return its descriptor, and its step as it is now."""
        found = self.end
        self._require_regular(found.mode)
        descriptor = os.open(os.path.basename(found.path), _READ, dir_fd=self._here[-2][0])
        try:
            status = os.fstat(descriptor)
            # It could have been exchanged since we looked.
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
        """Go on where a link leads, from the root or from the link's folder."""
        descriptor, link = self._here.pop()
        # Where root reads, it could lead to what the link's owner must not see.
        if link.owner not in (0, os.geteuid()):
            raise RegularFileError(
                f"{link.path}: is a link of another user's; put the file itself there, or make the link yours"
            )
        target = os.readlink("", dir_fd=descriptor)
        if target.startswith("/"):
            del self._here[1:]
        self._left += _names(target)

    def _require_regular(self, mode: int) -> None:
        if not stat.S_ISREG(mode):
            raise RegularFileError(f"{self._path}: is no regular file; name the file itself")


def _names(path: str) -> list[str]:
    """Return the names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
