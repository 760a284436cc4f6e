"""Replace files in one step, and read files that only root and this user can have written."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from vomap.files import FileError, open_trusted

_STAGED = ".new"


def replace_file(path: str, content: bytes, mode: int = 0o644) -> None:
    """Replace a file with one rename: a reader sees the old or the new content, and never a part.

    Raises FileError. The old file is then still there, or the new one is there and may not survive a crash.
    """
    put_in_place(stage(path, [content], mode), path)


def stage(path: str, parts: Iterable[bytes], mode: int = 0o644) -> str:
    """Write the new content of a file to a temporary file in its folder. Return the path of the temporary file.

    This removes the temporary files of processes that have ended. Raises FileError, and then removes its own.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        # As root, a rename would replace /dev/null.
        raise FileError(f"{path}: cannot be written: it is not a regular file")
    folder, name = os.path.split(path)
    begin = f".{name}."
    # The id of the process is not unique where several machines share a folder.
    staged = os.path.join(folder, f"{begin}{os.getpid()}.{os.urandom(4).hex()}{_STAGED}")
    try:
        for other in os.listdir(folder or "."):
            process = other[len(begin) :].partition(".")[0]
            if other.startswith(begin) and other.endswith(_STAGED) and _has_ended(process):
                discard(os.path.join(folder, other))
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
    except BaseException as error:
        # An interrupted build leaves no temporary file.
        discard(staged)
        if isinstance(error, OSError):
            raise FileError(f"{path}: cannot be written: {error.strerror}") from None
        raise
    return staged


def put_in_place(staged: str, path: str) -> None:
    """Rename a temporary file of stage() to its path.

    Raises FileError. The temporary file is then removed, or it is in place and may not survive a crash.
    """
    try:
        os.rename(staged, path)
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        discard(staged)
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None


def keep_copy(path: str) -> str:
    """Keep the file at a path under another name, before it is replaced. Return that name. Raises FileError."""
    copy = name_of_copy(path)
    try:
        os.link(path, copy, follow_symlinks=False)
    except OSError as error:
        raise FileError(f"{path}: vomap cannot keep a copy of this file: {error.strerror}") from None
    return copy


def keep_foreign(path: str, is_own: Callable[[str], bool]) -> str | None:
    """Keep the file at a path, before it is replaced, unless `is_own` returns True: vomap wrote this text.

    Return the name of the copy, or None. The target of a link is not replaced. Raises FileError.
    """
    if os.path.islink(path) or not os.path.isfile(path):
        return None
    try:
        text = Path(path).read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    return None if is_own(text) else keep_copy(path)


def name_of_copy(path: str) -> str:
    """Return the free name under which a file is kept, numbered as by `cp --backup=numbered`.

    Neither vomap nor a CE reads files whose names end in `~`.
    """
    return next(copy for number in itertools.count(1) if not os.path.lexists(copy := f"{path}.~{number}~"))


def make_folder(path: Path) -> None:
    """Make a folder that every user can read and only its owner can write, whatever the umask is."""
    folder = Path(os.path.realpath(path))
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def discard(staged: str) -> None:
    """Remove a temporary file of stage(), if it is there."""
    try:
        os.unlink(staged)
    except OSError:
        pass


def read_trusted(path: str) -> bytes:
    """Return the content of a regular file that only root and this process's user can have written.

    Raises FileError for any other file.
    """
    descriptor, size = open_trusted(path)
    try:
        with os.fdopen(descriptor, "rb") as file:
            return file.read(size)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None


def _has_ended(process: str) -> bool:
    """Return True if there is no process with this id."""
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False
