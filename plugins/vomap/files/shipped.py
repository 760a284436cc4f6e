"""Find the files that ship beside the code: schemas, mapfiles, and the configuration of CEs."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from vomap import Error


def shipped_file(folder: str, name: str) -> Path:
    """Return the path of a shipped file, such as one of `schemas`, `mapfiles` or `packaging/htcondor`.

    It is in share/vomap of the prefix that vomap is installed in, or in the checkout that it runs from.
    Raises Error if the file is in neither.
    """
    checkout = Path(__file__).resolve().parents[3]
    candidates = [checkout / folder / name, *_installed(folder, name), Path(sys.prefix, "share", "vomap", folder, name)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    is_of_osg = (folder, name) == ("mapfiles", "osg.yaml")
    advice = "install the package vomap-osg-mapfile" if is_of_osg else "install vomap again"
    raise Error(f"{folder}/{name} is not installed with vomap: {advice}")


def _installed(folder: str, name: str) -> list[Path]:
    """Return the paths in the record of the Python installer. Packages of the system have no such record."""
    ending = ("share", "vomap", *folder.split("/"), name)
    try:
        record = files("vomap") or []
    except PackageNotFoundError:
        return []
    # Without `..`: the folder before it has the version of Python in its name, and links to the file outlive it.
    return [Path(os.path.normpath(str(entry.locate()))) for entry in record if entry.parts[-len(ending) :] == ending]
