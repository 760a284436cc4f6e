"""Open files that only root and the user who runs vomap can have written, and refuse all others.

Callouts import this module. It uses `posix` in place of `os`, because an import of `os` takes longer than a decision
where the interpreter starts without `site`.
"""

from __future__ import annotations

import posix

from vomap import Error

# stat(2): mode bits.
_OTHERS_MAY_WRITE = 0o022
_STICKY = 0o1000
_FILE_TYPE, _REGULAR, _LINK, _FOLDER = 0o170000, 0o100000, 0o120000, 0o040000
# The kernel follows at most 40 links of a path (path_resolution(7)).
_MOST_LINKS = 40


class FileError(Error):
    """vomap cannot read or write a file, or does not trust it."""


def open_file(path: str) -> tuple[int, int]:
    """Open a file. Return its descriptor and its size in bytes. Raises FileError."""
    try:
        # Without O_NONBLOCK an open of a FIFO would wait for a writer.
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC)
        return descriptor, posix.fstat(descriptor).st_size
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None


def open_trusted(path: str) -> tuple[int, int]:
    """Open a regular file that only root and this process's user can have written.

    Return its descriptor and its size in bytes. Raises FileError for any other file.
    """
    descriptor, _ = open_file(path)
    try:
        return descriptor, _trusted_size(path, descriptor)
    except OSError as error:
        posix.close(descriptor)
        raise FileError(f"{path}: {error.strerror}") from None
    except FileError:
        posix.close(descriptor)
        raise


def _trusted_size(path: str, descriptor: int) -> int:
    """Return the size of an open file. Raises FileError if other users can have written it, or OSError."""
    status = posix.fstat(descriptor)
    if status.st_mode & _FILE_TYPE != _REGULAR:
        raise FileError(f"{path}: not a regular file")
    if not _is_ours(status) or status.st_mode & _OTHERS_MAY_WRITE:
        raise FileError(f"{path}: other users can write it; expected owner root or uid {posix.geteuid()}, mode 0644")
    _refuse_loose_folders(path)
    return status.st_size


def _refuse_loose_folders(path: str) -> None:
    """Raise FileError if other users can put another file at a path: in one of its folders, or with one of its links.

    This follows each link step by step, as the kernel does, so that it checks every folder in a chain of links.
    Raises OSError for a step that it cannot read.
    """
    steps = (path if path[:1] == "/" else f"{posix.getcwd()}/{path}").split("/")[::-1]
    place = ""
    _refuse_loose(path, "/", posix.stat("/"))
    links = 0
    while steps:
        step = steps.pop()
        if step in ("", "."):
            continue
        if step == "..":
            place = place.rpartition("/")[0]
            continue
        status = posix.lstat(f"{place}/{step}")
        kind = status.st_mode & _FILE_TYPE
        if kind == _FOLDER:
            place = f"{place}/{step}"
            _refuse_loose(path, place, status)
            continue
        if not _is_ours(status):
            raise FileError(f"{path}: other users can replace {place}/{step}")
        if kind == _LINK:
            links += 1
            if links > _MOST_LINKS:
                raise FileError(f"{path}: its links form a circle")
            target = posix.readlink(f"{place}/{step}")
            place = "" if target[:1] == "/" else place
            steps += target.split("/")[::-1]


def _refuse_loose(path: str, folder: str, status: posix.stat_result) -> None:
    loose = status.st_mode & _OTHERS_MAY_WRITE and not status.st_mode & _STICKY
    if loose or not _is_ours(status):
        raise FileError(f"{path}: other users can write the folder {folder}")


def _is_ours(status: posix.stat_result) -> bool:
    return status.st_uid == 0 or status.st_uid == posix.geteuid()
