"""Plain files, and nothing else: some lie in folders of users who could put anything there for root to open."""

from __future__ import annotations

import errno
import os
import stat

from vomap import Error

# A mapfile of a million rules has some 150 MB. What is much larger was not meant, and would fill the memory.
LARGEST = 1 << 30
_MOST_LINKS = 40
# Without O_NONBLOCK, opening a FIFO would wait for a writer; some devices begin to work when they are opened.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW


class PlainFileError(Error):
    """What is no plain file, or no file that we follow."""


def read_plain(path: str) -> bytes:
    """Return what a regular file holds, whose name may be a link of root's or of our own.

    Raises PlainFileError for anything else, and for more than a mapfile can be; OSError for what cannot be opened.
    """
    descriptor = _open(path)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PlainFileError(f"{path}: is no regular file; name the file itself")
        if status.st_size > LARGEST:
            raise PlainFileError(f"{path}: is larger than {LARGEST >> 20} MiB: no mapfile, or one to be taken apart")
        return file.read(LARGEST)


def _open(path: str) -> int:
    """Open what a path leads to, link by link."""
    step = path
    for _ in range(_MOST_LINKS):
        try:
            return os.open(step, _FLAGS)
        except OSError as error:
            if error.errno != errno.ELOOP or not os.path.islink(step):
                raise
        # Where root reads, it could lead to what the link's owner must not see.
        if os.lstat(step).st_uid not in (0, os.geteuid()):
            raise PlainFileError(
                f"{step}: is a link of another user's; put the file itself there, or make the link yours"
            )
        step = os.path.join(os.path.dirname(step), os.readlink(step))
    raise PlainFileError(f"{path}: leads round in circles; name the file itself")
