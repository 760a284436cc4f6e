"""`vomap ban add` warns of missed tokens and prints the ban that denies them: run as printed, it denies them."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vomap.bans import rule_tokens
from vomap.bans.commands import add_command
from vomap.cli import run

Capture = pytest.CaptureFixture[str]
IAM, ONE, PATHS, FREE = (
    "https://iam.example/",
    "https://one.example/",
    "https://paths.example/",
    "https://free.example/",
)
SITE = f"""\
mapfile: 1
site: {{audience: [ANY], accounts: {{must-exist: no}}}}
issuers:
  {ONE}: {{vo: alpha}}
  {IAM}: {{vo-from: [group], vos: [alpha, beta]}}
  {PATHS}: {{vo-from: [scope-path, group], vos: [nova, dune], default-vo: nova}}
  {FREE}: {{vo-from: [group]}}
rules:
  - {{name: refused, issuer: {IAM}, subject: nobody, deny: for the test}}
  - {{name: robot, issuer: {IAM}, subject: robot, account: robot}}
  - {{name: alpha, vo: alpha, account: alpha}}
  - {{name: beta, vo: beta, account: beta}}
  - {{name: dune, vo: dune, group: /dune/Role=pilot, claim: {{unit: "x*"}}, account: dune}}
  - {{name: nova, vo: nova, account: nova}}
  - {{name: free, vo: gamma, account: gamma}}
  - {{name: anybody, issuer: {FREE}, account: anybody}}
"""


class Site:
    """A policy with issuers of one VO and of several, a folder of bans, and `vomap ban` for them."""

    def __init__(self, folder: Path, capsys: Capture) -> None:
        """Build the policy."""
        self.folder, self.capsys = folder, capsys
        self.bans, self.policy = folder / "the bans", folder / "policy"
        self.bans.mkdir()
        self.build(SITE)

    def build(self, text: str) -> None:
        """Build another policy."""
        path = self.folder / "site.yaml"
        path.write_text(text, "utf-8")
        words = ["--mapfiles", str(path), "--bans", str(self.bans), "--output", str(self.policy)]
        assert run(["build", *words]) == 0, self.capsys.readouterr().err

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run `vomap` with just these words, and return its exit code and what it printed."""
        self.capsys.readouterr()
        return (run(list(words)), *self.capsys.readouterr())

    def add(self, *words: str, reason: str = "it's: T-1 && more") -> dict[str, Any]:
        """Add a ban and return the answer for programs."""
        places = ["--bans", str(self.bans), "--policy", str(self.policy)]
        code, out, err = self.run("ban", "add", *words, "--reason", reason, *places, "--json")
        assert code == 0, err
        answer: dict[str, Any] = json.loads(out)
        # Each command is on standard error, too, whole, behind its warning.
        assert all(command in err for command in answer["instead"])
        return answer

    def follow(self, answer: dict[str, Any]) -> list[str]:
        """Run the printed commands as they are, and return their warnings."""
        warnings = []
        for command in answer["instead"]:
            code, _, err = self.run(*shlex.split(command)[1:])
            assert code == 0, err
            warnings += err.splitlines()
        return warnings

    def becomes(self, issuer: str, subject: str, *groups: str, **claims: Any) -> str:
        """Return what becomes of a token: its account, or the outcome."""
        token = {"iss": issuer, "sub": subject, "aud": "ANY", "scope": "compute.create", **claims}
        if groups:
            token["wlcg.groups"] = groups
        out = self.run("explain", "--policy", str(self.policy), "--claims", json.dumps(token), "--json")[1]
        decision = json.loads(out)
        return str(decision["account"] or f"{decision['outcome']}: {decision['reason'].partition(':')[0]}")


@pytest.fixture
def site(tmp_path: Path, capsys: Capture) -> Site:
    """Return a site without a ban."""
    return Site(tmp_path, capsys)


BANNED = "denied: ban"


def test_a_subject_that_leaves_the_vo_out(site: Site) -> None:
    """At an issuer of several VOs a ban by VO and subject is evaded by a token of another VO, or of none."""
    answer = site.add("--vo", "alpha", "--subject", "eve")
    assert site.becomes(IAM, "eve", "/alpha") == site.becomes(ONE, "eve") == BANNED
    assert site.becomes(IAM, "eve", "/beta") == "beta"
    (warning,) = (each for each in answer["warnings"] if "need not name alpha" in each)
    assert f"a token of {IAM} for this subject" in warning
    assert site.follow(answer) == []
    assert site.becomes(IAM, "eve", "/beta") == site.becomes(IAM, "eve") == BANNED
    assert site.becomes(IAM, "adam", "/beta") == "beta"


def test_a_client_that_leaves_the_vo_out(site: Site) -> None:
    """The same holds for a client, and for an issuer whose tokens have a default VO or name VOs freely."""
    for issuer, vo, others in ((PATHS, "dune", "nova"), (FREE, "gamma", "anybody")):
        answer = site.add("--vo", vo, "--client", "c")
        assert site.becomes(issuer, "s", client_id="c") == others
        assert any(f"a token of {issuer} for this client need not name {vo}" in each for each in answer["warnings"])
        site.follow(answer)
        assert site.becomes(issuer, "s", client_id="c") == BANNED


@pytest.mark.parametrize(
    "words",
    [
        ["--vo", "alpha", "--issuer", ONE, "--subject", "eve"],
        ["--issuer", IAM, "--subject", "eve"],
        ["--subject", "eve"],
        ["--vo", "unknown.vo.elsewhere", "--issuer", ONE, "--subject", "eve"],
    ],
)
def test_a_subject_that_cannot_leave_the_vo_out(site: Site, words: list[str]) -> None:
    """Where the issuer is the VO, and where the ban names no VO, nothing is said."""
    assert not any("need not name" in each for each in site.add(*words)["warnings"])


def test_a_vo_whose_members_name_none(site: Site) -> None:
    """A ban by VO is evaded by a token without groups that a rule maps: the rule's subject, or the issuer, is named."""
    answer = site.add("--vo", "alpha")
    assert site.becomes(IAM, "robot") == "robot"
    assert any("for 'robot' that names no VO is mapped to robot" in each for each in answer["warnings"])
    site.follow(answer)
    assert site.becomes(IAM, "robot") == BANNED
    assert site.becomes(IAM, "s", "/beta") == "beta"
    answer = site.add("--vo", "gamma")
    assert site.becomes(FREE, "s") == "anybody"
    assert any(f"a token of {FREE} that names no VO is mapped to anybody" in each for each in answer["warnings"])
    site.follow(answer)
    assert site.becomes(FREE, "s") == BANNED


@pytest.mark.parametrize("number", [3, 11])
def test_each_subject_that_names_no_vo(site: Site, number: int) -> None:
    """Pilot clients of several VOs at one issuer, each by a rule of its own: each is named, unless they are many."""
    rules = (f"  - {{name: r{at}, issuer: {IAM}, subject: c{at}, account: a{at}}}\n" for at in range(number))
    site.build(SITE.partition("rules:\n")[0] + "rules:\n" + "".join(rules))
    answer = site.add("--vo", "alpha")
    assert len(answer["instead"]) == (number if number < 10 else 1)
    assert site.becomes(IAM, "c2") == "a2"
    site.follow(answer)
    assert site.becomes(IAM, "c2") == BANNED


def test_a_vo_that_all_tokens_name(site: Site) -> None:
    """Where no token without a VO is mapped, or the default VO is the banned one, nothing is said."""
    for words in (["--vo", "alpha", "--issuer", ONE], ["--vo", "nova"], ["--vo", "beta", "--subject", "robot"]):
        assert not any("that names no VO" in each for each in site.add(*words)["warnings"]), words


@pytest.mark.parametrize(
    ("words", "evading"),
    [
        (["--subject", "*@x"], "a/b@x"),
        (["--subject", "*@x"], "a/@x"),
        (["--subject", "robot*", "--subject", "other"], "robot/7"),
        (["--subject", "robot*", "--subject", "other"], "robots/7"),
        (["--vo", "alpha", "--subject", "*"], "a/b"),
        (["--issuer", ONE, "--subject", "*"], "a/b/c"),
        (["--subject", "*"], "a/b/c"),
        (["--subject", "*/x"], "a/b/x"),
    ],
)
def test_a_subject_with_slashes(site: Site, words: list[str], evading: str) -> None:
    """`*` takes no slash: a subject with one is tried, and the ban that takes it, too, is printed."""
    answer = site.add(*words)
    assert site.becomes(ONE, evading) == "alpha"
    (warning,) = (each for each in answer["warnings"] if "does not match a slash" in each)
    assert " is mapped to alpha" in warning
    assert not any("does not match a slash" in each for each in site.follow(answer))
    assert site.becomes(ONE, evading) == BANNED


def test_subjects_with_slashes_that_another_ban_takes(site: Site) -> None:
    """A token that another ban denies causes no warning."""
    site.add("--issuer", ONE, "--issuer", IAM, "--issuer", PATHS, "--issuer", FREE)
    assert not any("slash" in each for each in site.add("--subject", "*@x")["warnings"])


@pytest.mark.parametrize(
    ("words", "form"),
    [
        (["--group", "/beta/*"], ["/beta/**"]),
        (["--vo", "beta", "--group", "/beta/*/Role=pilot", "--group", "/beta/x"], ["/beta/**/Role=pilot", "/beta/x"]),
        (["--scope", "storage.read:/beta/*"], ["storage.read:/beta/**"]),
        (["--group", "/beta/*/x"], []),
        (["--claim", "unit=*"], []),
    ],
)
def test_a_bare_star_elsewhere(site: Site, words: list[str], form: list[str]) -> None:
    """A group or path below passes: the ban with `/**` is printed, where one pattern does."""
    answer = site.add(*words)
    assert any("matches only one part between two slashes" in each for each in answer["warnings"])
    commands = [shlex.split(command) for command in answer["instead"]]
    assert any([word for word in command if word in form] == form for command in commands) or not form
    site.follow(answer)


def test_a_subject_and_a_client(site: Site) -> None:
    """Both are needed at once, so another client of the same subject passes: each is banned by itself instead."""
    answer = site.add("--vo", "alpha", "--subject", "eve", "--client", "c")
    assert site.becomes(ONE, "eve", client_id="d") == site.becomes(ONE, "adam", client_id="c") == "alpha"
    (warning,) = (each for each in answer["warnings"] if "ban each on its own" in each)
    assert warning.count("vomap ban add") == 2
    assert "--client and --subject" in warning
    assert [each.partition(",")[0] for each in site.follow(answer)] == ["warning: this bans one client"]
    for issuer, groups in ((ONE, []), (IAM, ["/beta"])):
        assert site.becomes(issuer, "eve", *groups, client_id="d") == BANNED
        assert site.becomes(issuer, "adam", *groups, client_id="c") == BANNED


@pytest.mark.parametrize("more", [["--subject", "eve"], ["--vo", "alpha"], ["--group", "/beta"], ["--client", "c"]])
def test_a_token_and_more(site: Site, more: list[str]) -> None:
    """A ban of a token that asks for more can only miss it."""
    answer = site.add("--jti", "j", *more)
    assert any("--jti" in each and "ban each on its own" in each for each in answer["warnings"])
    assert site.becomes(ONE, "adam", jti="j") == ("alpha" if more[0] != "--vo" else BANNED)
    site.follow(answer)
    assert site.becomes(ONE, "adam", jti="j") == site.becomes(IAM, "adam", "/beta", jti="j") == BANNED


def test_a_token_of_an_issuer(site: Site) -> None:
    """Each issuer numbers its own tokens, so vomap does not warn about an issuer beside the number of a token."""
    assert not any("at once" in each for each in site.add("--jti", "j", "--issuer", ONE)["warnings"])


def test_a_beginning_with_any_number_of_slashes(site: Site) -> None:
    """The printed form denies every subject with the beginning, and nothing more is said."""
    answer = site.add("--subject", "robot*")
    assert not any("more slashes" in each for each in answer["warnings"])
    site.follow(answer)
    for subject in ("robot7", "robot/x", "robot7/x/y", "robot/x/y/z"):
        assert site.becomes(ONE, subject) == BANNED, subject


def test_an_end_with_two_slashes(site: Site) -> None:
    """No pattern has any number of slashes before its end: the warning names a ban for these subjects."""
    answer = site.add("--subject", "*@x")
    site.follow(answer)
    assert site.becomes(ONE, "a/b/c@x") == "alpha"
    assert any("for subjects with more slashes ban" in each for each in answer["warnings"])


@pytest.mark.parametrize("scope", ["compute.create", "compute.*", "compute.read", "condor:/WRITE", "*"])
def test_a_scope_that_is_left_out(site: Site, scope: str) -> None:
    """Each scope for jobs is as good as the others: the bearer asks for one that the ban does not name."""
    answer = site.add("--subject", "eve", "--scope", scope)
    others = ("compute.create", "compute.modify", "compute.read", "condor:/WRITE", "condor:/READ")
    left = [one for one in others if site.becomes(ONE, "eve", scope=one) == "alpha"]
    assert left or scope == "*"
    assert any("without this scope" in each for each in answer["warnings"]) == bool(left)
    site.follow(answer)
    assert not [one for one in others if site.becomes(ONE, "eve", scope=one) == "alpha"]


def test_a_group_with_a_comma(site: Site) -> None:
    """A ban sees such a text as a whole: it is not called impossible, and then proved."""
    answer = site.add("--subject", "eve", "--group", "/alpha/x,/beta")
    assert not any("not a legal group" in each for each in answer["warnings"])


def test_a_group_that_is_left_out(site: Site) -> None:
    """The ban of the subject alone is printed, without what the bearer asks for."""
    answer = site.add("--subject", "eve", "--group", "/alpha/x")
    assert site.becomes(ONE, "eve") == "alpha"
    site.follow(answer)
    assert site.becomes(ONE, "eve") == BANNED


@pytest.mark.parametrize("key", ["jti", "client"])
def test_the_subject_of_a_token_that_is_given(site: Site, key: str) -> None:
    """A ban of a token or client alone: of the token that is given the subject is known, so its ban is printed."""
    token = {"iss": ONE, "sub": "eve adam", "aud": "ANY", "scope": "compute.create", "jti": "v", "client_id": "v"}
    answer = site.add(f"--{key}", "v", "--claims", json.dumps(token))
    assert any("ban the subject as well, in a ban of its own: vomap ban add" in each for each in answer["warnings"])
    assert site.becomes(ONE, "eve adam") == "alpha"
    site.follow(answer)
    assert site.becomes(ONE, "eve adam") == BANNED
    for other in ({"sub": "a*"}, {"iss": ""}, {"sub": "<user>"}):
        assert site.add(f"--{key}", "v", "--claims", json.dumps({**token, **other}))["instead"] == []


def test_the_end_of_a_ban_is_printed_too(site: Site) -> None:
    """The command has all that was typed: until when, why, and where the bans and the policy lie."""
    (command,) = site.add("--vo", "alpha", "--subject", "eve", "--until", "2099-12-31")["instead"]
    words = shlex.split(command)
    assert words[:3] == ["vomap", "ban", "add"]
    pairs = dict(zip(words[3::2], words[4::2]))
    assert pairs["--until"] == "2099-12-31T23:59:59Z"
    assert pairs["--reason"] == "it's: T-1 && more"
    assert (pairs["--bans"], pairs["--policy"]) == (str(site.bans), str(site.policy))


_texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
_bans = st.fixed_dictionaries(
    {"reason": _texts},
    optional={
        "subject": st.lists(_texts, min_size=1, max_size=2),
        "client": st.lists(_texts, min_size=1, max_size=1),
        "claim": st.dictionaries(st.text("ab-'$", min_size=1), st.lists(_texts, min_size=1, max_size=2), max_size=2),
        "until": st.integers(0, 2**31),
    },
)


@settings(max_examples=60, deadline=None)
@given(ban=_bans)
def test_a_command_is_right_for_the_shell(ban: dict[str, Any]) -> None:
    """For any ban, bash gives the command the options of the ban, and no terminal shows others."""
    command = add_command(ban)
    assert command.isascii()
    assert command.isprintable()
    done = subprocess.run(
        ["bash", "-euc", f"vomap() {{ printf '%s\\0' \"$@\"; }}; {command}"], capture_output=True, check=True
    )
    words = done.stdout.decode().split("\0")[:-1]
    assert words[:2] == ["ban", "add"]
    values = [text for key in ("client", "subject") for text in ban.get(key, ())]
    values += [f"{name}={text}" for name, texts in ban.get("claim", {}).items() for text in texts]
    found = [word.partition("=")[2] if word.startswith("--") and "=" in word else word for word in words[2:]]
    assert [word for word in found if word not in ("--client", "--subject", "--claim", "--reason", "--until")][
        : len(values) + 1
    ] == [*values, ban["reason"]]


@pytest.mark.parametrize("words", [["--jti", "j"], ["--client", "c"], ["--audience", "other"], ["--claim", "e=x"]])
def test_a_ban_is_proved_with_a_token_that_a_rule_maps(site: Site, words: list[str]) -> None:
    """A rule provides the claims that a ban leaves open. A token that was mapped before is denied, and reported."""
    answer = site.add(*words)
    assert answer["proof"]["proved"] is True
    assert answer["proof"]["was-mapped"] is True
    assert answer["proof"]["before"].startswith("mapped to ")


def test_a_rule_that_denies_proves_nothing(site: Site) -> None:
    """A subject that only a rule with `deny` names is proved with a token that another rule denies or maps."""
    assert site.add("--subject", "nobody", "--issuer", IAM)["proof"]["before"] == "denied: rule: for the test"


@pytest.mark.parametrize(
    ("issuer", "told"),
    [
        (
            '"x',
            "so no CE calls vomap for it: not in force here: another plugin may map these tokens",
        ),
        ("http://else/", "it is not an https URL, so no CE calls vomap for it"),
        ("https://else/", "only after the CE is wired again, and no other plugin and no map line maps any token"),
    ],
)
def test_an_issuer_that_is_not_declared(site: Site, issuer: str, told: str) -> None:
    """The warning of `ban add` agrees with the output of `vomap render`."""
    assert any(told in each for each in site.add("--issuer", issuer)["warnings"])
    out = site.run("render", "arc", "--policy", str(site.policy))[1]
    assert (f"authtokens = * {issuer} * * *\n" in out) == issuer.startswith("https:")
    assert '"' not in out


def test_the_proof_says_whether_the_token_was_mapped(site: Site) -> None:
    """Either the account is named, or it is said that no such token was found."""
    places = ["--bans", str(site.bans), "--policy", str(site.policy)]
    out = site.run("ban", "add", "--jti", "j", "--reason", "r", *places)[1]
    assert " is denied now (mapped to " in out
    assert " before)\n" in out
    out = site.run("ban", "add", "--issuer", "https://else/", "--reason", "r", *places)[1]
    assert "before); no token that meets this ban was found that was mapped before\n" in out


NEEDY = """\
  - name: needy
    issuer: %s
    group: /beta/x/Role=pilot
    scope: "storage.read:/beta/y"
    claim: {unit: "x*"}
    account: needy
"""


@pytest.mark.parametrize(
    ("words", "before"),
    [
        (["--jti", "j"], "mapped to needy"),
        (["--client", "c", "--group", "/beta/other"], "mapped to needy"),
        (["--claim", "unit=xyz"], "mapped to needy"),
        (["--jti", "j", "--scope", "storage.read:/beta/z", "--audience", "other"], "mapped to needy"),
        (["--claim", "wlcg.groups=/beta/x"], "mapped to needy"),
        (["--subject", "s350"], "mapped to beta"),
        (["--subject", "*"], "mapped to needy"),
        (["--subject", "unknown*", "--vo", "beta"], "mapped to needy"),
    ],
)
def test_a_rule_that_asks_for_much(site: Site, monkeypatch: pytest.MonkeyPatch, words: list[str], before: str) -> None:
    """A generated token meets the ban, and a rule that names the subject is found at any place.

    vomap reads a limited number of rules. Beyond it, `add` reports that it found no token that was mapped.
    """
    named = (f"  - {{name: r{at}, vo: beta, subject: s{at}, group: /beta/g{at}, account: beta}}\n" for at in range(400))
    site.build(SITE.partition("rules:\n")[0] + "rules:\n" + NEEDY % IAM + "".join(named))
    assert site.add(*words)["proof"]["before"] == before
    assert site.run("ban", "lift", *words, "--bans", str(site.bans), "--policy", str(site.policy))[0] == 0
    monkeypatch.setattr(rule_tokens, "_MOST_READ", 0)
    proof = site.add(*words, "--jti", "another")["proof"]
    assert proof["was-mapped"] == (words == ["--subject", "s350"])
