"""`vomap ban add` tests a ban with a token, and warns of tokens that it misses. `lift` reports the bans that remain."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vomap.bans import rule_tokens
from vomap.claims import DECISIVE
from vomap.cli import run
from vomap.log import format_record
from vomap.log.pseudonyms import make_pseudonym

Capture = pytest.CaptureFixture[str]
SITE = """\
mapfile: 1
site: {audience: [ce01.example.org:9619], accounts: {must-exist: no}}
issuers:
  https://cms.example.org/: {vo: CMS}
  https://cms.example.com/: {vo: CMS}
  https://atlas.example.org/: {vo: ATLAS}
  https://many.example.org/: {vo-from: [group], entitlements: {namespace: "urn:x-many:y"}}
  https://paths.example.org/: {vo-from: [scope-path], vos: {nova: Nova, dune: DUNE}}
  https://old.example.org/: none
rules:
  - {name: pilots, vo: CMS, subject: pilot, account: cmspilot}
  - {name: people, vo: CMS, group: /cms, account: cmsuser}
  - {name: production, vo: ATLAS, group: /atlas/Role=production, account: atlaspro}
  - {name: bio, vo: bio.example.org, account: bio}
  - {name: nova, vo: Nova, account: nova}
"""
EVASION = "which its bearer can request"
OTHERS = "has issuers that this ban does not name"


class Site:
    """A policy, a folder of bans, and `vomap ban` for them."""

    def __init__(self, folder: Path, capsys: Capture) -> None:
        """Build the policy."""
        self.folder, self.capsys = folder, capsys
        self.bans, self.policy = folder / "bans.d", folder / "policy"
        self.bans.mkdir()
        self.build(SITE)

    def build(self, mapfile: str) -> None:
        """Build another policy."""
        path = self.folder / "site.yaml"
        path.write_text(mapfile, "utf-8")
        words = ["build", "--mapfiles", str(path), "--bans", str(self.bans), "--output", str(self.policy)]
        assert run(words) == 0, self.capsys.readouterr().err

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run `vomap ban` and return its exit code and what it printed."""
        self.capsys.readouterr()
        code = run(["ban", *words, "--bans", str(self.bans), "--policy", str(self.policy)])
        return (code, *self.capsys.readouterr())

    def add(self, *words: str) -> dict[str, Any]:
        """Add a ban and return the answer for programs, with the exit code."""
        code, out, _ = self.run("add", *words, "--reason", "r", "--json")
        answer: dict[str, Any] = json.loads(out)
        return {**answer, "code": code}


@pytest.fixture
def site(tmp_path: Path, capsys: Capture) -> Site:
    """Return a site without a ban."""
    return Site(tmp_path, capsys)


@pytest.mark.parametrize(
    ("words", "before"),
    [
        (["--vo", "CMS", "--subject", "pilot"], "mapped to cmspilot"),
        (["--vo", "CMS", "--subject", "p*t"], "mapped to cmsuser"),
        (["--subject", "pilot"], "mapped to cmspilot"),
        (["--vo", "cms"], "mapped to cmsuser"),
        (["--group", "/cms"], "mapped to cmsuser"),
        (["--group", "/cms/**"], "mapped to cmsuser"),
        (["--group", "/atlas/Role=production"], "mapped to atlaspro"),
        (["--vo", "bio.example.org"], "mapped to bio"),
        (["--vo", "Nova", "--subject", "s"], "mapped to nova"),
        (["--scope", "storage.read:/nova/**"], "mapped to nova"),
        (["--issuer", "https://cms.example.org/"], "mapped to cmsuser"),
        (["--issuer", "https://undeclared.example.org/"], "declined"),
        (["--issuer", "https://old.example.org/", "--subject", "s"], "declined"),
        (["--audience", "other", "--subject", "pilot"], "mapped to cmspilot"),
        (["--client", "c", "--subject", "pilot"], "mapped to cmspilot"),
        (["--jti", "j", "--jti", "k", "--subject", "pilot"], "mapped to cmspilot"),
        (["--claim", "e=x*z", "--claim", "f=1", "--subject", "pilot"], "mapped to cmspilot"),
        (["--claim", "wlcg.groups=/cms/a", "--vo", "CMS"], "mapped to cmsuser"),
        (["--vo", "nobody", "--vo", "CMS", "--subject", "pilot"], "mapped to cmspilot"),
    ],
)
def test_a_ban_is_proved(site: Site, words: list[str], before: str) -> None:
    """A token made of the ban's own conditions is denied by it, and `add` reports the decision before the ban."""
    answer = site.add(*words)
    assert answer["code"] == 0
    assert answer["proof"]["proved"] is True
    assert answer["proof"]["before"].startswith(before)
    assert answer["proof"]["after"] == "denied: ban: r"


def test_the_proof_is_what_the_callout_answers(site: Site) -> None:
    """The report names the token, and shows the effect of a ban that was there before."""
    code, out, err = site.run("add", "--vo", "CMS", "--subject", "pilot", "--reason", "r")
    assert (code, err) == (0, "")
    assert "proved: a token of 'https://cms.example.org/' for 'pilot' is denied now (mapped to cmspilot before)" in out
    assert site.add("--vo", "CMS", "--subject", "pilot")["proof"]["before"] == "denied: ban: r"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--vo", "ATLAS", "--issuer", "https://cms.example.org/"], "speaks for ATLAS; one of https://atlas.example"),
        (["--vo", "CMS", "--issuer", "https://many.example.org/"], "speaks for CMS; one of https://cms.example.org/"),
        (["--vo", "CMS", "--issuer", "https://old.example.org/"], "speaks for CMS"),
        (["--group", "/cms/.."], "it is not a valid group"),
        (["--claim", "iss=https://else", "--issuer", "https://cms.example.org/"], "not proved: no token was found"),
    ],
)
def test_a_ban_that_no_token_can_meet(site: Site, words: list[str], told: str) -> None:
    """It is added, with a warning and its reason that no token matches. The report does not claim a proof."""
    answer = site.add(*words)
    assert answer["code"] == 0
    assert answer["proof"] is None
    assert any(told in warning for warning in answer["warnings"])
    assert "not proved: no token was found that meets this ban" in answer["warnings"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--issuer", "https://cms.example.org/", "--subject", "s"], "ban by --vo cms"),
        (["--issuer", "https://cms.example.org/", "--vo", "CMS"], "leave --issuer out"),
        (["--issuer", "https://cms.example.org/", "--issuer", "https://cms.example.com/"], None),
        (["--issuer", "https://atlas.example.org/"], None),
        (["--issuer", "https://many.example.org/"], None),
        (["--vo", "CMS", "--subject", "s"], None),
    ],
)
def test_one_of_several_issuers(site: Site, words: list[str], told: str | None) -> None:
    """A ban that names one of a VO's issuers lists the others. One that covers all does not."""
    found = [warning for warning in site.add(*words)["warnings"] if OTHERS in warning]
    assert [told in warning and "https://cms.example.com/" in warning for warning in found if told] == [True] * bool(
        told
    )
    assert bool(found) == bool(told)


@pytest.mark.parametrize(
    ("words", "evaded"),
    [
        (["--group", "/cms/uscms/**"], "cmsuser"),
        (["--group", "/cms/uscms", "--subject", "s"], "cmsuser"),
        (["--scope", "storage.read:/cms", "--vo", "CMS", "--subject", "pilot"], "cmspilot"),
        (["--claim", "e=x", "--subject", "pilot"], "cmspilot"),
        (["--group", "/bio.example.org/a"], "bio"),
        (["--group", "/atlas/Role=production"], None),
        (["--vo", "ATLAS", "--group", "/atlas/**"], None),
        (["--vo", "CMS", "--subject", "pilot"], None),
        (["--audience", "ce01.example.org:9619", "--subject", "pilot"], None),
    ],
)
def test_a_ban_that_is_evaded_by_asking_for_less(site: Site, words: list[str], evaded: str | None) -> None:
    """If a token without the banned value would be mapped, `add` reports that with the account.

    Else it reports nothing.
    """
    found = [warning for warning in site.add(*words)["warnings"] if EVASION in warning]
    assert bool(found) == bool(evaded)
    assert all(f"is mapped to {evaded}" in warning for warning in found)


def test_another_audience_evades_a_ban(site: Site) -> None:
    """A site that accepts two audiences is warned of a ban by one of them."""
    site.build(SITE.replace("[ce01.example.org:9619]", "[ce01.example.org:9619, ANY]"))
    warnings = site.add("--audience", "ANY", "--subject", "pilot")["warnings"]
    assert [warning for warning in warnings if EVASION in warning and "cmspilot" in warning]


def test_subjects_that_rules_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that names a subject may not need the banned group. `add` reports that if rules name subjects.

    In a large policy vomap may find no token of such a rule.
    """
    site.build(SITE.replace("  - {name: people, vo: CMS, group: /cms, account: cmsuser}\n", ""))
    assert any("mapped to cmspilot: ban the sub" in each for each in site.add("--group", "/cms/uscms")["warnings"])
    monkeypatch.setattr(rule_tokens, "_MOST_RULES", 0)
    assert any("name subjects" in warning for warning in site.add("--group", "/cms/other")["warnings"])
    assert not any("name subjects" in warning for warning in site.add("--group", "/atlas/x")["warnings"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--jti", "j"], "one token"),
        (["--client", "c"], "one client"),
        (["--jti", "j", "--subject", "s"], None),
        (["--client", "c", "--subject", "s"], None),
        (["--subject", "s"], None),
    ],
)
def test_a_ban_of_a_token_or_a_client_alone(site: Site, words: list[str], told: str | None) -> None:
    """The bearer comes with another token, so the subject should be banned, too."""
    found = [warning for warning in site.add(*words)["warnings"] if "ban the subject as well" in warning]
    assert [told in warning for warning in found if told] == [True] * bool(told)
    assert bool(found) == bool(told)


PILOT = {"iss": "https://cms.example.org/", "sub": "pilot", "aud": "ce01.example.org:9619", "scope": "compute.create"}


def test_a_token_that_is_given(site: Site) -> None:
    """A given token is a part of the test. If the ban does not match it, the ban is in force and the exit code is 1."""
    answer = site.add("--subject", "pilot", "--claims", json.dumps(PILOT))
    assert (answer["code"], answer["proof"]["before"]) == (0, "mapped to cmspilot")
    answer = site.add("--subject", "another", "--claims", json.dumps({**PILOT, "sub": "third", "wlcg.groups": "/cms"}))
    assert (answer["code"], answer["proof"]["proved"]) == (1, False)
    assert any("not proved" in warning and "mapped to cmsuser" in warning for warning in answer["warnings"])
    assert "2 bans" in site.run("list")[1]


@pytest.mark.parametrize("given", [["--claims", "[]"], ["--claims", "{"], ["--token", "a.b"], ["--token", "a.!.c"]])
def test_a_token_that_cannot_be_read_adds_no_ban(site: Site, given: list[str]) -> None:
    """It is read first: who typed it wrongly types all of it again."""
    code, out, err = site.run("add", "--subject", "pilot", "--reason", "r", *given)
    assert code in (2, 3)
    assert (out, err != "") == ("", True)
    assert "0 bans" in site.run("list")[1]


def test_without_a_policy(site: Site) -> None:
    """A ban can be added before there is a policy. An unreadable policy is an error, but delays no ban."""
    site.policy.unlink()
    code, out, _ = site.run("add", "--subject", "pilot", "--reason", "r")
    assert code == 0
    assert "not proved: there is no" in out
    site.policy.write_bytes(b"vomap-policy 2 0 0\n")
    code, out, err = site.run("add", "--subject", "another", "--reason", "r")
    assert (code, "not proved" in err) == (3, True)
    assert "added" in out
    assert "2 bans" in site.run("list")[1]


def test_a_policy_of_before_that_lists_no_issuers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that was built before issuers were listed is read as a whole, and proves as well."""
    from vomap.store import CompiledFile

    find = CompiledFile.find
    monkeypatch.setattr(CompiledFile, "find", lambda self, key: None if key == "issuers" else find(self, key))
    assert site.add("--vo", "CMS", "--subject", "pilot")["proof"]["before"] == "mapped to cmspilot"


def test_lift_tells_what_still_holds(site: Site) -> None:
    """Another ban that the same token meets is named, with its place, and `lift` fails."""
    for words in (["--vo", "CMS", "--subject", "pilot"], ["--subject", "p*"]):
        assert site.add(*words)["code"] == 0
    code, out, err = site.run("lift", "--vo", "CMS", "--subject", "pilot")
    assert code == 1
    assert out.startswith("lifted")
    assert "all of these tokens are still denied: ban: r" in err
    assert f"{site.bans}/vomap-ban.yaml:4" in err
    assert site.run("lift", "--subject", "p*")[::2] == (0, "")


def test_lift_with_a_ban_of_some_that_stays(site: Site) -> None:
    """If only some of the tokens are still denied, `lift` reports that and succeeds."""
    for words in (["--subject", "pilot"], ["--vo", "ATLAS"]):
        assert site.add(*words)["code"] == 0
    code, _, err = site.run("lift", "--subject", "pilot")
    assert code == 0
    assert "some of these tokens are still denied" in err


def test_list_tells_what_is_in_force(site: Site) -> None:
    """A ban that was written by hand and not built says so, until it is."""
    assert site.add("--subject", "built")["code"] == 0
    hand = site.bans / "hand.yaml"
    hand.write_text("mapfile: 1\nbans:\n  - {subject: new, reason: r}\n", "utf-8")
    assert [line.count("not built") for line in site.run("list")[1].splitlines()] == [1, 0, 0]
    listed = json.loads(site.run("list", "--json")[1])
    assert [ban["in-force"] for ban in listed["bans"]] == [False, True]
    site.build(SITE)
    assert "not built" not in site.run("list")[1]


HOSTILE = ["'; touch INJECTED; '", "$(touch INJECTED)", "`touch INJECTED`", '" || true || "', "a\nb", "--help", "a b"]


def _lines(out: str) -> Sequence[str]:
    return [line[4:] for line in out.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize("subject", HOSTILE)
def test_commands_with_a_hostile_subject(site: Site, subject: str) -> None:
    """A printed command, pasted, runs nothing but itself: the subject is one word of it, or left out."""
    code, out, _ = site.run("add", "--vo", "CMS", f"--subject={subject}", "--reason", "r")
    assert code in (0, 2)
    stubs = "condor_ce_q() { :; }; condor_ce_rm() { :; }; arcctl() { :; }; systemctl() { :; }; "
    for line in _lines(out):
        command = line.replace("/usr/libexec/arc/gm-jobs", "true")
        subprocess.run(["bash", "-euc", stubs + command], check=True, cwd=site.folder, timeout=60)
    assert not (site.folder / "INJECTED").exists()


def _logged(site: Site, *records: dict[str, Any]) -> str:
    """Write a log and return its path."""
    whole = {
        "time": "2026-11-22T12:00:00Z",
        "ce": "htcondor",
        "outcome": "mapped",
        "account": "cmspilot",
        "vo": "CMS",
        "rule": "pilots",
        "source": "site.yaml:11",
        "reason": "rule: pilots",
        "issuer": "https://cms.example.org/",
        "subject": "pilot",
        "client": None,
        "jti": None,
        "audience": ["ce01.example.org:9619"],
        "unchecked": [],
        "policy": "d",
        "callout": "vomap-htcondor",
        "kept": [*DECISIVE],
        "claims": {"scope": "compute.create"},
    }
    path = site.folder / "decisions.log"
    path.write_text("".join(format_record({**whole, **record}) for record in records), "ascii")
    return str(path)


def test_whom_a_ban_would_have_kept_out(site: Site) -> None:
    """The log's decisions that the ban would have denied are listed by identity and account, with their tokens."""
    other = {"subject": "x\x1b[2J", "time": "2026-11-22T13:00:00Z", "outcome": "declined", "account": None}
    declined = {"outcome": "declined", "account": None, "jti": "j-3", "time": "2026-11-22T10:00:00Z"}
    log = _logged(
        site,
        {"jti": "j-1"},
        {"jti": "j-1", "time": "2026-11-22T11:00:00Z"},
        {"account": "cmsother", "jti": "j-2", "time": "2026-11-22T14:00:00Z"},
        declined,
        {"issuer": "https://atlas.example.org/"},
        {"subject": "y\u202e"},
        {"claims": None},
        other,
    )
    code, out, err = site.run("add", "--vo", "CMS", "--reason", "r", "--log", log)
    assert code == 0
    assert out.endswith(
        """\
in the logs: 5 decisions about 2 identities would have been denied
  identity https://cms.example.org/ pilot:
    mapped to cmspilot: 2 decisions, the last at 2026-11-22T12:00:00Z
    mapped to cmsother: 1 decision, the last at 2026-11-22T14:00:00Z
    not mapped: 1 decision, the last at 2026-11-22T10:00:00Z
    jti: j-1, j-2, j-3
  identity https://cms.example.org/ y\\u202e:
    mapped to cmspilot: 1 decision, the last at 2026-11-22T12:00:00Z
  unknown for 1: the log does not have its claims
"""
    )
    assert f"warning: left out 1 line of the logs; it is {log}:8: `subject`: " in err
    answer = site.add("--subject", "pilot", "--log", log)
    assert answer["log"]["decisions"] == 5
    assert [[count["account"] for count in each["accounts"]] for each in answer["log"]["identities"]] == [
        ["cmspilot", "cmsother", None],
        ["cmspilot"],
    ]
    assert answer["log"]["identities"][0]["jtis"] == ["j-1", "j-2", "j-3"]


PSEUDONYM = make_pseudonym(bytes(32), "https://cms.example.org/", "pilot")
RESOLVE = f"`vomap log resolve '{PSEUDONYM}' --issuer https://cms.example.org/`"


def test_a_pseudonym_in_the_log_is_no_subject(site: Site) -> None:
    """The report says which identity is a pseudonym, and has the command that shows the subject to ban."""
    log = _logged(site, {"subject": None, "pseudonym": PSEUDONYM})
    _, out, _ = site.run("add", "--vo", "CMS", "--reason", "r", "--log", log)
    identity = f"  identity https://cms.example.org/, the pseudonym {PSEUDONYM}:\n"
    assert f"{identity}    to see the subject: {RESOLVE}\n" in out


@pytest.mark.parametrize("record", [{"subject": None}, {"subject": None, "pseudonym": None}])
def test_records_without_a_subject_are_about_several_users(site: Site, record: dict[str, Any]) -> None:
    """Such an identity must not look like a subject called unknown."""
    _, out, _ = site.run("add", "--vo", "CMS", "--reason", "r", "--log", _logged(site, record))
    assert "  identity https://cms.example.org/, without a subject in the log (perhaps several users):\n" in out


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--issuer", "https://cms.example.org/"], RESOLVE),
        (["--vo", "atlas"], f"`vomap log resolve '{PSEUDONYM}' --issuer https://atlas.example.org/`"),
        ([], f"`vomap log resolve '{PSEUDONYM}' --issuer ISSUER`"),
    ],
)
def test_a_ban_of_a_pseudonym_is_a_warning(site: Site, words: list[str], command: str) -> None:
    """No token has a pseudonym as its subject, so the ban denies no user."""
    _, _, err = site.run("add", *words, "--subject", PSEUDONYM, "--reason", "r")
    told = f"{PSEUDONYM} looks like a pseudonym of the decision log, and no token has it as its subject"
    assert f"warning: {told}; ban the subject that {command} shows\n" in err


@pytest.mark.parametrize("subject", ["~jo", "pilot", PSEUDONYM[1:], f"{PSEUDONYM}=", f"{PSEUDONYM}@example.org"])
def test_another_subject_is_no_pseudonym(site: Site, subject: str) -> None:
    """Only the form of a pseudonym gives the warning."""
    _, _, err = site.run("add", "--issuer", "https://cms.example.org/", "--subject", subject, "--reason", "r")
    assert "pseudonym" not in err


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_no_log_keeps_the_report_back(site: Site, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """The ban is in force and its report is printed, also if reading the log ends in a crash."""

    def crash(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("vomap.bans.log_impact.LogImpact.add", crash)
    log = _logged(site, {})
    code, out, err = site.run("add", "--vo", "CMS", "--subject", "pilot", "--reason", "r", "--log", log, *words)
    assert (code, "RuntimeError" in err) == (3, True)
    assert "condor_ce_rm -constraint" in out
    assert "is denied now" in out or json.loads(out)["proof"]["proved"]


def test_no_record_writes_a_line_of_the_report_on_a_ban(site: Site) -> None:
    """Root copies commands from this report. None is there but those of the ban, whatever a log has."""
    command = "condor_ce_rm -constraint true"
    names = ("account", "vo", "rule", "reason", "issuer", "subject", "jti", "pseudonym")
    lines = [{name: f"x\n    {command}"} for name in names]
    code, out, err = site.run("add", "--vo", "CMS", "--reason", "r", "--log", _logged(site, {}, *lines, {}))
    assert code == 0
    assert command not in out + err
    assert "in the logs: 2 decisions about 1 identity would have been denied\n" in out
    assert "warning: left out 8 lines of the logs; the first is " in err


def test_a_long_subject_and_many_tokens_are_for_programs(site: Site) -> None:
    """A stranger chooses the length of a subject. The text has the beginning, and `--json` has all."""
    records = [{"subject": "s" * 9000, "jti": f"j-{number}"} for number in range(25)]
    log = _logged(site, *records)
    _, out, _ = site.run("add", "--vo", "CMS", "--reason", "r", "--log", log)
    assert f"  identity https://cms.example.org/ {'s' * 300}...:\n" in out
    assert ", j-19 and 5 more\n" in out
    (identity,) = site.add("--vo", "cms", "--subject", "s*", "--log", log)["log"]["identities"]
    assert (identity["subject"], len(identity["jtis"])) == ("s" * 9000, 25)


def test_long_lists_of_identities_are_for_programs(site: Site) -> None:
    """The text has the latest identities, and `--json` has all."""
    log = _logged(site, *({"subject": f"s{number}"} for number in range(25)))
    _, out, _ = site.run("add", "--vo", "CMS", "--reason", "r", "--log", log)
    assert out.count("mapped to cmspilot") == 20
    assert "  and 5 identities more; --json prints all\n" in out
    assert len(site.add("--vo", "cms", "--subject", "s*", "--log", log)["log"]["identities"]) == 25


def test_a_log_that_cannot_be_read_holds_no_ban(site: Site) -> None:
    """The ban is in force first. An unreadable log and broken lines are warnings."""
    code, out, err = site.run("add", "--vo", "CMS", "--reason", "r", "--log", str(site.folder / "absent"))
    assert (code, "added" in out) == (0, True)
    assert f"warning: {site.folder / 'absent'}: No such file or directory\n" in err
    assert "in the logs" not in out
    _, out, _ = site.run("add", "--vo", "CMS", "--reason", "r", "--log", str(site.folder / "absent"), _logged(site, {}))
    assert "in the logs: 1 decision about 1 identity would have been denied\n" in out
    broken = site.folder / "broken"
    broken.write_text('{"time": "2026\n')
    _, _, err = site.run("add", "--subject", "x", "--reason", "r", "--log", str(broken))
    assert f"warning: left out 1 line of the logs; it is {broken}:1: is not a whole JSON object\n" in err


def test_only_add_reads_logs(site: Site) -> None:
    """Any other verb with a log is a mistake."""
    assert site.run("list", "--log", "x")[0] == 2
