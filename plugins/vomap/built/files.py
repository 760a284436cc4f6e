"""Files that a decision rests on: read only if nobody else can have written them.

`posix` stands for `os` here, which costs more than the answer where the interpreter starts without site.
"""

from __future__ import annotations

import posix

from vomap import Error

_OTHERS_MAY_WRITE = 0o022
_STICKY = 0o1000
_FILE_TYPE, _REGULAR, _LINK = 0o170000, 0o100000, 0o120000


class FileError(Error):
    """A file that cannot be written or read, or that cannot be trusted."""


def open_trusted(path: str) -> tuple[int, int]:
    """Open a regular file that only root and we ourselves can have written; return its descriptor and its size.

    Raises FileError otherwise.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    try:
        return descriptor, _trusted_size(path, descriptor)
    except OSError as error:
        posix.close(descriptor)
        raise FileError(f"{path}: {error.strerror}") from None
    except FileError:
        posix.close(descriptor)
        raise


def read_trusted(path: str) -> bytes:
    """Return the content of a regular file that only root and we ourselves can have written.

    Raises FileError otherwise.
    """
    descriptor, size = open_trusted(path)
    try:
        return _read_all(descriptor, size)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    finally:
        posix.close(descriptor)


def _trusted_size(path: str, descriptor: int) -> int:
    """Return the size of an open file. Raises FileError if others can have written it, OSError if it cannot be seen."""
    status = posix.fstat(descriptor)
    if status.st_mode & _FILE_TYPE != _REGULAR:
        raise FileError(f"{path}: not a regular file")
    if not _is_ours(status) or status.st_mode & _OTHERS_MAY_WRITE:
        raise FileError(f"{path}: others can write it; it must belong to root or to us, mode 0644")
    _refuse_loose_folders(path)
    return status.st_size


def _refuse_loose_folders(path: str) -> None:
    """Refuse a folder that others can write: they could put another file there, unless the folder is sticky."""
    if _is_plain(path) and not _refuse_loose_way(path, path):
        return
    import os

    way = os.path.abspath(path)
    _refuse_loose_way(path, way)
    real = os.path.realpath(path)
    if real != way:
        _refuse_loose_way(path, real)


def _is_plain(path: str) -> bool:
    """Tell whether a path begins at the root and goes only down."""
    return path[:1] == "/" and not any(step in ("", ".", "..") for step in path.split("/")[1:])


def _refuse_loose_way(path: str, way: str) -> bool:
    """Look at each step of a way, from its end to the root; return whether one is a link, which must be ours, too."""
    links = False
    step = way
    while True:
        status = posix.lstat(step)
        links = links or status.st_mode & _FILE_TYPE == _LINK
        if not _is_ours(status):
            raise FileError(f"{path}: others can replace {step}")
        step = step.rpartition("/")[0] or "/"
        status = posix.stat(step)
        loose = status.st_mode & _OTHERS_MAY_WRITE and not status.st_mode & _STICKY
        if loose or not _is_ours(status):
            raise FileError(f"{path}: others can write the folder {step}")
        if step == "/":
            return links


def _is_ours(status: posix.stat_result) -> bool:
    return status.st_uid == 0 or status.st_uid == posix.geteuid()


def _read_all(descriptor: int, size: int) -> bytes:
    pieces = []
    while size > 0:
        piece = posix.read(descriptor, size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
