"""Write compiled files, and read them back as whole documents for the administrator's tools."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from array import array
from binascii import crc32
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import IO, TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from vomap.files import FileError
from vomap.files.atomic import discard, put_in_place, stage
from vomap.policy.index import (
    SOURCES,
    document_of_bans,
    document_of_policy,
    index_bans,
    index_policy,
    issuers_document,
)
from vomap.policy.model import ASKED, CLAIMS, SITE
from vomap.store import BANS, CHECKSUM, FORMAT, NOT_AS_WRITTEN, OFFSET, POLICY, CompiledFile, head_checksum

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument, PolicyDocument

_Document = TypeVar("_Document")
# The entries that every token asks for.
_IN_HEAD = {POLICY: (SITE,), BANS: (ASKED, CLAIMS)}
_ENTRIES_IN_A_BUCKET = 3
_INDEX_BITS = 32


@dataclass(frozen=True)
class CompiledDocument(Generic[_Document]):
    """The content of a compiled file: a document, its digest, when it was compiled, and the sha256 of each source."""

    document: _Document
    digest: str
    built: str
    sources: dict[str, str]


CompiledPolicy = CompiledDocument["PolicyDocument"]
CompiledBans = CompiledDocument["BansDocument"]


@dataclass(frozen=True)
class StagedFile:
    """A compiled file at `path` that is not in force yet. It can be read and tried before it replaces `target`."""

    path: str
    target: str
    digest: str

    def put_in_place(self) -> None:
        """Put it in force, in the place of the previous file. Raises FileError."""
        put_in_place(self.path, self.target)

    def discard(self) -> None:
        """Remove it, if it exists."""
        discard(self.path)


def write_compiled(path: str, kind: str, document: Mapping[str, Any], *, sources: Mapping[str, str], built: str) -> str:
    """Write a policy or bans and return the digest. `sources` maps each mapfile's path to its sha256.

    Raises FileError.
    """
    staged = stage_compiled(path, kind, document, sources=sources, built=built)
    staged.put_in_place()
    return staged.digest


def stage_compiled(
    path: str, kind: str, document: Mapping[str, Any], *, sources: Mapping[str, str], built: str
) -> StagedFile:
    """Write a policy or bans, to be put in place later. Raises FileError."""
    digest = document_digest(document)
    in_head: dict[str, object] = {}
    entries = index_bans(document) if kind == BANS else index_policy(document)
    try:
        with tempfile.TemporaryFile(dir=os.path.dirname(path) or ".") as file:
            spool = _Spool(file)
            for key, value in entries:
                if key in _IN_HEAD[kind]:
                    in_head[key] = value
                else:
                    spool.add(key, value)
            spool.add(SOURCES, dict(sources))
            head = {"built": built, "digest": digest, "pieces": in_head}
            return StagedFile(stage(path, _parts(kind, head, spool)), path, digest)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None


@overload
def read_compiled(path: str, kind: Literal["vomap-policy"]) -> CompiledDocument[PolicyDocument]: ...
@overload
def read_compiled(path: str, kind: Literal["vomap-bans"]) -> CompiledDocument[BansDocument]: ...
@overload
def read_compiled(path: str, kind: str) -> CompiledDocument[Any]: ...


def read_compiled(path: str, kind: str) -> CompiledDocument[Any]:
    """Return the whole content of a compiled file of a kind, POLICY or BANS. Raises FileError or CompiledFileError."""
    file = CompiledFile(path, kind)
    try:
        entries = dict(file.entries())
        sources = entries.pop(SOURCES)
        if kind == POLICY:
            return CompiledDocument(document_of_policy(entries), file.digest, file.built, sources)
        document: BansDocument = {"bans": entries["bans"]} if file.is_previous else document_of_bans(entries)
        return CompiledDocument(document, file.digest, file.built, sources)
    except NOT_AS_WRITTEN:
        raise file.damaged() from None


def read_issuers(path: str) -> PolicyDocument:
    """Return the document of a compiled policy. Its rules and pools may be left out.

    It takes no longer for more rules. Raises FileError or CompiledFileError.
    """
    file = CompiledFile(path, POLICY)
    # An older vomap, which did not list the issuers, may have compiled the policy: then all of it is read.
    return issuers_document(file.find) or read_compiled(path, POLICY).document


def document_digest(document: Mapping[str, Any]) -> str:
    """Return the sha256 of a document without its sources: two CEs with one digest decide alike."""
    lists = [key for key in ("rules", "bans") if key in document]
    # The order of a list has a meaning (rules, audiences), the order of keys never has.
    digest = sha256(_json({**document, **{key: len(document[key]) for key in lists}}, sort_keys=True))
    for key in lists:
        for entry in document[key]:
            digest.update(b"\n")
            digest.update(_json({name: value for name, value in entry.items() if name != "source"}, sort_keys=True))
    return digest.hexdigest()


class _Spool:
    """Entries on their way to their buckets, in a file: a large policy would not fit into memory twice."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0
        self._checksums, self._lengths, self._offsets = array("L"), array("L"), array("Q")

    def add(self, key: str, value: object) -> None:
        """Add an entry. A bucket is a JSON object with its entries as members."""
        member = _json(key) + b":" + _json(value)
        self._checksums.append(crc32(key.encode()))
        self._lengths.append(len(member))
        self._offsets.append(self._end)
        self._end += self._file.write(member)

    @property
    def count(self) -> int:
        """The number of buckets."""
        return len(self._offsets) // _ENTRIES_IN_A_BUCKET + 1

    def bucket_lengths(self) -> array[int]:
        """Return the length of each bucket, with its checksum."""
        lengths = array("Q", [CHECKSUM + len("{}")]) * self.count
        filled = bytearray(self.count)
        for checksum, length in zip(self._checksums, self._lengths):
            number = checksum % self.count
            # Two members have a comma between them.
            lengths[number] += length + filled[number]
            filled[number] = 1
        return lengths

    def buckets(self, seed: int) -> Iterator[bytes]:
        """Yield each bucket, in the order of their numbers. `seed` is the initial value of their checksums."""
        self._file.flush()
        count = self.count
        order = sorted(checksum % count << _INDEX_BITS | at for at, checksum in enumerate(self._checksums))
        entries = iter(order)
        entry = next(entries, None)
        for number in range(count):
            members = []
            while entry is not None and entry >> _INDEX_BITS == number:
                at = entry & ((1 << _INDEX_BITS) - 1)
                members.append(os.pread(self._file.fileno(), self._lengths[at], self._offsets[at]))
                entry = next(entries, None)
            content = b"{" + b",".join(members) + b"}"
            yield crc32(content, seed ^ number).to_bytes(CHECKSUM, "big") + content


def _parts(kind: str, head: Mapping[str, Any], spool: _Spool) -> Iterator[bytes]:
    """Yield a compiled file from its beginning to its end."""
    lengths = spool.bucket_lengths()
    index = OFFSET * (len(lengths) + 1)
    content = _json({**head, "buckets": len(lengths), "rest": index + sum(lengths)})
    line = f"{kind} {FORMAT} {head_checksum((kind, FORMAT), content):08x} {len(content)}\n".encode()
    yield line
    yield content
    offsets = array("Q", accumulate(lengths, initial=len(line) + len(content) + index))
    if sys.byteorder == "little":
        offsets.byteswap()
    yield offsets.tobytes()
    yield from spool.buckets(crc32(content))


def _json(value: object, *, sort_keys: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys).encode()
