"""May a newly generated mapfile take the place of the one in force, or must a person look first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vomap.built.documents import document_digest
from vomap.mapfile.compose import Mapfile, compose
from vomap.mapfile.findings import Findings
from vomap.sources.osg.alarms import Alarm, find_alarms
from vomap.sources.osg.compare import Difference, compare, read_meaning
from vomap.sources.osg.problems import SourceError
from vomap.sources.osg.trial import find_failures, find_forbidden, is_part_of, site_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vomap.sources.osg.alarms import Limits


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
    in_force = Path(candidate.path)
    before = in_force.read_bytes() if in_force.exists() else None
    is_same = before is not None and _body(before) == _body(candidate.text.encode())
    alarms, differences = _changes(candidate, before, limits)
    return Verdict(
        _digest(candidate),
        differences,
        alarms,
        () if is_same else tuple(_faults(candidate, site, now)),
        is_first=before is None,
        is_same=is_same,
        is_read=is_part_of(site, candidate),
    )


def _changes(
    candidate: Mapfile, before: bytes | None, limits: Limits
) -> tuple[tuple[Alarm, ...], tuple[Difference, ...]]:
    if before is None:
        return (), ()
    try:
        old = read_meaning(candidate.path, before)
    except SourceError as error:
        raise SourceError([f"{error}; take this file away to begin anew without it"]) from None
    new = read_meaning("generated", candidate.text.encode())
    return tuple(find_alarms(old, new, limits)), tuple(compare(old, new))


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


def _body(text: bytes) -> list[bytes]:
    """Return a mapfile's lines after the comments at its top, which change with every commit."""
    lines = text.splitlines()
    begin = next((number for number, line in enumerate(lines) if not line.startswith(b"#")), len(lines))
    return lines[begin:]
