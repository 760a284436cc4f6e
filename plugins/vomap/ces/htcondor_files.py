"""Read the map files and the settings of HTCondor-CE in the order in which HTCondor reads them.

Sources: MapFile.cpp and condor_config.cpp in HTCondor's src/condor_utils, and HTCondor-CE's config/condor_mapfile.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vomap.ces.htcondor import MAP_FILE, is_read
from vomap.ces.kinds import HtcondorCe
from vomap.ces.map_lines import BROKEN, MapLine, first_word, include_target, read_map_line
from vomap.files.regular import UnreadableFileError, read_regular_file

# A larger file is not read by hand, and its lines are not read in a second.
_LARGEST = 8 << 20
# A setting of several lines: `NAME @=END`, the lines, `@END`.
_SEVERAL_LINES = re.compile(r"(\s*[\w.]+\s*)@=(\w+)\s*")


@dataclass
class Settings:
    """Settings of HTCondor, each with its file, name in capitals and value, and what is wrong with the files.

    `paths` are the files and folders that HTCondor reads.
    """

    values: list[tuple[Path, str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)


@dataclass
class MapFiles:
    """The lines of HTCondor-CE's map files that may map tokens, in its order, and what is wrong with the files.

    `own_at` is the number of lines before the place of vomap's own file, None if HTCondor-CE does not read its folder.
    `paths` are the files and folders that HTCondor-CE reads.
    """

    lines: list[MapLine] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    own_at: int | None = None
    paths: list[Path] = field(default_factory=list)

    @property
    def before_own(self) -> list[MapLine]:
        """The lines before vomap's own file."""
        return self.lines[: self.own_at]


def read_map_files(
    ce: HtcondorCe, planned: Mapping[Path, str] | None = None, unreadable: Collection[Path] = ()
) -> MapFiles:
    """Read all map files.

    `planned` maps the paths of files to the text that they will have. `unreadable` files, and those in such folders,
    have no lines: HTCondor-CE cannot read them.
    """
    reader = _Reader(ce, planned or {}, unreadable)
    reader.read_top()
    return reader.found


def included_files(folder: Path) -> list[Path]:
    """Return the files of a folder that HTCondor reads, in its order. Raises OSError."""
    entries = [entry for entry in folder.iterdir() if is_read(entry.name) and not entry.is_dir()]
    return sorted(entries, key=os.fsencode)


def read_settings(ce: HtcondorCe, *paths: str) -> Settings:
    """Read the settings in files and folders of HTCondor-CE."""
    found = Settings()
    for path in map(ce.at, paths):
        try:
            files = included_files(path) if path.is_dir() else [path]
        except OSError as error:
            found.faults.append(f"{path}: {error.strerror}")
            continue
        found.paths += dict.fromkeys([path, *files])
        for file in files:
            if _is_missing(file):
                continue
            try:
                text = _text_of(file)
            except UnreadableFileError as error:
                found.faults.append(str(error))
                continue
            found.values += [(file, *setting) for line in _logical_lines(text) if (setting := _setting(line))]
    return found


def _is_missing(path: Path) -> bool:
    """Return True for a file that is missing, and for a link to one. HTCondor ignores these."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _logical_lines(text: str) -> list[str]:
    """Return the lines of a file of settings, one for each setting: one may have several lines."""
    lines: list[str] = []
    end = None
    for line in text.replace("\\\n", "").split("\n"):
        if end is not None:
            end = None if line.strip() == end else end
            lines[-1] += f" {line.strip()}" if end is not None else ""
        elif begin := _SEVERAL_LINES.fullmatch(line):
            end = f"@{begin[2]}"
            lines.append(f"{begin[1]}=")
        else:
            lines.append(line)
    return lines


def _setting(line: str) -> tuple[str, str] | None:
    key, equals, value = (word.strip() for word in line.partition("="))
    return (key.upper(), value) if equals and not key.startswith("#") else None


def _text_of(file: Path) -> str:
    """Return the text of a file. Bytes that are not UTF-8 are replaced. Raises UnreadableFileError."""
    content, _ = read_regular_file(str(file), _LARGEST)
    return content.decode("utf-8", "replace")


class _Reader:
    """Reads the map file of HTCondor-CE and its includes."""

    def __init__(self, ce: HtcondorCe, planned: Mapping[Path, str], unreadable: Collection[Path]) -> None:
        self.found = MapFiles()
        self._ce = ce
        self._planned = planned
        self._unreadable = frozenset(unreadable)
        self._folder = ce.at(ce.MAPFILES[0])

    def read_top(self) -> None:
        """Read the map file, or what HTCondor-CE ships as such if it is missing."""
        top = self._ce.at(self._ce.MAPFILE)
        if _is_missing(top):
            for folder in self._ce.MAPFILES:
                self._include(self._ce.at(folder))
            return
        for number, text in self._numbered(top):
            target = include_target(text)
            if target is None:
                self._add(top, number, text)
            elif target:
                self._include(self._ce.at(target) if target.startswith("/") else top.parent / target)

    def _include(self, path: Path) -> None:
        """Read a file, or the files of a folder. HTCondor follows no `@include` in them."""
        own = self._folder / MAP_FILE
        try:
            files = included_files(path) if path.is_dir() else [path]
        except OSError as error:
            self.found.faults.append(f"{path}: {error.strerror}")
            files = []
        self.found.paths += [path] if path.is_dir() else []
        if path == self._folder:
            # The place of vomap's own file counts even if the file, or the folder, is yet to come.
            files = sorted({*files, own} - {path}, key=os.fsencode)
        for file in files:
            if file == own and self.found.own_at is None:
                self.found.own_at = len(self.found.lines)
            for number, text in self._numbered(file):
                self._add(file, number, text)

    def _add(self, file: Path, number: int, text: str) -> None:
        line = read_map_line(file, number, text)
        # vomap's own file is compared as a whole. Lines of other methods may have names of any bytes.
        if (BROKEN in text if line is not None else BROKEN in first_word(text)) and file.name != MAP_FILE:
            advice = "HTCondor compares bytes; save the file as UTF-8, or delete the line"
            self.found.faults.append(f"{file}:{number}: not valid UTF-8: {advice}")
        if line is not None:
            self.found.lines.append(line)

    def _numbered(self, file: Path) -> list[tuple[int, str]]:
        text = self._planned.get(file)
        if text is None and (_is_missing(file) or file.is_dir()):
            return []
        self.found.paths.append(file)
        if self._unreadable.intersection([file, *file.parents]):
            return []
        try:
            text = _text_of(file) if text is None else text
        except UnreadableFileError as error:
            self.found.faults.append(str(error))
            return []
        return list(enumerate(text.split("\n"), 1))
