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
    from vomap.mapfile.findings import Finding, Findings
    from vomap.policy.documents import BanDocument, BansDocument

_POLICY_KEYS = ("site", "issuers", "rules", "pools", "tests")


@dataclass(frozen=True)
class BanFileContent:
    """The bans of one file, its key `issued` in seconds since 1970, and whether it has the key `bans` at all."""

    bans: list[BanDocument]
    issued: int | None = None
    has_bans: bool = False


def compose_bans(files: Sequence[Mapfile], findings: Findings, refusals: Findings | None = None) -> BansDocument:
    """Compose files of bans to the document of all bans; errors go to `findings`.

    `refusals` gets an error for each file that is not root's or the builder's; it may be `findings` itself.
    """
    bans: list[BanDocument] = []
    for file in files:
        bans += read_ban_file(file, findings).bans
        if refusals is not None:
            refusals.extend(ban_file_refusals(file))
    return {"bans": bans}


def find_ban_refusals(files: Sequence[Mapfile]) -> list[Finding]:
    """Return why a build would refuse files of bans for their owners and modes."""
    return [refusal for file in files for refusal in ban_file_refusals(file)]


def read_ban_file(file: Mapfile, findings: Findings) -> BanFileContent:
    """Read one file of bans; errors go to `findings`."""
    checked = read_checked(file.text, file.path, findings, may_be_empty=("bans",))
    if checked is None:
        return BanFileContent([])
    root, _ = checked
    for key in _POLICY_KEYS:
        if key in root.keys:
            findings.error(root.keys[key], f"`{key}` is no part of a file of bans; write it to a mapfile")
    issued = root.member("issued")
    return BanFileContent(
        [ban_document(ban, findings) for ban in list_items(root.member("bans"))],
        None if issued is None else convert(issued, "issued", parse_time, findings),
        has_bans="bans" in root.keys,
    )
