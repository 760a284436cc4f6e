"""Compiled files: the reader of a damaged or a wrong file raises only vomap's own errors.

The first byte of the data chooses the form of the file. It is the data as they are, or a head behind a correct line
with the data after a NUL behind it, or a bucket of an otherwise correct file. So the fuzzer also reaches the code
behind the checksums.
"""

from __future__ import annotations

import os
import tempfile
from binascii import crc32
from collections.abc import Callable

from vomap import Error
from vomap.store import BANS, POLICY, read_bans, read_policy
from vomap.store.writer import read_compiled

_MEMORY = "/dev/shm"
_SITE = (
    b'{"audience":null,"serve":null,"rename":{},"maximum-lifetime":null,'
    b'"accounts":{"must-exist":true,"minimum-uid":1000,"never":[]}}'
)


def check(data: bytes) -> None:
    """Open a file as a policy and as bans. Raises AssertionError for an exception other than vomap.Error."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.path.isdir(_MEMORY) else None) as folder:
        for kind in (POLICY, BANS):
            path = os.path.join(folder, kind)
            with open(path, "wb") as file:
                file.write(_content(data, kind.encode()))
            os.chmod(path, 0o644)
            _open(path, kind)


def _open(path: str, kind: str) -> None:
    open_it: Callable[[str], object] = read_policy if kind == POLICY else read_bans
    for read in (lambda: open_it(path), lambda: read_compiled(path, kind)):
        told = _error(read)
        assert told is None or told.startswith(path), "an error that does not name the file"


def _error(read: Callable[[], object]) -> str | None:
    try:
        read()
    except Error as error:
        return str(error)
    return None


def _content(data: bytes, kind: bytes) -> bytes:
    mode, rest = data[:1], data[1:]
    if mode == b"1":
        return b"%b 1 %08x %d\n%b" % (kind, crc32(rest), len(rest), rest)
    if mode == b"2":
        head, _, after = rest.partition(b"\0")
        return b"%b 2 %08x %d\n%b%b" % (kind, crc32(head), len(head), head, after)
    if mode == b"3":
        return _with_bucket(rest, kind)
    return data


def _with_bucket(bucket: bytes, kind: bytes) -> bytes:
    head = b'{"built":"","digest":"","pieces":{"site":%b},"buckets":1,"rest":%d}' % (_SITE, 16 + 4 + len(bucket))
    line = b"%b 2 %08x %d\n" % (kind, crc32(head), len(head))
    begin = len(line) + len(head) + 16
    index = begin.to_bytes(8, "big") + (begin + 4 + len(bucket)).to_bytes(8, "big")
    return line + head + index + crc32(bucket, crc32(head)).to_bytes(4, "big") + bucket
