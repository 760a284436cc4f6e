"""Read files of bans, and compose them to one document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.mapfile.entries import ban_document, convert
from vomap.mapfile.owners import ban_file_refusals
from vomap.mapfile.reader import list_items
from vomap.mapfile.schema import read_checked
from vomap.mapfile.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vomap.mapfile.files import Mapfile
    from vomap.mapfile.findings import Findings
    from vomap.policy.documents import BanDocument, BansDocument


@dataclass(frozen=True)
class BanFileContent:
    """The bans of one file, its key `issued` in seconds since 1970, and whether it has the key `bans` at all."""

    bans: list[BanDocument]
    issued: int | None = None
    has_bans: bool = False


def compose_bans(files: Sequence[Mapfile], findings: Findings, refusals: Findings | None = None) -> BansDocument:
    """Compose files of bans to the document of all bans. Errors go to `findings`.

    `refusals` gets an error for each file that is not root's or the builder's. It may be `findings` itself.
    """
    bans: list[BanDocument] = []
    for file in files:
        bans += read_ban_file(file, findings).bans
        if refusals is not None:
            refusals.extend(ban_file_refusals(file))
    return {"bans": bans}


def read_ban_file(file: Mapfile, findings: Findings, most_nodes: int | None = None) -> BanFileContent:
    """Read one file of bans. Errors go to `findings`. `most_nodes` is that of `read_yaml`."""
    checked = read_checked(file.text, file.path, findings, may_be_empty=("bans",), most_nodes=most_nodes)
    if checked is None:
        return BanFileContent([])
    root, _ = checked
    for key in ("site", "issuers", "rules", "pools", "tests"):
        if key in root.keys:
            findings.error(root.keys[key], f"`{key}`: a file of bans cannot have this key; move it to a mapfile")
    issued = root.member("issued")
    return BanFileContent(
        [ban_document(ban, findings) for ban in list_items(root.member("bans"))],
        None if issued is None else convert(issued, "issued", parse_time, findings),
        has_bans="bans" in root.keys,
    )
