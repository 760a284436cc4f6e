"""Report files and folders that vomap refuses to build because of their owners or modes."""

from __future__ import annotations

import os
from collections.abc import Iterable

from vomap.files.trusted import judge_folder
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Finding, Place


def folder_refusals(paths: Iterable[str], builder: int | None = None) -> list[Finding]:
    """Return an error for each folder of bans that other users can write: a user who removes a file lifts its bans.

    `builder` is the uid of the user who builds (default: the user of this process). Paths that are not folders are
    ignored. Raises UnreadableFileError for a folder that vomap cannot examine.
    """
    uid = os.geteuid() if builder is None else builder
    return [refusal for path in paths if os.path.isdir(path) for refusal in _refusals(path, judge_folder(path, uid))]


def mode_refusals(file: Mapfile) -> list[Finding]:
    """Return an error for each reason to refuse a file whatever it contains."""
    return _refusals(file.path, file.custody.faults)


def ban_file_refusals(file: Mapfile) -> list[Finding]:
    """Return why vomap refuses a file of bans: only root and the builder may write it."""
    custody, refusals = file.custody, mode_refusals(file)
    if custody.owner is not None:
        message = f"{custody.owner} can write this file of bans; expected owner: root. If you trust the content"
        refusals += _refusals(file.path, [f"{message}: `{custody.chown}`"])
    return refusals


def _refusals(path: str, faults: Iterable[str]) -> list[Finding]:
    return [Finding(Place(path, 1, 1), fault) for fault in faults]
