"""Files of other users: root gives them away for real, and any other user only in the answers that vomap gets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = os.geteuid() == 0
# No user has these uids.
OTHER, ANOTHER = 54_711, 54_712
_UID = 4

_fstat = os.fstat


class Owners:
    """Gives files, folders and links to other users."""

    def __init__(self) -> None:
        self._given: dict[tuple[int, int], int] = {}

    def give(self, path: str | Path, uid: int = OTHER) -> None:
        """Give the file at a path to a user. Of a link, give the link itself, not its target."""
        if ROOT:
            os.chown(path, uid, -1, follow_symlinks=False)
        else:
            status = os.lstat(path)
            self._given[status.st_dev, status.st_ino] = uid

    def told(self, descriptor: int) -> os.stat_result:
        """Return the answer of `os.fstat` for an open file, with the owner that it was given to."""
        status = _fstat(descriptor)
        uid = self._given.get((status.st_dev, status.st_ino))
        return status if uid is None else os.stat_result((*status[:_UID], uid, *status[_UID + 1 :]))


@contextmanager
def other_owners() -> Iterator[Owners]:
    """Return a function that gives files away. Inside this context, vomap sees their new owners."""
    owners = Owners()
    if ROOT:
        yield owners
        return
    os.fstat = owners.told  # type: ignore[assignment]
    try:
        yield owners
    finally:
        os.fstat = _fstat
