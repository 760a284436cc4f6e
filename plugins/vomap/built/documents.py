"""Built files as whole documents: how they are written, and how the administrator's tools read them back."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from array import array
from binascii import crc32
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import IO, Any

from vomap.built import BANS, CHECKSUM, FORMAT, OFFSET, POLICY, BuiltFile, FileError
from vomap.built.files import discard, put_in_place, stage
from vomap.policy.pieces import put_together, take_apart

# What every token asks for. Bans lie in the head as a whole, with all that is known of them.
_IN_HEAD = ("site",)
_SOURCES = "sources"
_OFFSET_BITS = 40
_LENGTH = 4


class Built:
    """What a built file holds: a document, its digest, when it was built, and the sha256 of each file it came from."""

    def __init__(self, document: dict[str, Any], digest: str, built: str, sources: dict[str, str]) -> None:
        """Take the parts."""
        self.document = document
        self.digest = digest
        self.built = built
        self.sources = sources


class Staged:
    """A built file that is written, and not in force yet: it can be read and tried before it is."""

    def __init__(self, path: str, staged: str, digest: str) -> None:
        """Take where it is to be, where it is, and the digest of its document."""
        self.path = staged
        self.digest = digest
        self._target = path

    def put_in_place(self) -> None:
        """Put it in force, in the place of the one before. Raises FileError."""
        put_in_place(self.path, self._target)

    def discard(self) -> None:
        """Take it away, whether or not it is there."""
        discard(self.path)


def write_built(path: str, kind: str, document: Mapping[str, Any], *, sources: Mapping[str, str], built: str) -> str:
    """Write a policy or bans and return the digest. `sources` maps each mapfile's path to its sha256.

    Raises FileError.
    """
    staged = stage_built(path, kind, document, sources=sources, built=built)
    staged.put_in_place()
    return staged.digest


def stage_built(path: str, kind: str, document: Mapping[str, Any], *, sources: Mapping[str, str], built: str) -> Staged:
    """Write a policy or bans, to be put in place later. Raises FileError."""
    digest = document_digest(document)
    head = {"built": built, "digest": digest}
    if kind == BANS:
        pieces = {**document, _SOURCES: dict(sources)}
        content = _json({**head, "pieces": pieces, "buckets": 0, "rest": 0})
        return Staged(path, stage(path, [_line(kind, content), content]), digest)
    try:
        with tempfile.TemporaryFile(dir=os.path.dirname(path) or ".") as file:
            # There are about three pieces for each rule.
            spool = _Spool(file, len(document["rules"]) + 1)
            for key, value in take_apart(document):
                if key not in _IN_HEAD:
                    spool.add(key, value)
            spool.add(_SOURCES, dict(sources))
            in_head = {key: document[key] for key in _IN_HEAD}
            return Staged(path, stage(path, _parts(kind, {**head, "pieces": in_head}, spool)), digest)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None


def read_built(path: str, kind: str) -> Built:
    """Return what a built file holds, all of it. Raises FileError or BuiltError."""
    file = BuiltFile(path, kind)
    try:
        pieces = dict(file.pieces())
        sources = pieces.pop(_SOURCES)
        document = put_together(pieces) if kind == POLICY else pieces
        return Built(document, file.digest, file.built, sources)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise file.damaged() from None


def document_digest(document: Mapping[str, Any]) -> str:
    """Return the sha256 of what a document decides, wherever its files lie: two CEs with one digest answer alike."""
    entries = [key for key in ("rules", "bans") if key in document]
    digest = sha256(_canonical({**document, **{key: len(document[key]) for key in entries}}))
    for key in entries:
        for entry in document[key]:
            digest.update(b"\n")
            digest.update(_canonical({name: value for name, value in entry.items() if name != "source"}))
    return digest.hexdigest()


class _Spool:
    """Pieces on their way to their buckets, in a file: a large policy would not fit into memory twice."""

    def __init__(self, file: IO[bytes], buckets: int) -> None:
        self._file = file
        self._places = array("Q")
        self.lengths = array("Q", [CHECKSUM + len("{}")]) * buckets
        self._end = 0

    def add(self, key: str, value: object) -> None:
        """Add a piece; a bucket is a JSON object with its pieces as members."""
        member = _json(key) + b":" + _json(value)
        number = crc32(key.encode()) % len(self.lengths)
        self._places.append(number << _OFFSET_BITS | self._end)
        # Between two members stands a comma.
        self.lengths[number] += len(member) + (self.lengths[number] > CHECKSUM + len("{}"))
        self._end += self._file.write(len(member).to_bytes(_LENGTH, "big") + member)

    def buckets(self) -> Iterator[bytes]:
        """Yield each bucket, in the order of their numbers."""
        self._file.flush()
        places = iter(sorted(self._places))
        place = next(places, None)
        for number in range(len(self.lengths)):
            members = []
            while place is not None and place >> _OFFSET_BITS == number:
                members.append(self._member(place & ((1 << _OFFSET_BITS) - 1)))
                place = next(places, None)
            content = b"{" + b",".join(members) + b"}"
            yield crc32(content, number).to_bytes(CHECKSUM, "big") + content

    def _member(self, offset: int) -> bytes:
        descriptor = self._file.fileno()
        length = int.from_bytes(os.pread(descriptor, _LENGTH, offset), "big")
        return os.pread(descriptor, length, offset + _LENGTH)


def _parts(kind: str, head: Mapping[str, Any], spool: _Spool) -> Iterator[bytes]:
    """Yield a built file from its beginning to its end."""
    index = OFFSET * (len(spool.lengths) + 1)
    content = _json({**head, "buckets": len(spool.lengths), "rest": index + sum(spool.lengths)})
    line = _line(kind, content)
    yield line
    yield content
    yield _offsets(len(line) + len(content) + index, spool.lengths)
    yield from spool.buckets()


def _line(kind: str, head: bytes) -> bytes:
    return f"{kind} {FORMAT} {crc32(head):08x} {len(head)}\n".encode()


def _offsets(begin: int, lengths: Iterable[int]) -> bytes:
    offsets = array("Q", [begin])
    for length in lengths:
        begin += length
        offsets.append(begin)
    if sys.byteorder == "little":
        offsets.byteswap()
    return offsets.tobytes()


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _canonical(value: object) -> bytes:
    # Lists keep their order, which means something (rules, audiences); that of keys means nothing anywhere.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
