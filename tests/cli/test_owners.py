"""Who may write what: `build`, `ban` and `refresh` refuse, `check` and `test` warn, `status` is red."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from owners import ANOTHER, OTHER, Owners, other_owners
from unit.ces.ce_system import RULES_FILE, CeSystem
from vomap.cli import refresh, run
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER
from vomap.store import read_bans, read_policy

Capture = pytest.CaptureFixture[str]
SITE = "mapfile: 1\nsite: {audience: ANY}\n"
OSG = """\
mapfile: 1
issuers:
  https://a.example/: {vo: A}
rules:
  - {name: a, issuer: https://a.example/, account: aaa}
tests:
  - token: {iss: https://a.example/, sub: x, scope: compute.create}
    alone: yes
    expect: {account: aaa}
"""
# The reason for this rule: with that mapfile, root's build answered `daemon`, and no log showed it.
GREEDY = "mapfile: 1\nsite: {accounts: {minimum-uid: 1}, log: {to: none}}\n" + OSG.partition("\n")[2]
BAN = "mapfile: 1\nbans:\n  - {subject: %s, reason: r}\n"


class Site:
    """A site as the packages make it: its mapfiles, one of the refresh service's by a link, and bans."""

    def __init__(self, root: Path, owners: Owners, capsys: Capture) -> None:
        """Write what is sound."""
        self.mapfiles, self.bans, self.state = root / "mapfiles.d", root / "bans.d", root / "state" / "mapfiles"
        self.policy, self.root = root / "policy", root
        for folder in (self.mapfiles, self.bans, self.state.parent, self.state):
            folder.mkdir(mode=0o755)
        self.own = self.write(self.mapfiles / "10-site.yaml", SITE)
        self.osg = self.write(self.state / "osg.yaml", OSG)
        (self.mapfiles / "50-osg.yaml").symlink_to(self.osg)
        self.owners, self.capsys = owners, capsys
        for path in (self.state, self.osg):
            owners.give(path)

    @staticmethod
    def write(path: Path, text: str) -> Path:
        """Write a file that only its owner can write."""
        path.write_text(text, "utf-8")
        path.chmod(0o644)
        return path

    def refreshed(self, text: str) -> None:
        """Have the refresh service write its mapfile."""
        self.osg.unlink()
        self.owners.give(self.write(self.osg, text))

    def run(self, verb: str, *words: str) -> tuple[int, str, str]:
        """Run a verb on this site. Return its exit code and its output."""
        self.capsys.readouterr()
        code = run([verb, "--mapfiles", str(self.mapfiles), "--bans", str(self.bans), *words])
        return (code, *self.capsys.readouterr())

    def build(self, *words: str) -> tuple[int, str, str]:
        """Build to this site's place."""
        return self.run("build", "--output", str(self.policy), *words)

    def ban(self, *words: str) -> tuple[int, str, str]:
        """Run `vomap ban`."""
        self.capsys.readouterr()
        code = run(["ban", *words, "--bans", str(self.bans), "--policy", str(self.policy)])
        return (code, *self.capsys.readouterr())

    def banned(self) -> list[str]:
        """Return the subjects that are banned in what is built."""
        return sorted(
            each["subject"][0] for each in json.loads(self.ban("list", "--json")[1])["bans"] if each["in-force"]
        )


@pytest.fixture
def owners() -> Iterator[Owners]:
    """Return what gives files away."""
    with other_owners() as owners:
        yield owners


@pytest.fixture
def site(tmp_path: Path, owners: Owners, capsys: Capture) -> Site:
    """Return a site as the packages make it."""
    tmp_path.chmod(0o755)
    return Site(tmp_path, owners, capsys)


# build


@pytest.mark.parametrize("words", [(), ("--automatic",)])
def test_the_refresh_service_s_mapfile_is_built(site: Site, words: tuple[str, ...]) -> None:
    """Its issuers, its rules and its tests count, as with a file of root's."""
    code, out, err = site.build(*words)
    assert (code, err) == (0, "")
    assert "policy: 1 rule, 1 issuer, 1 test passed" in out


@pytest.mark.parametrize("words", [(), ("--automatic",)])
def test_settings_of_another_user_s_are_not_built(site: Site, words: tuple[str, ...]) -> None:
    """A mapfile of the refresh user's cannot lower the least uid or end the log."""
    assert site.build()[0] == 0
    before = site.policy.read_bytes()
    site.refreshed(GREEDY)
    code, out, err = site.build(*words)
    assert code == 1
    assert "policy: refused, 1 error. The compiled policy did not change" in out
    told = (
        f"50-osg.yaml:2:1: `site` is refused in a file that the user {OTHER} can write; such a file may contain only "
    )
    assert told in err
    assert f" {site.osg} {site.state}" in err.partition("If you trust the content: `chown ")[2]
    assert site.policy.read_bytes() == before
    for path in (site.osg, site.state):
        site.owners.give(path, os.geteuid())
    assert site.build()[0] == 0


@pytest.mark.parametrize(
    "loosen", [lambda site: site.own, lambda site: site.osg, lambda site: site.mapfiles, lambda site: site.state.parent]
)
def test_what_others_can_write_is_not_built(site: Site, loosen: object) -> None:
    """A mapfile with mode 0666 is refused, and one in a folder that others can write.

    The printed command corrects it.
    """
    assert callable(loosen)
    path: Path = loosen(site)
    mode = path.stat().st_mode
    path.chmod(mode | 0o022)
    code, _, err = site.build()
    assert code == 1
    assert f": `chmod go-w {path}`\n" in err
    path.chmod(mode)
    assert site.build()[0] == 0


def test_bans_of_another_user_s_are_not_built(site: Site) -> None:
    """A user who can write a file of bans can lift bans, so it is refused, and the last compiled bans stay in force."""
    hand = site.write(site.bans / "hand.yaml", BAN % "alice")
    assert site.build()[0] == 0
    site.write(hand, BAN % "nobody")
    site.owners.give(hand)
    code, out, err = site.build()
    assert code == 1
    assert "bans: refused, 1 error" in out
    assert f"{hand}:1:1: the user {OTHER} can write this file of bans; expected owner: root. If you" in err
    assert [ban.reason for ban in read_bans(f"{site.policy}.bans").all()] == ["r"]
    assert next(read_bans(f"{site.policy}.bans").all()).source.endswith("hand.yaml:3")


@pytest.mark.parametrize("how", ["mode", "owner"])
def test_a_folder_that_others_can_empty_has_no_bans_to_build(site: Site, how: str) -> None:
    """A ban that others took away is not lifted by the next build."""
    hand = site.write(site.bans / "hand.yaml", BAN % "alice")
    assert site.build()[0] == 0
    hand.unlink()
    if how == "mode":
        site.bans.chmod(0o777)
    else:
        site.owners.give(site.bans)
    code, out, err = site.build()
    assert (code, "bans: refused, 1 error" in out) == (1, True)
    assert f"{site.bans}:1:1: " in err
    assert len(list(read_bans(f"{site.policy}.bans").all())) == 1


# check and test


@pytest.mark.parametrize("verb", ["check", "test"])
def test_check_and_test_warn(site: Site, verb: str) -> None:
    """A checkout belongs to those who work in it: one warning for each file says what a build would do."""
    site.refreshed(
        GREEDY.replace("account: aaa}\ntests", "account: aaa, audience: ANY}\ntests").replace(
            "sub: x", "sub: x, aud: ANY"
        )
    )
    site.own.chmod(0o666)
    hand = site.write(site.bans / "hand.yaml", BAN % "alice")
    hand.chmod(0o664)
    words = ("--strict",) if verb == "check" else ()
    code, _, err = site.run(verb, *words)
    assert code == 0
    warnings = [line for line in err.splitlines() if "`vomap build` would refuse this file" in line]
    assert [line.partition(": warning: `vomap build` would refuse")[0] for line in warnings] == [
        f"{site.own}:1:1",
        f"{site.mapfiles}/50-osg.yaml:2:1",
        f"{hand}:1:1",
    ]
    assert warnings[0].endswith(f": `chmod go-w {site.own}`")
    assert "(for this, and 1 more): `site` is refused in a file that" in warnings[1]


def test_a_program_gets_the_warnings_too(site: Site) -> None:
    """With the others, and no error."""
    site.own.chmod(0o666)
    code, out, _ = site.run("check", "--json")
    found = json.loads(out)
    assert (code, found["errors"]) == (0, 0)
    assert [each["severity"] for each in found["findings"] if "would refuse this file" in each["message"]] == [
        "warning"
    ]


def test_nobody_else_judges(site: Site) -> None:
    """`explain` and `diff` accept any user's mapfile."""
    site.refreshed(GREEDY.replace("site: {", "site: {audience: ANY, "))
    site.own.unlink()
    site.mapfiles.chmod(0o777)
    token = json.dumps({"iss": "https://a.example/", "sub": "x", "aud": "ANY", "scope": "compute.create"})
    assert site.run("explain", "--claims", token)[2] == ""


# ban


def test_a_ban_does_not_launder_what_others_wrote(site: Site) -> None:
    """`vomap ban` adds nothing to a file of its own that others can write: it would be root's then."""
    assert site.build()[0] == 0
    assert site.ban("add", "--subject", "alice", "--reason", "r")[0] == 0
    own = site.bans / "vomap-ban.yaml"
    for mode, owner in ((0o666, os.geteuid()), (0o644, OTHER)):
        own.chmod(mode)
        site.owners.give(own, owner)
        before = own.read_bytes()
        for action, refused in ((("add", "--reason", "r"), 1), (("lift",), 3)):
            code, _, err = site.ban(*action, "--subject", "alice")
            assert code == refused
            assert f"{own}:1:1: " in err
            assert "chmod go-w" in err or "chown " in err
        assert own.read_bytes() == before
    assert site.banned() == ["alice"]


def test_a_ban_is_in_force_whatever_others_have_written(site: Site) -> None:
    """A file that others could have written is not compiled. The new ban is, and the other bans stay."""
    hand = site.write(site.bans / "hand.yaml", BAN % "bob")
    assert site.build()[0] == 0
    site.owners.give(hand)
    code, _, err = site.ban("add", "--subject", "alice", "--reason", "r")
    assert code == 3
    assert f"the user {OTHER} can write this file of bans" in err
    assert site.banned() == ["alice", "bob"]
    assert site.ban("lift", "--subject", "alice")[0] == 3
    assert site.banned() == ["alice", "bob"]


def test_a_ban_in_a_folder_that_others_can_write(site: Site) -> None:
    """The ban is in force, and the folder is reported, even without another file in it."""
    assert site.build()[0] == 0
    site.bans.chmod(0o777)
    code, _, err = site.ban("add", "--subject", "alice", "--reason", "r")
    assert code == 3
    assert f": `chmod go-w {site.bans}`\n" in err
    assert site.banned() == ["alice"]


# refresh


def test_refresh_refuses_what_root_s_build_would(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new mapfile counts as another user's, whichever user runs it.

    Its settings are never installed, even by `--accept`.
    """
    monkeypatch.setattr(refresh, "open_source", lambda *_: None)
    mapfile = SimpleNamespace(kept=())
    greedy = SimpleNamespace(text=GREEDY, warnings=(), summary="", report=dict, mapfile=mapfile)
    monkeypatch.setattr(refresh, "generate", lambda *_, **__: greedy)
    words = ["refresh", "--source", "x", "--output", str(site.osg), "--mapfiles", str(site.mapfiles)]
    for owner in (OTHER, os.geteuid(), 0):
        for path in (site.osg, site.state):
            site.owners.give(path, owner)
        for more in ([], ["--accept", _digest(words, site)]):
            site.capsys.readouterr()
            assert run([*words, *more]) == 1
            assert "check this: " in (told := site.capsys.readouterr().err)
            assert "osg.yaml:2:1: `site` is refused in a file that " in told
    assert site.osg.read_text() == OSG


def _digest(words: list[str], site: Site) -> str:
    site.capsys.readouterr()
    run([*words, "--json"])
    return str(json.loads(site.capsys.readouterr().out)["digest"])


# status


@pytest.fixture
def system(tmp_path: Path) -> CeSystem:
    """Return a CE that is well."""
    return CeSystem(tmp_path / "root", htcondor=True).made()


def _lines(system: CeSystem, capsys: Capture) -> dict[str, tuple[str, str]]:
    capsys.readouterr()
    system.status("--json")
    return {each["what"]: (each["colour"], each["told"]) for each in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize("path", [RULES_FILE, MAPFILES_FOLDER, BANS_FOLDER, f"{BANS_FOLDER}/hand.yaml"])
def test_status_is_red_where_others_can_write(system: CeSystem, capsys: Capture, path: str) -> None:
    """A mapfile or bans with mode 0666 are red, even unchanged since the build. The printed command corrects it."""
    system.ban({"subject": "x", "reason": "r"})
    assert system.build() == 0
    what = "files of bans" if path.startswith(BANS_FOLDER) else "mapfiles"
    assert _lines(system, capsys)[what] == ("green", "as they were built")
    system.at(path).chmod(system.at(path).stat().st_mode | 0o022)
    colour, told = _lines(system, capsys)[what]
    assert colour == "red"
    assert f": `chmod go-w {system.at(path)}`" in told
    assert system.build() == 1


@pytest.mark.parametrize("text", ["site: {serve: [One]}\n", "pools: {p: {accounts: [p1]}}\n"])
def test_status_is_red_for_what_another_user_may_not_write(
    system: CeSystem, capsys: Capture, owners: Owners, text: str
) -> None:
    """It looks into another user's mapfile as a build does."""
    more = system.write(f"{MAPFILES_FOLDER}/30-more.yaml", "mapfile: 1\nissuers: {https://x.example/: {vo: X}}\n")
    owners.give(more)
    assert system.build() == 0
    assert _lines(system, capsys)["mapfiles"][0] == "green"
    more.write_text(more.read_text() + text)
    colour, told = _lines(system, capsys)["mapfiles"]
    assert (colour, f"{more}:3:1: `{text[:4]}" in told) == ("red", True)


def test_status_judges_for_those_who_built(system: CeSystem, capsys: Capture, owners: Owners) -> None:
    """`status` trusts files of the user whose build is in force, whichever user looks."""
    more = system.write(f"{BANS_FOLDER}/hand.yaml", BAN % "x")
    assert system.build() == 0
    owners.give(more, ANOTHER)
    assert _lines(system, capsys)["files of bans"][0] == "red"
    assert read_policy(str(system.policy)).digest
