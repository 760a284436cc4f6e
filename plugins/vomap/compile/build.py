"""Build the compiled bans, and the compiled policy if its tests pass. Build again if a source changes meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional, Union

from vomap import Error
from vomap.compile.check import (
    PolicyCheck,
    ProgressBar,
    check_bans,
    check_mapfiles,
    file_digests,
    no_progress_bar,
    source_digests,
)
from vomap.compile.rollback import forget_rollback, is_rolled_back, keep_previous
from vomap.compile.suite import SuiteReport, result_json, run_suite
from vomap.files.lock import locked
from vomap.mapfile.findings import Findings
from vomap.mapfile.times import format_utc
from vomap.policy.index import bans_of
from vomap.policy.model import NO_BANS, Bans
from vomap.store import BANS, POLICY, bans_beside, read_policy
from vomap.store.writer import stage_compiled, write_compiled

# A program, not an administrator, changes a source more often than this during a build. The next build takes the rest.
_MOST_ROUNDS = 5


@dataclass(frozen=True)
class BansBuild:
    """The result of a build of the bans. Without a digest, vomap refused them and the compiled bans did not change.

    `sources` has the sha256 of each file that was read, by its path.
    """

    file: str
    sources: dict[str, str]
    findings: Findings
    digest: str | None = None
    bans: Bans = NO_BANS
    count: int = 0

    @property
    def is_done(self) -> bool:
        """Whether the compiled bans are those of the files."""
        return self.digest is not None

    def as_json(self) -> dict[str, object]:
        """Return the JSON output."""
        members = _members(self.file, self.findings)
        return {**members, "digest": self.digest, "bans": self.count} if self.is_done else members


@dataclass(frozen=True)
class PolicyBuild:
    """The result of a build of the policy. Without a digest, the compiled policy did not change.

    `sources` has the sha256 of each mapfile, by its path. If a finding is an error, vomap ran no test, so there is no
    suite. `is_rolled_back` means that the administrator rolled the policy of these mapfiles back, so vomap did not
    build it again. `issuers` is the number of declared issuers.
    """

    file: str
    sources: dict[str, str]
    findings: Findings = field(default_factory=Findings)
    is_rolled_back: bool = False
    suite: SuiteReport | None = None
    issuers: int = 0
    digest: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the compiled policy is the one that the administrator wants."""
        return self.is_rolled_back or self.digest is not None

    def as_json(self) -> dict[str, object]:
        """Return the JSON output."""
        if self.is_rolled_back:
            return {"file": self.file, "rolled-back": True}
        members = _members(self.file, self.findings)
        if self.suite is not None:
            members.update(tests=len(self.suite.results), failed=[result_json(each) for each in self.suite.failed])
        return {**members, "digest": self.digest} if self.digest is not None else members


# None: a source changed during the build, so the next round begins.
BuildStep = Optional[Union[BansBuild, PolicyBuild]]


def build_in_rounds(
    mapfiles: Sequence[str],
    bans: Sequence[str],
    policy: str,
    progress_bar: ProgressBar = no_progress_bar,
    *,
    is_automatic: bool = False,
) -> Iterator[BuildStep]:
    """Build the bans, then the policy at a path, and yield each result. Build again while the sources change.

    Bans come first: neither an error in a mapfile nor a failed test delays a ban. An automatic build does not build a
    policy that the administrator rolled back. Raises what build_bans and build_policy raise.
    """
    for _ in range(_MOST_ROUNDS):
        now = time.time()
        # Each takes its own lock: a ban that an administrator adds meanwhile does not wait for a large policy.
        of_bans = build_bans(bans, policy, now)
        yield of_bans
        of_policy = build_policy(mapfiles, policy, of_bans.bans, now, progress_bar, is_automatic=is_automatic)
        yield of_policy
        if source_digests(mapfiles, bans) == {**of_bans.sources, **of_policy.sources}:
            return
        yield None


def _members(file: str, findings: Findings) -> dict[str, object]:
    return {"file": file, "findings": [finding.as_json() for finding in findings.in_order]}


def build_bans(paths: Sequence[str], policy: str, now: float) -> BansBuild:
    """Build the bans beside a policy. Raises UnreadableFileError for a file that vomap cannot read, and FileError."""
    path = bans_beside(policy)
    with locked(path):
        check = check_bans(paths)
        sources, findings = file_digests(check.files), check.findings
        findings.all += check.refusals.all
        if findings.errors:
            return BansBuild(path, sources, findings)
        digest = write_compiled(path, BANS, check.document, sources=sources, built=format_utc(now))
        bans = bans_of(check.document, digest)
        return BansBuild(path, sources, findings, digest, bans, len(check.document["bans"]))


def build_policy(
    paths: Sequence[str], path: str, bans: Bans, now: float, progress_bar: ProgressBar, *, is_automatic: bool
) -> PolicyBuild:
    """Build the policy, test it with the bans, and put it in force if every test passes.

    An automatic build does not build a policy that was rolled back. Raises UnreadableFileError
    for a file that vomap cannot read, FileError, and Error if there is no mapfile.
    """
    with locked(path):
        if is_automatic and is_rolled_back(path, digests := source_digests(paths)):
            return PolicyBuild(path, digests, is_rolled_back=True)
        check = check_mapfiles(paths, progress_bar, for_build=True)
        if not check.mapfiles:
            raise Error("there is no mapfile (*.yaml) to build from")
        if check.findings.errors:
            return PolicyBuild(path, file_digests(check.mapfiles), check.findings)
        build = _put_in_force(path, check, bans, now)
        if build.is_done:
            forget_rollback(path)
        return build


def _put_in_force(path: str, check: PolicyCheck, bans: Bans, now: float) -> PolicyBuild:
    """Write a policy, test it, and put it in place if it passes."""
    document, sources = check.composition.document, file_digests(check.mapfiles)
    staged = stage_compiled(path, POLICY, document, sources=sources, built=format_utc(now))
    try:
        # The tests read the very file that the callouts will read.
        suite = run_suite(check, read_policy(staged.path, just_written=True), bans, now)
        if not suite.failed:
            keep_previous(path, staged.digest)
            staged.put_in_place()
    finally:
        staged.discard()
    digest = None if suite.failed else staged.digest
    return PolicyBuild(path, sources, check.findings, suite=suite, issuers=len(document["issuers"]), digest=digest)
