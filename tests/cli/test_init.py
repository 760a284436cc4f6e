"""`vomap init`: from nothing to a compiled policy and a CE. Existing files stay, and a second run changes nothing."""

from __future__ import annotations

import builtins
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.ces.ce_system import (
    ARC_CONF,
    ARC_FILE,
    CALLOUTS,
    DEFAULTS_FILE,
    HTCONDOR_FILES,
    MAP_FILE,
    RULES,
    RULES_FILE,
    SETTINGS_FILE,
    SITE_FILE,
    CeSystem,
    State,
)
from vomap.cli import run
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER
from vomap.compile.advice import Advice
from vomap.files.shipped import shipped_file
from vomap.store import POLICY, read_bans, read_policy
from vomap.store.writer import read_compiled

Capture = pytest.CaptureFixture[str]
FLAGS = ("--audience", "ce.example:9619", "--yes")
OSG_LINK = f"{MAPFILES_FOLDER}/50-osg.yaml"
EGI_COPY = f"{MAPFILES_FOLDER}/30-egi.yaml"
KINDS = [{"htcondor": True}, {"arc": True}, {"htcondor": True, "arc": True}]


@pytest.fixture
def htcondor(tmp_path: Path) -> CeSystem:
    """Return a system with HTCondor-CE, and nothing of vomap."""
    return CeSystem(tmp_path / "root", htcondor=True)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that gives these answers at a terminal, and returns the list of coming questions."""

    def sit_down(*answers: str) -> list[str]:
        asked: list[str] = []
        left = list(answers)

        def answer(question: str = "") -> str:
            asked.append(question)
            if not left:
                raise EOFError
            return left.pop(0)

        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        monkeypatch.setattr(builtins, "input", answer)
        return asked

    return sit_down


def _new(before: State, system: CeSystem) -> set[str]:
    """Return the files that are new, after none of the others has changed."""
    after = system.state()
    folders = {path for path in before if Path(path).is_dir()}
    assert {path: after.get(path) for path in before.keys() - folders} == {
        path: before[path] for path in before.keys() - folders
    }
    return {path[len(str(system.root)) :] for path in after.keys() - before.keys() if not Path(path).is_dir()}


# from nothing


@pytest.mark.parametrize("kind", KINDS)
def test_from_nothing(tmp_path: Path, capsys: Capture, kind: dict[str, bool]) -> None:
    """Flags alone give the site's mapfile, what ships, the built policy and bans, and the files of each CE there."""
    system = CeSystem(tmp_path / "root", **kind)
    before = system.state()
    words = ["--serve", "CMS", "--serve", "GLOW", "--mapfile", "osg", "--mapfile", "egi", "--never", "condor"]
    assert system.init(*FLAGS, *words, "--minimum-uid", "500") == 0
    wiring = {*(HTCONDOR_FILES if "htcondor" in kind else ()), *([ARC_FILE] if "arc" in kind else [])}
    built = {"/var/lib/vomap/policy", "/var/lib/vomap/bans"}
    made = {path for path in _new(before, system) if not path.endswith(".lock")}
    assert made == {*wiring, OSG_LINK, EGI_COPY, *built, SITE_FILE}
    assert system.at(BANS_FOLDER).is_dir()
    policy = read_policy(str(system.policy))
    assert policy.site.audience == frozenset({"ce.example:9619"})
    assert policy.site.serve == frozenset({"cms", "glow"})
    assert (policy.site.accounts.minimum_uid, set(policy.site.accounts.never)) == (500, {"condor"})
    assert len(read_compiled(str(system.policy), POLICY).document["issuers"]) == 24
    assert list(read_bans(str(system.bans)).all()) == []
    assert Path(os.readlink(system.at(OSG_LINK))) == shipped_file("mapfiles", "osg.yaml")
    assert system.at(EGI_COPY).read_bytes() == shipped_file("mapfiles", "egi.yaml").read_bytes()
    assert all(system.at(path).stat().st_mode & 0o777 == 0o644 for path in {*wiring, SITE_FILE})
    assert "next: `vomap status" in capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_the_wiring_is_what_render_gives(tmp_path: Path, capsys: Capture, kind: dict[str, bool]) -> None:
    """The fragments are those of the policy that was built, to the byte."""
    system = CeSystem(tmp_path / "root", **kind).made()
    folder = tmp_path / "rendered"
    folder.mkdir()
    callouts = Path(sys.executable).parent
    for ce, paths in (("htcondor", (MAP_FILE, SETTINGS_FILE)), ("arc", (ARC_FILE,))):
        words = ["--callout", str(callouts / f"vomap-{ce}"), "--output", str(folder)]
        assert run(["render", ce, "--policy", str(system.policy), *words]) == 0
        for path in paths if ce in kind else ():
            assert system.read(path) == (folder / Path(path).name).read_text("utf-8")


def test_the_defaults(htcondor: CeSystem) -> None:
    """Without more flags the site serves every VO, and the callouts are at the packages' place."""
    assert run(["init", "--root", str(htcondor.root), *FLAGS]) == 0
    policy = read_policy(str(htcondor.policy))
    assert policy.site.serve is None
    assert policy.site.accounts.minimum_uid == 1000
    assert "COMMAND" not in htcondor.read(SETTINGS_FILE)
    assert "_COMMAND = /usr/libexec/vomap/vomap-htcondor\n" in htcondor.read(DEFAULTS_FILE)


@pytest.mark.parametrize(
    "audience", ["no", "0815", "{x}", "#x", "&a", "!t", "|", "'", '"', "a:b", "a#b", "é", "<a>", "%x", "@x", "`x`", "?"]
)
def test_a_text_stays_a_text(htcondor: CeSystem, audience: str) -> None:
    """A text that YAML would read as another type is quoted."""
    assert htcondor.init("--audience", audience, "--yes") == 0
    assert read_policy(str(htcondor.policy)).site.audience == frozenset({audience})


def test_an_audience_that_is_not_checked(htcondor: CeSystem) -> None:
    """`unchecked` is alone in the mapfile, where readers see it."""
    assert htcondor.init("--audience", "unchecked", "--yes") == 0
    assert read_policy(str(htcondor.policy)).site.audience is None
    assert 'audience: "unchecked"' in htcondor.read(SITE_FILE)


def test_an_audience_that_everybody_accepts(htcondor: CeSystem) -> None:
    """An entry that `init` adds itself is not there twice."""
    assert htcondor.init("--audience", "ANY", "--audience", "x", "--yes") == 0
    assert 'audience: ["ANY", "x"]' in htcondor.read(SITE_FILE)


def test_what_the_site_has_already_counts(tmp_path: Path) -> None:
    """Mapfiles and bans that exist are part of the policy, and of the wiring."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True)
    system.ban({"issuer": "https://bad.example/", "reason": "x"})
    system.write(RULES_FILE, RULES)
    before = system.state()
    assert system.init(*FLAGS) == 0
    assert _new(before, system) >= {SITE_FILE, MAP_FILE, ARC_FILE}
    assert [ban.reason for ban in read_bans(str(system.bans)).all()] == ["x"]
    for path, dot in ((MAP_FILE, r"\."), (ARC_FILE, ".")):
        text = system.read(path).replace(r"\/", "/")
        assert [text.count(name.replace(".", dot)) for name in ("one.example/", "bad.example/", "gone.example/")] == [
            1,
            1,
            0,
        ]


def test_a_ce_that_is_yet_to_come(tmp_path: Path) -> None:
    """`--ce` prepares for a CE that is not installed, and for no other."""
    system = CeSystem(tmp_path / "root")
    assert system.init(*FLAGS, "--ce", "arc") == 0
    assert system.at(ARC_FILE).exists()
    assert not system.at(ARC_CONF).exists()
    both = CeSystem(tmp_path / "both", htcondor=True, arc=True)
    assert both.init(*FLAGS, "--ce", "htcondor") == 0
    assert not both.at(ARC_FILE).exists()


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o002, 0o000])
def test_whatever_the_umask(htcondor: CeSystem, umask: int) -> None:
    """The CE's user can read the files that `init` made, and only their owner can write them."""
    before = set(htcondor.state())
    old = os.umask(umask)
    try:
        assert htcondor.init(*FLAGS) == 0
    finally:
        os.umask(old)
    for path in map(Path, htcondor.state().keys() - before):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o755 if path.is_dir() else 0o600 if path.suffix == ".lock" else 0o644), path


# shown before it is written


def test_every_file_is_shown_before_it_is_written(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the question for consent, `init` has shown each file in full and written nothing."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True)
    before, shown = system.state(), list[str]()

    def agree(question: str = "") -> str:
        assert "Write" in question
        assert system.state() == before
        shown.append(capsys.readouterr().out)
        return "y"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(builtins, "input", agree)
    system.write(SITE_FILE, "mapfile: 1\nsite: {audience: [old]}\n")
    before = system.state()
    assert system.init("--audience", "x", "--mapfile", "osg", "--replace") == 0
    (told,) = shown
    for path in (*HTCONDOR_FILES, ARC_FILE):
        assert f"---- {system.at(path)}\n{system.read(path)}" in told
    assert f"{system.at(OSG_LINK)} -> {os.readlink(system.at(OSG_LINK))}\n" in told
    assert "\n-site: {audience: [old]}\n" in told
    assert '\n+  audience: ["x"]' in told


def test_a_last_line_without_an_end_is_shown_as_it_is(htcondor: CeSystem, capsys: Capture) -> None:
    """The existing text and the new one never become one line."""
    htcondor.write(SITE_FILE, "mapfile: 1\nsite: {audience: [old]}")
    assert htcondor.init(*FLAGS, "--replace") == 0
    told = capsys.readouterr().out.splitlines()
    assert "-site: {audience: [old]}" in told
    assert any(line.startswith('+  audience: ["ce.example:9619"') for line in told)


@pytest.mark.parametrize("words", [["--yes"], []])
def test_show_writes_nothing(tmp_path: Path, capsys: Capture, words: list[str]) -> None:
    """`--show` shows all, asks nothing, makes no folder and builds nothing."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True)
    before = system.state()
    assert system.init("--audience", "x", "--show", *words) == 0
    assert system.state() == before
    told = capsys.readouterr().out
    for path in (SITE_FILE, *HTCONDOR_FILES, ARC_FILE):
        assert f"---- {system.at(path)}\n" in told


# again


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [FLAGS, ("--yes",), (*FLAGS, "--replace"), ("--show",)])
def test_again_changes_nothing(tmp_path: Path, kind: dict[str, bool], again: tuple[str, ...]) -> None:
    """Run twice, with the flags or without, each file is the very same: content, inode and time of change."""
    system = CeSystem(tmp_path / "root", **kind)
    assert system.init(*FLAGS, "--mapfile", "osg") == 0
    before = system.state()
    assert system.init(*again, *(["--mapfile", "osg"] if "--audience" in again else [])) == 0
    assert system.state() == before


def test_again_asks_nothing(htcondor: CeSystem, person: Callable[..., list[str]]) -> None:
    """Where there is nothing to write, there is nothing to agree to."""
    htcondor.made()
    asked = person()
    assert htcondor.init() == 0
    assert asked == []


def test_again_builds_what_has_changed(htcondor: CeSystem) -> None:
    """A mapfile or a ban that was written since is built, although no file is to be written."""
    htcondor.made()
    htcondor.ban({"subject": "x", "reason": "new"})
    assert htcondor.init("--yes") == 0
    assert [ban.reason for ban in read_bans(str(htcondor.bans)).all()] == ["new"]


# what exists

_DIFFERENT = [SITE_FILE, *HTCONDOR_FILES, ARC_FILE, OSG_LINK]


def _make_different(system: CeSystem, path: str, how: str) -> None:
    """Put something else where a file is to be."""
    other = system.write("/elsewhere", system.read(path) + "# other\n")
    place = system.at(path)
    place.unlink()
    if how == "file":
        place.write_bytes(other.read_bytes())
    elif how == "link":
        place.symlink_to(other)
    elif how == "bytes":
        place.write_bytes(b"# caf\xe9\n")
    else:
        place.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("path", "how"),
    [(path, how) for path in _DIFFERENT for how in ("file", "link")]
    + [(path, how) for path in (*HTCONDOR_FILES, ARC_FILE) for how in ("bytes", "nowhere")],
)
def test_what_differs_is_left_unless_told(tmp_path: Path, capsys: Capture, path: str, how: str) -> None:
    """Another file in the place of a new one stays: `init` reports it, exit 1. With `--replace` it is written again."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True).made("--mapfile", "osg")
    _make_different(system, path, how)
    place, other, before = str(system.at(path)), system.read("/elsewhere"), system.state()
    flags = (*FLAGS, "--mapfile", "osg")
    capsys.readouterr()
    assert system.init(*flags, "--show") == 1
    assert system.state() == before
    assert system.init(*flags) == 1
    again = Advice(system.root, CALLOUTS).command("init", "--replace", *flags[:2], *flags[3:])
    assert f"{place} differs and is left as it is; `{again}` writes it anew" in capsys.readouterr().err
    assert system.state()[place] == before[place]
    assert system.init(*flags, "--replace") == 0
    assert system.read("/elsewhere") == other
    assert system.at(path).is_symlink() == (path == OSG_LINK)
    after = system.state()
    assert after[place] != before[place]
    assert system.init(*flags) == 0
    assert system.state() == after
    assert not [name for name in after if name.endswith(".new")]


def test_what_differs_keeps_nothing_else_from_being_written(htcondor: CeSystem) -> None:
    """The other files are written, the policy is built, and the exit code still says that something is left."""
    htcondor.write(SETTINGS_FILE, "# mine\n")
    assert htcondor.init(*FLAGS) == 1
    assert htcondor.read(SETTINGS_FILE) == "# mine\n"
    assert htcondor.at(MAP_FILE).exists()
    assert read_policy(str(htcondor.policy))


def test_what_is_left_counts_for_the_wiring(htcondor: CeSystem) -> None:
    """The wiring is that of the mapfile that stays, not of the one that would have been written."""
    htcondor.write(SITE_FILE, "mapfile: 1\nsite: {audience: [old]}\n")
    assert htcondor.init(*FLAGS) == 1
    assert "SCITOKENS_SERVER_AUDIENCE = old\n" in htcondor.read(SETTINGS_FILE)
    assert read_policy(str(htcondor.policy)).site.audience == frozenset({"old"})


@pytest.mark.parametrize("flags", [["--serve", "CMS"], ["--never", "condor"], ["--minimum-uid", "500"]])
def test_flags_that_would_do_nothing(htcondor: CeSystem, flags: list[str]) -> None:
    """Answers for the site's mapfile are never dropped in silence because there is one."""
    htcondor.made()
    before = htcondor.state()
    assert htcondor.init("--yes", *flags) == 2
    assert htcondor.state() == before


# asking


def test_asking(htcondor: CeSystem, person: Callable[..., list[str]]) -> None:
    """At a terminal what the flags do not say is asked, in words or with commas, and at last whether to write."""
    asked = person("ce.example:9619, x", "CMS GLOW,", "condor", "osg,fermilab", "yes")
    assert htcondor.init() == 0
    assert len(asked) == 5
    for question, word in zip(asked, ("Audience", "VOs", "never", "egi, fermilab, osg", "[y/N]")):
        assert word in question
    policy = read_policy(str(htcondor.policy))
    assert policy.site.audience == frozenset({"ce.example:9619", "x"})
    assert policy.site.serve == frozenset({"cms", "glow"})
    assert set(policy.site.accounts.never) == {"condor"}
    names = sorted(path.name for path in htcondor.at(MAPFILES_FOLDER).iterdir())
    assert names == ["10-site.yaml", "40-fermilab.yaml", "50-osg.yaml"]


def test_what_a_flag_says_is_not_asked(htcondor: CeSystem, person: Callable[..., list[str]]) -> None:
    """Only the rest is."""
    asked = person("", "", "Y")
    assert htcondor.init("--audience", "x", "--serve", "CMS") == 0
    assert len(asked) == 3
    assert read_policy(str(htcondor.policy)).site.serve == frozenset({"cms"})


def test_answers_of_nothing(htcondor: CeSystem, person: Callable[..., list[str]]) -> None:
    """Without VOs the site serves all, without an account none is reserved, without a mapfile none is linked."""
    person("x", "", " , ", "", "y")
    assert htcondor.init() == 0
    policy = read_policy(str(htcondor.policy))
    assert policy.site.serve is None
    assert set(policy.site.accounts.never) == set()
    assert [path.name for path in htcondor.at(MAPFILES_FOLDER).iterdir()] == ["10-site.yaml"]


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([""], 2),
        (["", "CMS", "", ""], 2),
        (["x", "", "", "atlas"], 2),
        (["x", "", "", "osg ../../etc/passwd"], 2),
        (["*", "", "", "", "y"], 3),
        (["unchecked x", "", "", "", "y"], 3),
        (["x", "C*MS", "", "", "y"], 3),
        (["x", "", "root/..", "", "y"], 3),
        (["x", "", "", "", "n"], 1),
        (["x", "", "", "", ""], 1),
        (["x", "", "", "", "maybe"], 1),
        (["x", "", "", "", "yesterday"], 1),
        ([], 2),
        (["x", ""], 2),
        (["x", "", "", ""], 2),
    ],
)
def test_bad_answers(htcondor: CeSystem, person: Callable[..., list[str]], answers: list[str], code: int) -> None:
    """A bad answer, a no, or the end of all answers writes nothing at all."""
    before = htcondor.state()
    person(*answers)
    try:
        assert htcondor.init() == code
    finally:
        assert htcondor.state() == before


@pytest.mark.parametrize("replace", [[], ["--replace"]])
def test_nobody_there_to_agree(htcondor: CeSystem, capsys: Capture, replace: list[str]) -> None:
    """Without a terminal and without --yes nothing is written, and it is said how it would be."""
    before = htcondor.state()
    assert htcondor.init("--audience", "x", *replace) == 2
    assert htcondor.state() == before
    assert "--yes" in capsys.readouterr().err


def test_yes_asks_nothing(htcondor: CeSystem, person: Callable[..., list[str]]) -> None:
    """With --yes even a terminal is asked nothing."""
    asked = person()
    assert htcondor.init(*FLAGS) == 0
    assert asked == []


# what cannot be


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--audience"],
        ["--serve", "CMS"],
        [*FLAGS, "--mapfile", "atlas"],
        [*FLAGS, "--mapfile", "../osg"],
        [*FLAGS, "--ce", "slurm"],
        [*FLAGS, "--minimum-uid", "many"],
        [*FLAGS, "--callouts", "bin"],
        [*FLAGS, "--callouts", "/a b"],
        [*FLAGS, "--callouts", "/a\nALLOW_WRITE = *"],
    ],
)
def test_usage(htcondor: CeSystem, words: list[str]) -> None:
    """Options that exclude each other, and a callout that no CE could run, are exit 2. `init` writes nothing."""
    before = htcondor.state()
    assert htcondor.init(*words) == 2
    assert htcondor.state() == before


def test_no_ce(tmp_path: Path, capsys: Capture) -> None:
    """Where no CE is, it is said how to name the one that will be."""
    system = CeSystem(tmp_path / "root")
    assert system.init(*FLAGS) == 2
    assert "--ce" in capsys.readouterr().err
    assert system.state() == {}


@pytest.mark.parametrize(
    "words",
    [
        ["--audience", "a b"],
        ["--audience", "a\nrules: []"],
        ["--audience", "a\u2028b"],
        ["--audience", "a\x85b"],
        ["--audience", "*"],
        ["--audience", ""],
        ["--audience", "unchecked", "--audience", "x"],
        ["--audience", "x", "--audience", "x", "--serve", "C\nMS"],
        ["--audience", "x", "--serve", "*"],
        ["--audience", "x", "--never", "root\n"],
        ["--audience", "x", "--never", "0"],
        ["--audience", "x", "--minimum-uid", "0"],
        ["--audience", "x", "--minimum-uid", "-1"],
    ],
)
def test_flags_that_no_mapfile_can_hold(htcondor: CeSystem, capsys: Capture, words: list[str]) -> None:
    """They are refused as an error of the mapfile would be, before anything is written."""
    before = htcondor.state()
    assert htcondor.init(*words, "--yes") == 3
    assert htcondor.state() == before
    assert f"{htcondor.at(SITE_FILE)}:" in capsys.readouterr().err


@pytest.mark.parametrize("audience", ["a,b", "$(DENY_WRITE)", "ends\\"])
def test_an_audience_that_htcondor_would_read_otherwise(htcondor: CeSystem, audience: str) -> None:
    """A value that HTCondor would split, expand or continue is refused before `init` writes anything."""
    before = htcondor.state()
    assert htcondor.init("--audience", audience, "--yes") == 2
    assert htcondor.state() == before


@pytest.mark.parametrize("path", [RULES_FILE, f"{BANS_FOLDER}/hand.yaml"])
@pytest.mark.parametrize("text", ["mapfile: 1\nnonsense: 1\n", "{", ""])
def test_sources_with_errors(htcondor: CeSystem, capsys: Capture, path: str, text: str) -> None:
    """Errors in mapfiles or bans are reported, and `init` writes nothing."""
    file = htcondor.write(path, text)
    before = htcondor.state()
    assert htcondor.init(*FLAGS) == 3
    assert htcondor.state() == before
    assert re.search(f"{re.escape(str(file))}:[0-9]+:", capsys.readouterr().err)


def test_a_policy_that_is_refused_wires_nothing(tmp_path: Path, capsys: Capture) -> None:
    """Bad edits never reach a CE: the wiring and the policy of before stay, and the bans are built all the same."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True).made()
    system.write(
        RULES_FILE, RULES.replace("https://one.example/", "https://new.example/").replace("acct1}", "other}", 1)
    )
    system.ban({"subject": "x", "reason": "new"})
    wired = [*HTCONDOR_FILES, ARC_FILE, ARC_CONF]
    before = {path: system.state()[str(system.at(path))] for path in wired}
    policy = system.policy.read_bytes()
    assert system.init("--yes", "--replace") == 1
    assert "test failed" in capsys.readouterr().err
    assert {path: system.state()[str(system.at(path))] for path in wired} == before
    assert system.policy.read_bytes() == policy
    assert [ban.reason for ban in read_bans(str(system.bans)).all()] == ["new"]


def test_a_first_policy_that_is_refused_wires_nothing(htcondor: CeSystem) -> None:
    """A CE is not wired to a policy that is not there."""
    htcondor.write(RULES_FILE, RULES.replace("expect: {account: acct1}", "expect: {account: other}"))
    assert htcondor.init(*FLAGS) == 1
    assert not htcondor.policy.exists()
    assert not any(htcondor.at(path).exists() for path in HTCONDOR_FILES)
    htcondor.write(RULES_FILE, RULES)
    assert htcondor.init("--yes") == 0
    assert all(htcondor.at(path).exists() for path in HTCONDOR_FILES)


@pytest.mark.parametrize("blocked", ["/etc/condor-ce/config.d", "/etc/vomap", "/var/lib/vomap", BANS_FOLDER])
def test_what_failed_half_way_is_mended_by_the_next_run(htcondor: CeSystem, capsys: Capture, blocked: str) -> None:
    """An unwritable place is an error that names it. No half of a file is left, and a second run completes it."""
    obstacle = htcondor.write(blocked, "in the way")
    assert htcondor.init(*FLAGS) == 3
    assert blocked in capsys.readouterr().err
    assert not [path for path in htcondor.state() if path.endswith(".new")]
    obstacle.unlink()
    assert htcondor.init(*FLAGS) == 0
    assert read_policy(str(htcondor.policy))
    assert all(htcondor.at(path).exists() for path in HTCONDOR_FILES)
