"""Files that a decision rests on: replaced in one step, and read only if nobody else can have written them."""

from __future__ import annotations

import os

from vomap.errors import Error

_OTHERS_MAY_WRITE = 0o022
_STICKY = 0o1000
_FILE_TYPE, _REGULAR = 0o170000, 0o100000


class FileError(Error):
    """A file that cannot be written or read, or that cannot be trusted."""


def replace_file(path: str, content: bytes, mode: int = 0o644) -> None:
    """Put a file in place with one rename: a reader sees the old or the new content, whatever happens meanwhile.

    Raises FileError; the old file is then still there, or the new one that may not survive a crash, and nothing else.
    """
    folder = os.path.dirname(path) or "."
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            _write_all(descriptor, content)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
        _sync_folder(folder)
    except OSError as error:
        _remove(temporary)
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None


def read_trusted(path: str) -> bytes:
    """Return the content of a regular file that only root and we ourselves can have written.

    Raises FileError otherwise.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if status.st_mode & _FILE_TYPE != _REGULAR:
            raise FileError(f"{path}: not a regular file")
        if not _is_ours(status) or status.st_mode & _OTHERS_MAY_WRITE:
            raise FileError(f"{path}: others can write it; it must belong to root or to us, mode 0644")
        _refuse_loose_folders(path)
        return _read_all(descriptor, status.st_size)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _refuse_loose_folders(path: str) -> None:
    """Refuse a folder that others can write: they could put another file there, unless the folder is sticky."""
    _refuse_loose_way(path, os.path.abspath(path))
    real = os.path.realpath(path)
    if real != os.path.abspath(path):
        _refuse_loose_way(path, real)


def _refuse_loose_way(path: str, way: str) -> None:
    """Look at each step of a way, from its end to the root; a link on it must be ours as well."""
    folder = way
    while True:
        if not _is_ours(os.lstat(folder)):
            raise FileError(f"{path}: others can replace {folder}")
        folder = os.path.dirname(folder)
        status = os.stat(folder)
        loose = status.st_mode & _OTHERS_MAY_WRITE and not status.st_mode & _STICKY
        if loose or not _is_ours(status):
            raise FileError(f"{path}: others can write the folder {folder}")
        if folder == "/":
            return


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())


def _read_all(descriptor: int, size: int) -> bytes:
    pieces = []
    while size > 0:
        piece = os.read(descriptor, size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
