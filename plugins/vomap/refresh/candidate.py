"""A mapfile is tried before it is in force: by itself, and among those that a site reads with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vomap.files.trusted import judge_new
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile, UnreadableFileError, read_files
from vomap.mapfile.findings import Findings
from vomap.mapfile.policy_tests import run_tests
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS
from vomap.refresh.alarms import Alarm
from vomap.refresh.site_effect import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vomap.policy.documents import SiteDocument

_ROOT = "root"
_SUFFIX = ".yaml"


def new_mapfile(path: str, text: str) -> Mapfile:
    """Return a mapfile that is to be put at a path, or linked from there: to root's build another user's file.

    Raises UnreadableFileError if there is no such folder, Error for a link of another user's.
    """
    try:
        return Mapfile(path, text, judge_new(path, os.geteuid()))
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror}") from None


def site_with(paths: Sequence[str], candidate: Mapfile) -> list[Mapfile]:
    """Return a site's mapfiles, in their order, with the candidate in each place from which its path is read.

    Raises UnreadableFileError for what cannot be read.
    """
    target = os.path.realpath(candidate.path)
    return [
        new_mapfile(path, candidate.text) if os.path.realpath(path) == target else read_files([path])[0]
        for path in _expanded(paths)
    ]


def site_without(paths: Sequence[str], candidate: Mapfile) -> list[Mapfile]:
    """Return a site's other mapfiles, in their order. Raises UnreadableFileError for what cannot be read."""
    target = os.path.realpath(candidate.path)
    return [read_files([path])[0] for path in _expanded(paths) if os.path.realpath(path) != target]


def find_standing(mapfiles: Sequence[Mapfile], candidate: Mapfile, findings: Findings) -> Standing:
    """Return what a site's mapfiles say together, where the candidate's path is that of the distributed one.

    Their errors go to `findings`, and what is returned then is not to be used.
    """
    target = os.path.realpath(candidate.path)
    return Standing(compose(mapfiles, findings).document, lambda file: os.path.realpath(file) == target)


def is_part_of(paths: Sequence[str], candidate: Mapfile) -> bool:
    """Tell whether a site reads the candidate's path, perhaps by way of a link. Raises UnreadableFileError."""
    target = os.path.realpath(candidate.path)
    return any(os.path.realpath(path) == target for path in _expanded(paths))


def find_failures(mapfiles: Sequence[Mapfile], now: float) -> list[str]:
    """Return what keeps mapfiles from being a policy: their errors, their owners and modes, or else failing tests.

    A policy without tests fails, too.
    """
    findings = Findings()
    composition = compose(mapfiles, findings, refusals=findings)
    if findings.errors:
        return [str(finding) for finding in findings.errors]
    results = list(run_tests(composition.tests, policy_of(composition.document), mapfiles, NO_BANS, now))
    if not results:
        return ["there are no tests in it"]
    return [str(result) for result in results if not result.passed]


def find_forbidden(candidate: Mapfile, site: SiteDocument) -> list[Alarm]:
    """Return the accounts of a sound mapfile that a site never answers: root, and those in `accounts: never`."""
    rules = compose([candidate], Findings()).document["rules"]
    forbidden = {_ROOT, *site["accounts"]["never"]}
    named = {rule["account"] for rule in rules if "account" in rule}
    return [
        Alarm("forbidden", f"{account} is an account that the site never answers (accounts: never)")
        for account in sorted(named)
        if not forbidden.isdisjoint((account, site["rename"].get(account, account)))
    ]


def _expanded(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files that paths name as `read_files` does; here one may be a link to what is not there yet."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for entry in sorted(Path(path).iterdir()):
            if entry.suffix == _SUFFIX and not entry.name.startswith("."):
                yield str(entry)
