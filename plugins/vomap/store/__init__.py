"""Read a compiled policy and compiled bans: only the entries that a token asks for, however many others there are.

A compiled file has a line, a head, the offsets of its buckets, and the buckets:

    vomap-policy 3 <crc32 of these words and the head, in hex> <its length>
    {"built": ..., "digest": ..., "pieces": {...}, "buckets": N, "rest": <the length of what follows>}
    N + 1 offsets of 8 bytes, big-endian: where each bucket begins, and where the last one ends
    N buckets: a crc32 of 4 bytes, big-endian, and a JSON object

`pieces` and the buckets have the entries of the index (vomap/policy/index.py). An entry is in the head if every token
asks for it, else in the bucket with the number crc32(key) modulo N. The crc32 of a bucket begins with that of the head
and the bucket's number. So vomap detects a bucket that was damaged, moved, or left from another build. It reads a file
only if no user but root and itself can have written it.

This module imports `posix` and not `os`: without the module `site`, loading `os` takes longer than the decision.
"""

from __future__ import annotations

import posix
from _json import make_scanner
from binascii import crc32

from vomap import Error
from vomap.files import open_file, open_trusted
from vomap.policy.model import Bans, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Final

POLICY_FILE = "/var/lib/vomap/policy"
BANS_FILE = "/var/lib/vomap/bans"
POLICY: Final = "vomap-policy"
BANS: Final = "vomap-bans"
FORMAT, PREVIOUS = "3", "2"
OFFSET, CHECKSUM = 8, 4
# The first read has all of most policies, and the head of nearly all.
_FIRST_READ = 1 << 16
_KEPT_BUCKETS = 10_000
# The errors of a document that vomap never wrote, although its checksum is right.
NOT_AS_WRITTEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class _WrittenJson:
    """The settings of the standard library's JSON scanner in C, for text that the module `json` has written."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


_settings: Any = _WrittenJson
# An import of `json` takes longer than a decision.
_scan: Callable[[str, int], tuple[Any, int]] = make_scanner(_settings)


class CompiledFileError(Error):
    """A compiled file that is damaged, of another format, or of another kind."""


class CompiledFile:
    """An open compiled file: its head, and its entries as they are asked for."""

    def __init__(self, path: str, kind: str, *, just_written: bool = False) -> None:
        """Open a file of a kind, POLICY or BANS. With `just_written`, this process has written it, so it is trusted.

        Raises FileError or CompiledFileError.
        """
        self.path = path
        self._buckets: dict[int, dict[str, Any]] = {}
        self._descriptor, self._size = open_file(path) if just_written else open_trusted(path)
        self._first = b""
        self._first = self._read(0, _FIRST_READ)
        line = self._first.partition(b"\n")[0]
        words = line.decode("ascii", "replace").split(" ")
        if words[0] != kind:
            raise CompiledFileError(f"{path}: is not a {kind} file; {_next_step(path)}")
        try:
            head = self._head(words, len(line) + 1)
            self.digest: str = head["digest"]
            self.built: str = head["built"]
            self._entries: dict[str, Any] = head["pieces"]
            site = self._entries.get("site")
            if site and "journal" in site:
                # Files that an earlier vomap wrote: without this, the log would show subjects that the site hides.
                site["log"] = site.pop("journal")
        except NOT_AS_WRITTEN:
            raise self.damaged() from None

    def _head(self, words: list[str], begin: int) -> dict[str, Any]:
        """Return the head, which begins at `begin`."""
        if words[1:2] not in ([FORMAT], [PREVIOUS]):
            raise CompiledFileError(f"{self.path}: has a format that this vomap does not read; {_next_step(self.path)}")
        self.is_previous = words[1] == PREVIOUS
        end = begin + int(words[3])
        if end > self._size:
            # There may be less memory than a damaged length asks for.
            raise self.damaged()
        content = self._read(begin, end - begin)
        if words[2:] != [f"{head_checksum(words, content):08x}", str(len(content))]:
            raise self.damaged()
        head: dict[str, Any] = parse_written(content)
        self._index, self._count, self._seed = end, head["buckets"], crc32(content)
        if end + head["rest"] != self._size:
            raise self.damaged()
        return head

    def __del__(self) -> None:
        """Close the file. A callout ends before that."""
        descriptor = getattr(self, "_descriptor", None)
        if descriptor is not None:
            posix.close(descriptor)

    def find(self, key: str) -> Any:
        """Return the value of the entry with a key, or None. Raises FileError or CompiledFileError."""
        if key in self._entries or not self._count:
            return self._entries.get(key)
        number = crc32(key.encode()) % self._count
        bucket = self._buckets.get(number)
        if bucket is None:
            if len(self._buckets) >= _KEPT_BUCKETS:
                self._buckets.clear()
            bucket = self._buckets[number] = self._load(number)
        return bucket.get(key)

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Yield every entry: this reads the whole file. Raises FileError or CompiledFileError."""
        yield from self._entries.items()
        for number in range(self._count):
            yield from self._load(number).items()

    def damaged(self) -> CompiledFileError:
        """Return the error for a file that is not as vomap wrote it."""
        return CompiledFileError(f"{self.path}: is damaged; {_next_step(self.path)}")

    def _load(self, number: int) -> dict[str, Any]:
        ends = self._read(self._index + OFFSET * number, 2 * OFFSET)
        begin = int.from_bytes(ends[:OFFSET], "big")
        length = int.from_bytes(ends[OFFSET:], "big") - begin
        if not 0 < length <= self._size:
            raise self.damaged()
        content = self._read(begin, length)
        checksum = int.from_bytes(content[:CHECKSUM], "big")
        if len(content) != length or crc32(content[CHECKSUM:], self._seed ^ number) != checksum:
            raise self.damaged()
        try:
            bucket: dict[str, Any] = parse_written(content[CHECKSUM:])
        except ValueError:
            raise self.damaged() from None
        return bucket

    def _read(self, offset: int, length: int) -> bytes:
        if offset >= 0 and offset + length <= len(self._first):
            return self._first[offset : offset + length]
        try:
            return posix.pread(self._descriptor, length, offset)
        except (OSError, OverflowError):
            raise self.damaged() from None


def _next_step(path: str) -> str:
    """Return what to do about a file. Only the files of the CE have one command that builds them."""
    return "run `vomap build`" if path in (POLICY_FILE, BANS_FILE) else "build it again, from its mapfiles and bans"


def head_checksum(words: Sequence[str], content: bytes) -> int:
    """Return the checksum of a head. `words` are the words of its line: kind and format come first.

    The checksum begins with that of kind and format, so that a file of one kind never passes for another.
    """
    return crc32(content, 0 if words[1] == PREVIOUS else crc32(" ".join(words[:2]).encode()))


def parse_written(content: bytes) -> Any:
    """Return the value of JSON in a compiled file, which has no white space. Raises ValueError for any other text."""
    text = content.decode("utf-8")
    try:
        value, end = _scan(text, 0)
    except (StopIteration, RecursionError, SystemError):
        # SystemError: Python 3.10 and 3.11 raise it for an error unless the module `json` is loaded.
        raise ValueError("no JSON value") from None
    if end != len(text):
        raise ValueError("text after the JSON value")
    return value


def bans_beside(policy_file: str) -> str:
    """Return the path of the bans of a policy: the default path if the policy has its own default, else beside it."""
    root, place, rest = policy_file.rpartition(POLICY_FILE)
    return root + BANS_FILE if place and not rest else policy_file + ".bans"


def read_policy(path: str, *, just_written: bool = False) -> Policy:
    """Open a compiled policy. Raises FileError or CompiledFileError, as any later look-up in the policy may do."""
    file = CompiledFile(path, POLICY, just_written=just_written)
    try:
        if not file.is_previous:
            return Policy(file.find, file.digest)
        from vomap.store.format2 import policy_finder

        return Policy(policy_finder(file), file.digest)
    except NOT_AS_WRITTEN:
        raise file.damaged() from None


def read_bans(path: str) -> Bans:
    """Open compiled bans. Raises FileError or CompiledFileError, as any later look-up in the bans may do.

    If vomap cannot read the bans, this is always an error, and never an empty list of bans.
    """
    file = CompiledFile(path, BANS)
    try:
        if not file.is_previous:
            if not isinstance(file.find("asked"), list):
                raise file.damaged()
            return Bans(file.find, file.digest)
        from vomap.store.format2 import ban_finder

        return Bans(ban_finder(file), file.digest)
    except NOT_AS_WRITTEN:
        raise file.damaged() from None
