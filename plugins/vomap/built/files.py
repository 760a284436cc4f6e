"""Built files as wholes: put in place in one step, and read back."""

from __future__ import annotations

import os
from collections.abc import Iterable

from vomap.built import FileError, open_trusted


def replace_file(path: str, content: bytes | Iterable[bytes], mode: int = 0o644) -> None:
    """Put a file in place with one rename: a reader sees the old or the new content, whatever happens meanwhile.

    `content` may come in parts. Raises FileError; the old file is then still there, or the new one that may not survive
    a crash, and nothing else.
    """
    folder = os.path.dirname(path) or "."
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}.new")
    parts = [content] if isinstance(content, bytes) else content
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.rename(temporary, path)
        _sync_folder(folder)
    except OSError as error:
        _remove(temporary)
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None


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
        os.close(descriptor)


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


def _read_all(descriptor: int, size: int) -> bytes:
    pieces = []
    while size > 0:
        piece = os.read(descriptor, size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
