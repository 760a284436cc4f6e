"""Review a newly generated mapfile: may it replace the one in force, or must the administrator check it first."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vomap import Error
from vomap.compile.check import check_policy
from vomap.files.regular import LARGEST_FOREIGN
from vomap.mapfile.files import Mapfile, read_file
from vomap.mapfile.findings import MapfileError
from vomap.osg.mapfile_text import is_as_generated, kept_vos
from vomap.osg.provenance import written_date
from vomap.refresh.alarms import Alarm, ChangeLimits, find_alarms
from vomap.refresh.candidate import find_failures, find_forbidden, is_part_of, new_mapfile, read_site_policy, site_with
from vomap.refresh.meaning import NOTHING, MapfileChange, Meaning, find_changes, meaning_of, read_meaning
from vomap.refresh.site_effect import find_site_alarms
from vomap.store.writer import document_digest

_BY_HAND = Alarm(
    "by-hand",
    "the mapfile in force was edited by hand, or an earlier vomap wrote it: the candidate keeps nothing of it",
)
_FIRST = Alarm("first", "there is no mapfile yet: check all that this one adds, then accept it")


@dataclass(frozen=True)
class Review:
    """The changes that a candidate brings, and the reasons against it.

    Args:
        digest: the digest of the candidate's policy; empty if the candidate has errors.
        changes: the differences from the mapfile in force.
        alarms: reasons that the administrator may set aside, by accepting the digest.
        faults: reasons that nobody can set aside.
        is_first: True if there is no mapfile in force.
        is_same: True if the mapfile in force is as generated, and differs at most in the comments at its top.
        is_read: True if the site's mapfiles include the candidate's path.

    """

    digest: str
    changes: tuple[MapfileChange, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    faults: tuple[Alarm, ...] = ()
    is_first: bool = False
    is_same: bool = False
    is_read: bool = True


def review_candidate(candidate: Mapfile, site: Sequence[str], limits: ChangeLimits, now: float) -> Review:
    """Return the review of a candidate for its path. `site` are the files and folders of the site's mapfiles.

    `now` is in seconds since 1970. Raises UnreadableFileError if vomap cannot read the mapfile in force or one of the
    site's. Raises Error if the mapfile in force has errors.
    """
    before = read_mapfile_in_force(candidate.path)
    candidate = new_mapfile(candidate.path, candidate.text)
    check = check_policy([candidate])
    digest = "" if check.findings.errors else document_digest(check.composition.document)
    is_read = is_part_of(site, candidate)
    if before is not None and not before.custody.faults and _is_same(before, candidate):
        return Review(digest, is_same=True, is_read=is_read)
    faults = tuple(_find_faults(candidate, site, now))
    if not digest:
        return Review(digest, faults=faults, is_first=before is None, is_read=is_read)
    new = meaning_of(check.composition)
    old = NOTHING if before is None else _meaning_in_force(before)
    alarms = [_FIRST]
    if before is not None:
        alarms = [*_by_hand(before), *find_alarms(old, new, limits), *_older(before, candidate)]
    if not faults:
        alarms += _site_alarms(candidate, before, site)
    return Review(digest, tuple(find_changes(old, new)), tuple(alarms), faults, before is None, is_read=is_read)


def read_mapfile_in_force(path: str) -> Mapfile | None:
    """Return the mapfile at a path, or None if there is none. Raises UnreadableFileError."""
    return read_file(path) if os.path.lexists(path) else None


def _is_same(before: Mapfile, candidate: Mapfile) -> bool:
    """Return True if only the commit differs, in the comments at the top. Kept VOs are there, and count.

    A mapfile that was edited by hand is never the same.
    """
    is_same = _body(before) == _body(candidate) and kept_vos(before.text) == kept_vos(candidate.text)
    return is_same and is_as_generated(before.text)


def _meaning_in_force(before: Mapfile) -> Meaning:
    try:
        return read_meaning([before])
    except MapfileError as error:
        advice = "repair the mapfile in force, or move it away and accept a new one"
        raise Error(f"{error.findings[0]}; {advice}") from None


def _by_hand(before: Mapfile) -> list[Alarm]:
    """Find an edit of the mapfile in force, whatever it changes: only the administrator knows what it is for."""
    return [] if is_as_generated(before.text) else [_BY_HAND]


def _older(before: Mapfile, candidate: Mapfile) -> Iterator[Alarm]:
    """Find a topology that may be older than the one in force: an attacker could send one to undo a correction."""
    old, new = written_date(before.text), written_date(candidate.text)
    if old is not None and (new is None or new < old):
        date = "has an unknown date" if new is None else f"is of {new}"
        yield Alarm("older", f"this topology {date}, the one in force is of {old}")


def _site_alarms(candidate: Mapfile, before: Mapfile | None, site: Sequence[str]) -> list[Alarm]:
    """Compare the whole policy of the site with and without the candidate. The policy with it has no errors."""
    in_force = None if before is None else before.text
    try:
        old = read_site_policy(site_with(site, in_force, candidate), candidate)
    except MapfileError as error:
        text = "vomap cannot compare the site's policy, which has an error without the candidate"
        return [Alarm("site", f"{text}: {finding}") for finding in error.findings]
    return find_site_alarms(old, read_site_policy(site_with(site, candidate.text, candidate), candidate))


def _find_faults(candidate: Mapfile, site: Sequence[str], now: float) -> list[Alarm]:
    """Check the candidate alone, then look for forbidden accounts, then check all mapfiles of the site."""
    if len(candidate.text.encode()) > LARGEST_FOREIGN:
        return [
            Alarm("check", f"the candidate is larger than {LARGEST_FOREIGN >> 20} MiB, and root's build refuses it")
        ]
    failures = find_failures([candidate], now)
    if failures:
        return [Alarm("check", failure) for failure in failures]
    mapfiles = site_with(site, candidate.text, candidate)
    check = check_policy(mapfiles)
    if not check.findings.errors:
        forbidden = find_forbidden(candidate, check.composition.document["site"])
        if forbidden or not is_part_of(site, candidate):
            return forbidden
    failures = find_failures(mapfiles, now)
    return [Alarm("site", f"the site's policy fails with the candidate: {failure}") for failure in failures]


def _body(mapfile: Mapfile) -> list[str]:
    """Return the lines of a mapfile after the comments at its top, which change with every commit of the topology."""
    lines = mapfile.text.splitlines()
    begin = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return lines[begin:]
