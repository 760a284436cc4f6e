"""The paths that vomap reads and writes on the system of a CE, below the folder that is its root."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from vomap import Error
from vomap.ces.kinds import Ce
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, OSG_MAPFILE
from vomap.files.shipped import shipped_file
from vomap.log import KEY_FILE
from vomap.store import POLICY_FILE, bans_beside

# A mapfile that changes with vomap becomes a link to the one that ships.
LINKED = ("osg",)
# Of `vomap refresh`, and of the key of the decision log.
LATER_FOLDERS = (os.path.dirname(OSG_MAPFILE), os.path.dirname(KEY_FILE))


def below(root: Path, path: str) -> Path:
    """Return the path below a root of a path on the CE's system."""
    return root / path.lstrip("/")


def system_paths(root: Path, ces: Iterable[Ce]) -> Iterator[Path]:
    """Yield the paths below the root that vomap reads and writes, without the links to shipped mapfiles."""
    for path in (MAPFILES_FOLDER, BANS_FOLDER, POLICY_FILE, bans_beside(POLICY_FILE), *LATER_FOLDERS):
        yield below(root, path)
    for folder in (below(root, MAPFILES_FOLDER), below(root, BANS_FOLDER)):
        for entry in folder.iterdir() if folder.is_dir() else ():
            if not (entry.exists() and any(map(entry.samefile, _link_targets()))):
                yield entry
    for ce in ces:
        for folder in map(ce.at, ce.folders):
            yield folder
            yield from folder.glob("*vomap*")


def _link_targets() -> list[Path]:
    """Return the shipped files to which `vomap init` makes links."""
    try:
        return [shipped_file("mapfiles", f"{name}.yaml") for name in LINKED]
    except Error:
        # This mapfile is a package of its own.
        return []
