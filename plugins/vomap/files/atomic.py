"""CompiledDocument files as wholes: put in place in one step, and read back."""

from __future__ import annotations

import os
from collections.abc import Iterable

from vomap.files import FileError, open_trusted

_STAGED = ".new"


def replace_file(path: str, content: bytes, mode: int = 0o644) -> None:
    """Put a file in place with one rename: a reader sees the old or the new content, whatever happens meanwhile.

    Raises FileError; the old file is then still there, or the new one that may not survive a crash, and nothing else.
    """
    put_in_place(stage(path, [content], mode), path)


def stage(path: str, parts: Iterable[bytes], mode: int = 0o644) -> str:
    """Write what is to replace a file into another one beside it, and return that one's path.

    Raises FileError, and leaves nothing behind then.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        # Root would put a file in the place of /dev/null.
        raise FileError(f"{path}: cannot be written: it is there, and no regular file")
    folder, name = os.path.split(path)
    # Where several machines share a folder, a process's id alone would not do.
    staged = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}{_STAGED}")
    try:
        _clear_up(folder or ".", f".{name}.")
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
    except OSError as error:
        discard(staged)
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None
    except BaseException:
        # Whoever interrupts a long build wants nothing of it to stay.
        discard(staged)
        raise
    return staged


def put_in_place(staged: str, path: str) -> None:
    """Rename a staged file to the path that it was staged for.

    Raises FileError; the staged file is gone then, or it is in place and may not survive a crash.
    """
    try:
        os.rename(staged, path)
        _sync_folder(os.path.dirname(path) or ".")
    except OSError as error:
        discard(staged)
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None


def discard(staged: str) -> None:
    """Remove a staged file, if it is there."""
    try:
        os.unlink(staged)
    except OSError:
        pass


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


def _clear_up(folder: str, begin: str) -> None:
    """Remove what was staged in a folder, under names that begin so, by processes that were killed at it."""
    for name in os.listdir(folder):
        if name.startswith(begin) and name.endswith(_STAGED) and _is_over(name[len(begin) :].partition(".")[0]):
            discard(os.path.join(folder, name))


def _is_over(process: str) -> bool:
    """Tell whether a process is no more, by its id."""
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, size: int) -> bytes:
    pieces = []
    while size > 0:
        piece = os.read(descriptor, size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
