"""What is never installed, whoever accepts it: the generator is not believed, its mapfile is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from vomap.mapfile.compose import Mapfile
from vomap.sources.osg.alarms import Limit, Limits
from vomap.sources.osg.verdict import Verdict, judge

LOOSE = Limits(Limit(), Limit(), Limit())
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


def verdict_on(text: str, folder: Path, *, files: bool = False) -> Verdict:
    """Judge a candidate where a site has a mapfile, and a link to the candidate; `files` names them one by one."""
    site, link = folder / "10-site.yaml", folder / "50-osg.yaml"
    site.write_text(SITE)
    (folder / "README").touch()
    (folder / "state").mkdir()
    link.symlink_to(folder / "state" / "osg.yaml")
    named = [str(site), str(link)] if files else [str(folder)]
    return judge(Mapfile(str(folder / "state" / "osg.yaml"), text), named, LOOSE, 0)


@pytest.mark.parametrize("files", [True, False])
def test_a_good_one_has_no_faults(tmp_path: Path, files: bool) -> None:
    """What is well formed, passes its tests and forbids nothing of the site's has a digest to accept it by."""
    verdict = verdict_on(GOOD, tmp_path, files=files)
    assert (verdict.faults, verdict.is_first, verdict.is_read) == ((), True, True)
    assert [alarm.kind for alarm in verdict.alarms] == ["first"]
    assert len(verdict.digest) == 64


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("mapfile: 1", "mapfile: 2", "check", "osg.yaml:1:"),
        ("account: one}\ntests", "acount: one}\ntests", "check", "acount"),
        ("account: one}\ntests", "account: root}\ntests", "check", "root"),
        ("expect: {account: one}", "expect: {account: two}", "check", "expected account two, got one"),
        (GOOD[GOOD.index("tests:") :], "", "check", "there are no tests in it"),
        ("account: one}", "account: slurm}", "forbidden", "slurm is an account that the site never answers"),
        ("account: one}", "account: a}", "forbidden", "a is an account that the site never answers"),
        ("rules:", "site: {audience: unchecked}\nrules:", "site", "is in "),
    ],
)
def test_a_bad_one_has_a_fault(tmp_path: Path, old: str, new: str, kind: str, words: str) -> None:
    """Its own check, its own tests, forbidden accounts and the site's whole policy each stand in the way."""
    assert old in GOOD
    changed = GOOD.replace(old, new) if kind == "forbidden" else GOOD.replace(old, new, 1)
    (fault, *_) = verdict_on(changed, tmp_path).faults
    assert fault.kind == kind
    assert words in fault.text
