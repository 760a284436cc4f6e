"""One at a time: who builds, or edits what is built, does so alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from vomap.built import FileError


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Keep others who would write a file from reading what it is made of, until this one has written it.

    Raises FileError if the lock, a file beside it, cannot be had.
    """
    try:
        descriptor = os.open(f"{path}.lock", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
