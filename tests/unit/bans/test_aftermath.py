"""The aftermath of a ban on a CE: the commands end only jobs that the ban matches."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from vomap.bans.aftermath import ARC, HTCONDOR, Aftermath, find_aftermath, job_constraint
from vomap.mapfile.entries import DEFAULT_SITE
from vomap.policy.authority import Authority

DECLARED = Authority(
    {
        "site": DEFAULT_SITE,
        "issuers": {
            "https://a/": {"vo": "CMS"},
            "https://b/": {"vo": "cms"},
            "https://c/": {"vo-from": ["group"], "vos": {"dune": "DUNE", "nova": "Nova"}},
            "https://d/": {"vo": "ATLAS"},
            "https://e/": None,
        },
    }
)
FREE = Authority(
    {"site": DEFAULT_SITE, "issuers": {"https://f/": {"vo-from": ["group"]}, "https://d/": {"vo": "ATLAS"}}}
)


def _jobs(ban: dict[str, Any], ce: str, root: Path = Path("/nowhere")) -> Aftermath:
    (jobs,) = [each for each in find_aftermath(ban, DECLARED, [ce], root) if each.what.startswith("jobs")]
    return jobs


@pytest.mark.parametrize(
    ("ban", "expected", "is_whole"),
    [
        ({"subject": ["s"]}, 'AuthTokenSubject =?= "s"', True),
        ({"subject": ["s", "t"]}, '(AuthTokenSubject =?= "s" || AuthTokenSubject =?= "t")', True),
        ({"issuer": ["https://a/"], "jti": ["j"]}, 'AuthTokenIssuer =?= "https://a/" && AuthTokenId =?= "j"', True),
        ({"vo": ["ATLAS"], "subject": ["s"]}, 'AuthTokenIssuer =?= "https://d/" && AuthTokenSubject =?= "s"', True),
        (
            {"vo": ["CMS"], "subject": ["s"]},
            '(AuthTokenIssuer =?= "https://a/" || AuthTokenIssuer =?= "https://b/") && AuthTokenSubject =?= "s"',
            True,
        ),
        ({"vo": ["CMS"], "issuer": ["https://b/"]}, 'AuthTokenIssuer =?= "https://b/"', True),
        ({"vo": ["DUNE"]}, 'AuthTokenIssuer =?= "https://c/"', False),
        ({"vo": ["unknown"]}, None, False),
        ({"vo": ["unknown"], "issuer": ["https://a/"]}, 'AuthTokenIssuer =?= "https://a/"', False),
        ({"group": ["/cms"]}, None, False),
        ({"client": ["c"], "subject": ["s"]}, 'AuthTokenSubject =?= "s"', False),
        ({"audience": ["x"]}, None, False),
        ({"claim": {"e": ["x"]}, "jti": ["j"]}, 'AuthTokenId =?= "j"', False),
        ({"subject": ["*@fnal.gov"]}, 'regexp("^[^/]+@fnal[.]gov$", AuthTokenSubject)', True),
        ({"subject": ["a+(b)*"]}, 'regexp("^a[+][(]b[)][^/]+$", AuthTokenSubject)', True),
        ({"subject": ["[a]*"]}, None, False),
        ({"subject": ["a^*"]}, None, False),
        ({"subject": ['a"*']}, None, False),
        ({"jti": ["a*"]}, 'AuthTokenId =?= "a*"', True),
        ({"subject": ['x" || true || "']}, 'AuthTokenSubject =?= "x\\" || true || \\""', True),
        ({"subject": ["a\\b"]}, None, False),
        ({"subject": ["x\\"]}, None, False),
        ({"subject": ["ok", "a\\b"]}, None, False),
        ({"subject": ["é"]}, None, False),
        ({"subject": ["a\u202eb"]}, None, False),
    ],
)
def test_constraint(ban: dict[str, Any], expected: str | None, is_whole: bool) -> None:
    """The constraint matches all jobs of the ban and is safe text. The result shows whether it matches more jobs.

    The expected texts follow a measurement with `condor_q -jobads` of HTCondor 23.9.6.
    """
    assert job_constraint({**ban, "reason": "r", "source": "f:1"}, DECLARED) == (expected, is_whole)


def test_an_issuer_that_names_vos_freely() -> None:
    """An issuer without `vos` may speak for an undeclared VO. The commands remove none of its jobs unseen."""
    assert job_constraint({"vo": ["ATLAS"]}, FREE) == ('AuthTokenIssuer =?= "https://d/"', True)
    assert job_constraint({"vo": ["bio"]}, FREE) == ('AuthTokenIssuer =?= "https://f/"', False)


def test_what_is_wider_is_only_looked_at() -> None:
    """If jobs do not show all conditions of a ban, the administrator chooses the jobs to remove."""
    whole = _jobs({"vo": ["CMS"], "subject": ["s"]}, HTCONDOR)
    assert [command.split()[0] for command in whole.commands] == ["condor_ce_q", "condor_ce_rm"]
    assert whole.commands[1].startswith("condor_ce_rm -constraint ")
    assert whole.caution == ""
    wider = _jobs({"vo": ["DUNE"], "subject": ["s"]}, HTCONDOR)
    assert "-constraint" in wider.commands[0]
    assert wider.commands[1] == "condor_ce_rm JOB..."
    assert wider.caution != ""


def test_the_constraint_is_one_word() -> None:
    """The shell passes the constraint as one unchanged word."""
    ban = {"subject": ['it\'s "x" $(y) `z`; &']}
    constraint, _ = job_constraint(ban, DECLARED)
    assert shlex.split(_jobs(ban, HTCONDOR).commands[1]) == ["condor_ce_rm", "-constraint", constraint]


# A star makes a pattern of a subject.
OTHERS = [chr(code) for code in (*range(0x80), 0x85, 0xA0, 0xE9, 0x2028, 0x202E) if chr(code) != "*"]


@pytest.mark.parametrize("mark", OTHERS)
def test_any_character_stays_in_its_text(mark: str) -> None:
    """A shell gives HTCondor one text of the ban, whatever its characters are, or the ban has no such constraint.

    In a ClassAd, only a backslash before a quote escapes. A text ends at the next quote.
    """
    subject = f'a{mark}" || true || "{mark}'
    look, end = _jobs({"subject": [subject], "jti": [f"j{mark}"]}, HTCONDOR).commands
    if "-constraint" not in look:
        assert not (" " <= mark <= "~") or mark == "\\"
        return
    _, _, constraint = shlex.split(end)
    texts = re.findall(r'=\?= "((?:[^"\\]|\\")*)"', constraint)
    assert [text.replace('\\"', '"') for text in texts] == [subject, f"j{mark}"]


def test_jobs_of_arc() -> None:
    """The owner of a job of ARC is an issuer and a subject together. Each owner is one word of the command."""
    jobs = _jobs({"vo": ["CMS"], "subject": ["s t"]}, ARC)
    assert shlex.split(jobs.commands[1])[3:] == ["--killuser=https://a//s t", "--killuser=https://b//s t"]
    assert all("arcctl job killall" not in command for command in jobs.commands)


@pytest.mark.parametrize(
    "ban",
    [
        {"subject": ["s"]},
        {"issuer": ["https://a/"]},
        {"vo": ["DUNE"], "subject": ["s"]},
        {"vo": ["CMS"], "subject": ["s*"]},
        {"vo": ["CMS"], "subject": ["é"]},
        {"vo": ["CMS"], "subject": ["s"], "jti": ["j"]},
        {"vo": ["CMS"], "subject": ["s"], "group": ["/cms"]},
    ],
)
def test_jobs_of_arc_that_cannot_be_told_by_their_owner(ban: dict[str, Any]) -> None:
    """If the owner does not identify the jobs of a ban, the administrator chooses the jobs."""
    assert _jobs(ban, ARC).commands == ("arcctl job list --long", "arcctl job kill JOB...")


def test_where_gm_jobs_lies(tmp_path: Path) -> None:
    """The program `gm-jobs` is in one folder on Debian, and in another on Enterprise Linux. vomap finds both."""
    program = tmp_path / "usr/lib/arc/gm-jobs"
    program.parent.mkdir(parents=True)
    ban = {"vo": ["CMS"], "subject": ["s"]}
    assert _jobs(ban, ARC, tmp_path).commands[1].startswith("/usr/libexec/arc/gm-jobs -c /run/arched-arex.cfg ")
    program.touch()
    assert _jobs(ban, ARC, tmp_path).commands[1].startswith("/usr/lib/arc/gm-jobs -c /run/arched-arex.cfg ")


def test_each_ce_has_its_own() -> None:
    """The aftermath on one CE contains no commands for the other CE."""
    ban = {"subject": ["s"]}
    for ce, unit in ((HTCONDOR, "condor-ce"), (ARC, "arc-arex-ws")):
        told = find_aftermath(ban, DECLARED, [ce], Path("/nowhere"))
        assert {each.ce for each in told} == {ce}
        assert told[0].commands == (f"systemctl restart {unit}",)
        assert all(each.until for each in told)
    assert find_aftermath(ban, DECLARED, [], Path("/nowhere")) == []
