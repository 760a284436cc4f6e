"""`vomap test`: the form of failures, the coverage of rules, and JUnit's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from vomap.cli import run
from vomap.mapfile.compose import compose
from vomap.mapfile.entries import PolicyTest
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings, Place
from vomap.mapfile.policy_tests import run_tests
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS

MAPFILE = """\
mapfile: 1
site: {audience: [ANY]}
issuers:
  https://i/: {vo: V}
rules:
  - {name: one, vo: V, subject: one, account: acct1}
  - {name: two, vo: V, subject: two, account: acct2}
  - {name: three, vo: V, subject: three, account: acct3}
tests:
  - token: {iss: https://i/, sub: one, aud: ANY, scope: compute.read}
    expect: {account: acct1}
  - token: {iss: https://i/, sub: two, aud: ANY, scope: compute.read}
    expect: {account: acct9, vo: V}
  - token: {iss: https://i/, sub: four, aud: ANY, scope: compute.read}
    expect: denied
"""
PASSING = MAPFILE.replace("acct9", "acct2").replace("denied", "declined")
Capture = pytest.CaptureFixture[str]


class Site:
    """One mapfile, and a file of bans."""

    def __init__(self, folder: Path) -> None:
        """Name the files."""
        self.mapfile, self.bans, self.report = (folder / name for name in ("m.yaml", "bans.yaml", "report.xml"))
        self.bans.write_text("mapfile: 1\nbans: []\n", "utf-8")

    def test(self, text: str, *words: str) -> int:
        """Write the mapfile and run its tests."""
        self.mapfile.write_text(text, "utf-8")
        return run(["test", "--mapfiles", str(self.mapfile), "--bans", str(self.bans), *words])

    def suite(self) -> Any:
        """Read the report."""
        (suite,) = ET.fromstring(self.report.read_bytes())
        return suite


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site."""
    return Site(tmp_path)


def test_a_failure_is_explained(site: Site, capsys: Capture) -> None:
    """A failure says what was expected, what came, by which rule, and each step of the decision."""
    assert site.test(MAPFILE) == 1
    printed = capsys.readouterr()
    assert printed.out == "3 tests: 2 failed\n"
    first, second = printed.err.split(f"{site.mapfile}:14:5: ")
    assert first.splitlines() == [
        f"{site.mapfile}:12:5: test failed: expected account acct9, got acct2 (rule: two)",
        "  expected: mapped, account acct9, vo V",
        f"  got: mapped, account acct2, rule two, vo V ({site.mapfile}:7)",
        "  by these steps:",
        "    memberships: none",
        "    VOs that the token speaks for: 'V'",
        "    checks: passed, time not shown",
        f"    rule one ({site.mapfile}:6): subject does not match",
        "    mapped: rule: two",
    ]
    assert second.splitlines()[:4] == [
        "test failed: expected outcome denied, got declined (rule: none matches)",
        "  expected: outcome denied",
        "  got: declined, vo V: rule: none matches",
        "  by these steps:",
    ]


def test_a_long_explanation_is_cut(site: Site, capsys: Capture) -> None:
    """Of many steps the output has the first, the last and the number between."""
    # Each of these texts is not a group, and has a step.
    groups = ", ".join(f"x{number}" for number in range(100))
    assert site.test(MAPFILE.replace("sub: four, ", f"sub: four, wlcg.groups: [{groups}], ")) == 1
    told = capsys.readouterr().err.rpartition("by these steps:\n")[2].splitlines()
    assert len(told) == 41
    assert told[20] == "    (67 more)"
    assert told[-1] == "    declined: rule: none matches"


def test_a_token_that_is_none_is_explained() -> None:
    """Where nothing could be decided, the reason is the only step."""
    document = compose([Mapfile("m.yaml", PASSING)], Findings()).document
    case = PolicyTest(
        Place("m.yaml", 1, 1), {"iss": "https://i/", "sub": "\0"}, {"outcome": "error"}, None, alone=False
    )
    (result,) = run_tests([case], policy_of(document), [], NO_BANS, 0)
    assert result.passed
    assert result.explain() == [result.decision.reason]


def test_coverage(site: Site, capsys: Capture) -> None:
    """Rules that decide no test are listed with their places, and the coverage in percent, rounded down."""
    assert site.test(PASSING, "--coverage") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == [
        "3 tests: none failed",
        f"no test reaches rule three ({site.mapfile}:8)",
        "2 of 3 rules are reached by a test: 66.6 %",
    ]


@pytest.mark.parametrize(("least", "code"), [("0", 0), ("66.6", 0), ("66.7", 1), ("100", 1)])
def test_fail_under(site: Site, capsys: Capture, least: str, code: int) -> None:
    """A coverage under the limit is exit 1, and the shortfall is reported."""
    assert site.test(PASSING, "--fail-under", least) == code
    assert capsys.readouterr().out.endswith(f", less than {least} %\n" if code else "66.6 %\n")


def test_all_covered(site: Site, capsys: Capture) -> None:
    """A test that is judged alone reaches a rule, too. All rules are a hundred percent."""
    more = "  - {token: {iss: https://i/, sub: three, scope: compute.read}, alone: yes, expect: {rule: three}}\n"
    assert site.test(PASSING + more, "--fail-under", "100") == 0
    assert capsys.readouterr().out.endswith("3 of 3 rules are reached by a test: 100 %\n")


def test_no_rules_are_covered(site: Site, capsys: Capture) -> None:
    """Where there is no rule, there is none that a test could miss."""
    rules = PASSING.partition("rules:\n")[2].partition("tests:\n")[0]
    text = PASSING.replace(f"rules:\n{rules}", "").partition("  - token")[0]
    test = "  - {token: {iss: https://x/, sub: x}, expect: declined}\n"
    assert site.test(text + test, "--fail-under", "100") == 0
    assert capsys.readouterr().out.endswith("0 of 0 rules are reached by a test: 100 %\n")


@pytest.mark.parametrize("word", ["101", "-1", "nan", "many", ""])
def test_no_percentage(site: Site, capsys: Capture, word: str) -> None:
    """A limit that is not a number from 0 to 100 is wrong usage. The error names the expected value."""
    assert site.test(PASSING, f"--fail-under={word}") == 2
    assert "expected a number from 0 to 100" in capsys.readouterr().err


def test_json(site: Site, capsys: Capture) -> None:
    """A program gets the coverage, and the steps of what differs."""
    assert site.test(MAPFILE, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["coverage"] == {
        "rules": 3,
        "reached": 2,
        "percent": 66.6,
        "not-reached": [{"rule": "three", "source": f"{site.mapfile}:8"}],
    }
    passed, failed, _ = report["results"]
    assert passed["steps"] == []
    assert failed["steps"][-1] == "mapped: rule: two"


def test_junit(site: Site, capsys: Capture) -> None:
    """A case for each test, named by file and line. A failure has the difference and the explanation."""
    assert site.test(MAPFILE, "--junit", str(site.report)) == 1
    capsys.readouterr()
    suite = site.suite()
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "2",
        "errors": "0",
    }
    assert [case.get("name") for case in suite] == [f"{site.mapfile}:{line}" for line in (10, 12, 14)]
    assert [len(case) for case in suite] == [0, 1, 1]
    (failure,) = suite[1]
    assert failure.get("message") == "expected account acct9, got acct2"
    assert "by these steps:" in failure.text


def test_junit_of_a_ban(site: Site, capsys: Capture) -> None:
    """A test that a ban changes has passed, and the report says why it was not as expected."""
    site.bans.write_text("mapfile: 1\nbans:\n  - {vo: V, subject: one, reason: gone}\n", "utf-8")
    assert site.test(PASSING, "--junit", str(site.report)) == 0
    assert "warning: a ban changes" in capsys.readouterr().err
    suite = site.suite()
    assert suite.get("failures") == "0"
    assert suite[0].find("failure") is None
    assert "a ban changes what this test expects" in suite[0].findtext("system-out")


def test_junit_of_what_xml_cannot_say(tmp_path: Path, capsys: Capture) -> None:
    """A name that XML has no characters for is written in ones that it has."""
    site = Site(tmp_path)
    site.mapfile = tmp_path / "a\x01b.yaml"
    assert site.test(MAPFILE, "--junit", str(site.report)) == 1
    capsys.readouterr()
    assert site.suite()[0].get("name").endswith("a\\x01b.yaml:10")


def test_a_report_that_cannot_be_written(site: Site, capsys: Capture) -> None:
    """No report is an error, not a silent success."""
    assert site.test(PASSING, "--junit", str(site.mapfile / "report.xml")) == 3
    assert "report.xml" in capsys.readouterr().err
