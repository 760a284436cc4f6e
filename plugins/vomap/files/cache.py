"""Keep files in a cache folder, one for each key, that only root and the user of this process can write."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from vomap.files import FileError
from vomap.files.atomic import read_trusted, replace_file
from vomap.files.lock import open_lock, take_within


class CacheFolder:
    """A folder of cached files, which vomap trusts as much as their sources."""

    def __init__(self, folder: Path, suffix: str) -> None:
        """Take the folder, which need not exist, and the suffix of the files' names."""
        self._folder = folder
        self._suffix = suffix

    def path(self, key: str) -> str:
        """Return the path of the file of a key."""
        return str(self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}{self._suffix}")

    def read(self, key: str) -> bytes:
        """Return the content of the file of a key, or nothing if there is none.

        Raises FileError for a file that others can write.
        """
        path = self.path(key)
        return read_trusted(path) if os.path.lexists(path) else b""

    def write(self, key: str, content: bytes) -> None:
        """Replace the file of a key in one step. Raises FileError."""
        self._make()
        replace_file(self.path(key), content, 0o600)

    @contextlib.contextmanager
    def lock(self, key: str, seconds: float) -> Iterator[bool]:
        """Wait up to some seconds for the lock of a key, and yield whether we have it. Raises FileError."""
        self._make()
        try:
            descriptor = open_lock(f"{self.path(key)}.lock")
        except OSError as error:
            raise FileError(f"{self._folder}: {error.strerror}") from None
        try:
            yield take_within(descriptor, seconds)
        finally:
            os.close(descriptor)

    def _make(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{self._folder}: {error.strerror}") from None
