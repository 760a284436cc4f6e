"""Keep what vomap reads and writes of another system, below a folder that is its root, inside that folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from vomap.files import FileError
from vomap.files.shell import join_words


def is_this_machine(root: Path) -> bool:
    """Return True if a folder is the root of this machine, where the commands of a CE are about that CE."""
    return root.resolve() == Path("/")


def refuse_links_out(root: Path, paths: Iterable[Path]) -> None:
    """Raise FileError for a path below a root if one of its links leads out of the root.

    On its own system an absolute link leads to a place below the root. Here it leads to a file of this machine.
    """
    top = os.path.realpath(root)
    for path in paths:
        place = str(root)
        for name in path.relative_to(root).parts:
            folder, place = os.path.realpath(place), os.path.join(place, name)
            if os.path.commonpath([top, os.path.realpath(place)]) != top:
                raise FileError(_refusal(place, folder, top))


def _refusal(link: str, folder: str, top: str) -> str:
    """Return why a link in a folder is refused, and the command that makes it relative."""
    target = os.readlink(link)
    why = f"{link}: this link leads to {target}, which is not below {top}"
    if not target.startswith("/"):
        return f"{why}; make a link that stays below it"
    relative = os.path.relpath(f"{top}{target}", folder)
    return f"{why}; run `{join_words(['ln', '-sfn', relative, link])}`, which makes it relative"
