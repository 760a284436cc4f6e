"""May a newly generated mapfile take the place of the one in force, or must a person look first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile, read_files
from vomap.mapfile.findings import Findings
from vomap.osg.problems import SourceError
from vomap.osg.provenance import written_date
from vomap.refresh.alarms import Alarm, find_alarms
from vomap.refresh.candidate import (
    find_failures,
    find_forbidden,
    find_standing,
    is_part_of,
    new_mapfile,
    site_with,
    site_without,
)
from vomap.refresh.meaning import NOTHING, Difference, compare, read_meaning
from vomap.refresh.site_effect import find_site_alarms
from vomap.store.writer import document_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vomap.refresh.alarms import Limits


@dataclass(frozen=True)
class Verdict:
    """What a candidate would change, and what stands against it.

    Args:
        digest: of what the candidate decides; empty if it cannot be a policy.
        differences: from the mapfile in force.
        alarms: what a person may accept, having looked.
        faults: what nobody may accept.
        is_first: there is no mapfile in force.
        is_same: the mapfile in force is the same, but perhaps for the comments at its top.
        is_read: the site's mapfiles name the place where it will be.

    """

    digest: str
    differences: tuple[Difference, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    faults: tuple[Alarm, ...] = ()
    is_first: bool = False
    is_same: bool = False
    is_read: bool = True


def judge(candidate: Mapfile, site: Sequence[str], limits: Limits, now: float) -> Verdict:
    """Return the verdict on a candidate for its path, where a site's mapfiles are those that `site` names.

    Raises SourceError if the mapfile in force, or one of the site's, cannot be read.
    """
    before = read_files([candidate.path])[0] if os.path.lexists(candidate.path) else None
    candidate = new_mapfile(candidate.path, candidate.text)
    digest = _digest(candidate)
    is_read = is_part_of(site, candidate)
    if before is not None and not before.custody.faults and _body(before) == _body(candidate):
        return Verdict(digest, is_same=True, is_read=is_read)
    faults = tuple(_faults(candidate, site, now))
    if not digest:
        return Verdict(digest, faults=faults, is_first=before is None, is_read=is_read)
    alarms, differences = _changes(candidate, before, limits)
    if not faults:
        alarms += tuple(_site_alarms(candidate, before, site))
    return Verdict(digest, differences, alarms, faults, is_first=before is None, is_read=is_read)


def _changes(
    candidate: Mapfile, before: Mapfile | None, limits: Limits
) -> tuple[tuple[Alarm, ...], tuple[Difference, ...]]:
    new = read_meaning("generated", candidate.text.encode())
    if before is None:
        text = "no mapfile is in force here yet; whether this one gives what it should, a person must see, once"
        return (Alarm("first", text),), tuple(compare(NOTHING, new))
    try:
        old = read_meaning(candidate.path, before.text.encode())
    except SourceError as error:
        raise SourceError([f"{error}; take this file away to begin anew without it"]) from None
    return (*find_alarms(old, new, limits), *_older(before, candidate)), tuple(compare(old, new))


def _older(before: Mapfile, candidate: Mapfile) -> Iterator[Alarm]:
    """Find a topology that is older than the one in force, or may be: whoever sends it may undo what was mended."""
    old, new = written_date(before.text), written_date(candidate.text)
    if old is not None and (new is None or new < old):
        yield Alarm("older", f"this topology is of {new or 'a date that is not known'}; the one in force is of {old}")


def _site_alarms(candidate: Mapfile, before: Mapfile | None, site: Sequence[str]) -> list[Alarm]:
    """Compare what the whole of the site's mapfiles says with and without the candidate."""
    findings = Findings()
    mapfiles = site_without(site, candidate) if before is None else site_with(site, before)
    old = find_standing(mapfiles, candidate, findings)
    if findings.errors:
        return [Alarm("site", f"what changes for the site cannot be told: {error}") for error in findings.errors]
    return find_site_alarms(old, find_standing(site_with(site, candidate), candidate, Findings()))


def _faults(candidate: Mapfile, site: Sequence[str], now: float) -> list[Alarm]:
    """Try the candidate by itself, then look for forbidden accounts, then try all that the site reads."""
    failures = find_failures([candidate], now)
    if failures:
        return [Alarm("check", failure) for failure in failures]
    mapfiles = site_with(site, candidate)
    findings = Findings()
    composition = compose(mapfiles, findings)
    if not findings.errors:
        forbidden = find_forbidden(candidate, composition.document["site"])
        if forbidden or not is_part_of(site, candidate):
            return forbidden
    return [Alarm("site", f"the site's policy fails with it: {failure}") for failure in find_failures(mapfiles, now)]


def _digest(candidate: Mapfile) -> str:
    findings = Findings()
    document = compose([candidate], findings).document
    return "" if findings.errors else document_digest(document)


def _body(mapfile: Mapfile) -> list[str]:
    """Return a mapfile's lines after the comments at its top, which change with every commit."""
    lines = mapfile.text.splitlines()
    begin = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return lines[begin:]
