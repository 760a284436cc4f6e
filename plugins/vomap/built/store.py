"""The built policy and the built bans: a line that names the format and guards the rest, then one JSON document.

vomap-policy 1 <crc32 of what follows the line, in hex> <its length>
{"built": ..., "digest": ..., "document": ..., "sources": {path: sha256}}
"""

from __future__ import annotations

from binascii import crc32

from vomap.built.files import read_trusted, replace_file
from vomap.claims.jsontext import parse_json
from vomap.errors import Error
from vomap.policy.model import Bans, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

POLICY_FILE = "/var/lib/vomap/policy"
BANS_FILE = "/var/lib/vomap/bans"
POLICY, BANS = "vomap-policy", "vomap-bans"
_FORMAT = "1"


class Built:
    """What a built file holds: a document, its digest, when it was built, and the sha256 of each file it came from."""

    __slots__ = ("built", "digest", "document", "sources")

    def __init__(self, members: Mapping[str, Any]) -> None:
        """Take the members of the file's JSON. Raises KeyError if one is missing."""
        self.document: dict[str, Any] = members["document"]
        self.digest: str = members["digest"]
        self.built: str = members["built"]
        self.sources: dict[str, str] = members["sources"]


class BuiltError(Error):
    """A built file that is damaged, of another format, or of another kind."""


def bans_beside(policy_file: str) -> str:
    """Return where the bans of a policy lie: in their own place if it is in its, else beside it."""
    root, place, rest = policy_file.rpartition(POLICY_FILE)
    return root + BANS_FILE if place and not rest else policy_file + ".bans"


def write_built(path: str, kind: str, document: Mapping[str, Any], *, sources: Mapping[str, str], built: str) -> str:
    """Write a policy or bans and return the digest. `sources` maps each mapfile's path to its sha256.

    Raises FileError.
    """
    digest = document_digest(document)
    body = _canonical({"built": built, "digest": digest, "document": document, "sources": sources})
    replace_file(path, f"{_head(kind, body)}\n".encode() + body)
    return digest


def read_policy(path: str) -> Policy:
    """Read a built policy. Raises FileError or BuiltError."""
    built = read_built(path, POLICY)
    try:
        return Policy(built.document, built.digest)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(path) from None


def read_bans(path: str) -> Bans:
    """Read the built bans. Raises FileError or BuiltError: bans that cannot be read are never no bans."""
    built = read_built(path, BANS)
    try:
        return Bans(built.document, built.digest)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(path) from None


def read_built(path: str, kind: str) -> Built:
    """Return what a built file holds. Raises FileError or BuiltError."""
    head, _, body = read_trusted(path).partition(b"\n")
    words = head.decode("ascii", "replace").split(" ")
    if words[:1] != [kind]:
        raise BuiltError(f"{path}: is not a {kind} file; run `vomap build`")
    if words[1:2] != [_FORMAT]:
        raise BuiltError(f"{path}: has a format that this vomap does not read; run `vomap build`")
    if words != _head(kind, body).split(" "):
        raise _damaged(path)
    try:
        members = parse_json(body.decode("utf-8"))
        return Built(members)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        raise _damaged(path) from None


def document_digest(document: Mapping[str, Any]) -> str:
    """Return the sha256 of what a document decides, wherever its files lie: two CEs with one digest answer alike."""
    from hashlib import sha256

    return sha256(_canonical(_without_places(document))).hexdigest()


def _head(kind: str, body: bytes) -> str:
    return f"{kind} {_FORMAT} {crc32(body):08x} {len(body)}"


def _damaged(path: str) -> BuiltError:
    return BuiltError(f"{path}: is damaged; run `vomap build`")


def _canonical(value: object) -> bytes:
    import json

    # Lists keep their order, which means something (rules, audiences); that of keys means nothing anywhere.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _without_places(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without the places of its rules and bans."""
    bare = dict(document)
    for key in ("rules", "bans"):
        if key in bare:
            bare[key] = [{name: value for name, value in entry.items() if name != "source"} for entry in bare[key]]
    return bare
