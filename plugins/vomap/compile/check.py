"""Check mapfiles and bans: read them, compose them, and report errors and warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.mapfile.bans import compose_bans
from vomap.mapfile.compose import Composition, Progress, compose
from vomap.mapfile.files import Mapfile, read_files, skipped_files
from vomap.mapfile.findings import WARNING, Finding, Findings, Place
from vomap.mapfile.owners import folder_refusals
from vomap.policy.index import bans_of, policy_of
from vomap.policy.model import Bans, Policy
from vomap.store.writer import document_digest

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument

# Shows the title of a long piece of work, and yields the function that shows how far the work has come.
ProgressBar = Callable[[str], AbstractContextManager[Progress]]


def no_progress_bar(_: str) -> AbstractContextManager[Progress]:
    """Return a progress bar that shows nothing."""
    return nullcontext(lambda _: None)


@dataclass(frozen=True)
class PolicyCheck:
    """Mapfiles, the policy that they compose, and the findings.

    `refusals` are errors for a build only: about owners and modes of files, and about the content of foreign files.
    """

    mapfiles: list[Mapfile]
    composition: Composition
    findings: Findings
    refusals: Findings

    @property
    def policy(self) -> Policy:
        """The policy for the engine. Raises MapfileError if the mapfiles have errors."""
        self.findings.raise_errors()
        document = self.composition.document
        return policy_of(document, document_digest(document))


@dataclass(frozen=True)
class BansCheck:
    """Files of bans, the document that they compose, and the findings. `refusals` are errors for a build only."""

    files: list[Mapfile]
    document: BansDocument
    findings: Findings
    refusals: Findings

    @property
    def bans(self) -> Bans:
        """The bans for the engine. Raises MapfileError if the files have errors."""
        self.findings.raise_errors()
        return bans_of(self.document, document_digest(self.document))


@dataclass(frozen=True)
class SiteCheck:
    """The mapfiles and the bans of a site."""

    policy: PolicyCheck
    bans: BansCheck

    @property
    def refusal_warnings(self) -> list[Finding]:
        """A warning for each file that a build would refuse for its owner or mode."""
        return self.policy.refusals.as_warnings + self.bans.refusals.as_warnings


def check_mapfiles(
    paths: Sequence[str], progress_bar: ProgressBar = no_progress_bar, *, for_build: bool = False
) -> PolicyCheck:
    """Read and compose mapfiles. For a build, refusals and a missing audience are errors.

    Raises UnreadableFileError for a file that vomap cannot read.
    """
    unread = "vomap does not read this file: the name of a mapfile ends in .yaml"
    skipped = [Finding(Place(path, 1, 1), unread, WARNING) for path in skipped_files(paths)]
    check = check_policy(read_files(paths), progress_bar, for_build=for_build)
    findings = check.findings
    findings.all[:0] = skipped
    if check.mapfiles and not check.composition.has_audience:
        place, missing = Place(check.mapfiles[0].path, 1, 1), "no mapfile has `site: {audience: ...}`"
        if not for_build:
            findings.warn(place, f"{missing}, so `vomap build` would refuse these mapfiles")
        elif not findings.errors:
            findings.error(place, f"{missing}. Write the audiences of the CE, or `unchecked`")
    for rule in check.composition.document["rules"]:
        if "pool" in rule:
            message = "this version of vomap cannot lease accounts of pools, so the CE gets an error for this rule"
            findings.warn(Place.of_source(rule["source"]), message)
    return check


def check_policy(
    mapfiles: Sequence[Mapfile], progress_bar: ProgressBar = no_progress_bar, *, for_build: bool = False
) -> PolicyCheck:
    """Compose mapfiles that may be a part of a policy, without an audience. For a build, refusals are errors."""
    findings = Findings()
    refusals = findings if for_build else Findings()
    with progress_bar("rules read") as progress:
        return PolicyCheck(list(mapfiles), compose(mapfiles, findings, progress, refusals), findings, refusals)


def check_bans(paths: Sequence[str]) -> BansCheck:
    """Read and compose files of bans. Raises UnreadableFileError for a file that vomap cannot read."""
    check = check_ban_files(read_files(paths, bans=True))
    check.refusals.all[:0] = folder_refusals(paths)
    return check


def check_ban_files(files: Sequence[Mapfile], *, for_build: bool = False) -> BansCheck:
    """Compose files of bans. For a build, refusals are errors."""
    findings = Findings()
    refusals = findings if for_build else Findings()
    return BansCheck(list(files), compose_bans(files, findings, refusals), findings, refusals)


def source_digests(mapfiles: Sequence[str], bans: Sequence[str] = ()) -> dict[str, str]:
    """Return the sha256 of each file, by its path. Raises UnreadableFileError for a file that vomap cannot read."""
    return file_digests([*read_files(bans, bans=True), *read_files(mapfiles)])


def file_digests(files: Iterable[Mapfile]) -> dict[str, str]:
    """Return the sha256 of each file, by its path."""
    return {file.path: file.digest for file in files}
