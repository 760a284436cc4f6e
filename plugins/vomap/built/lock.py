"""One at a time: who builds, or edits what is built, does so alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from vomap.built import FileError

_PAUSE = 0.1


@contextlib.contextmanager
def locked(path: str, patience: float | None = None) -> Iterator[None]:
    """Keep others who would write a file from reading what it is made of, until this one has written it.

    `patience` is how many seconds another is waited for; without it, as long as it takes. The lock is a file beside
    the other, which only root and the owner of the folder can open: anybody else could hold it for ever.
    Raises FileError if it cannot be had.
    """
    try:
        descriptor = _open(f"{path}.lock")
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        _take(descriptor, path, patience)
        yield
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    # For writing, too: NFS locks nothing else.
    flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags)
    owner = os.stat(os.path.dirname(path) or ".").st_uid
    if os.geteuid() == 0 != owner:
        # Whose folder it is may come later, as a user of its own.
        os.fchown(descriptor, owner, -1)
    return descriptor


def _take(descriptor: int, path: str, patience: float | None) -> None:
    if patience is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise FileError(
                    f"{path}: somebody else holds its lock; find out who (lslocks), and try again"
                ) from None
            time.sleep(_PAUSE)
        else:
            return
