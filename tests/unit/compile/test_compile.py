"""The compiler returns its results: findings, test results, digests, and the rounds of a build."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import pytest

from vomap import Error
from vomap.compile import rollback
from vomap.compile.build import BansBuild, BuildStep, PolicyBuild, build_in_rounds
from vomap.compile.check import SiteCheck, check_bans, check_mapfiles, file_digests, source_digests
from vomap.compile.rollback import NoOlderPolicyError, is_rolled_back, roll_back
from vomap.compile.suite import run_suite
from vomap.files.atomic import replace_file
from vomap.mapfile.findings import MapfileError
from vomap.policy.model import NO_BANS
from vomap.store import read_bans, read_policy

SITE = """\
mapfile: 1
site: {audience: [ANY], accounts: {must-exist: no}}
issuers:
  https://i/: {vo: V}
rules:
  - {name: one, vo: V, subject: one, account: acct1}
  - {name: two, vo: V, subject: two, account: acct2}
tests:
  - token: {iss: https://i/, sub: one, aud: ANY, scope: compute.read}
    expect: {account: acct1}
"""
WRONG = SITE.replace("expect: {account: acct1}", "expect: {account: acct9}")
BANS = "mapfile: 1\nbans:\n  - {subject: bad, reason: stolen}\n"


class Site(NamedTuple):
    """A mapfile, a file of bans, and the path of the compiled policy."""

    mapfile: Path
    bans: Path
    policy: str

    @property
    def mapfiles(self) -> list[str]:
        """The paths of the mapfiles."""
        return [str(self.mapfile)]

    def build(self, *, is_automatic: bool = False) -> list[BuildStep]:
        """Build the site and return the steps."""
        return list(build_in_rounds(self.mapfiles, [str(self.bans)], self.policy, is_automatic=is_automatic))

    def build_policy(self, *, is_automatic: bool = False) -> PolicyBuild:
        """Build the site in one round and return the result for the policy."""
        _, policy = self.build(is_automatic=is_automatic)
        assert isinstance(policy, PolicyBuild)
        return policy


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Write the files of a site."""
    site = Site(tmp_path / "10-site.yaml", tmp_path / "bans.yaml", str(tmp_path / "policy"))
    site.mapfile.write_text(SITE, "utf-8")
    site.bans.write_text(BANS, "utf-8")
    return site


def test_check_finds_the_missing_audience(site: Site) -> None:
    """Without an audience a check has a warning, and a build has an error."""
    site.mapfile.write_text("mapfile: 1\n", "utf-8")
    checked, built = check_mapfiles(site.mapfiles), check_mapfiles(site.mapfiles, for_build=True)
    assert [(each.severity, "audience" in each.message) for each in checked.findings.all] == [("warning", True)]
    assert [(each.severity, "audience" in each.message) for each in built.findings.all] == [("error", True)]


def test_check_warns_of_pools(site: Site) -> None:
    """A rule with a pool has a warning in its own line."""
    site.mapfile.write_text(
        f"{SITE.replace('account: acct2', 'pool: p')}pools:\n  p: {{accounts: [p1]}}\n", encoding="utf-8"
    )
    (warning,) = check_mapfiles(site.mapfiles).findings.all
    assert (warning.place.line, warning.severity) == (7, "warning")


def test_a_policy_with_errors_is_not_for_the_engine(site: Site) -> None:
    """A check with errors raises MapfileError if a caller asks for its policy or its bans."""
    site.mapfile.write_text("mapfile: 2\n", "utf-8")
    site.bans.write_text("mapfile: 1\nbans: [{}]\n", "utf-8")
    check = SiteCheck(check_mapfiles(site.mapfiles), check_bans([str(site.bans)]))
    assert check.policy.findings.errors
    assert check.bans.findings.errors
    with pytest.raises(MapfileError):
        _ = check.policy.policy
    with pytest.raises(MapfileError):
        _ = check.bans.bans


def test_owners_and_modes_are_errors_of_a_build_alone(site: Site) -> None:
    """A build refuses a file that other users can write. A check warns about that refusal."""
    site.mapfile.chmod(0o666)
    check = SiteCheck(check_mapfiles(site.mapfiles), check_bans([str(site.bans)]))
    assert not check.policy.findings.errors
    assert ["would refuse" in each.message for each in check.refusal_warnings] == [True]
    assert check_mapfiles(site.mapfiles, for_build=True).findings.errors


def test_the_digest_is_of_the_document(site: Site) -> None:
    """A check returns the same digest as the build of the same mapfiles."""
    check = check_mapfiles(site.mapfiles)
    assert check.policy.digest == site.build_policy().digest
    assert file_digests(check.mapfiles) == source_digests(site.mapfiles)


def test_a_suite_has_failures_and_coverage(site: Site) -> None:
    """The report counts test results, failures and tested rules. A test fails if it expects another account."""
    check = check_mapfiles(site.mapfiles)
    report = run_suite(check, check.policy, NO_BANS, time.time())
    assert (len(report.results), report.failed, report.coverage.reached) == (1, [], 1)
    site.mapfile.write_text(WRONG, "utf-8")
    check = check_mapfiles(site.mapfiles)
    assert len(run_suite(check, check.policy, NO_BANS, time.time()).failed) == 1


def test_a_build_compiles_both(site: Site) -> None:
    """The steps of a build contain the written files and the files that the build read."""
    bans, policy = site.build()
    assert isinstance(bans, BansBuild)
    assert isinstance(policy, PolicyBuild)
    assert policy.suite is not None
    assert (bans.is_done, bans.count, policy.is_done) == (True, 1, True)
    assert (policy.suite.coverage.rules, policy.issuers) == (2, 1)
    assert (read_bans(bans.file).digest, read_policy(policy.file).digest) == (bans.digest, policy.digest)
    assert {**bans.sources, **policy.sources} == source_digests(site.mapfiles, [str(site.bans)])


def test_an_error_holds_no_ban_back(site: Site) -> None:
    """The bans are built if the mapfile has an error, and the policy is built if the bans have one."""
    site.mapfile.write_text("mapfile: 2\n", "utf-8")
    bans, policy = site.build()
    assert isinstance(bans, BansBuild)
    assert isinstance(policy, PolicyBuild)
    assert (bans.is_done, policy.is_done, policy.suite) == (True, False, None)
    assert "tests" not in policy.as_json()
    site.mapfile.write_text(SITE, "utf-8")
    site.bans.write_text("mapfile: 1\nbans: [{}]\n", "utf-8")
    bans, policy = site.build()
    assert isinstance(bans, BansBuild)
    assert isinstance(policy, PolicyBuild)
    assert (bans.is_done, policy.is_done) == (False, True)
    assert set(bans.as_json()) == {"file", "findings"}


def test_a_failing_test_refuses_the_policy(site: Site) -> None:
    """After a failing test the policy in force does not change, and no staged file remains."""
    before = site.build_policy()
    site.mapfile.write_text(WRONG, "utf-8")
    after = site.build_policy()
    assert after.suite is not None
    assert (after.is_done, len(after.suite.failed), after.digest) == (False, 1, None)
    assert read_policy(site.policy).digest == before.digest
    assert {path.name for path in Path(site.policy).parent.glob("*.new")} == set()


def test_there_must_be_a_mapfile(site: Site, tmp_path: Path) -> None:
    """An empty folder is not a policy. The build compiles the bans before it raises this error."""
    (tmp_path / "empty").mkdir()
    steps = build_in_rounds([str(tmp_path / "empty")], [str(site.bans)], site.policy)
    assert isinstance(next(steps), BansBuild)
    with pytest.raises(Error, match="there is no mapfile"):
        next(steps)


def test_a_change_during_a_build_is_built(site: Site) -> None:
    """If a source changes during a build, the build begins another round and reads the new source."""
    steps = []
    for step in build_in_rounds(site.mapfiles, [str(site.bans)], site.policy):
        steps.append(step)
        if isinstance(step, PolicyBuild) and len(steps) == 2:
            site.bans.write_text("mapfile: 1\nbans: []\n", "utf-8")
    assert [type(step) for step in steps] == [BansBuild, PolicyBuild, type(None), BansBuild, PolicyBuild]
    assert isinstance(steps[3], BansBuild)
    assert steps[3].count == 0


def test_a_rollback_holds_until_the_mapfiles_change(site: Site) -> None:
    """After a rollback, an automatic build does nothing until the mapfiles change."""
    first = site.build_policy()
    site.mapfile.write_text(SITE.replace("acct2", "acct3"), "utf-8")
    site.build()
    assert roll_back(site.policy).now.digest == first.digest == read_policy(site.policy).digest
    assert is_rolled_back(site.policy, source_digests(site.mapfiles))
    automatic = site.build_policy(is_automatic=True)
    assert (automatic.is_done, automatic.is_rolled_back, automatic.digest) == (True, True, None)
    assert automatic.as_json() == {"file": site.policy, "rolled-back": True}
    site.mapfile.write_text(SITE.replace("acct2", "acct4"), "utf-8")
    assert site.build_policy(is_automatic=True).digest is not None
    assert not is_rolled_back(site.policy, source_digests(site.mapfiles))


def test_nothing_to_roll_back_to(site: Site) -> None:
    """Without a previous policy a rollback fails, and the policy in force does not change."""
    built = site.build_policy()
    with pytest.raises(Error, match=f"no older policy. In force is {site.policy}: {str(built.digest)[:12]}, built "):
        roll_back(site.policy)
    assert read_policy(site.policy).digest == built.digest


def test_a_second_rollback_is_refused(site: Site) -> None:
    """Only a build brings a policy that was rolled back into force again."""
    first = site.build_policy()
    site.mapfile.write_text(SITE.replace("acct2", "acct3"), "utf-8")
    second = site.build_policy()
    done = roll_back(site.policy)
    assert done.undone is not None
    assert (done.undone.digest, done.is_in_mapfiles) == (second.digest, True)
    with pytest.raises(NoOlderPolicyError):
        roll_back(site.policy)
    assert read_policy(site.policy).digest == first.digest
    assert is_rolled_back(site.policy, source_digests(site.mapfiles))
    site.mapfile.write_text(SITE, "utf-8")
    assert not done.is_in_mapfiles
    # The corrected mapfiles are those of the policy in force. The bad one does not become the one before it.
    assert site.build_policy().digest == first.digest
    with pytest.raises(NoOlderPolicyError):
        roll_back(site.policy)


@pytest.mark.parametrize("step", [1, 2])
def test_a_rollback_that_was_killed(site: Site, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The next rollback completes it, or finds that it is done. The policy that was rolled back never returns."""
    first = site.build_policy()
    site.mapfile.write_text(SITE.replace("acct2", "acct3"), "utf-8")
    site.build_policy()
    steps = []

    def killed(path: str, content: bytes) -> None:
        steps.append(path)
        if len(steps) > step:
            raise KeyboardInterrupt
        replace_file(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(rollback, "replace_file", killed)
        patch.setattr(rollback, "discard", lambda path: killed(path, b""))
        with pytest.raises(KeyboardInterrupt):
            roll_back(site.policy)
    if step == 1:
        roll_back(site.policy)
    with pytest.raises(NoOlderPolicyError):
        roll_back(site.policy)
    assert read_policy(site.policy).digest == first.digest
    assert is_rolled_back(site.policy, source_digests(site.mapfiles))


def test_bans_of_a_folder_that_others_can_write(tmp_path: Path) -> None:
    """A folder of bans that other users can write is an error, because a user who removes a file lifts its bans."""
    folder = tmp_path / "bans.d"
    folder.mkdir()
    folder.chmod(0o777)
    assert check_bans([str(folder)]).refusals.errors
