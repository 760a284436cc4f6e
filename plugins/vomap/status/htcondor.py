"""Find the map lines and settings of HTCondor-CE by which tokens bypass vomap, or by which vomap only observes.

Source: HTCondor's src/condor_utils/MapFile.cpp, and HTCondor-CE's config/condor_mapfile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vomap.ces.htcondor import COMMAND, MAP_FILE, PLUGIN, SETTINGS_FILE
from vomap.ces.kinds import DEFAULTS_FILE, HtcondorCe
from vomap.status import effective_lines, read_configuration

_DEEPEST_INCLUDE = 8
_OBSERVE = "--observe"
# A map line with vomap as the first plugin, and perhaps others after it.
_VOMAP_LINE = re.compile(rf"(SCITOKENS\s+/(?:\\.|[^\\/])*/\w*\s+PLUGIN:{PLUGIN})((?:,\w+)*)")


def find_htcondor_bypasses(ce: HtcondorCe, issuers: Sequence[str]) -> list[str]:
    """Return the places of map lines by which HTCondor-CE maps tokens of these issuers without vomap."""
    found = [
        place
        for place, line in _lines_before_vomap(ce)
        if not _VOMAP_LINE.fullmatch(line.strip()) and any(_may_match(line, issuer) for issuer in issuers)
    ]
    top, folder = ce.at(ce.MAPFILE), ce.at(ce.MAPFILES[0])
    if top.is_file() and folder not in (_include_target(ce, line) for _, line in _numbered_lines(top)):
        found.append(f"{top}: without `@include {ce.MAPFILES[0]}/`")
    return found


def find_observing_file(ce: HtcondorCe) -> Path | None:
    """Return the file whose setting makes vomap only observe. Return None if vomap answers."""
    found = {key: (file, value) for file, key, value in _settings_in(_files_in(ce.at(ce.SETTINGS)))}
    file, value = found.get(COMMAND, (None, ""))
    return file if _OBSERVE in value.split() else None


def find_next_plugins(ce: HtcondorCe) -> list[str]:
    """Return the names of the plugins that the site's map files name after vomap."""
    lines = (line for file in _files_in(ce.at(ce.MAPFILES[0])) for line in effective_lines(read_configuration(file)))
    lists = (match[2].split(",")[1:] for line in lines if (match := _VOMAP_LINE.fullmatch(line)))
    return sorted({name for names in lists for name in names})


def drop_next_plugins(lines: Iterable[str]) -> list[str]:
    """Return lines of a map file without the plugins after vomap. Other lines stay as they are."""
    return [match[1] if (match := _VOMAP_LINE.fullmatch(line)) else line for line in lines]


def _lines_before_vomap(ce: HtcondorCe) -> Iterator[tuple[str, str]]:
    """Yield the lines, each with its place, of HTCondor-CE's map file and of its includes, up to vomap's own."""
    folder = ce.at(ce.MAPFILES[0])
    for place, line in _numbered_lines(ce.at(ce.MAPFILE)):
        included = _include_target(ce, line)
        if included is None:
            yield place, line
        elif included == folder:
            break
        else:
            yield from _all_lines(ce, _files_in(included))
    yield from _all_lines(ce, [file for file in _files_in(folder) if file.name < MAP_FILE])


def _all_lines(ce: HtcondorCe, files: Sequence[Path], depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the lines of map files and their includes, each with its place. Two files may include each other."""
    for file in files:
        for place, line in _numbered_lines(file):
            included = _include_target(ce, line)
            if included is None or depth >= _DEEPEST_INCLUDE:
                yield place, line
            else:
                yield from _all_lines(ce, _files_in(included), depth + 1)


def _include_target(ce: HtcondorCe, line: str) -> Path | None:
    """Return the file or folder of an `@include` line. Return None for any other line."""
    word, target = _split_word(line)
    return ce.at(target.strip().strip('"')) if word.lower() == "@include" else None


def _split_word(line: str) -> tuple[str, str]:
    """Return the first word of a line and the rest, each "" if it is missing."""
    word, rest = [*line.split(None, 1), "", ""][:2]
    return word, rest


def _numbered_lines(file: Path) -> list[tuple[str, str]]:
    lines = read_configuration(file).splitlines() if file.is_file() else []
    return [(f"{file}:{number}", line) for number, line in enumerate(lines, 1)]


def _files_in(path: Path) -> list[Path]:
    entries = sorted(path.iterdir()) if path.is_dir() else [path]
    return [entry for entry in entries if entry.is_file()]


def _settings_in(files: Iterable[Path]) -> Iterator[tuple[Path, str, str]]:
    """Yield each setting of HTCondor: its file, its name in capitals, and its value."""
    for file in files:
        for line in effective_lines(read_configuration(file)):
            key, _, value = (word.strip() for word in line.partition("="))
            yield file, key.upper(), value


def find_overriding_settings(ce: HtcondorCe) -> Iterator[str]:
    """Yield the later settings that change one of vomap's own, and the settings that name another map file."""
    folder = ce.at(ce.SETTINGS)
    ours = [file for name in (DEFAULTS_FILE, SETTINGS_FILE) if (file := folder / name).is_file()]
    own = {key: (file, value) for file, key, value in _settings_in(ours)}
    for file, key, value in _settings_in(_files_in(folder)):
        is_other_map = key == "CERTIFICATE_MAPFILE" and value != ce.MAPFILE
        own_file, own_value = own.get(key, (file, value))
        only_observes = key == COMMAND and value == f"{own_value} {_OBSERVE}"
        if is_other_map or (file > own_file and file not in ours and not only_observes):
            yield f"{file}: {key}"


def _may_match(line: str, issuer: str) -> bool:
    """Return True if a map line may match a token of some subject of an issuer.

    A line is excluded only if its expression begins with a literal text that is not the issuer's: HTCondor's
    expressions (PCRE) differ from Python's, and an expression on the subject alone matches every issuer.
    """
    method, rest = _split_word(line)
    if method.strip('"').upper() != "SCITOKENS":
        return False
    if not rest.startswith("/"):
        return rest.strip('"').startswith(f"{issuer},")
    expression = re.match(r"/((?:\\.|[^\\/])*)/?(\w*)", rest)
    if expression is None or "|" in expression[1]:
        return True
    begin = re.match(r"\^((?:(?:\\[^A-Za-z0-9\\]|[A-Za-z0-9:,_@%~#&=!-])(?![*?{]))*)", expression[1])
    literal = "" if begin is None else re.sub(r"\\(.)", r"\1", begin[1])
    text = f"{issuer},"
    if "i" in expression[2]:
        literal, text = literal.lower(), text.lower()
    return text.startswith(literal) or literal.startswith(text)
