"""Read a topology from a tarball, or from the content of a URL, in memory and within limits of size."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from vomap.osg.files import (
    FOLDER,
    LARGEST_FILE,
    SNAPSHOT,
    TopologyError,
    TopologyFiles,
    check_contents,
    is_yaml,
    quoted,
)

_GZIP = b"\x1f\x8b"
_BLOCK = 512
# The whole repository of 2026, sites and projects included, has about 30 MB.
_LARGEST_ARCHIVE = 1 << 28
_MOST_MEMBERS = 200_000


def read_tarball(source: str, opened: Callable[[], io.BufferedIOBase]) -> TopologyFiles:
    """Return the files of a topology in a tar or tar.gz. `source` is its name in errors. Raises TopologyError."""
    try:
        with opened() as packed:
            is_gzip = packed.read(2) == _GZIP
            packed.seek(0)
            stream = _LimitedStream(gzip.GzipFile(fileobj=packed) if is_gzip else packed)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                files = _read_members(archive)
            stream.expect_end()
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise TopologyError([f"{source}: is not a complete tar or tar.gz: {error}"]) from error
    except OSError as error:
        raise TopologyError([f"{source}: cannot be read: {error.strerror or error}"]) from error
    check_contents(source, files.contents)
    return files


def read_download(url: str, content: bytes, *, is_delimited: bool = True) -> TopologyFiles:
    """Return the files that a URL gave: a VO file if its name is that of one, else a tarball. Raises TopologyError.

    A tarball that was cut off is not complete. Half a VO file can be valid, so its end must be `is_delimited`.
    """
    if content.lstrip()[:1] == b"<":
        raise TopologyError([f"{url}: is a web page; expected a tarball of the topology, or a VO file"])
    name = unquote(PurePosixPath(urlsplit(url).path).name)
    if not is_yaml(name):
        return read_tarball(url, lambda: io.BytesIO(content))
    if not is_delimited:
        raise TopologyError([f"{url}: the server does not send the length of the VO file; use the topology's tarball"])
    check_contents(url, {name: content})
    return TopologyFiles({name: content})


class _LimitedStream(io.BufferedIOBase):
    """A stream that raises ValueError where it becomes too long, against archives that unpack to any size."""

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
        """Read to the end and check for the empty block there. tarfile does not report an archive that was cut off."""
        while self.read(1 << 16):
            pass
        if self._last != bytes(_BLOCK):
            raise EOFError("the end is missing")


def _read_members(archive: tarfile.TarFile) -> TopologyFiles:
    found: dict[PurePosixPath, tuple[bytes, int]] = {}
    for count, member in enumerate(archive):
        if count >= _MOST_MEMBERS:
            raise ValueError(f"it has more than {_MOST_MEMBERS} members")
        path = PurePosixPath(member.name)
        is_wanted = path.name == SNAPSHOT or (path.parent.name == FOLDER and is_yaml(path.name))
        if not is_wanted or member.isdir():
            continue
        if path in found:
            raise ValueError(f"{quoted(member.name)} is in the archive twice")
        file = archive.extractfile(member) if member.isreg() else None
        if file is None:
            raise ValueError(f"{quoted(member.name)} is not a regular file")
        found[path] = file.read(LARGEST_FILE + 1), int(member.mtime)
    return _one_topology(found, (archive.pax_headers or {}).get("comment"))


def _one_topology(found: dict[PurePosixPath, tuple[bytes, int]], commit: str | None) -> TopologyFiles:
    folders = sorted({path.parent for path in found if path.parent.name == FOLDER})
    if len(folders) > 1:
        raise ValueError(f"it contains two topologies, {quoted(str(folders[0]))} and {quoted(str(folders[1]))}")
    contents = {path.name: found[path][0] for path in sorted(found) if path.parent in folders}
    stated = [found[folder.parent / SNAPSHOT][0] for folder in folders if folder.parent / SNAPSHOT in found]
    # `git archive` writes the time of the commit to every member.
    time = max((found[path][1] for path in found if path.parent in folders), default=None)
    return TopologyFiles(contents, snapshot=stated[0] if stated else None, archived_commit=commit, archived_time=time)
