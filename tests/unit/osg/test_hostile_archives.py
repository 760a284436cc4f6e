"""An archive of an attacker neither fills the memory nor keeps vomap busy: sizes are checked before they are read."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from osg_mapfile import generate
from vomap.osg import archive
from vomap.osg.archive import read_tarball
from vomap.osg.files import TopologyError
from vomap.osg.topology import open_source

WriteEntry = Callable[..., str]
# Seconds. Before, these cases took minutes, or did not end.
PATIENCE = 60
# Bytes of address space beyond what the interpreter and the imports have.
MEMORY = 100 << 20
PROGRAM = """\
import resource, sys
from vomap.osg.files import TopologyError
from vomap.osg.topology import open_source
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]),) * 2)
try:
    open_source(sys.argv[1])
except TopologyError as error:
    sys.exit(str(error))
"""


def block(kind: bytes, size: int, name: str = "x") -> bytes:
    """Return the header of a member, with any size."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    """Return the content of a member, up to the next block."""
    return content + bytes(-len(content) % 512)


def vo_file(entry: WriteEntry) -> bytes:
    """Return a VO file as a member."""
    content = entry().encode()
    return block(tarfile.REGTYPE, len(content), "virtual-organizations/A.yaml") + padded(content)


def problem_of(path: Path) -> str:
    """Return why vomap refuses an archive, in a process with little memory. It has an end, and no traceback."""
    command = [sys.executable, "-c", PROGRAM, str(path), str(MEMORY)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr.rstrip("\n")


def test_the_memory_is_enough_for_a_topology(tmp_path: Path, entry: WriteEntry) -> None:
    """The limit of these tests refuses no archive by itself."""
    path = tmp_path / "t.tar.gz"
    path.write_bytes(gzip.compress(vo_file(entry) + bytes(1024)))
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path), str(MEMORY)], timeout=PATIENCE, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_long_name_is_not_read(tmp_path: Path, kind: bytes) -> None:
    """A name of 100 MB, of GNU tar or in a pax header, packs to 100 kB. tarfile made it 1 GB in memory."""
    size = 100 << 20
    path = tmp_path / "t.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        head = b"%d path=" % size if kind in (tarfile.XHDTYPE, tarfile.XGLTYPE) else b""
        file.write(block(kind, size))
        file.write(head)
        for _ in range(100):
            file.write(b"x" * (1 << 20))
    assert f"an extended header has {size} bytes; expected at most 65536" in problem_of(path)


@pytest.mark.parametrize("digits", [b"1" * 65536, b"1" * 65535 + b"\n", b"0" * 65536, b"1" * 9 + b" " * 60_000])
def test_a_pax_header_of_digits_takes_no_time(tmp_path: Path, digits: bytes) -> None:
    """Tarfile searched 64 kB of digits in quadratic time, again for each header."""
    header = block(tarfile.XHDTYPE, len(digits)) + padded(digits)
    path = tmp_path / "t.tar.gz"
    path.write_bytes(gzip.compress(header * 50))
    assert "it has a malformed pax header" in problem_of(path)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\0",
        b"x",
        b"-5 a=\n",
        b"0 a=b\n",
        b"1 a=b\n",
        b"7 a=b\n",
        b"99999999999999999999 a=b\n",
        b" 6 a=b\n",
        b"6 a=bc",
        b"6 abc\n",
        b"+6 a=b\n",
        b"6_0 a=b\n",
        "6 a=b\n".encode("utf-16"),
    ],
)
def test_a_malformed_pax_header_is_an_error(tmp_path: Path, entry: WriteEntry, record: bytes) -> None:
    """A length that is not that of its record is an error. An empty header is legal."""
    path = tmp_path / "t.tar"
    path.write_bytes(block(tarfile.XHDTYPE, len(record)) + padded(record) + vo_file(entry) + bytes(1024))
    if record:
        assert "it has a malformed pax header" in problem_of(path)
    else:
        assert open_source(str(path)).names == ["A.yaml"]


@pytest.mark.parametrize("key", ["size", "GNU.sparse.size", "GNU.sparse.map"])
def test_a_pax_header_that_changes_sizes_is_an_error(tmp_path: Path, entry: WriteEntry, key: str) -> None:
    """Where the next header is would depend on the reader."""
    record = f"{len(key) + 7} {key}=10\n".encode()
    path = tmp_path / "t.tar"
    path.write_bytes(block(tarfile.XHDTYPE, len(record)) + padded(record) + vo_file(entry) + bytes(1024))
    assert f"a pax header with '{key}'" in problem_of(path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_SPARSE, b"M", b"V", b"Z", b"\xff"])
def test_a_member_of_an_unknown_type_is_an_error(tmp_path: Path, kind: bytes) -> None:
    """Vomap cannot know whether content follows."""
    path = tmp_path / "t.tar"
    path.write_bytes(block(kind, 0) + bytes(1024))
    assert "is a member of an unknown type" in problem_of(path)


@pytest.mark.parametrize("size", [-1, -512, 1 << 60])
def test_an_impossible_size_is_an_error(tmp_path: Path, size: int) -> None:
    """A negative size would lead back, and a giant one beyond the end."""
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        path = tmp_path / "t.tar"
        path.write_bytes(block(kind, size, "virtual-organizations/A.yaml") + bytes(1024))
        assert "is not a complete tar" in problem_of(path)


def test_many_headers_are_too_many(tmp_path: Path) -> None:
    """Each extended header is small enough, and all of them together are not."""
    record = b"65536 path=" + b"x" * 65524 + b"\n"
    path = tmp_path / "t.tar.gz"
    path.write_bytes(gzip.compress((block(tarfile.XHDTYPE, len(record)) + padded(record)) * 200, 1))
    assert "its extended headers have more than 8388608 bytes" in problem_of(path)


def record(key: str, value: str = "") -> bytes:
    """Return a record of a pax header. Its length counts the digits of the length."""
    rest = f" {key}={value}\n"
    size = next(size for size in range(len(rest), len(rest) + 9) if len(str(size)) + len(rest) == size)
    return f"{size}{rest}".encode()


def headers_of(kind: bytes, records: int) -> bytes:
    """Return extended headers with records of different keys."""
    made = [record(f"{number:05x}") for number in range(records)]
    parts = [b"".join(made[first : first + 7000]) for first in range(0, records, 7000)]
    return b"".join(block(kind, len(part)) + padded(part) for part in parts)


def test_records_for_all_members_are_not_copied_for_each(tmp_path: Path, entry: WriteEntry) -> None:
    """Records that nothing uses were copied for each member: 400,000 of them, 4,000 times."""
    path = tmp_path / "t.tar.gz"
    members = block(tarfile.REGTYPE, 0) * 4000
    path.write_bytes(gzip.compress(headers_of(tarfile.XGLTYPE, 400_000) + members + vo_file(entry) + bytes(1024), 1))
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path), str(MEMORY)], timeout=PATIENCE, check=False)
    assert done.returncode == 0


def test_many_records_are_too_many(tmp_path: Path) -> None:
    """The smallest records, in as many headers as are legal, are a million."""
    path = tmp_path / "t.tar.gz"
    path.write_bytes(gzip.compress(headers_of(tarfile.XHDTYPE, 501_000), 1))
    assert "its extended headers have more than 500000 records" in problem_of(path)


def test_a_path_for_all_members_is_an_error(tmp_path: Path) -> None:
    """Each member would have the same path, and a path of thousands of folders would be read again for each."""
    content = record("path", "a/" * 32_000)
    path = tmp_path / "t.tar.gz"
    header = block(tarfile.XGLTYPE, len(content)) + padded(content)
    path.write_bytes(gzip.compress(header + block(tarfile.REGTYPE, 0) * 49_000 + bytes(1024), 1))
    assert "it gives all its members the path 'a/a/" in problem_of(path)


@pytest.mark.parametrize("name", ["virtual-organizations/{}.yaml", "{}/SNAPSHOT.yaml"])
def test_large_members_are_too_many_before_they_are_read(tmp_path: Path, name: str) -> None:
    """Files of zeros pack to nothing, and a thousand of them would fill the memory before their sum is known."""
    path = tmp_path / "t.tar.gz"
    size = 1 << 18
    with gzip.open(path, "wb", compresslevel=1) as file:
        for number in range(900):
            file.write(block(tarfile.REGTYPE, size, name.format(number)) + bytes(size))
    assert "all its VO files together are larger than 8388608 bytes" in problem_of(path)


def test_many_small_members_are_too_many(tmp_path: Path) -> None:
    """A hundred MB of headers pack to some kB."""
    path = tmp_path / "t.tar.gz"
    path.write_bytes(gzip.compress(block(tarfile.REGTYPE, 0) * 51_000, 1))
    assert "it has more than 50000 members" in problem_of(path)


def test_a_bomb_ends(tmp_path: Path) -> None:
    """Zeros unpack to a thousand times their size, in one member and after the end."""
    for begin in (block(tarfile.REGTYPE, 1 << 32), bytes(512)):
        path = tmp_path / "t.tar.gz"
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(begin)
            for _ in range(300):
                file.write(bytes(1 << 20))
        assert "unpacks to more than 268435456 bytes" in problem_of(path)


def test_gzip_parts_without_content_end(tmp_path: Path) -> None:
    """An empty part has 20 bytes. Millions of them unpack to nothing."""
    path = tmp_path / "t.tar.gz"
    path.write_bytes(gzip.compress(b"") * 200_000)
    assert "it has more than 50000 parts" in problem_of(path)


def test_a_gzip_header_without_an_end(tmp_path: Path) -> None:
    """The name in a gzip header ends with a zero byte. Python's gzip module reads it byte by byte."""
    path = tmp_path / "t.tar.gz"
    path.write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * (60 << 20))
    assert "the end is missing" in problem_of(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A local archive has no download that limits it."""
    path = tmp_path / "t.tar.gz"
    path.write_bytes(b"\x1f\x8b\x08\x08" + bytes(6))
    with path.open("r+b") as file:
        file.seek(10)
        file.write(b"x")
        file.truncate(1 << 40)
    assert "is not a complete tar" in problem_of(path)


def test_gzip_in_several_parts(tmp_path: Path, entry: WriteEntry) -> None:
    """Bgzip and pigz write several parts, and zeros may follow. Anything else after the end is an error."""
    whole = vo_file(entry) + bytes(1024)
    path = tmp_path / "t.tar.gz"
    path.write_bytes(b"".join(gzip.compress(whole[i : i + 100]) for i in range(0, len(whole), 100)) + bytes(512))
    assert generate(str(path)).mapfile.vos == 1
    path.write_bytes(gzip.compress(whole) + b"x")
    assert "is not a complete tar" in problem_of(path)
    path.write_bytes(gzip.compress(whole + b"x"))
    assert "there is more after its end" in problem_of(path)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("depth", [1, 40, 80])
def test_each_format_is_read(tmp_path: Path, entry: WriteEntry, form: int, depth: int) -> None:
    """Long paths are in a prefix, in a member of their own, or in a pax header."""
    if form == tarfile.USTAR_FORMAT and depth == 80:
        depth = 20
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w", format=form) as made:
        for name, text in {"virtual-organizations/A.yaml": entry(), "README.md": "x" * 700}.items():
            member = tarfile.TarInfo("some/" * depth + name)
            member.size = len(text)
            made.addfile(member, io.BytesIO(text.encode()))
            folder = tarfile.TarInfo("some/" * depth + "virtual-organizations/folder.yaml")
            folder.type = tarfile.DIRTYPE
            made.addfile(folder)
    assert open_source(str(path)).contents == {"A.yaml": entry().encode()}


def damaged(content: bytes) -> Iterator[bytes]:
    """Yield an archive with each byte of its first headers changed."""
    for position in range(1536):
        for value in (0, 0x20, 0x37, 0x80, 0xFF):
            yield content[:position] + bytes([value]) + content[position + 1 :]


def test_no_damage_ends_in_a_traceback(entry: WriteEntry) -> None:
    """Any byte of a header may have any value: the archive is read, or refused with a reason."""
    record = b"37 path=virtual-organizations/B.yaml\n"
    content = block(tarfile.XHDTYPE, len(record)) + padded(record) + vo_file(entry) + bytes(1024)
    outcomes = {outcome_of(each) for each in damaged(content)}
    assert {
        "",
        "t.tar: is not a complete tar or tar.gz",
        "t.tar: no VO files; expected a topology checkout",
    } <= outcomes
    assert all(each == "" or each.startswith("t.tar: ") for each in outcomes)


def outcome_of(content: bytes) -> str:
    """Return the beginning of the reason why vomap refuses an archive, or an empty text."""
    try:
        read_tarball("t.tar", lambda: io.BytesIO(content))
    except TopologyError as error:
        return ":".join(str(error).split(",")[0].split(":")[:2])
    return ""


def test_limits_are_consistent() -> None:
    """A header fits into all headers, these into the memory, and a packed archive into an unpacked one."""
    assert archive._LARGEST_HEADER < archive._LARGEST_HEADERS < archive._LARGEST_PACKED < archive._LARGEST_ARCHIVE
    assert archive._LARGEST_HEADERS < MEMORY
