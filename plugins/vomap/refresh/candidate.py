"""Check and test a candidate before it is in force: alone, and together with the other mapfiles of the site."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vomap.compile.check import check_policy
from vomap.compile.suite import run_suite
from vomap.files.trusted import judge_new
from vomap.mapfile.files import Mapfile, read_files
from vomap.policy.model import NO_BANS
from vomap.refresh.alarms import Alarm
from vomap.refresh.site_effect import SitePolicy

if TYPE_CHECKING:
    from vomap.policy.documents import SiteDocument

_ROOT = "root"
_SUFFIX = ".yaml"


def new_mapfile(path: str, text: str) -> Mapfile:
    """Return a mapfile that `vomap refresh` would write to a path. For root's build it is a file of another user.

    Raises UnreadableFileError if the folder of the path is missing, or if a link of another user leads there.
    """
    return Mapfile(path, text, judge_new(path, os.geteuid()))


def site_with(paths: Sequence[str], text: str | None, candidate: Mapfile) -> list[Mapfile]:
    """Return the mapfiles of a site, in their order, with a text wherever the site reads the path of the candidate.

    None leaves that path out. Raises UnreadableFileError for a file that vomap cannot read.
    """
    found = []
    for path in _expanded(paths):
        if not _is_same_file(path, candidate.path):
            found += read_files([path])
        elif text is not None:
            found.append(new_mapfile(path, text))
    return found


def read_site_policy(mapfiles: Sequence[Mapfile], candidate: Mapfile) -> SitePolicy:
    """Return the policy of a site's mapfiles. The distributed mapfile is the one at the candidate's path.

    Raises MapfileError for mapfiles with errors.
    """
    check = check_policy(mapfiles)
    check.findings.raise_errors()
    return SitePolicy(check.composition, lambda file: _is_same_file(file, candidate.path))


def is_part_of(paths: Sequence[str], candidate: Mapfile) -> bool:
    """Return True if the site reads the candidate's path, directly or through a link."""
    return any(_is_same_file(path, candidate.path) for path in _expanded(paths))


def find_failures(mapfiles: Sequence[Mapfile], now: float) -> list[str]:
    """Return why mapfiles are not a valid policy: errors, wrong owners and modes, or, without any, failing tests.

    A policy without tests fails too.
    """
    check = check_policy(mapfiles, for_build=True)
    if errors := check.findings.errors:
        return [str(finding) for finding in errors]
    suite = run_suite(check, check.policy, NO_BANS, now)
    return [str(result) for result in suite.failed] if suite.results else ["it contains no tests"]


def find_forbidden(candidate: Mapfile, site: SiteDocument) -> list[Alarm]:
    """Return an alarm for each account of a valid candidate that the site forbids: root, and `accounts: never`."""
    rules = check_policy([candidate]).composition.document["rules"]
    forbidden = {_ROOT, *site["accounts"]["never"]}
    renames = site["rename"]
    alarms = []
    for account in sorted({rule["account"] for rule in rules if "account" in rule}):
        renamed = renames.get(account, account)
        if account in forbidden or renamed in forbidden:
            name = account if renamed == account else f"{account}, renamed to {renamed}"
            alarms.append(Alarm("forbidden", f"the site forbids the account {name} (accounts: never)"))
    return alarms


def _is_same_file(path: str, other: str) -> bool:
    """Return True if two paths lead to the same file, which need not exist yet."""
    return os.path.realpath(path) == os.path.realpath(other)


def _expanded(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files that paths name, as `read_files` does. Here one may be a link to a missing file."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for entry in sorted(Path(path).iterdir()):
            if entry.suffix == _SUFFIX and not entry.name.startswith("."):
                yield str(entry)
