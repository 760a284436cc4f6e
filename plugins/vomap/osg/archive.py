"""Read a topology from a tarball, or from the content of a URL, in memory and within limits of size.

Attackers write archives. tarfile would read a member's name of any length into memory, and would search a long pax
header in quadratic time. So vomap walks from header to header, and checks each size before it reads. tarfile interprets
one block of 512 bytes at a time.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from vomap.osg.files import (
    FOLDER,
    LARGEST_FILE,
    LARGEST_TOPOLOGY,
    NOT_REGULAR,
    SNAPSHOT,
    TopologyError,
    TopologyFiles,
    check_contents,
    is_yaml,
    quoted,
)

_GZIP = b"\x1f\x8b"
_BLOCK = 512
_CHUNK = 1 << 14
# The whole repository of 2026, sites and projects included, has about 30 MB, 5 MB as tar.gz.
_LARGEST_ARCHIVE = 1 << 28
_LARGEST_PACKED = 1 << 26
_MOST_MEMBERS = 50_000
# A tar.gz can consist of several parts, such as those of bgzip. Each has at least some kB.
_MOST_PARTS = 50_000
# A pax header has a path and some times and attributes. The longest path of Linux has 4096 bytes.
_LARGEST_HEADER = 1 << 16
_LARGEST_HEADERS = 1 << 23
# The writers of archives give each member a path, three times and some attributes.
_MOST_RECORDS = 10 * _MOST_MEMBERS
_PATH, _TIME, _COMMENT = b"path", b"mtime", b"comment"
_USED_KEYS = (_PATH, _TIME, _COMMENT)
_LONGEST_NUMBER = 10
_LONGEST_TIME = 40
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_WITHOUT_CONTENT = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)


def read_tarball(source: str, opened: Callable[[], io.BufferedIOBase]) -> TopologyFiles:
    """Return the files of a topology in a tar or tar.gz. `source` is its name in errors. Raises TopologyError."""
    try:
        with opened() as packed:
            is_gzip = packed.read(2) == _GZIP
            packed.seek(0)
            chunks = _limited(_chunks_of(packed), _LARGEST_PACKED if is_gzip else _LARGEST_ARCHIVE, "is larger than")
            stream = _Stream(_limited(_unpack(chunks), _LARGEST_ARCHIVE, "unpacks to more than") if is_gzip else chunks)
            files = _read_topology(_read_members(stream))
            stream.expect_zeros()
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise TopologyError([f"{source}: is not a complete tar or tar.gz: {error}"]) from error
    except OSError as error:
        raise TopologyError([f"{source}: cannot be read: {error.strerror or error}"]) from error
    check_contents(source, files)
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
    files = TopologyFiles({name: content})
    check_contents(url, files)
    return files


@dataclass(frozen=True)
class _Member:
    """A member of an archive that is a VO file or the snapshot by its name. `content` is None for a link or a device.

    `time` is in seconds since 1970, `comment` the one of the archive, where `git archive` writes the commit.
    """

    path: PurePosixPath
    time: int
    content: bytes | None
    comment: str | None


class _Stream:
    """Read exact numbers of bytes from chunks. Raises EOFError where these end too early."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = memoryview(b"")

    def parts(self, size: int) -> Iterator[memoryview]:
        """Yield the next bytes, in parts."""
        while size > 0:
            if not self._chunk:
                self._chunk = memoryview(next(self._chunks, b""))
                if not self._chunk:
                    raise EOFError("the end is missing")
            part, self._chunk = self._chunk[:size], self._chunk[size:]
            size -= len(part)
            yield part

    def read(self, size: int) -> bytes:
        """Return the next bytes. The caller has checked the size."""
        return b"".join(self.parts(size))

    def skip(self, size: int) -> None:
        """Read and forget the next bytes."""
        for _ in self.parts(size):
            pass

    def expect_zeros(self) -> None:
        """Read to the end, where an archive has zeros only. Raises ValueError for anything else."""
        for chunk in chain([self._chunk], self._chunks):
            if bytes(chunk).strip(b"\0"):
                raise ValueError("there is more after its end")


def _chunks_of(file: io.BufferedIOBase) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _limited(chunks: Iterable[bytes], limit: int, problem: str) -> Iterator[bytes]:
    """Yield chunks, and raise ValueError where they become too many: a small archive can unpack to any size."""
    left = limit
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise ValueError(f"it {problem} {limit} bytes")
        yield chunk


def _unpack(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the unpacked data of a gzip file, in small chunks. zlib checks the sums at the end of each part."""
    unpacker, parts = zlib.decompressobj(16 + zlib.MAX_WBITS), 1
    for chunk in chunks:
        left = chunk
        while left:
            if unpacker.eof:
                # Zeros fill the last block of a tape.
                if not left.strip(b"\0"):
                    break
                unpacker, parts = zlib.decompressobj(16 + zlib.MAX_WBITS), parts + 1
                if parts > _MOST_PARTS:
                    raise ValueError(f"it has more than {_MOST_PARTS} parts")
            if data := unpacker.decompress(left, _CHUNK):
                yield data
            left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    while not unpacker.eof and (data := unpacker.decompress(unpacker.unconsumed_tail, _CHUNK)):
        yield data
    if not unpacker.eof:
        raise EOFError("the end is missing")


def _read_members(stream: _Stream) -> Iterator[_Member]:
    """Yield the wanted members up to the empty block at the end. Extended headers apply to the member after them."""
    shared: dict[bytes, str] = {}
    own: dict[bytes, str] = {}
    left, records, members = _LARGEST_HEADERS, _MOST_RECORDS, 0
    while any(block := stream.read(_BLOCK)):
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        members += 1
        if members > _MOST_MEMBERS:
            raise ValueError(f"it has more than {_MOST_MEMBERS} members")
        if header.type in _EXTENDED:
            content = _read_header(stream, header)
            left -= len(content)
            if left < 0:
                raise ValueError(f"its extended headers have more than {_LARGEST_HEADERS} bytes")
            found = list(_records(header.type, content))
            records -= len(found)
            if records < 0:
                raise ValueError(f"its extended headers have more than {_MOST_RECORDS} records")
            (shared if header.type == tarfile.XGLTYPE else own).update(_used(header.type, found))
            continue
        member = _read_member(stream, header, {**shared, **own}, shared.get(_COMMENT))
        own = {}
        if member is not None:
            yield member


def _read_header(stream: _Stream, header: tarfile.TarInfo) -> bytes:
    if not 0 <= header.size <= _LARGEST_HEADER:
        raise ValueError(f"an extended header has {header.size} bytes; expected at most {_LARGEST_HEADER}")
    content = stream.read(header.size)
    stream.skip(-header.size % _BLOCK)
    return content


def _records(kind: bytes, content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of an extended header. The long names of GNU tar end with a zero byte."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        yield _PATH, content.partition(b"\0")[0]
    elif kind != tarfile.GNUTYPE_LONGLINK:
        yield from _pax_records(content)


def _used(kind: bytes, records: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
    """Return the records that vomap uses. Others would be copied for each member."""
    used = {key: _text(value) for key, value in records if key in _USED_KEYS}
    if kind == tarfile.XGLTYPE and _PATH in used:
        raise ValueError(f"it gives all its members the path {quoted(used[_PATH])}")
    return used


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records of a pax header, `LENGTH KEY=VALUE` and a line break (POSIX pax, Extended Header)."""
    position = 0
    while position < len(content):
        end = content.find(b" ", position, position + _LONGEST_NUMBER)
        digits = content[position:end] if end > position else b""
        size = int(digits) if digits.isdigit() else 0
        record = content[end + 1 : position + size]
        key, equals, value = record[:-1].partition(b"=")
        if size < len(digits) + 4 or position + size > len(content) or not equals or record[-1:] != b"\n":
            raise ValueError("it has a malformed pax header")
        if key == b"size" or key.startswith(b"GNU.sparse."):
            raise ValueError(f"it has a pax header with {quoted(_text(key))}; expected plain files below 8 GB")
        yield key, value
        position += size


def _read_member(
    stream: _Stream, header: tarfile.TarInfo, stated: Mapping[bytes, str], comment: str | None
) -> _Member | None:
    """Read a member to its end, and return it if it is wanted. Only VO files and the snapshot come into memory."""
    path = PurePosixPath(stated.get(_PATH, header.name))
    is_file = header.type in _REGULAR
    if header.size < 0 or not (is_file or header.type in _WITHOUT_CONTENT):
        raise ValueError(f"{quoted(str(path))} is a member of an unknown type, or has a negative size")
    size = header.size if is_file else 0
    is_wanted = _is_wanted(path) and header.type != tarfile.DIRTYPE
    taken = min(size, LARGEST_FILE + 1) if is_wanted else 0
    content = stream.read(taken)
    stream.skip(size - taken + -size % _BLOCK)
    time = int(float(stated[_TIME][:_LONGEST_TIME])) if _TIME in stated else int(header.mtime)
    return _Member(path, time, content if is_file else None, comment) if is_wanted else None


def _is_wanted(path: PurePosixPath) -> bool:
    return path.name == SNAPSHOT or (path.parent.name == FOLDER and is_yaml(path.name))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _read_topology(members: Iterable[_Member]) -> TopologyFiles:
    """Collect the VO files of the only topology in an archive."""
    found: dict[PurePosixPath, _Member] = {}
    size = 0
    for member in members:
        size += len(member.content or b"")
        if size > LARGEST_TOPOLOGY:
            raise ValueError(f"all its VO files together are larger than {LARGEST_TOPOLOGY} bytes")
        if member.path in found:
            raise ValueError(f"{quoted(str(member.path))} is in the archive twice")
        found[member.path] = member
    folders = sorted({path.parent for path in found if path.parent.name == FOLDER})
    if len(folders) > 1:
        raise ValueError(f"it contains two topologies, {quoted(str(folders[0]))} and {quoted(str(folders[1]))}")
    vo_files = {path.name: found[path] for path in sorted(found) if path.parent in folders}
    stated = [found[folder.parent / SNAPSHOT].content for folder in folders if folder.parent / SNAPSHOT in found]
    if None in stated:
        raise ValueError(f"{SNAPSHOT} {NOT_REGULAR}")
    return TopologyFiles(
        {name: member.content for name, member in vo_files.items() if member.content is not None},
        unreadable={name: NOT_REGULAR for name, member in vo_files.items() if member.content is None},
        snapshot=stated[0] if stated else None,
        archived_commit=next((member.comment for member in vo_files.values() if member.comment), None),
        # `git archive` writes the time of the commit to every member.
        archived_time=max((member.time for member in vo_files.values()), default=None),
    )
