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
_POLICY, _BANS = b"vomap-policy", b"vomap-bans"
_FORMAT = b"1"


class BuiltError(Error):
    """A built file that is damaged, of another format, or of another kind."""


def bans_beside(policy_file: str) -> str:
    """Return where the bans of a policy lie: in its place, or beside a policy that lies elsewhere."""
    return BANS_FILE if policy_file == POLICY_FILE else policy_file + ".bans"


def write_policy(path: str, document: Mapping[str, Any], *, sources: Mapping[str, str], built: str) -> str:
    """Write a policy's document and return its digest. `sources` maps each mapfile's path to its sha256.

    Raises FileError.
    """
    return _write(path, _POLICY, document, sources, built)


def write_bans(path: str, document: Mapping[str, Any], *, sources: Mapping[str, str], built: str) -> str:
    """Write the bans' document and return its digest. Raises FileError."""
    return _write(path, _BANS, document, sources, built)


def read_policy(path: str) -> Policy:
    """Read a built policy. Raises FileError or BuiltError."""
    body = read_body(path, _POLICY)
    try:
        return Policy(body["document"], body["digest"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BuiltError(f"{path}: does not hold a policy; run `vomap build`") from None


def read_bans(path: str) -> Bans:
    """Read the built bans. Raises FileError or BuiltError: bans that cannot be read are never no bans."""
    body = read_body(path, _BANS)
    try:
        return Bans(body["document"], body["digest"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BuiltError(f"{path}: does not hold bans; run `vomap build`") from None


def read_body(path: str, kind: bytes) -> dict[str, Any]:
    """Return what a built file holds. Raises FileError or BuiltError."""
    head, _, body = read_trusted(path).partition(b"\n")
    words = head.split(b" ")
    if words[:1] != [kind]:
        raise BuiltError(f"{path}: is not a {kind.decode()} file; run `vomap build`")
    if words[1:2] != [_FORMAT]:
        raise BuiltError(f"{path}: has a format that this vomap does not read; run `vomap build`")
    if words[2:] != [b"%08x" % crc32(body), b"%d" % len(body)]:
        raise BuiltError(f"{path}: is damaged; run `vomap build`")
    try:
        members = parse_json(body.decode("utf-8"))
    except ValueError:
        raise BuiltError(f"{path}: is damaged; run `vomap build`") from None
    if not isinstance(members, dict):
        raise BuiltError(f"{path}: is damaged; run `vomap build`")
    return members


def document_digest(document: Mapping[str, Any]) -> str:
    """Return the sha256 of what a document decides, wherever its files lie: two CEs with one digest answer alike."""
    from hashlib import sha256

    return sha256(_canonical(_without_sources(document))).hexdigest()


def _write(path: str, kind: bytes, document: Mapping[str, Any], sources: Mapping[str, str], built: str) -> str:
    digest = document_digest(document)
    body = _canonical({"built": built, "digest": digest, "document": document, "sources": sources})
    head = b"%s %s %08x %d\n" % (kind, _FORMAT, crc32(body), len(body))
    replace_file(path, head + body)
    return digest


def _canonical(value: object) -> bytes:
    import json

    # Order is kept where it means something (rules, sources of VOs); keys are not reordered, as mapfiles are ordered.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _without_sources(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_sources(member) for key, member in value.items() if key != "source"}
    return [_without_sources(member) for member in value] if isinstance(value, list) else value
