"""`vomap init`: from nothing to a compiled policy and a CE. Existing files stay, and a second run changes nothing."""

from __future__ import annotations

import builtins
import json
import os
import re
import shlex
import subprocess
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
    ONE,
    RULES,
    RULES_FILE,
    SETTINGS_FILE,
    SITE_FILE,
    CeSystem,
    State,
)
from vomap.cli import init, run
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


def test_escapes_in_files_are_shown_as_text(htcondor: CeSystem, capsys: Capture) -> None:
    """The content of a file cannot change the view of the administrator, who agrees to it."""
    htcondor.write(MAP_FILE, "# \x1b[2J\x1b[1A \u202e\r\n# \x9b2J\n")
    htcondor.init(*FLAGS, "--show", "--replace")
    told = capsys.readouterr()
    assert r"\x1b[2J\x1b[1A" in told.out
    assert [letter for letter in told.out + told.err if not letter.isprintable() and letter != "\n"] == []


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


def _wiring(system: CeSystem, capsys: Capture) -> dict[str, str]:
    """Return the colours of what `vomap status` says of the wiring, without options beside --root."""
    capsys.readouterr()
    run(["status", "--root", str(system.root), "--json"])
    names = {*HTCONDOR_FILES, ARC_FILE, "past vomap", "mapfiles"}
    return {line["what"]: line["colour"] for line in json.loads(capsys.readouterr().out) if line["what"] in names}


_OTHER_LINE = {MAP_FILE: "SCITOKENS /^x,/ y\n", ARC_FILE: "[other]\n"}
_DIFFERENT = [SITE_FILE, *HTCONDOR_FILES, ARC_FILE]


def _make_different(system: CeSystem, path: str, how: str) -> None:
    """Put something else where a file is to be."""
    text = system.read(path) + _OTHER_LINE.get(path, "OTHER = 1\n")
    other = system.write("/elsewhere", "mapfile: 1\nsite: {audience: [other]}\n" if path == SITE_FILE else text)
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
    """Another file in the place of a new one stays: `init` reports it, exit 1. With `--replace` it is kept beside."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True).made()
    _make_different(system, path, how)
    place, other, before = str(system.at(path)), system.read("/elsewhere"), system.state()
    capsys.readouterr()
    assert system.init(*FLAGS, "--show") == 1
    assert system.state() == before
    assert system.init(*FLAGS) == 1
    again = Advice(system.root, CALLOUTS).command("init", "--replace", *FLAGS[:2])
    assert f"{place} differs and is left as it is; `{again}` writes it anew" in capsys.readouterr().err
    assert system.state()[place] == before[place]
    assert system.init(*FLAGS, "--replace") == 0
    assert system.read("/elsewhere") == other
    assert not system.at(path).is_symlink()
    after = system.state()
    assert after[place] != before[place]
    kept = system.at(f"{path}.~1~")
    assert kept.exists() is (how != "nowhere")
    assert how == "nowhere" or (kept.is_symlink(), kept.read_bytes()) == (
        how == "link",
        before[place][1] or other.encode(),
    )
    assert system.init(*FLAGS) == 0
    assert system.state() == after
    assert system.build() == 0, "no reader takes the kept file for its own"
    assert set(_wiring(system, capsys).values()) == {"green"}
    assert not [name for name in after if name.endswith(".new")]


@pytest.mark.parametrize("text", [RULES, "mapfile: 1\nsite: {audience: [a], accounts: {must-exist: no}}\n"])
@pytest.mark.parametrize("replace", [[], ["--replace"]])
def test_a_mapfile_of_the_sites_own_is_never_replaced(
    htcondor: CeSystem, capsys: Capture, text: str, replace: list[str]
) -> None:
    """Rules, issuers, tests and other settings of the site stay. `init` shows what to edit, and then it is done."""
    path = htcondor.write(SITE_FILE, text)
    htcondor.init("--yes")
    before = path.stat()
    capsys.readouterr()
    words = ("--audience", "x", "--serve", "One", "--never", "condor")
    assert htcondor.init(*words, "--yes", *replace) == 1
    assert (path.stat().st_ino, path.read_text("utf-8")) == (before.st_ino, text)
    told = capsys.readouterr()
    assert f"--- {path}\n" not in told.out
    again = Advice(htcondor.root, CALLOUTS).command("init", "--replace", *words)
    (line,) = [line for line in told.err.splitlines() if str(path) in line and "does not replace" in line]
    assert line.endswith(f". Then type `{again}`")
    if text == RULES:
        assert "contains `issuers` (line 2)" in line
        assert 'Edit add `site: {"audience": ["x"]}`' in line
    else:
        assert "contains `must-exist` (line 2)" in line
        assert 'line 2: `audience: ["x"]`, line 2: in `site` add `serve: ["One"]`' in line
        assert 'line 2: in `accounts` add `never: ["condor"]`' in line


def test_a_folder_in_the_place_of_the_sites_mapfile(htcondor: CeSystem, capsys: Capture) -> None:
    """`init` says what is wrong, and writes nothing."""
    folder = htcondor.write(SITE_FILE, RULES)
    folder.unlink()
    folder.mkdir()
    capsys.readouterr()
    assert htcondor.init("--audience", "x", "--yes") == 3
    assert capsys.readouterr().err == f"vomap: {folder}: is not a regular file; name the file itself\n"


def test_edits_that_init_asks_for_are_enough(htcondor: CeSystem, capsys: Capture) -> None:
    """After the edits, the command that `init` shows changes nothing in the mapfile, and ends with 0."""
    text = f"{RULES}site:\n  audience: [a]\n  rename: {{acct1: acct2}}\n"
    htcondor.write(SITE_FILE, text)
    assert htcondor.init("--audience", "ce.example:9619", "--yes") == 1
    assert f'Edit line {text.count(chr(10)) - 1}: `audience: ["ce.example:9619"]`' in capsys.readouterr().err
    htcondor.write(SITE_FILE, text.replace("audience: [a]", 'audience: ["ce.example:9619"]').replace("acct1}}", "x}}"))
    edited = htcondor.read(SITE_FILE)
    htcondor.init("--audience", "ce.example:9619", "--yes")
    assert "does not replace" not in capsys.readouterr().err
    assert htcondor.read(SITE_FILE) == edited


def test_settings_that_are_not_given_stay(htcondor: CeSystem) -> None:
    """A new audience does not open the site to every VO, and does not free reserved accounts."""
    assert htcondor.init(*FLAGS, "--serve", "CMS", "--never", "condor", "--minimum-uid", "500") == 0
    assert htcondor.init("--audience", "x", "--yes", "--replace") == 0
    site = read_policy(str(htcondor.policy)).site
    assert (site.audience, site.serve) == (frozenset({"x"}), frozenset({"cms"}))
    assert (site.accounts.minimum_uid, set(site.accounts.never)) == (500, {"condor"})
    assert htcondor.init("--never", "daemon", "--yes", "--replace") == 0
    site = read_policy(str(htcondor.policy)).site
    assert (site.audience, set(site.accounts.never)) == (frozenset({"x"}), {"daemon"})


def test_files_that_are_kept_are_never_replaced_themselves(htcondor: CeSystem) -> None:
    """Each replaced file has its own name."""
    for audience in ("a", "b", "c"):
        assert htcondor.init("--audience", audience, "--yes", "--replace") == 0
    assert '"a"' in htcondor.read(f"{SITE_FILE}.~1~")
    assert '"b"' in htcondor.read(f"{SITE_FILE}.~2~")
    assert not htcondor.at(f"{SITE_FILE}.~3~").exists()


@pytest.mark.parametrize("how", ["file", "link"])
def test_another_mapfile_in_the_place_of_one_that_ships(htcondor: CeSystem, capsys: Capture, how: str) -> None:
    """An edited copy and a refreshed mapfile stay. The commands that `init` shows bring the shipped one."""
    edited = shipped_file("mapfiles", "egi.yaml").read_text("utf-8") + "# ours\n"
    htcondor.write(EGI_COPY, edited)
    other = htcondor.write("/elsewhere", RULES)
    if how == "file":
        htcondor.write(OSG_LINK, RULES)
    else:
        htcondor.at(OSG_LINK).symlink_to(other)
    for replace in ([], ["--replace"]):
        assert htcondor.init(*FLAGS, "--mapfile", "osg", "--mapfile", "egi", *replace) == 1
        assert (htcondor.read(EGI_COPY), htcondor.read(OSG_LINK)) == (edited, RULES)
    told = capsys.readouterr().err
    for path in (EGI_COPY, OSG_LINK):
        (line,) = {line for line in told.splitlines() if line.startswith(str(htcondor.at(path)))}
        compare, away, again = re.findall(r"`([^`]*)`", line)
        assert subprocess.run(shlex.split(compare), capture_output=True, check=False).returncode == 1
        subprocess.run(shlex.split(away), check=True)
        assert again == Advice(htcondor.root, CALLOUTS).command(
            "init", "--replace", *FLAGS[:2], "--mapfile", "osg", "--mapfile", "egi"
        )
    assert htcondor.init(*FLAGS, "--replace", "--mapfile", "osg", "--mapfile", "egi") == 0
    assert htcondor.read(EGI_COPY) == shipped_file("mapfiles", "egi.yaml").read_text("utf-8")
    assert htcondor.at(OSG_LINK).is_symlink()
    assert htcondor.read(f"{EGI_COPY}.~1~") == edited


def test_a_link_to_nowhere_is_made_anew(htcondor: CeSystem) -> None:
    """A link to a removed installation holds up every build, and nothing is lost with it."""
    htcondor.write(RULES_FILE, RULES)
    htcondor.at(OSG_LINK).symlink_to(htcondor.at("/nowhere"))
    assert htcondor.init(*FLAGS, "--mapfile", "osg", "--replace") == 0
    assert Path(os.readlink(htcondor.at(OSG_LINK))) == shipped_file("mapfiles", "osg.yaml")


def test_another_path_of_the_same_mapfile(htcondor: CeSystem) -> None:
    """An older vomap linked a path with the version of Python in it. `--replace` makes the link that stays valid."""
    shipped = shipped_file("mapfiles", "osg.yaml")
    htcondor.write(RULES_FILE, RULES)
    htcondor.at(OSG_LINK).symlink_to(f"{shipped.parent}/../{shipped.parent.name}/{shipped.name}")
    assert htcondor.init(*FLAGS, "--mapfile", "osg") == 0
    assert ".." in os.readlink(htcondor.at(OSG_LINK))
    assert htcondor.init(*FLAGS, "--mapfile", "osg", "--replace") == 0
    assert Path(os.readlink(htcondor.at(OSG_LINK))) == shipped


# the options of the existing wiring


def _rendered(system: CeSystem, ce: str, *words: str) -> None:
    """Wire a CE with options of `vomap render`."""
    folder = system.root.parent / "wiring"
    assert run(["render", ce, "--policy", str(system.policy), "--output", str(folder), *words]) == 0
    for path in HTCONDOR_FILES[1:] if ce == "htcondor" else [ARC_FILE]:
        system.write(path, (folder / Path(path).name).read_text("utf-8"))


@pytest.mark.parametrize(
    ("ce", "words"),
    [
        ("htcondor", ["--then", "EGI"]),
        ("htcondor", ["--then", "EGI", "--then", "OTHER_2"]),
        ("htcondor", ["--then", "EGI", "--callout", "{callouts}/vomap-htcondor"]),
        ("arc", ["--more-rules"]),
        ("arc", ["--vo", "One"]),
        ("arc", ["--more-rules", "--vo", "One", "--vo", "Two", "--callout", "{callouts}/vomap-arc"]),
    ],
)
def test_options_of_the_wiring_are_kept(tmp_path: Path, capsys: Capture, ce: str, words: list[str]) -> None:
    """`status` is green for each option of `render`, and `init` keeps it when the issuers change."""
    system = CeSystem(tmp_path / "root", **{ce: True}).made()
    words = [word.format(callouts=CALLOUTS) for word in words]
    _rendered(system, ce, *words)
    paths = HTCONDOR_FILES if ce == "htcondor" else (ARC_FILE,)
    wired = dict.fromkeys([*paths, "past vomap", "mapfiles"], "green")
    again = ["init", "--root", str(system.root), "--yes", "--replace"]
    assert _wiring(system, capsys) == wired
    before = {path: system.read(path) for path in paths}
    assert run(again) == 0
    assert {path: system.read(path) for path in paths} == before
    system.write(RULES_FILE, RULES.replace("https://one.example/", "https://new.example/"))
    assert system.build() == 0
    assert "red" in _wiring(system, capsys).values()
    assert run(again) == 0
    assert _wiring(system, capsys) == wired
    after = {path: system.read(path) for path in paths}
    _rendered(system, ce, *words)
    assert {path: system.read(path) for path in paths} == after != before


def test_callouts_of_the_command_line_come_first(htcondor: CeSystem) -> None:
    """`--callouts` replaces the path that the wiring has, and keeps the other options."""
    htcondor.made()
    _rendered(htcondor, "htcondor", "--then", "EGI", "--callout", "/opt/old/vomap-htcondor")
    assert run(["init", "--root", str(htcondor.root), "--callouts", "/opt/new", "--yes", "--replace"]) == 0
    assert "_COMMAND = /opt/new/vomap-htcondor\n" in htcondor.read(SETTINGS_FILE)
    assert htcondor.read(MAP_FILE).count("PLUGIN:VOMAP,EGI\n") == 2


def test_observing_is_kept(htcondor: CeSystem) -> None:
    """A wiring that only observes never begins to answer because `init` writes it anew."""
    htcondor.made()
    settings = htcondor.read(SETTINGS_FILE)
    htcondor.write(SETTINGS_FILE, settings.replace("/vomap-htcondor\n", "/vomap-htcondor --observe\n"))
    htcondor.write(SITE_FILE, "mapfile: 1\nsite: {audience: [another]}\n")
    htcondor.write(RULES_FILE, RULES.partition("tests:")[0])
    assert run(["init", "--root", str(htcondor.root), "--yes", "--replace"]) == 0
    assert f"_COMMAND = {CALLOUTS}/vomap-htcondor --observe\n" in htcondor.read(SETTINGS_FILE)
    assert "= another\n" in htcondor.read(SETTINGS_FILE)


def test_the_callout_of_a_ce_that_observes(htcondor: CeSystem) -> None:
    """Without vomap's own settings, the callout is the one in the file that has it observe."""
    htcondor.made()
    htcondor.at(SETTINGS_FILE).unlink()
    command = "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /opt/x/vomap-htcondor --observe\n"
    htcondor.write("/etc/condor-ce/config.d/60-vomap-observe.conf", command)
    htcondor.write("/etc/condor-ce/config.d/70-old.conf~", command.replace("/opt/x", "/opt/old"))
    assert run(["init", "--root", str(htcondor.root), "--yes"]) == 0
    assert "_COMMAND = /opt/x/vomap-htcondor\n" in htcondor.read(SETTINGS_FILE)


def test_lines_with_different_plugins(htcondor: CeSystem, capsys: Capture) -> None:
    """`init` cannot know the plugins of a new line, so it leaves the file, and says how to go on."""
    htcondor.made()
    mixed = htcondor.read(MAP_FILE).replace("PLUGIN:VOMAP\n", "PLUGIN:VOMAP,EGI\n", 1)
    htcondor.write(MAP_FILE, mixed)
    assert htcondor.init("--yes", "--replace") == 0
    htcondor.write(RULES_FILE, RULES.replace("https://one.example/", "https://new.example/"))
    assert htcondor.init("--yes", "--replace") == 1
    assert htcondor.read(MAP_FILE) == mixed
    again = Advice(htcondor.root, CALLOUTS).command("init", "--replace")
    assert f"Write the same plugins into each line. Then type `{again}`" in capsys.readouterr().err
    htcondor.write(MAP_FILE, mixed.replace(",EGI", ""))
    assert htcondor.init("--yes", "--replace") == 0


def test_comments_and_order_do_not_matter(tmp_path: Path, capsys: Capture) -> None:
    """Such files are as the policy needs them: `init` leaves them without --replace, and `status` is green."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True).made()
    for path in (*HTCONDOR_FILES, ARC_FILE):
        lines = system.read(path).splitlines()
        if path == MAP_FILE:
            lines.reverse()
        if path == ARC_FILE:
            tokens = [number for number, line in enumerate(lines) if line.startswith("authtokens")]
            lines[tokens[0]], lines[tokens[1]] = lines[tokens[1]].replace(" = ", "="), lines[tokens[0]]
        system.write(path, "\n".join(["# ours", "", *(line.replace(" = ", "  =  ", 1) for line in lines)]))
    before = system.state()
    assert system.init("--yes") == 0
    assert system.state() == before
    assert set(_wiring(system, capsys).values()) == {"green"}


@pytest.mark.parametrize("path", [ARC_FILE, MAP_FILE, SETTINGS_FILE])
def test_what_changes_the_meaning_is_no_option(tmp_path: Path, path: str) -> None:
    """Another callout, another first plugin, or a later value of a setting is not what the policy needs."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True).made()
    text = system.read(path)
    changed = {
        ARC_FILE: text.replace("policy_on_nomap = stop", "policy_on_nomap = continue"),
        MAP_FILE: text.replace("PLUGIN:VOMAP", "PLUGIN:EGI,VOMAP"),
        SETTINGS_FILE: text.replace("vomap-htcondor\n", "vomap-htcondor --policy /x\n"),
    }[path]
    system.write(path, changed)
    assert system.init("--yes") == 1
    assert system.read(path) == changed
    system.write(path, text.replace("/vomap-", "/echo-") if path != MAP_FILE else text + "SCITOKENS /.*/ x\n")
    assert system.init("--yes") == 1


# another root


@pytest.mark.parametrize(
    "path",
    [
        MAPFILES_FOLDER,
        BANS_FOLDER,
        "/etc/vomap",
        "/var/lib/vomap",
        "/etc/condor-ce/config.d",
        "/etc/condor-ce/mapfiles.d",
        RULES_FILE,
        MAP_FILE,
    ],
)
def test_a_link_that_leads_out_of_the_root(htcondor: CeSystem, tmp_path: Path, capsys: Capture, path: str) -> None:
    """`init --root` never writes to this machine's own folders. The command that it shows repairs the link."""
    htcondor.made()
    away = tmp_path / "away"
    away.mkdir()
    place = htcondor.at(path)
    target = htcondor.at(str(away))
    target.parent.mkdir(parents=True)
    place.rename(target)
    place.symlink_to(away)
    before = htcondor.state()
    capsys.readouterr()
    assert htcondor.init(*FLAGS) == 3
    told = capsys.readouterr().err
    assert f"{place}: this link leads to {away}, which is not below {htcondor.root}" in told
    assert (list(away.iterdir()), htcondor.state()) == ([], before)
    subprocess.run(shlex.split(told.split("`")[1]), check=True)
    assert htcondor.init(*FLAGS) == 0
    assert list(away.iterdir()) == []


def test_folders_of_later_verbs(htcondor: CeSystem) -> None:
    """`ban`, `ban fetch`, `refresh` and the key of the log find their folders."""
    assert htcondor.init(*FLAGS) == 0
    for folder in (BANS_FOLDER, "/var/lib/vomap", "/var/lib/vomap/mapfiles", "/etc/vomap"):
        assert htcondor.at(folder).is_dir()


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
    assert htcondor.init("--yes", *flags) == 1
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


# bans of the CE's map files

BAN_FILE = "/etc/condor-ce/mapfiles.d/90-ban.conf"
LEAK = r"SCITOKENS /^https:\/\/one\.example\/,leak$/ x@banned.htcondor.org"
LOCAL_BANS = f"{BANS_FOLDER}/vomap-ban.yaml"


@pytest.fixture
def banning(htcondor: CeSystem) -> CeSystem:
    """Return a system with rules, and a ban in HTCondor-CE's own file for bans."""
    htcondor.write(RULES_FILE, RULES)
    htcondor.write(BAN_FILE, f"# bans\n{LEAK}\n")
    return htcondor


@pytest.mark.parametrize("more", [["--yes"], ["--show"], ["--yes", "--replace"], ["--ce", "htcondor", "--yes"]])
def test_lost_bans_are_refused(banning: CeSystem, capsys: Capture, more: list[str]) -> None:
    """Nothing is written. The message names the ban, and both ways out with the options that were given."""
    before = banning.state()
    assert banning.init("--audience", "x", "--never", "nobody", *more) == 1
    assert banning.state() == before
    told = capsys.readouterr().err
    assert f"{banning.at(BAN_FILE)}:2: `{LEAK}` bans the subject leak of {ONE}\n" in told
    ways = re.findall(r"run `(vomap init[^`]*)`", told)
    parsed = [shlex.split(way) for way in ways]
    assert [("--take-over-bans" in words) for words in parsed] == [True, False]
    for words in parsed:
        assert set(words) >= {"--audience", "x", "--never", "nobody", "--callouts", str(CALLOUTS), "--root", *more}


def test_bans_are_taken_over(banning: CeSystem, capsys: Capture) -> None:
    """They are shown and written, and are in force before the CE is wired. A second run changes nothing."""
    assert banning.init(*FLAGS, "--take-over-bans") == 0
    told = capsys.readouterr().out
    assert f"---- {banning.at(LOCAL_BANS)}\n{banning.read(LOCAL_BANS)}" in told
    (ban,) = read_bans(str(banning.bans)).all()
    assert ban.reason == f"{banning.at(BAN_FILE)}:2: x@banned.htcondor.org"
    assert f"vomap's bans replace these lines, which you may delete: {banning.at(BAN_FILE)}:2\n" in told
    assert banning.at(MAP_FILE).exists()
    before = banning.state()
    for again in ([], ["--take-over-bans"]):
        assert banning.init(*FLAGS, *again) == 0
        assert banning.state() == before
    # `vomap ban lift` lifts them.
    words = ["--bans", str(banning.at(BANS_FOLDER)), "--policy", str(banning.policy)]
    assert run(["ban", "lift", "--issuer", ONE, "--subject", "leak", *words]) == 0


def test_the_refusal_is_followed_by_its_advice(banning: CeSystem, capsys: Capture) -> None:
    """Each command of the message works: taking over, or running again without the line."""
    assert banning.init(*FLAGS) == 1
    take, again = re.findall(r"run `vomap (init[^`]*)`", capsys.readouterr().err)
    banning.write(BAN_FILE, "")
    assert run(shlex.split(again)) == 0
    assert not banning.at(LOCAL_BANS).exists()
    banning.write(BAN_FILE, LEAK)
    assert run(shlex.split(take)) == 0
    assert len(list(read_bans(str(banning.bans)).all())) == 1


def test_bans_are_added_to_those_of_vomap(banning: CeSystem) -> None:
    """The file keeps its bans and comments, and bans of vomap that deny the same are enough."""
    banning.write(LOCAL_BANS, '# ours\nmapfile: 1\nbans:\n  - {"jti": "x", "reason": "y"}\n')
    assert banning.init(*FLAGS, "--take-over-bans") == 0
    assert banning.read(LOCAL_BANS).startswith(
        '# ours\nmapfile: 1\nbans:\n  - {"jti": "x", "reason": "y"}\n  - {"issuer"'
    )
    banning.ban({"issuer": ONE, "subject": "lea*", "reason": "x"})
    banning.at(LOCAL_BANS).unlink()
    assert banning.init(*FLAGS) == 0


def test_a_ban_that_comes_while_init_asks(banning: CeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bans that the administrator adds between the question and the answer stay."""

    def agree(question: str = "") -> str:
        if "Write" not in question:
            return ""
        banning.write(LOCAL_BANS, 'mapfile: 1\nbans:\n  - {"jti": "new", "reason": "meanwhile"}\n')
        return "y"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(builtins, "input", agree)
    assert banning.init("--audience", "ce.example:9619", "--take-over-bans") == 0
    meanwhile, taken_over = sorted(ban.reason for ban in read_bans(str(banning.bans)).all())[::-1]
    assert (meanwhile, taken_over) == ("meanwhile", f"{banning.at(BAN_FILE)}:2: x@banned.htcondor.org")


def test_a_ban_of_any_token_is_not_lost(htcondor: CeSystem) -> None:
    """It still bans the tokens of all other issuers, so `init` wires the CE."""
    htcondor.write("/etc/condor-ce/mapfiles.d/90-ban.conf", "SCITOKENS /.*/ x@banned.htcondor.org\n")
    assert htcondor.made().at(MAP_FILE).exists()


def test_bans_that_vomap_cannot_take_over(banning: CeSystem, capsys: Capture) -> None:
    """They are refused with `--take-over-bans`, too. The message says how to keep them, and the advice helps."""
    banning.at("/etc/condor-ce/mapfiles.d/10-scitokens.conf").unlink()
    banning.write(BAN_FILE, f"{LEAK}\n{LEAK.replace('leak', '[lL]eak')}\n")
    before = banning.state()
    for more in ([], ["--take-over-bans"]):
        assert banning.init(*FLAGS, *more) == 1
        assert banning.state() == before
        told = capsys.readouterr().err
        assert f"90-ban.conf:2: `{LEAK.replace('leak', '[lL]eak')}` bans tokens of {ONE}; vomap has no ban" in told
        assert f"move it to {banning.at('/etc/condor-ce/mapfiles.d/04-bans.conf')}, " in told
    banning.write("/etc/condor-ce/mapfiles.d/04-bans.conf", LEAK.replace("leak", "[lL]eak"))
    banning.write(BAN_FILE, f"{LEAK}\n")
    assert banning.init(*FLAGS, "--take-over-bans") == 0


def test_many_lost_bans(banning: CeSystem, capsys: Capture) -> None:
    """The message names some. All are taken over in one step."""
    banning.write(BAN_FILE, "".join(f"{LEAK.replace('leak', f'leak{number}')}\n" for number in range(300)))
    assert banning.init(*FLAGS) == 1
    assert "\n  and 280 more\n" in capsys.readouterr().err
    assert banning.init(*FLAGS, "--take-over-bans") == 0
    assert len(list(read_bans(str(banning.bans)).all())) == 300


def test_map_files_that_init_cannot_read(banning: CeSystem, capsys: Capture) -> None:
    """There may be bans in them, so nothing is written."""
    banning.at(BAN_FILE).unlink()
    os.mkfifo(banning.at(BAN_FILE))
    before = banning.state()
    assert banning.init(*FLAGS) == 3
    assert banning.state() == before
    assert f"{banning.at(BAN_FILE)}: is not a regular file" in capsys.readouterr().err


def test_no_bans_are_lost(htcondor: CeSystem, tmp_path: Path) -> None:
    """Bans of other issuers stay with HTCondor-CE, and ARC has no map files."""
    htcondor.write(BAN_FILE, LEAK)
    assert htcondor.init(*FLAGS, "--take-over-bans") == 0
    assert not htcondor.at(LOCAL_BANS).exists()
    arc = CeSystem(tmp_path / "arc", htcondor=True, arc=True)
    arc.write(RULES_FILE, RULES)
    arc.write(BAN_FILE, LEAK)
    assert arc.init(*FLAGS, "--ce", "arc") == 0


def test_render_refuses_to_disable_bans(banning: CeSystem, capsys: Capture) -> None:
    """It writes vomap's map lines like init, so it refuses like init. Elsewhere it writes."""
    assert banning.init(*FLAGS, "--take-over-bans") == 0
    banning.write(BAN_FILE, LEAK.replace("leak", "other"))
    before = banning.state()
    render = ["render", "htcondor", "--policy", str(banning.policy), "--output"]
    capsys.readouterr()
    assert run([*render, str(banning.at(BAN_FILE).parent)]) == 3
    assert f"--root {banning.root}` shows how to keep them" in capsys.readouterr().err
    assert banning.state() == before
    assert run([*render, str(banning.root / "elsewhere")]) == 0
    link = banning.root / "link"
    link.symlink_to(banning.at(BAN_FILE).parent)
    assert run([*render, str(link)]) == 3, "what a link leads to counts"


def test_late_denials_of_arc_are_refused(tmp_path: Path, capsys: Capture) -> None:
    """ARC would not reach them after vomap's file. Nothing is written."""
    system = CeSystem(tmp_path / "root", arc=True)
    system.write("/etc/arc.conf.d/60-site.conf", "[arex/ws/jobs]\ndenyaccess = banned\n")
    assert system.init(*FLAGS) == 1
    assert "denyaccess=banned; move them to" in capsys.readouterr().err
    assert not system.at(ARC_FILE).exists()


EXCLUDED = f"""\
[authgroup:banned]
authtokens = evil {ONE} * * *
[authgroup:members]
-authgroup = banned
authtokens = * {ONE} * * *
[arex/ws/jobs]
allowaccess = members
"""


@pytest.fixture
def excluding(tmp_path: Path) -> CeSystem:
    """Return a system with ARC that excludes tokens from a group, and rules for vomap."""
    system = CeSystem(tmp_path / "root", arc=True)
    system.write(RULES_FILE, RULES)
    system.write(ARC_CONF, EXCLUDED)
    return system


def test_exclusions_of_arc_are_refused(excluding: CeSystem, capsys: Capture) -> None:
    """The group of vomap would let the excluded tokens in. Nothing is written until the group is denied."""
    assert excluding.init(*FLAGS, "--replace") == 1
    told = capsys.readouterr().err
    assert f"{excluding.at(ARC_CONF)}:4: [authgroup:members] -authgroup=banned" in told
    assert f"write `denyaccess = banned` at the end of [arex/ws/jobs] in {excluding.at(ARC_CONF)}" in told
    assert f"`vomap init --replace --audience ce.example:9619 --callouts {CALLOUTS} --root {excluding.root}`" in told
    assert not excluding.at(ARC_FILE).exists()
    excluding.write(ARC_CONF, f"{EXCLUDED}denyaccess = banned\n")
    assert excluding.init(*FLAGS) == 0
    assert excluding.status() == 0


def test_status_of_exclusions_of_arc(excluding: CeSystem, capsys: Capture) -> None:
    """A rule that the site adds later is red."""
    excluding.write(ARC_CONF, "")
    assert excluding.init(*FLAGS) == 0
    excluding.write(ARC_CONF, EXCLUDED)
    capsys.readouterr()
    assert excluding.status() == 1
    assert "red     past vomap: these rules exclude tokens" in capsys.readouterr().out


def test_init_keeps_observing_over_exclusions_of_arc(excluding: CeSystem) -> None:
    """While vomap only observes, its group lets no token in. So no ban is lost, and nothing is refused."""
    excluding.write(ARC_CONF, "")
    excluding.made()
    places = ["--policy", str(excluding.policy), "--output", str(excluding.at(ARC_FILE).parent)]
    excluding.write(ARC_CONF, EXCLUDED)
    excluding.write("/etc/arc.conf.d/60-site.conf", "[arex/ws/jobs]\ndenyaccess = banned\n")
    assert run(["render", "arc", "--observe", "--callout", str(CALLOUTS / "vomap-arc"), *places]) == 0
    assert excluding.init(*FLAGS, "--replace") == 0
    assert excluding.status() == 0


@pytest.mark.parametrize("more", [[], ["--more-rules", "--vo", "One"]])
def test_render_refuses_to_disable_bans_of_arc(excluding: CeSystem, more: list[str], capsys: Capture) -> None:
    """It refuses like init, and prints its own command with all options. Elsewhere it writes."""
    excluding.write(ARC_CONF, "")
    excluding.made()
    excluding.write(ARC_CONF, EXCLUDED)
    before = excluding.state()
    folder = str(excluding.at(ARC_FILE).parent)
    render = ["render", "arc", *more, "--policy", str(excluding.policy), "--callout", "/opt/x/vomap-arc", "--output"]
    capsys.readouterr()
    assert run([*render, folder]) == 3
    told = capsys.readouterr().err
    assert "write `denyaccess = banned` at the end of [arex/ws/jobs]" in told
    assert f"Then run `{shlex.join(['vomap', *render, folder])}`\nnothing was written" in told
    assert excluding.state() == before
    assert run([*render, str(excluding.root / "elsewhere")]) == 0
    excluding.write(ARC_CONF, EXCLUDED.replace("allow", "denyaccess = banned\nallow"))
    assert run([*render, folder]) == 0


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ({"htcondor": True}, "condor_ce_reconfig"),
        ({"arc": True}, "systemctl restart arc-arex-ws"),
        ({"htcondor": True, "arc": True}, "condor_ce_reconfig && systemctl restart arc-arex-ws"),
    ],
)
def test_the_command_that_has_the_ce_read_its_configuration(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, kind: dict[str, bool], command: str
) -> None:
    """On the CE itself it comes before `vomap status`, if `init` changed the configuration."""
    system = CeSystem(tmp_path / "root", **kind)
    monkeypatch.setattr(init, "is_this_machine", lambda root: root == system.root)
    system.made()
    told = capsys.readouterr().out.splitlines()
    assert told[-2] == f"next, to have the CE read its configuration: `{command}`"
    assert told[-1].startswith("next: `vomap status")
    assert system.init("--yes") == 0
    assert command not in capsys.readouterr().out


@pytest.mark.parametrize("ce", ["htcondor", "arc"])
@pytest.mark.parametrize("how", ["missing", "folder", "mode"])
def test_a_callout_that_the_ce_cannot_run(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, ce: str, how: str
) -> None:
    """On the CE itself `init` writes nothing. The printed command wires the callouts of the vomap that runs."""
    system = CeSystem(tmp_path / "root", **{ce: True})
    monkeypatch.setattr(init, "is_this_machine", lambda root: root == system.root)
    folder = tmp_path / "bin"
    callout = folder / f"vomap-{ce}"
    folder.mkdir()
    if how == "folder":
        callout.mkdir()
    elif how == "mode":
        callout.write_text("#!/bin/sh\n")
    system.write(RULES_FILE, RULES)
    before = system.state()
    assert system.init("--audience", "ce.example:9619", "--yes", callouts=str(folder)) == 1
    told = capsys.readouterr().err
    assert f"init: {callout} is not an executable file, so the CE would refuse each token; type `" in told
    assert told.endswith("nothing was written\n")
    assert system.state() == before
    command = shlex.split(told.partition("type `")[2].partition("`")[0])
    assert command[command.index("--callouts") + 1] == str(CALLOUTS)
    assert run([*command[1:], "--yes"]) == 0


def test_a_callout_of_no_vomap(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without callouts beside the vomap that runs, the command has a place for their folder."""
    system = CeSystem(tmp_path / "root", htcondor=True)
    monkeypatch.setattr(init, "is_this_machine", lambda root: root == system.root)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "vomap")])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert system.init("--audience", "ce.example:9619", "--yes", callouts="/nonexistent") == 1
    told = capsys.readouterr().err
    assert f"--callouts /FOLDER --root {system.root}`, with the folder of the callouts" in told


def test_a_link_to_nowhere_stops_the_build(htcondor: CeSystem, capsys: Capture) -> None:
    """As after vomap has moved. The printed command makes the link again, whatever other options it has."""
    htcondor.write(RULES_FILE, RULES)
    htcondor.at(OSG_LINK).symlink_to(htcondor.at("/nowhere"))
    assert htcondor.init(*FLAGS) == 2
    command = shlex.split(capsys.readouterr().err.partition("type `")[2].partition("`")[0])
    assert "--replace" in command
    assert run([*command[1:], "--yes"]) == 0
    assert Path(os.readlink(htcondor.at(OSG_LINK))) == shipped_file("mapfiles", "osg.yaml")


def test_lines_that_will_never_be_used(htcondor: CeSystem, capsys: Capture) -> None:
    """`init` names the site's own, before the files and the question. The site cannot delete those of packages."""
    htcondor.write(RULES_FILE, RULES)
    line = "SCITOKENS /^https:\\/\\/one\\.example\\/,/ acct\n"
    place = htcondor.write("/etc/condor-ce/mapfiles.d/50-site.conf", line)
    package = htcondor.write("/usr/share/condor-ce/mapfiles.d/50-x.conf", line)
    assert htcondor.init(*FLAGS, "--show") == 0
    first, _, shown = capsys.readouterr().out.partition("----")
    assert "never be used" in first
    assert f": {place}:1\n" in first
    assert str(package) not in first + shown
    assert htcondor.init(*FLAGS) == 0
    capsys.readouterr()
    assert htcondor.init(*FLAGS) == 0
    assert "never be used" not in capsys.readouterr().out
