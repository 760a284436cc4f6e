"""A topology from a tarball, read in memory: nothing is unpacked, and nothing is larger than a topology can be."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vomap.osg.files import FOLDER, LARGEST_FILE, SNAPSHOT, Files, check_contents, is_yaml
from vomap.osg.problems import SourceError, quoted

if TYPE_CHECKING:
    from pathlib import Path

_GZIP = b"\x1f\x8b"
_BLOCK = 512
# The whole repository of 2026, sites and projects included, has about 30 MB.
_LARGEST_ARCHIVE = 1 << 28
_MOST_MEMBERS = 200_000


def read_tarball(path: Path) -> Files:
    """Return the files of a topology in a tar or tar.gz. Raises SourceError."""
    try:
        packed = path.open("rb")
    except OSError as error:
        raise SourceError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    with packed:
        return read_packed(str(path), packed)


def read_packed(source: str, packed: io.BufferedIOBase) -> Files:
    """Return the files of a topology in a tar or tar.gz that is open, and comes from `source`. Raises SourceError."""
    try:
        is_gzip = packed.read(2) == _GZIP
        packed.seek(0)
        stream = _Limited(gzip.GzipFile(fileobj=packed) if is_gzip else packed)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            files = _read_members(archive)
        stream.expect_end()
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise SourceError([f"{source}: is no complete tar or tar.gz: {error}"]) from error
    except OSError as error:
        raise SourceError([f"{source}: cannot be read: {error.strerror or error}"]) from error
    check_contents(source, files.contents)
    return files


class _Limited(io.BufferedIOBase):
    """A stream that ends in an error where it becomes too long, and knows whether it ended as a tar does."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        super().__init__()
        self._stream = stream
        self._left = _LARGEST_ARCHIVE
        self._last = b""

    def read(self, size: int | None = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {_LARGEST_ARCHIVE} bytes")
        self._last = (self._last + data)[-_BLOCK:]
        return data

    def expect_end(self) -> None:
        """Read on to the end. Without the empty blocks there, members may have been cut off, and tarfile is silent."""
        while self.read(1 << 16):
            pass
        if self._last != bytes(_BLOCK):
            raise EOFError("the end is missing")


def _read_members(archive: tarfile.TarFile) -> Files:
    found: dict[PurePosixPath, tuple[bytes, int]] = {}
    for count, member in enumerate(archive):
        if count >= _MOST_MEMBERS:
            raise ValueError(f"it has more than {_MOST_MEMBERS} members")
        path = PurePosixPath(member.name)
        if not _is_wanted(path) or member.isdir():
            continue
        if path in found:
            raise ValueError(f"{quoted(member.name)} is in it twice")
        found[path] = _content(archive, member), int(member.mtime)
    return _one_topology(found, (archive.pax_headers or {}).get("comment"))


def _is_wanted(path: PurePosixPath) -> bool:
    return path.name == SNAPSHOT or (path.parent.name == FOLDER and is_yaml(path.name))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise ValueError(f"{quoted(member.name)} is no plain file")
    return file.read(LARGEST_FILE + 1)


def _one_topology(found: dict[PurePosixPath, tuple[bytes, int]], commit: str | None) -> Files:
    folders = sorted({path.parent for path in found if path.parent.name == FOLDER})
    if len(folders) > 1:
        raise ValueError(f"it holds two topologies, {quoted(str(folders[0]))} and {quoted(str(folders[1]))}")
    contents = {path.name: found[path][0] for path in sorted(found) if path.parent in folders}
    stated = [found[folder.parent / SNAPSHOT][0] for folder in folders if folder.parent / SNAPSHOT in found]
    # `git archive` gives every member the time of the commit.
    time = max((found[path][1] for path in found if path.parent in folders), default=None)
    return Files(contents, snapshot=stated[0] if stated else None, archived_commit=commit, archived_time=time)
