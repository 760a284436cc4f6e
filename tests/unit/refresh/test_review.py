"""Faults of a candidate, which no digest accepts: refresh does not trust the generator, and tests its mapfile."""

from __future__ import annotations

from pathlib import Path

import pytest

from owners import OTHER, ROOT, other_owners
from vomap.files.regular import UnreadableFileError
from vomap.mapfile.files import Mapfile
from vomap.osg.mapfile_text import seal
from vomap.refresh.alarms import ChangeLimits, Limit
from vomap.refresh.review import Review, review_candidate

LOOSE = ChangeLimits(Limit(), Limit(), Limit())
SITE = "mapfile: 1\nsite: {audience: ANY, accounts: {never: [slurm]}, rename: {a: slurm}}\n"
GOOD = """\
mapfile: 1
issuers:
  https://a.example.org: {vo: A}
rules:
  - {name: one, issuer: https://a.example.org, account: one}
tests:
  - token: {iss: https://a.example.org, sub: x, scope: compute.create}
    alone: yes
    expect: {account: one}
"""


def review_of(text: str, folder: Path, *, files: bool = False) -> Review:
    """Review a candidate where a site has a mapfile, and a link to the candidate. `files` names them one by one."""
    site, link = folder / "10-site.yaml", folder / "50-osg.yaml"
    site.write_text(SITE)
    (folder / "README").touch()
    (folder / "state").mkdir()
    link.symlink_to(folder / "state" / "osg.yaml")
    named = [str(site), str(link)] if files else [str(folder)]
    return review_candidate(Mapfile(str(folder / "state" / "osg.yaml"), text), named, LOOSE, 0)


@pytest.mark.parametrize("files", [True, False])
def test_a_good_one_has_no_faults(tmp_path: Path, files: bool) -> None:
    """A valid candidate whose tests pass, without accounts that the site forbids, has a digest to accept it by."""
    review = review_of(GOOD, tmp_path, files=files)
    assert (review.faults, review.is_first, review.is_read) == ((), True, True)
    assert [alarm.kind for alarm in review.alarms] == ["first"]
    assert len(review.digest) == 64


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("mapfile: 1", "mapfile: 2", "check", "osg.yaml:1:"),
        ("account: one}\ntests", "acount: one}\ntests", "check", "acount"),
        ("account: one}\ntests", "account: root}\ntests", "check", "root"),
        ("expect: {account: one}", "expect: {account: two}", "check", "expected account two, got one"),
        (GOOD[GOOD.index("tests:") :], "", "check", "it contains no tests"),
        ("account: one}", "account: slurm}", "forbidden", "the site forbids the account slurm (accounts: never)"),
        (
            "account: one}",
            "account: a}",
            "forbidden",
            "the site forbids the account a, renamed to slurm (accounts: never)",
        ),
        ("rules:", "site: {audience: unchecked}\nrules:", "check", "`site` is refused in a file that "),
    ],
)
def test_a_bad_one_has_a_fault(tmp_path: Path, old: str, new: str, kind: str, words: str) -> None:
    """Its own check, its own tests, forbidden accounts and the site's whole policy each refuse it."""
    assert old in GOOD
    changed = GOOD.replace(old, new) if kind == "forbidden" else GOOD.replace(old, new, 1)
    (fault, *_) = review_of(changed, tmp_path).faults
    assert fault.kind == kind
    assert words in fault.text


@pytest.mark.parametrize("given", [False, True])
def test_it_is_judged_as_root_s_build_will(tmp_path: Path, given: bool) -> None:
    """The candidate is a file of another user, no matter who runs the review and who owns the folder."""
    with other_owners() as owners:
        (tmp_path / "state").mkdir()
        if given:
            owners.give(tmp_path / "state")
        text = GOOD.replace("account: one}\ntests", "deny: no}\ntests")
        review = review_candidate(Mapfile(str(tmp_path / "state" / "osg.yaml"), text), [], LOOSE, 0)
    assert [fault.kind for fault in review.faults] == ["check"]
    who = f"the user {OTHER}" if given else "another user" if ROOT else ""
    assert f"osg.yaml:5:48: `deny` is refused in a file that {who}" in review.faults[0].text
    assert ": `chown root " in review.faults[0].text


@pytest.mark.parametrize("loose", ["10-site.yaml", "state", "."])
def test_what_a_build_would_refuse_is_not_installed(tmp_path: Path, loose: str) -> None:
    """Neither where others can write the site's mapfiles, nor where they can put another in the candidate's place."""
    assert review_of(GOOD, tmp_path).faults == ()
    (tmp_path / loose).chmod(0o777)
    review = review_candidate(Mapfile(str(tmp_path / "state" / "osg.yaml"), GOOD), [str(tmp_path)], LOOSE, 0)
    assert review.faults
    assert all(
        f"(mode 0777); expected 0{'644' if loose[0] == '1' else '755'}: `chmod go-w " in fault.text
        for fault in review.faults
    )


def test_one_in_force_that_others_can_write_is_put_in_place_anew(tmp_path: Path) -> None:
    """Though it says the same."""
    path = tmp_path / "osg.yaml"
    good = seal(GOOD)
    path.write_text(good)
    path.chmod(0o644)
    assert review_candidate(Mapfile(str(path), good), [], LOOSE, 0).is_same
    path.chmod(0o666)
    review = review_candidate(Mapfile(str(path), good), [], LOOSE, 0)
    assert (review.is_same, review.faults, review.alarms) == (False, (), ())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Top", "# Ours"),
        ("mapfile: 1\n", "mapfile: 1 # ours\n"),
        ("rules:\n", "rules:\n  - {name: two, issuer: https://a.example.org, subject: me, account: two}\n"),
        ("# sha256 of the other lines: ", "# sha256 of the other lines: 0"),
    ],
)
def test_an_edit_by_hand_waits_for_the_administrator(tmp_path: Path, old: str, new: str) -> None:
    """Any edit, within any limits: only the administrator knows its purpose."""
    path = tmp_path / "osg.yaml"
    good = seal(f"# Top\n{GOOD}")
    assert old in good
    path.write_text(good.replace(old, new, 1))
    review = review_candidate(Mapfile(str(path), good), [], LOOSE, 0)
    assert not review.is_same
    assert review.alarms[0].kind == "by-hand"
    assert "was edited by hand" in review.alarms[0].text


def test_a_mapfile_without_a_digest_waits_for_the_administrator(tmp_path: Path) -> None:
    """It may have been edited."""
    path = tmp_path / "osg.yaml"
    path.write_text(GOOD)
    assert [alarm.kind for alarm in review_candidate(Mapfile(str(path), GOOD), [], LOOSE, 0).alarms] == ["by-hand"]


def test_a_folder_in_the_place_of_the_mapfile_in_force(tmp_path: Path) -> None:
    """The candidate cannot be compared with a folder, and the message says what to name."""
    path = tmp_path / "osg.yaml"
    path.mkdir()
    with pytest.raises(UnreadableFileError, match="is not a regular file; name the file itself"):
        review_candidate(Mapfile(str(path), GOOD), [str(tmp_path / "10-site.yaml")], LOOSE, 0)


def test_a_candidate_that_root_s_build_would_refuse_for_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's build reads a file of another user only up to a limit."""
    monkeypatch.setattr("vomap.refresh.review.LARGEST_FOREIGN", len(GOOD) - 1)
    (tmp_path / "state").mkdir()
    review = review_candidate(Mapfile(str(tmp_path / "state" / "osg.yaml"), GOOD), [], LOOSE, 0)
    assert [fault.kind for fault in review.faults] == ["check"]
    assert "root's build refuses it" in review.faults[0].text
