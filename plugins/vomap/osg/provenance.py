"""Which topology this is: as a snapshot says, or as git knows; never more than can be known."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from vomap.osg.files import FOLDER, SNAPSHOT, Files, digest
from vomap.osg.problems import Problem, SourceError
from vomap.osg.yaml_text import read_document

if TYPE_CHECKING:
    from pathlib import Path

REPOSITORY = "opensciencegrid/topology"
UNKNOWN = "unknown"

_WRITTEN_DATE = re.compile(r"^# date: (\d{4}-\d{2}-\d{2})$", re.ASCII | re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
_SNAPSHOT_KEYS = {
    "repository": re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", re.ASCII),
    "commit": _COMMIT,
    "date": re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII),
    "original-sha256": re.compile(r"[0-9a-f]{64}", re.ASCII),
    "stripped-sha256": re.compile(r"[0-9a-f]{64}", re.ASCII),
}
_GIT_SECONDS = 20


@dataclass(frozen=True)
class Provenance:
    """Where the VO files come from; `changed` if they are no longer what that commit holds."""

    repository: str = REPOSITORY
    commit: str = UNKNOWN
    date: str = UNKNOWN
    changed: bool = False


def find_provenance(files: Files) -> Provenance:
    """Return where the files come from. Raises SourceError if their SNAPSHOT.yaml cannot be read."""
    if files.snapshot is not None:
        return _from_snapshot(files.snapshot, files)
    if files.archived_commit is not None and _COMMIT.fullmatch(files.archived_commit):
        return Provenance(commit=files.archived_commit, date=_day(files.archived_time or 0))
    return _from_git(files.checkout) if files.checkout else Provenance()


def written_date(text: str) -> str | None:
    """Return the topology's date that the comments at the top of a generated mapfile state; None if they do not."""
    head = text.partition("\nmapfile:")[0]
    found = _WRITTEN_DATE.search(head)
    return found.group(1) if found else None


def _from_snapshot(content: bytes, files: Files) -> Provenance:
    problems: list[Problem] = []
    stated = {}
    document = read_document(SNAPSHOT, content, problems)
    entries = document.entries("a mapping", problems) if document else {}
    for key, pattern in _SNAPSHOT_KEYS.items():
        text = entries[key].text("text", problems) if key in entries else None
        if text is None or not pattern.fullmatch(text):
            problems.append(Problem(SNAPSHOT, 0, 0, key, f"is missing or malformed; expected {pattern.pattern}"))
        else:
            stated[key] = text
    if problems:
        raise SourceError(problems)
    genuine = digest(files.contents) in (stated["original-sha256"], stated["stripped-sha256"])
    return Provenance(stated["repository"], stated["commit"], stated["date"], changed=not genuine)


def _from_git(folder: Path) -> Provenance:
    """Ask git, if the folder is the one at the top of its checkout; in another repository its commit says nothing."""
    if _git(folder, "rev-parse", "--show-prefix") != f"{FOLDER}/":
        return Provenance()
    commit, _, time = (_git(folder, "log", "-1", "--no-show-signature", "--format=%H %ct") or "").partition(" ")
    if not _COMMIT.fullmatch(commit):
        return Provenance()
    status = _git(folder, "status", "--porcelain", "--", ".")
    return Provenance(commit=commit, date=_day(int(time)), changed=status != "")


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git says of a folder, or None. Its variables (GIT_DIR in a hook) would make it speak of another."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell  # nosec B603
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_GIT_SECONDS, check=True
        )
        return done.stdout.decode("utf-8").rstrip("\n")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None


def _day(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return UNKNOWN
