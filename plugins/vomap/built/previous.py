"""The format before this one: a line with a checksum, then one JSON document. An update must refuse nobody."""

from __future__ import annotations

from binascii import crc32
from collections.abc import Sequence
from typing import Any

from vomap.built import parse_written
from vomap.policy.pieces import take_apart

FORMAT = "1"


def read_previous(words: Sequence[str], body: bytes) -> dict[str, Any]:
    """Return the head of a file of the format before, with all its pieces in it.

    `words` are those of the file's first line, `body` is what follows the line. Raises one of
    NOT_AS_WRITTEN for one that is damaged.
    """
    kind = words[0]
    if list(words) != [kind, FORMAT, f"{crc32(body):08x}", str(len(body))]:
        raise ValueError("damaged")
    members: Any = parse_written(body)
    document = members["document"]
    pieces = dict(take_apart(document)) if "rules" in document else dict(document)
    return {**members, "pieces": {**pieces, "sources": members["sources"]}}
