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

from vomap.files import FileError
from vomap.files.atomic import discard, put_in_place, stage
from vomap.policy.index import put_bans_together, put_together, take_apart, take_bans_apart
from vomap.policy.model import DISTRUSTED
from vomap.store import BANS, CHECKSUM, FORMAT, NOT_AS_WRITTEN, OFFSET, POLICY, BuiltFile, head_checksum

# What every token asks for.
_IN_HEAD = {POLICY: ("site",), BANS: ("asked", "claims")}
_SOURCES = "sources"
_PIECES_IN_A_BUCKET = 3
_INDEX_BITS = 32


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
    in_head: dict[str, Any] = {}
    pieces = take_bans_apart(document) if kind == BANS else take_apart(document)
    try:
        with tempfile.TemporaryFile(dir=os.path.dirname(path) or ".") as file:
            spool = _Spool(file)
            for key, value in pieces:
                if key in _IN_HEAD[kind]:
                    in_head[key] = value
                else:
                    spool.add(key, value)
            spool.add(_SOURCES, dict(sources))
            return Staged(path, stage(path, _parts(kind, {**head, "pieces": in_head}, spool)), digest)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None


def read_built(path: str, kind: str) -> Built:
    """Return what a built file holds, all of it. Raises FileError or BuiltError."""
    file = BuiltFile(path, kind)
    try:
        pieces = dict(file.pieces())
        sources = pieces.pop(_SOURCES)
        if kind == POLICY:
            document = put_together(pieces)
        else:
            document = {"bans": pieces["bans"]} if file.is_previous else put_bans_together(pieces)
        return Built(document, file.digest, file.built, sources)
    except NOT_AS_WRITTEN:
        raise file.damaged() from None


def read_issuers(path: str) -> dict[str, Any]:
    """Return the part of a built policy's document that is not about rules: site, issuers, and VOs that are reserved.

    It is read without the rules, however many there are. Raises FileError or BuiltError.
    """
    file = BuiltFile(path, POLICY)
    urls = file.find("issuers")
    if urls is None:
        # Built by a vomap that listed no issuers; the next build does.
        document = read_built(path, POLICY).document
        return {key: document[key] for key in ("site", "issuers", "reserved-vos")}
    declared = {url: file.find(f"issuer\t{url}") for url in urls}
    return {
        "site": file.find("site"),
        "issuers": {url: None if each == DISTRUSTED else each for url, each in declared.items()},
        "reserved-vos": file.find("reserved-vos") or [],
    }


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

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0
        self._checksums, self._lengths, self._offsets = array("L"), array("L"), array("Q")

    def add(self, key: str, value: object) -> None:
        """Add a piece; a bucket is a JSON object with its pieces as members."""
        member = _json(key) + b":" + _json(value)
        self._checksums.append(crc32(key.encode()))
        self._lengths.append(len(member))
        self._offsets.append(self._end)
        self._end += self._file.write(member)

    @property
    def count(self) -> int:
        """How many buckets there are to be."""
        return len(self._offsets) // _PIECES_IN_A_BUCKET + 1

    def bucket_lengths(self) -> array[int]:
        """Return the length of each bucket, with its checksum."""
        lengths = array("Q", [CHECKSUM + len("{}")]) * self.count
        filled = bytearray(self.count)
        for checksum, length in zip(self._checksums, self._lengths):
            number = checksum % self.count
            # Between two members stands a comma.
            lengths[number] += length + filled[number]
            filled[number] = 1
        return lengths

    def buckets(self, seed: int) -> Iterator[bytes]:
        """Yield each bucket, in the order of their numbers; `seed` is what their checksums begin with."""
        self._file.flush()
        count = self.count
        order = sorted(checksum % count << _INDEX_BITS | at for at, checksum in enumerate(self._checksums))
        pieces = iter(order)
        piece = next(pieces, None)
        for number in range(count):
            members = []
            while piece is not None and piece >> _INDEX_BITS == number:
                members.append(self._member(piece & ((1 << _INDEX_BITS) - 1)))
                piece = next(pieces, None)
            content = b"{" + b",".join(members) + b"}"
            yield crc32(content, seed ^ number).to_bytes(CHECKSUM, "big") + content

    def _member(self, at: int) -> bytes:
        return os.pread(self._file.fileno(), self._lengths[at], self._offsets[at])


def _parts(kind: str, head: Mapping[str, Any], spool: _Spool) -> Iterator[bytes]:
    """Yield a built file from its beginning to its end."""
    lengths = spool.bucket_lengths()
    index = OFFSET * (len(lengths) + 1)
    content = _json({**head, "buckets": len(lengths), "rest": index + sum(lengths)})
    line = _line(kind, content)
    yield line
    yield content
    yield _offsets(len(line) + len(content) + index, lengths)
    yield from spool.buckets(crc32(content))


def _line(kind: str, head: bytes) -> bytes:
    return f"{kind} {FORMAT} {head_checksum((kind, FORMAT), head):08x} {len(head)}\n".encode()


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
