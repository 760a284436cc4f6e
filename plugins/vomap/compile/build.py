"""Build the compiled bans, and the compiled policy if its tests pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vomap import Error
from vomap.compile.check import PolicyCheck, ProgressBar, check_bans, check_mapfiles, source_digests
from vomap.compile.rollback import forget_rollback, is_rolled_back, keep_previous
from vomap.compile.suite import result_json, run_suite
from vomap.files.lock import locked
from vomap.mapfile.findings import ERROR, Finding
from vomap.mapfile.policy_tests import PolicyTestResult
from vomap.mapfile.times import format_utc
from vomap.policy.index import bans_of
from vomap.policy.model import NO_BANS, Bans
from vomap.store import BANS, POLICY, bans_beside, read_policy
from vomap.store.writer import stage_compiled, write_compiled


@dataclass(frozen=True)
class BansBuild:
    """The result of a build of the bans; without a digest, vomap refused them and the compiled bans did not change.

    `sources` has the sha256 of each file that was read, by its path.
    """

    file: str
    sources: dict[str, str]
    findings: list[Finding]
    digest: str | None = None
    bans: Bans = NO_BANS
    count: int = 0

    @property
    def is_done(self) -> bool:
        """Whether the compiled bans are those of the files."""
        return self.digest is not None

    def as_json(self) -> dict[str, object]:
        """Return the JSON output."""
        members: dict[str, object] = {"file": self.file, "findings": [finding.as_json() for finding in self.findings]}
        return {**members, "digest": self.digest, "bans": self.count} if self.is_done else members


@dataclass(frozen=True)
class PolicyBuild:
    """The result of a build of the policy; without a digest, the compiled policy did not change.

    Args:
        file: the path of the compiled policy.
        sources: the sha256 of each mapfile, by its path.
        findings: errors and warnings. If there is an error, vomap refused the mapfiles and ran no test.
        is_rolled_back: the administrator rolled the policy of these mapfiles back, so vomap did not build it again.
        results: the results of the tests.
        rules: how many rules the policy has.
        issuers: how many issuers it declares.
        digest: the digest of the compiled policy, if the tests passed.

    """

    file: str
    sources: dict[str, str]
    findings: list[Finding] = field(default_factory=list)
    is_rolled_back: bool = False
    results: list[PolicyTestResult] = field(default_factory=list)
    rules: int = 0
    issuers: int = 0
    digest: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the compiled policy is the one that the administrator wants."""
        return self.is_rolled_back or self.digest is not None

    @property
    def failed(self) -> list[PolicyTestResult]:
        """The results of the tests that failed."""
        return [result for result in self.results if not result.passed]

    def as_json(self) -> dict[str, object]:
        """Return the JSON output."""
        if self.is_rolled_back:
            return {"file": self.file, "rolled-back": True}
        members: dict[str, object] = {"file": self.file, "findings": [finding.as_json() for finding in self.findings]}
        if not errors_in(self.findings):
            members.update(tests=len(self.results), failed=[result_json(result) for result in self.failed])
        return {**members, "digest": self.digest} if self.digest is not None else members


def errors_in(findings: Sequence[Finding]) -> int:
    """Return how many of the findings are errors."""
    return sum(finding.severity == ERROR for finding in findings)


def build_bans(paths: Sequence[str], policy: str, now: float) -> BansBuild:
    """Build the bans beside a policy. Raises UnreadableFileError for a file that vomap cannot read, and FileError."""
    path = bans_beside(policy)
    with locked(path):
        check = check_bans(paths)
        check.findings.all += check.refusals.all
        findings = check.findings.in_order
        if check.findings.errors:
            return BansBuild(path, check.digests, findings)
        digest = write_compiled(path, BANS, check.document, sources=check.digests, built=format_utc(now))
        bans = bans_of(check.document, digest)
        return BansBuild(path, check.digests, findings, digest, bans, len(check.document["bans"]))


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
            return PolicyBuild(path, check.digests, check.findings.in_order)
        build = _put_in_force(path, check, bans, now)
        if build.is_done:
            forget_rollback(path)
        return build


def _put_in_force(path: str, check: PolicyCheck, bans: Bans, now: float) -> PolicyBuild:
    """Write a policy, test it, and put it in place if it passes."""
    document = check.composition.document
    staged = stage_compiled(path, POLICY, document, sources=check.digests, built=format_utc(now))
    try:
        # The tests read the very file that the callouts will read.
        suite = run_suite(check, read_policy(staged.path, just_written=True), bans, now)
        if not suite.failed:
            keep_previous(path, staged.digest)
            staged.put_in_place()
    finally:
        staged.discard()
    return PolicyBuild(
        path,
        check.digests,
        check.findings.in_order,
        results=suite.results,
        rules=len(document["rules"]),
        issuers=len(document["issuers"]),
        digest=None if suite.failed else staged.digest,
    )
