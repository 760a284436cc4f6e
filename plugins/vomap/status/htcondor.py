"""Find the map lines and settings of HTCondor-CE by which tokens bypass vomap, or by which vomap only observes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vomap.ces.htcondor import COMMAND, OBSERVE, SETTINGS_FILE
from vomap.ces.htcondor_files import MapFiles, read_settings
from vomap.ces.kinds import DEFAULTS_FILE, HtcondorCe
from vomap.ces.lost_bans import is_banned
from vomap.ces.map_lines import ANY_TOKEN, MapLine


def find_htcondor_bypasses(files: MapFiles, issuers: Sequence[str]) -> list[str]:
    """Return the places of map lines before vomap's own by which HTCondor-CE maps tokens of these issuers."""
    return [
        line.place
        for line in files.before_own
        # A ban in front of vomap's lines maps no token. A line of the site may ask vomap, but not for every issuer.
        if line.expression == ANY_TOKEN
        or (
            line.next_plugins is None
            and not is_banned(line.name)
            and any(line.expression.may_match(issuer) for issuer in issuers)
        )
    ]


def find_unasked(files: MapFiles, issuers: Iterable[str]) -> list[str]:
    """Return the places of map lines behind vomap's own that map tokens of issuers for which no line asks vomap."""
    left, found = set(issuers), []
    for place, line in enumerate(files.lines):
        if line.next_plugins is not None:
            left = {issuer for issuer in left if not line.expression.takes(issuer)}
        elif not is_banned(line.name) and any(map(line.expression.may_match, left)):
            found += [line.place] if place >= len(files.before_own) else []
    return found


def find_observing_file(ce: HtcondorCe) -> Path | None:
    """Return the file whose setting makes vomap only observe. Return None if vomap answers."""
    found = {key: (file, value) for file, key, value in read_settings(ce, ce.SETTINGS).values}
    file, value = found.get(COMMAND, (None, ""))
    return file if OBSERVE in value.split() else None


def find_next_plugins(lines: Iterable[MapLine]) -> list[str]:
    """Return the names of the plugins that map lines name after vomap."""
    return sorted({name for line in lines for name in line.next_plugins or ()})


def find_unmapped(lines: Iterable[MapLine]) -> dict[str, MapLine]:
    """Return the issuers whose tokens no plugin maps while vomap only observes, each with vomap's line for it."""
    first: dict[str, MapLine] = {}
    for line in lines:
        issuer = line.expression.issuer()
        if line.next_plugins is not None and issuer is not None:
            first.setdefault(issuer, line)
    return {issuer: line for issuer, line in first.items() if not line.next_plugins}


def find_overriding_settings(ce: HtcondorCe) -> Iterator[str]:
    """Yield the later settings that change one of vomap's own, and the settings that name another map file."""
    folder = ce.at(ce.SETTINGS)
    ours = [file for name in (DEFAULTS_FILE, SETTINGS_FILE) if (file := folder / name).is_file()]
    values = read_settings(ce, ce.SETTINGS).values
    own = {key: (file, value) for file, key, value in values if file in ours}
    for file, key, value in values:
        is_other_map = key == "CERTIFICATE_MAPFILE" and value != ce.MAPFILE
        own_file, own_value = own.get(key, (file, value))
        only_observes = key == COMMAND and value == f"{own_value} {OBSERVE}"
        if is_other_map or (file > own_file and file not in ours and not only_observes):
            yield f"{file}: {key}"
