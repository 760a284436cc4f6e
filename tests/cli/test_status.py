"""`vomap status`: from `vomap init` to all green. Then a test of its own turns each line red or yellow."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unit.ces.ce_system import (
    ARC_CONF,
    ARC_FILE,
    ARC_LAST,
    CALLOUTS,
    DEFAULTS_FILE,
    HTCONDOR_FILES,
    MAP_FILE,
    ONE,
    RULES,
    RULES_FILE,
    SETTINGS_FILE,
    SITE_FILE,
    TWO,
    CeSystem,
)
from vomap import Error
from vomap.accounts import NameServiceError
from vomap.ces.kinds import known_ces
from vomap.cli import run, status
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER
from vomap.status import checks
from vomap.store import read_policy
from vomap.verify.keys import Key, KeysError

Capture = pytest.CaptureFixture[str]
Monkeypatch = pytest.MonkeyPatch
BEFORE_CES = ["policy", "bans", "mapfiles", "files of bans", "accounts"]
HTCONDOR_LINES = [*HTCONDOR_FILES, "past vomap", "settings in force", "to try a token", "vomap-htcondor"]
ARC_LINES = [ARC_FILE, "past vomap", "vomap-arc"]
# Only root can try a callout as the CE's user.
CALLOUT_COLOUR = "green" if os.geteuid() == 0 else "yellow"
# Each line that is not green says what to type.
COMMAND = re.compile(r"`[A-Za-z_]\S* ?[^`]*`")
Looked = Callable[..., dict[str, tuple[str, str]]]


@pytest.fixture(autouse=True)
def _accounts(monkeypatch: Monkeypatch) -> None:
    """Every account exists, and each CE runs its callout as the user of this process."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(checks, "find_uid", lambda account: 1000)
    monkeypatch.setattr(status, "known_ces", lambda root: [replace(ce, user=me) for ce in known_ces(root)])


@pytest.fixture
def htcondor(tmp_path: Path) -> CeSystem:
    """Return a system with HTCondor-CE that `vomap init` has wired."""
    return CeSystem(tmp_path / "root", htcondor=True).made()


@pytest.fixture
def arc(tmp_path: Path) -> CeSystem:
    """Return a system with ARC that `vomap init` has wired."""
    return CeSystem(tmp_path / "root", arc=True).made()


@pytest.fixture
def look(capsys: Capture) -> Looked:
    """Return a function that gives each line of a system, its colour and its text, by the subject of the line."""

    def looked(system: CeSystem, *words: str, callouts: Path = CALLOUTS) -> dict[str, tuple[str, str]]:
        capsys.readouterr()
        code = system.status("--json", *words, callouts=callouts)
        printed = capsys.readouterr()
        assert printed.err == ""
        lines = json.loads(printed.out)
        assert code == (1 if any(line["colour"] == "red" for line in lines) else 0)
        assert [line for line in lines if line["colour"] != "green" and not COMMAND.search(line["told"])] == []
        return {line["what"]: (line["colour"], line["told"]) for line in lines}

    return looked


def _not_green(lines: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Return the colours of the lines that are not as they are on a CE that is well."""
    well = {"vomap-htcondor": CALLOUT_COLOUR, "vomap-arc": CALLOUT_COLOUR}
    return {what: colour for what, (colour, _) in lines.items() if colour != well.get(what, "green")}


# green


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ({"htcondor": True}, HTCONDOR_LINES),
        ({"arc": True}, ARC_LINES),
        ({"htcondor": True, "arc": True}, [*HTCONDOR_LINES, *ARC_LINES]),
    ],
)
def test_from_init_to_green(tmp_path: Path, capsys: Capture, kind: dict[str, bool], lines: list[str]) -> None:
    """Each line is green after `vomap init` on an empty system."""
    system = CeSystem(tmp_path / "root", **kind).made()
    capsys.readouterr()
    assert system.status() == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    told = [line.split(None, 1) for line in printed.out.splitlines()]
    assert [line.partition(": ")[0] for _, line in told] == [*BEFORE_CES, *lines]
    for colour, line in told:
        assert colour == (CALLOUT_COLOUR if line.startswith("vomap-") else "green")


def test_it_changes_nothing(htcondor: CeSystem) -> None:
    """Looking is only looking."""
    before = htcondor.state()
    assert htcondor.status() == 0
    assert htcondor.state() == before


def test_for_programs(htcondor: CeSystem, capsys: Capture) -> None:
    """`--json` has the same lines, and nothing else is printed."""
    capsys.readouterr()
    assert htcondor.status() == 0
    told = capsys.readouterr().out.splitlines()
    assert htcondor.status("--json") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = json.loads(printed.out)
    assert [f"{line['colour']:6}  {line['what']}: {line['told']}" for line in lines] == told
    assert all(line.keys() == {"colour", "what", "told"} for line in lines)


def test_colours_only_on_a_terminal(htcondor: CeSystem, capsys: Capture, monkeypatch: Monkeypatch) -> None:
    """A file or a pipe gets words, and a terminal gets them in their colours. A program never gets colours."""
    monkeypatch.setattr(checks, "find_uid", lambda account: None)
    htcondor.at(MAP_FILE).unlink()
    capsys.readouterr()
    assert htcondor.status() == 1
    assert "\033" not in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert htcondor.status() == 1
    told = capsys.readouterr().out
    assert "\033[32mgreen \033[0m  policy: " in told
    assert "\033[33myellow\033[0m  accounts: " in told
    assert "\033[31mred   \033[0m  /etc/" in told
    assert htcondor.status("--json") == 1
    assert "\033" not in capsys.readouterr().out


def test_the_root_alone(htcondor: CeSystem, capsys: Capture) -> None:
    """Where only the root is named, everything is looked for below it, as `vomap init` puts it there."""
    capsys.readouterr()
    assert run(["status", "--root", str(htcondor.root), "--callouts", str(CALLOUTS)]) == 0
    named = capsys.readouterr().out
    assert htcondor.status() == 0
    assert capsys.readouterr().out == named


def test_paths_from_here(htcondor: CeSystem, capsys: Capture, monkeypatch: Monkeypatch) -> None:
    """The callout is run from the root folder, and finds what was named from here all the same."""
    monkeypatch.chdir(htcondor.root)
    folders = ["--mapfiles", str(htcondor.at(MAPFILES_FOLDER)), "--bans", str(htcondor.at(BANS_FOLDER))]
    words = ["--root", str(htcondor.root), "--policy", "./var/lib/vomap/policy", "--callouts", str(CALLOUTS)]
    assert run(["status", *words, *folders]) == 0


def test_a_link_that_leads_out_of_the_root(htcondor: CeSystem, look: Looked, tmp_path: Path) -> None:
    """There, a file of this machine would be read. One red line names the link, and its command repairs it."""
    away = tmp_path / "away"
    away.mkdir()
    place, target = htcondor.at("/etc/condor-ce/mapfiles.d"), htcondor.at(str(away))
    target.parent.mkdir(parents=True)
    place.rename(target)
    place.symlink_to(away)
    lines = look(htcondor)
    colour, told = lines["link"]
    assert (colour, told.startswith(f"{place}: this link leads to {away}, which is not below ")) == ("red", True)
    subprocess.run(shlex.split(told.split("`")[1]), check=True)
    assert _not_green(look(htcondor)) == {}


def test_vos_that_keep_what_they_had(htcondor: CeSystem, look: Looked) -> None:
    """A VO whose file in the topology is broken is a yellow line, until the file is repaired."""
    assert "topology" not in look(htcondor)
    kept = "# Generated by vomap from the VO files of x/y.\n"
    kept += "# Kept as in the mapfile before, because the VO's file is not valid:"
    for names, does in (("CMS", "CMS keeps what it had"), ("CMS, LIGO", "CMS, LIGO keep what they had")):
        (htcondor.at(MAPFILES_FOLDER) / "60-osg.yaml").write_text(f"{kept} {names}\nmapfile: 1\n")
        colour, text = look(htcondor)["topology"]
        assert colour == "yellow"
        assert does in text
        assert COMMAND.search(text)


@pytest.mark.parametrize(
    ("check", "ends"),
    [
        ("link_lines", {"links"}),
        ("built_line", {"policy", "bans"}),
        ("freshness_line", {"mapfiles", "files of bans"}),
        ("topology_lines", {"topology"}),
        ("accounts_line", {"accounts"}),
        ("key_lines", {"log key"}),
        ("unwired_lines", {"issuers of bans"}),
        ("fragment_lines", {"wiring"}),
        ("htcondor_bypass_lines", {"past vomap"}),
        ("find_unreadable", {"files of the CE", "past vomap", "map files"}),
        ("ask_ce", {"past vomap", "settings in force", "key cache", "observing"}),
        ("htcondor_settings_lines", {"settings in force"}),
        ("cache_lines", {"key cache"}),
        ("observe_lines", {"observing"}),
        ("try_line", {"to try a token"}),
        ("callout_line", {"vomap-htcondor"}),
        ("issuer_line", {ONE, TWO}),
    ],
)
@pytest.mark.parametrize("error", [RuntimeError("broken"), PermissionError(13, "broken", "/x"), Error("broken")])
@pytest.mark.usefixtures("fetched")
def test_a_check_that_fails_hides_no_other(  # noqa: PLR0917 - a name, its lines and an error besides fixtures
    htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch, check: str, ends: set[str], error: Exception
) -> None:
    """It has a red line of its own, with the reason and what to type. The lines of all other checks are there."""
    before = look(htcondor, "--issuers", "--ca", "ca.pem")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(status, check, fail)
    lines = look(htcondor, "--issuers", "--ca", "ca.pem")
    colour = "yellow" if isinstance(error, PermissionError) and os.geteuid() else "red"
    assert all(lines[what][0] == colour and "broken" in lines[what][1] for what in ends)
    if check == "built_line":
        # Most checks are of a policy.
        assert lines.keys() >= {"settings in force", "vomap-htcondor"}
    else:
        lost = {*HTCONDOR_FILES} if check == "fragment_lines" else set()
        assert {what: line for what, line in before.items() if what not in {*ends, *lost}}.items() <= lines.items()


# the policy and the bans


@pytest.mark.parametrize("how", ["missing", "empty", "damaged", "writable", "swapped"])
@pytest.mark.parametrize("what", ["policy", "bans"])
def test_what_callouts_cannot_read(htcondor: CeSystem, look: Looked, what: str, how: str) -> None:
    """A policy or bans that are missing, damaged or writable by others are red, and nothing is guessed from them."""
    path, other = (htcondor.policy, htcondor.bans) if what == "policy" else (htcondor.bans, htcondor.policy)
    if how == "missing":
        path.unlink()
    elif how == "writable":
        path.chmod(0o666)
    else:
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "damaged": content[:-1] + b"]", "swapped": other.read_bytes()}[how])
    lines = look(htcondor)
    # The other checks still run. The callout reads no more of a file than its one answer needs.
    assert _not_green({**lines, "vomap-htcondor": (CALLOUT_COLOUR, "")}) == {what: "red"}
    assert (lines["vomap-htcondor"][0] == "red") == (how != "damaged")
    assert str(path) in lines[what][1]


@pytest.mark.parametrize("place", ["policy", "bans", "folder"])
def test_compiled_files_that_other_users_can_write(htcondor: CeSystem, look: Looked, place: str) -> None:
    """The line has the command that ends this."""
    path = {"policy": htcondor.policy, "bans": htcondor.bans, "folder": htcondor.policy.parent}[place]
    path.chmod(path.stat().st_mode | 0o022)
    what = "bans" if place == "bans" else "policy"
    colour, told = look(htcondor)[what]
    assert (colour, f"`chmod go-w {path}`" in told) == ("red", True)
    subprocess.run(["/bin/sh", "-c", told.partition("`")[2].partition("`")[0]], check=True)
    assert _not_green(look(htcondor)) == {}


def test_before_init(tmp_path: Path, look: Looked) -> None:
    """The advice is `vomap init`, and no command that fails before it, and nothing that it writes itself."""
    system = CeSystem(tmp_path / "root", htcondor=True)
    lines = look(system)
    for what in ("policy", "bans"):
        colour, told = lines[what]
        assert (colour, ": no such file; run `vomap init " in told) == ("red", True)
    assert "settings in force" not in lines
    assert not any("99-local.conf" in told or "vomap build" in told for _, told in lines.values())


def test_when_and_from_what(htcondor: CeSystem, look: Looked) -> None:
    """A policy's line has its digest, when it was built, and from how many files."""
    digest = read_policy(str(htcondor.policy)).digest
    told = look(htcondor)["policy"][1]
    assert told.startswith(f"{digest[:12]}, built 20")
    assert told.endswith("Z from 2 files")


def _change(path: Path) -> None:
    path.write_text(path.read_text("utf-8") + "# changed\n", "utf-8")


@pytest.mark.parametrize("how", ["changed", "added", "removed"])
def test_mapfiles_that_are_not_built(htcondor: CeSystem, look: Looked, how: str) -> None:
    """A mapfile that differs from the compiled one is yellow: the policy is in force, and is an old one."""
    path = htcondor.at(RULES_FILE)
    if how == "changed":
        _change(path)
    elif how == "added":
        path = htcondor.write(f"{MAPFILES_FOLDER}/90-new.yaml", "mapfile: 1\n")
    else:
        path.unlink()
    lines = look(htcondor)
    assert _not_green(lines) == {"mapfiles": "yellow"}
    assert str(path) in lines["mapfiles"][1]
    assert "vomap build" in lines["mapfiles"][1]


def _rolled_back(system: CeSystem) -> str:
    """Build a policy with another account, roll it back, and return the commands for another build."""
    system.write(RULES_FILE, RULES.replace("acct2", "acct9"))
    assert system.build() == 0
    assert run(["build", "--rollback", "--output", str(system.policy)]) == 0
    places = f"--mapfiles {system.at(MAPFILES_FOLDER)} --bans {system.at(BANS_FOLDER)} --output {system.policy}"
    return f"vomap build {places}"


def test_a_rollback_in_force(htcondor: CeSystem, look: Looked) -> None:
    """A build alone would bring the policy back that was rolled back. So the mapfiles come first."""
    build = _rolled_back(htcondor)
    colour, text = look(htcondor)["mapfiles"]
    assert colour == "yellow"
    assert text == (
        "a rollback is in force, and the mapfiles still contain the policy that was rolled back "
        f"({htcondor.at(RULES_FILE)} changed since the build of the policy in force); "
        f"a build brings it back, so correct the mapfiles first, then run `{build}`"
    )


def test_mapfiles_that_changed_after_a_rollback(htcondor: CeSystem, look: Looked) -> None:
    """A build puts them in force. As before the rollback, they are those of the policy in force."""
    build = _rolled_back(htcondor)
    htcondor.write(RULES_FILE, RULES.replace("acct2", "acct8"))
    expected = f"changed since the build: {htcondor.at(RULES_FILE)}; run `{build}`"
    assert look(htcondor)["mapfiles"] == ("yellow", expected)
    htcondor.write(RULES_FILE, RULES)
    assert look(htcondor)["mapfiles"] == ("green", "as they were built")


def test_a_rollback_that_is_over(htcondor: CeSystem, look: Looked) -> None:
    """After a build that an administrator wants, there is nothing to say."""
    _rolled_back(htcondor)
    assert htcondor.build() == 0
    assert look(htcondor)["mapfiles"] == ("green", "as they were built")


def test_init_leaves_a_rollback_alone(htcondor: CeSystem, look: Looked) -> None:
    """Advice such as `vomap init --replace` must not bring the policy back that was rolled back."""
    _rolled_back(htcondor)
    before = htcondor.policy.read_bytes()
    htcondor.write(SETTINGS_FILE, "")
    assert htcondor.init("--replace", "--yes") == 0
    assert htcondor.policy.read_bytes() == before
    lines = look(htcondor)
    assert lines[SETTINGS_FILE][0] == "green"
    assert "a rollback is in force" in lines["mapfiles"][1]


@pytest.mark.parametrize("how", ["changed", "added", "removed"])
def test_bans_that_are_not_built(htcondor: CeSystem, look: Looked, how: str) -> None:
    """A ban that was written and not compiled denies no token: red."""
    path = htcondor.ban({"subject": "x", "reason": "x"})
    assert htcondor.build() == 0
    assert _not_green(look(htcondor)) == {}
    if how == "changed":
        htcondor.ban({"subject": "y", "reason": "x"})
    elif how == "added":
        path = htcondor.write(f"{BANS_FOLDER}/new.yaml", "mapfile: 1\nbans:\n  - {subject: y, reason: x}\n")
    else:
        path.unlink()
    lines = look(htcondor)
    assert _not_green(lines) == {"files of bans": "red"}
    assert str(path) in lines["files of bans"][1]


def test_bans_that_would_be_passed_over(htcondor: CeSystem, look: Looked) -> None:
    """A file of bans that `build` refuses for its name is red, not unseen."""
    path = htcondor.write(f"{BANS_FOLDER}/new.yml", "mapfile: 1\nbans:\n  - {subject: y, reason: x}\n")
    lines = look(htcondor)
    assert _not_green(lines) == {"files of bans": "red"}
    assert str(path) in lines["files of bans"][1]


@pytest.mark.parametrize(("folder", "what"), [(MAPFILES_FOLDER, "mapfiles"), (BANS_FOLDER, "files of bans")])
@pytest.mark.parametrize("how", ["no folder", "no UTF-8"])
def test_sources_that_cannot_be_read(htcondor: CeSystem, look: Looked, folder: str, what: str, how: str) -> None:
    """Sources that cannot be compared do not count as unchanged."""
    if how == "no folder":
        htcondor.at(folder).rename(htcondor.root / "elsewhere")
    else:
        (htcondor.at(folder) / "90-bytes.yaml").write_bytes(b"\xff")
    assert _not_green(look(htcondor)) == {what: "red"}


def test_a_link_to_what_has_changed(htcondor: CeSystem, look: Looked) -> None:
    """A distributed mapfile that an update has changed is seen through its link."""
    shipped = htcondor.write("/usr/share/vomap/mapfiles/osg.yaml", "mapfile: 1\n")
    htcondor.at(f"{MAPFILES_FOLDER}/50-osg.yaml").symlink_to(shipped)
    assert htcondor.build() == 0
    assert _not_green(look(htcondor)) == {}
    _change(shipped)
    assert _not_green(look(htcondor)) == {"mapfiles": "yellow"}


# the fragments


@pytest.mark.parametrize("how", ["missing", "folder", "line more", "line less", "line other", "bytes"])
@pytest.mark.parametrize("path", [*HTCONDOR_FILES, ARC_FILE])
def test_a_fragment_that_is_not_what_the_policy_needs(tmp_path: Path, look: Looked, path: str, how: str) -> None:
    """Each fragment is there, with just the lines that the policy needs."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True).made()
    place, lines = system.at(path), system.read(path).splitlines(keepends=True)
    if how == "line more":
        place.write_text("".join([*lines, "SCITOKENS /.*/ PLUGIN:VOMAP\n"]), "utf-8")
    elif how == "line less":
        place.write_text("".join(lines[:-1]), "utf-8")
    elif how == "line other":
        place.write_text("".join([*lines[:-1], lines[-1].replace("=", "= x").replace("VOMAP", "OTHER")]), "utf-8")
    elif how == "bytes":
        place.write_bytes(b"\xff" + place.read_bytes())
    else:
        place.unlink()
        if how == "folder":
            place.mkdir()
    found = look(system)
    assert _not_green(found) == {path: "red"}
    assert "vomap " in found[path][1]


def test_issuers_that_are_new(htcondor: CeSystem, look: Looked) -> None:
    """When the policy has another issuer, the map file lacks its line until it is written anew."""
    htcondor.write(f"{MAPFILES_FOLDER}/30-new.yaml", "mapfile: 1\nissuers:\n  https://new/: {vo: N}\n")
    assert htcondor.build() == 0
    assert _not_green(look(htcondor)) == {MAP_FILE: "red", "past vomap": "red"}
    assert htcondor.init("--yes", "--replace") == 0
    assert _not_green(look(htcondor)) == {}


def test_issuers_that_are_banned(tmp_path: Path, look: Looked) -> None:
    """A ban of an undeclared issuer needs a line, so that its tokens are refused."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True).made()
    system.ban({"issuer": "https://bad/", "reason": "x"})
    assert system.build() == 0
    assert _not_green(look(system)) == {MAP_FILE: "red", ARC_FILE: "red"}


def test_issuers_of_bans_that_no_ce_is_wired_for(htcondor: CeSystem, look: Looked) -> None:
    """Bans of a published list, or by what is not an https URL, are counted: another plugin may map these tokens."""
    bans = [{"issuer": ["https://bad/"], "subject": "x", "reason": "x"}, {"issuer": [ONE], "jti": "x", "reason": "x"}]
    htcondor.write(f"{BANS_FOLDER}/published-grid.yaml", json.dumps({"mapfile": "1", "bans": bans}))
    htcondor.ban({"issuer": '"x', "reason": "x"}, {"issuer": ['"x', "http://bad/"], "reason": "y"})
    assert htcondor.build() == 0
    found = look(htcondor)
    assert _not_green(found) == {"issuers of bans": "yellow"}
    told = found["issuers of bans"][1]
    assert told.startswith('3 bans name 3 issuers that the site does not declare ("x, http://bad/, https://bad/)')
    assert "): not in force here: another plugin may map these tokens; " in told


def test_comments_mean_nothing(tmp_path: Path, look: Looked) -> None:
    """Comments and empty lines, also those of an older version, change no fragment."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True).made()
    for path in (*HTCONDOR_FILES, ARC_FILE, ARC_CONF):
        text = "".join(f"{line}\n\n# more\n" for line in system.read(path).splitlines() if not line.startswith("#"))
        system.write(path, text)
    assert _not_green(look(system)) == {}


# arc.conf


@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("how", ["missing", "comment", "other value"])
def test_the_arc_fragment_lacks_a_line(arc: CeSystem, look: Looked, at: int, how: str) -> None:
    """Every line of the fragment is there, and as it is."""
    lines = arc.read(ARC_FILE).splitlines()
    needed = [number for number, line in enumerate(lines) if "=" in line]
    assert len(needed) == 7
    line = lines[needed[at]]
    lines[needed[at]] = {"comment": f"#{line}", "other value": f"{line} x"}.get(how, "")
    arc.write(ARC_FILE, "\n".join(lines))
    assert ARC_FILE in _not_green(look(arc))


@pytest.mark.parametrize("file", [ARC_CONF, "/etc/arc.conf.d/10-site.conf", "/etc/arc.conf.d/60-site.conf"])
@pytest.mark.parametrize("line", ["authtokens = * https://evil.example/ * * *", "authtokens = * * * * *", "all = yes"])
def test_others_let_more_come_to_vomap(arc: CeSystem, look: Looked, line: str, file: str) -> None:
    """Tokens of an undeclared issuer must not reach the plugin, whichever file adds to vomap's group."""
    arc.write(file, f"[authgroup:vomap]\n{line}\n")
    lines = look(arc)
    assert _not_green(lines) == {"past vomap": "red"}
    assert line.replace(" = ", "=", 1) in lines["past vomap"][1]


def test_arc_conf_as_others_write_it(arc: CeSystem, look: Looked) -> None:
    """Blanks around `=` mean nothing. Neither do other blocks, or comments in any encoding."""
    arc.at(ARC_CONF).write_bytes(b"# caf\xe9\n[queue:fork]\ncomment=caf\xe9\n")
    assert _not_green(look(arc)) == {}


def _render(arc: CeSystem, *words: str) -> None:
    """Run `vomap render arc` for this system."""
    where = [
        "--policy",
        str(arc.policy),
        "--callout",
        f"{CALLOUTS}/vomap-arc",
        "--output",
        str(arc.at("/etc/arc.conf.d")),
    ]
    assert run(["render", "arc", *words, *where]) == 0


def test_rules_of_the_site_behind_vomaps(arc: CeSystem, look: Looked) -> None:
    """They map no token of a declared issuer without `--more-rules`. vomap says so, and the command lets them map."""
    rules = f"[authgroup:members]\nauthtokens = * {ONE} * * *\n[mapping]\nmap_to_user = members user\n"
    file = arc.write("/etc/arc.conf.d/60-site.conf", rules)
    lines = look(arc)
    assert _not_green(lines) == {"rules behind vomap's": "yellow"}
    assert f"{file}:4: [mapping] map_to_user=members user; " in lines["rules behind vomap's"][1]
    _render(arc, "--more-rules")
    assert _not_green(look(arc)) == {}


@pytest.mark.parametrize("words", [["--more-rules"], ["--vo", "One"], ["--more-rules", "--vo", "One", "--vo", "two"]])
def test_arc_is_wired_with_options(arc: CeSystem, look: Looked, words: list[str]) -> None:
    """The output of `vomap render arc` is green with all its options, and `vomap init --replace` keeps them."""
    _render(arc, *words)
    assert _not_green(look(arc)) == {}
    before = arc.state()
    assert arc.init("--replace", "--yes") == 0
    assert arc.state() == before


@pytest.mark.parametrize("how", ["missing", "empty", "comment"])
def test_the_last_rule_of_arc_is_missing(arc: CeSystem, look: Looked, how: str) -> None:
    """Where later rules may map, the file that refuses the rest is needed. `vomap init` writes it again."""
    _render(arc, "--more-rules")
    last = arc.at(ARC_LAST)
    if how == "missing":
        last.unlink()
    else:
        last.write_text("" if how == "empty" else last.read_text("utf-8").replace("\nmap_", "\n# map_"), "utf-8")
    assert _not_green(look(arc)) == {ARC_LAST: "red"}
    assert arc.init("--replace", "--yes") == 0
    assert _not_green(look(arc)) == {}


def test_vomap_only_observes_on_arc(arc: CeSystem, look: Looked) -> None:
    """The one yellow line says how to end it, and its command ends it. Rules of the site may be anywhere."""
    _render(arc, "--observe")
    text = arc.read(ARC_CONF)
    arc.write(ARC_CONF, f"{text}[mapping]\nmap_to_user = all nobody\n")
    lines = look(arc)
    assert _not_green(lines) == {"observing": "yellow"}
    arc.write(ARC_CONF, text)
    arc.write("/etc/arc.conf.d/60-site.conf", "[mapping]\nmap_to_user = all nobody\n")
    command = shlex.split(re.findall("`(vomap render [^`]*)`", lines["observing"][1])[0])
    assert run(command[1:]) == 0
    assert _not_green(look(arc)) == {}


def test_vomap_observes_on_arc_and_its_last_rule_is_left(arc: CeSystem, look: Looked) -> None:
    """The last rule would refuse tokens that vomap does not map."""
    _render(arc, "--more-rules")
    last = arc.read(ARC_LAST)
    arc.at(ARC_LAST).unlink()
    _render(arc, "--observe")
    arc.write(ARC_LAST, last)
    assert _not_green(look(arc)) == {"observing": "red"}


# past vomap


@pytest.mark.parametrize(
    "line",
    [
        r"SCITOKENS /^https:\/\/one\.example\/,/ somebody",
        r"SCITOKENS /^https:.*/ somebody",
        r"SCITOKENS /,alice$/ alice",
        f"SCITOKENS {ONE},alice alice",
        f'SCITOKENS "{TWO},alice" alice',
        r"SCITOKENS /^https:\/\/one\.example\/(/ somebody",
    ],
)
@pytest.mark.parametrize("file", ["/etc/condor-ce/mapfiles.d/01-local.conf", "/etc/condor-ce/mapfiles.d/04-x"])
def test_a_map_line_before_vomaps(htcondor: CeSystem, look: Looked, line: str, file: str) -> None:
    """An earlier line that maps tokens of a declared issuer, or that vomap cannot read, is red."""
    htcondor.write(file, f"# mine\n{line}\n")
    lines = look(htcondor)
    assert _not_green(lines) == {"past vomap": "red"}
    assert f"{htcondor.at(file)}:2" in lines["past vomap"][1]


def test_map_lines_of_others(htcondor: CeSystem, look: Looked) -> None:
    """Other methods, other issuers, and what comes after vomap's lines are the site's own business."""
    before = "FS /.*/ x\nSCITOKENS /^https:\\/\\/else\\.example\\/,/ x\nSCITOKENS https://gone.example/,a a\n"
    htcondor.write("/etc/condor-ce/mapfiles.d/01-local.conf", before)
    htcondor.write("/etc/condor-ce/mapfiles.d/06-local.conf", "SCITOKENS /.*/ x\n")
    assert _not_green(look(htcondor)) == {}


@pytest.mark.parametrize(
    "rule",
    [
        "map_to_user = all nobody",
        "map_with_file=all /etc/grid-security/grid-mapfile",
        "map_with_plugin = all 10 /usr/bin/printf nobody",
        "map_with_plugin = all 10 /usr/bin/printf vomap-arc",
        "map_to_user = all vomap-archive",
        "map_to_pool=all /etc/vomap-arc",
    ],
)
def test_an_arc_rule_before_vomaps(arc: CeSystem, look: Looked, rule: str) -> None:
    """A mapping rule before vomap's is red, in any form. After vomap's it is the site's own business."""
    text = arc.read(ARC_CONF)
    for file in (ARC_CONF, "/etc/arc.conf.d/10-site.conf"):
        arc.write(file, f"{text}[mapping]\n{rule}\n")
        lines = look(arc)
        assert _not_green(lines) == {"past vomap": "red"}
        assert f"{arc.at(file)}:4: [mapping] {rule.replace(' = ', '=', 1)}" in lines["past vomap"][1]
        arc.write(file, text)
    arc.write("/etc/arc.conf.d/60-site.conf", f"[mapping]\n{rule}\n")
    assert _not_green(look(arc)) == {}


# the callouts


@pytest.fixture
def scripts(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that puts a script in the place of both callouts."""

    def written(text: str) -> Path:
        folder = tmp_path / "scripts"
        folder.mkdir()
        for name in ("vomap-htcondor", "vomap-arc"):
            (folder / name).write_text(text, "utf-8")
            (folder / name).chmod(0o755)
        return folder

    return written


def _alone(look: Looked, system: CeSystem, callouts: Path) -> tuple[str, str]:
    """Look at a system with other callouts, to which the settings do not lead, and return the callout's line."""
    lines = look(system, callouts=callouts)
    what = "vomap-htcondor" if "vomap-htcondor" in lines else "vomap-arc"
    rest = {what, SETTINGS_FILE, ARC_FILE, "past vomap"}
    assert not {line for line in _not_green(lines) if line not in rest}
    return lines[what]


@pytest.fixture(params=["htcondor", "arc"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> CeSystem:
    """Return a system with HTCondor-CE, and then one with ARC."""
    return CeSystem(tmp_path / "root", **{request.param: True}).made()


def test_a_callout_that_is_missing(either: CeSystem, look: Looked, tmp_path: Path) -> None:
    """A missing callout is red: the CE would refuse every token."""
    colour, told = _alone(look, either, tmp_path / "none")
    assert colour == "red"
    assert "cannot be run as " in told


def test_a_callout_that_cannot_be_run(either: CeSystem, look: Looked, scripts: Callable[[str], Path]) -> None:
    """Without an interpreter, or without the right to be run."""
    folder = scripts("#!/nowhere/python\n")
    assert _alone(look, either, folder)[0] == "red"
    for script in folder.iterdir():
        script.chmod(0o644)
    assert _alone(look, either, folder)[0] == "red"


@pytest.mark.parametrize("code", [0, 3, 4, 126, 127, 255])
def test_a_callout_that_ends_otherwise(
    either: CeSystem, look: Looked, scripts: Callable[[str], Path], code: int
) -> None:
    """A token that no policy knows is declined. Any other answer is red, and the line has the callout's own words."""
    colour, told = _alone(look, either, scripts(f"#!/bin/sh\necho its own words >&2\nexit {code}\n"))
    assert (colour, told.partition(": ")[2].partition(";")[0]) == ("red", f"exit {code}: its own words")


def test_a_callout_that_cannot_log(either: CeSystem, look: Looked, tmp_path: Path) -> None:
    """The answer is right, but without a record: that is yellow, with the reason."""
    either.write(SITE_FILE, either.read(SITE_FILE) + f"  log: {{to: {tmp_path}/nowhere/decisions.log}}\n")
    assert either.build() == 0
    lines = look(either)
    what = "vomap-htcondor" if "vomap-htcondor" in lines else "vomap-arc"
    colour, told = lines[what]
    assert colour == "yellow"
    assert f"is not logged: {tmp_path}/nowhere/decisions.log: No such file or directory; " in told


def _write_log(system: CeSystem, log: str) -> None:
    """Let the site log so, and build."""
    site = system.read(SITE_FILE).partition("  log:")[0]
    system.write(SITE_FILE, f"{site}  log: {{{log}}}\n")
    assert system.build() == 0


@pytest.mark.parametrize(
    ("mode", "size", "line"),
    [
        (0o640, 32, ("green", "only root and the callouts can read")),
        (0o600, 32, ("red", "the callouts cannot read it")),
        (0o644, 32, ("red", "all users can read it")),
        (0o660, 32, ("red", "users other than root can change it")),
        (0o640, 31, ("red", "31 bytes are too short for a key")),
        (None, 0, ("red", "No such file or directory")),
    ],
)
def test_the_key_of_pseudonyms(
    htcondor: CeSystem, look: Looked, mode: int | None, size: int, line: tuple[str, str]
) -> None:
    """Where subjects are logged as pseudonyms the key must be there, and for the callouts alone."""
    assert "log key" not in look(htcondor)
    _write_log(htcondor, f"to: {htcondor.root}/log, subject: pseudonym")
    if mode is not None:
        key = htcondor.at("/etc/vomap/log.key")
        key.write_bytes(bytes(size))
        key.chmod(mode)
    colour, told = look(htcondor)["log key"]
    assert (colour, line[1] in told) == (line[0], True), told


def test_a_key_of_another_group_or_owner(htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch) -> None:
    """A user other than root could change the file, and the callouts cannot read the file of another group."""
    _write_log(htcondor, f"to: {htcondor.root}/log, subject: pseudonym")
    key = htcondor.at("/etc/vomap/log.key")
    key.write_bytes(bytes(32))
    key.chmod(0o640)
    ours = key.stat().st_gid
    for group, colour in ((ours, "green"), (ours + 1, "red")):
        monkeypatch.setattr(grp, "getgrnam", lambda _, group=group: SimpleNamespace(gr_gid=group))
        assert look(htcondor)["log key"][0] == colour
    monkeypatch.undo()
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    assert checks._key_fault(os.stat_result((0o100640, 0, 0, 1, 4_000_001, 0, 32, 0, 0, 0))) is not None


def test_a_key_that_only_root_can_look_at(htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch) -> None:
    """A user who may not look at the key gets no alarm. If nothing is logged, vomap looks for no key."""
    for log in ("to: none, subject: pseudonym", f"to: {htcondor.root}/log"):
        _write_log(htcondor, log)
        assert "log key" not in look(htcondor)
    _write_log(htcondor, f"to: {htcondor.root}/log, subject: pseudonym")
    htcondor.at("/etc/vomap/log.key").write_bytes(bytes(32))
    monkeypatch.setattr(os, "access", lambda *_: False)
    colour, told = look(htcondor)["log key"]
    assert (colour, "as root" in told) == ("yellow", True)


def test_a_callout_of_the_other_ce(either: CeSystem, look: Looked, scripts: Callable[[str], Path]) -> None:
    """Declined is exit 1 for HTCondor and 2 for ARC. The `declined` of one CE lets another plugin map for the other."""
    wrong = 2 if either.at(MAP_FILE).exists() else 1
    assert _alone(look, either, scripts(f"#!/bin/sh\nexit {wrong}\n"))[0] == "red"


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_callout_that_answers_an_account(
    either: CeSystem, look: Looked, scripts: Callable[[str], Path], code: int
) -> None:
    """A callout that maps a token without claims maps every token."""
    assert _alone(look, either, scripts(f"#!/bin/sh\nprintf nobody\nexit {code}\n"))[0] == "red"


def test_a_callout_that_is_killed(either: CeSystem, look: Looked, scripts: Callable[[str], Path]) -> None:
    """A callout that ends by a signal gives no answer."""
    assert _alone(look, either, scripts("#!/bin/sh\nkill -9 $$\n"))[0] == "red"


def test_a_callout_that_hangs(
    either: CeSystem, look: Looked, scripts: Callable[[str], Path], monkeypatch: Monkeypatch
) -> None:
    """It is waited for, but not for ever."""
    monkeypatch.setattr(checks, "_CALLOUT_SECONDS", 0.3)
    colour, told = _alone(look, either, scripts("#!/bin/sh\nexec sleep 60\n"))
    assert colour == "red"
    assert "timed out after 0.3 seconds" in told


def test_a_callout_that_prints_no_text(either: CeSystem, look: Looked, scripts: Callable[[str], Path]) -> None:
    """Bytes that are not UTF-8 are as red as anything else."""
    assert _alone(look, either, scripts("#!/bin/sh\nprintf '\\377'\nprintf '\\377' >&2\nexit 1\n"))[0] == "red"


def test_what_a_callout_is_given(either: CeSystem, look: Looked, scripts: Callable[[str], Path]) -> None:
    """The files that were named, and a token of an issuer that cannot exist, as each CE shows one."""
    shown = "$* $BEARER_TOKEN_0_ISSUER $line"
    folder = scripts(f'#!/bin/sh\nread -r line\necho "{shown}" >&2\nexit 9\n')
    _, told = _alone(look, either, folder)
    words = f"--policy {either.policy} --bans {either.bans} https://vomap.invalid/ "
    assert told.partition("exit 9: ")[2].startswith(words if either.at(MAP_FILE).exists() else f"map {words}")
    assert '{"iss": "https://vomap.invalid/"}; ' in told


def test_settings_that_lead_to_another_callout(htcondor: CeSystem, look: Looked) -> None:
    """`status` tries the callout that HTCondor's configuration names."""
    htcondor.write(SETTINGS_FILE, htcondor.read(SETTINGS_FILE).replace(str(CALLOUTS), "/elsewhere"))
    assert _not_green(look(htcondor)) == {SETTINGS_FILE: "red"}


# the accounts


def _uids(monkeypatch: Monkeypatch, **uids: int | None) -> list[str]:
    """Let the name service know these accounts, and others with uid 1000. Return the names that callers ask for."""
    asked: list[str] = []

    def find_uid(account: str) -> int | None:
        asked.append(account)
        return uids.get(account, 1000)

    monkeypatch.setattr(checks, "find_uid", find_uid)
    return asked


def test_accounts_that_do_not_exist(htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch) -> None:
    """An account that a rule names and that does not exist is yellow: its tokens are denied."""
    asked = _uids(monkeypatch, acct1=None)
    lines = look(htcondor)
    assert _not_green(lines) == {"accounts": "yellow"}
    assert lines["accounts"][1].startswith("do not exist: acct1 ")
    assert asked == ["acct1", "acct2"]


def test_no_rule_is_not_green(htcondor: CeSystem, look: Looked) -> None:
    """A policy without rules, or without one for a served VO, declines every token: yellow, with what to do."""
    htcondor.write(RULES_FILE, RULES.partition("rules:")[0])
    assert htcondor.build() == 0
    for _ in range(2):
        lines = look(htcondor)
        assert _not_green(lines) == {"accounts": "yellow"}
        assert "no rule maps a token" in lines["accounts"][1]
        htcondor.write(RULES_FILE, RULES.partition("  - {name: two")[0])
        _site(htcondor, {"serve": ["Two"]})


def test_rules_that_name_no_account(htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch) -> None:
    """If each rule takes the account from the token, there is none to look up, and the line says so."""
    rule = "rules:\n  - {name: own, vo: One, subject: <user>, account: <user>}\n"
    htcondor.write(RULES_FILE, RULES.partition("rules:")[0] + rule)
    assert htcondor.build() == 0
    asked = _uids(monkeypatch)
    assert look(htcondor)["accounts"] == ("green", "rules take every account from the token, so none is looked up")
    assert asked == []


@pytest.mark.parametrize("uid", [0, 1, 999])
def test_accounts_of_the_system(htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch, uid: int) -> None:
    """An account under the least uid is yellow: its tokens are denied."""
    _uids(monkeypatch, acct2=uid)
    lines = look(htcondor)
    assert _not_green(lines) == {"accounts": "yellow"}
    assert lines["accounts"][1].startswith("acct2 has uid ")


def test_accounts_that_are_both(htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch) -> None:
    """All problems are reported at once."""
    _uids(monkeypatch, acct1=None, acct2=3)
    assert look(htcondor)["accounts"][1].startswith("do not exist: acct1; acct2 has uid ")


def test_a_name_service_that_fails(htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch) -> None:
    """A name service without an answer is red, because every token would end in an error."""

    def find_uid(account: str) -> int | None:
        raise NameServiceError(f"the name service fails for {account}")

    monkeypatch.setattr(checks, "find_uid", find_uid)
    lines = look(htcondor)
    assert _not_green(lines) == {"accounts": "red"}
    assert "the name service fails for acct1" in lines["accounts"][1]


def _site(system: CeSystem, members: dict[str, Any]) -> None:
    site = {"audience": ["ANY", "ce.example:9619"], **members}
    system.write(SITE_FILE, json.dumps({"mapfile": "1", "site": site}))
    assert system.build() == 0
    assert system.init("--yes", "--replace") == 0


def test_accounts_that_need_not_exist(htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch) -> None:
    """If the site creates accounts as they are needed, none is missing. An existing one still needs its uid."""
    _site(htcondor, {"accounts": {"must-exist": "no", "minimum-uid": "2000"}})
    _uids(monkeypatch, acct1=None, acct2=2000)
    told = "1 of 2 accounts of rules do not exist, which `must-exist: no` allows"
    assert look(htcondor)["accounts"] == ("green", told)
    _uids(monkeypatch, acct1=None, acct2=1999)
    assert look(htcondor)["accounts"][0] == "yellow"


def test_accounts_of_the_site(htcondor: CeSystem, look: Looked, monkeypatch: Monkeypatch) -> None:
    """The site's own name for an account is looked up, and none of a VO that is not served."""
    htcondor.write(RULES_FILE, RULES.partition("tests:")[0])
    _site(htcondor, {"rename": {"acct2": "ours"}, "serve": ["Two"]})
    asked = _uids(monkeypatch)
    assert look(htcondor)["accounts"][0] == "green"
    assert asked == ["ours"]


# no CE


def test_no_ce(htcondor: CeSystem, look: Looked) -> None:
    """Where no CE is installed, nothing is wired, however well the policy is."""
    htcondor.at("/etc/condor-ce").rename(htcondor.root / "elsewhere")
    lines = look(htcondor)
    assert list(lines) == [*BEFORE_CES, "CE"]
    assert _not_green(lines) == {"CE": "red"}


def test_two_ces(tmp_path: Path, look: Looked) -> None:
    """Where both are installed, both are looked at."""
    system = CeSystem(tmp_path / "root", htcondor=True, arc=True).made()
    system.at(DEFAULTS_FILE).unlink()
    system.at(ARC_FILE).unlink()
    assert _not_green(look(system)) == {DEFAULTS_FILE: "red", ARC_FILE: "red"}


# the issuers


@pytest.fixture
def fetched(monkeypatch: Monkeypatch) -> list[str]:
    """Let each issuer publish two keys but TWO, which publishes none. Return the issuers that vomap asks."""
    asked: list[str] = []

    def fetch_keys(issuer: str, authorities: Path | None) -> tuple[tuple[Key, ...], int | None]:
        assert authorities == Path("ca.pem")
        asked.append(issuer)
        if issuer == TWO:
            raise KeysError("no way there")
        return (Key("RSA", {}, None, None),) * 2, None

    monkeypatch.setattr("vomap.verify.jwks.fetch_keys", fetch_keys)
    return asked


def test_issuers_are_asked_only_on_demand(htcondor: CeSystem, look: Looked, fetched: list[str]) -> None:
    """Without `--issuers`, nothing goes to the network."""
    assert _not_green(look(htcondor)) == {}
    assert fetched == []


def test_the_keys_of_issuers(htcondor: CeSystem, look: Looked, fetched: list[str]) -> None:
    """Each declared issuer has a line. vomap asks no distrusted issuer, and none that only a ban names."""
    htcondor.ban({"issuer": "https://bad.example/", "reason": "x"})
    assert htcondor.init("--yes", "--replace") == 0
    lines = look(htcondor, "--issuers", "--ca", "ca.pem")
    assert _not_green(lines) == {TWO: "red"}
    assert lines[ONE] == ("green", "publishes 2 keys")
    ask = f"curl -sS {TWO}/.well-known/openid-configuration"
    assert lines[TWO] == ("red", f"vomap cannot fetch its keys: no way there; try `{ask}`")
    assert fetched == [ONE, TWO]


# observing


OBSERVE_FILE = "/etc/condor-ce/config.d/60-vomap-observe.conf"
LINE = r"SCITOKENS /^https:\/\/one\.example\/,/ PLUGIN:VOMAP"


def _observed(system: CeSystem, then: str = ",OTHER") -> CeSystem:
    """Have vomap only observe, and another plugin asked after it."""
    own = system.read(SETTINGS_FILE).partition("_COMMAND = ")[2].partition("\n")[0]
    system.write(OBSERVE_FILE, f"SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = {own} --observe\n")
    system.write(MAP_FILE, system.read(MAP_FILE).replace("PLUGIN:VOMAP", f"PLUGIN:VOMAP{then}"))
    return system


def test_the_callout_of_the_wiring_is_tried(tmp_path: Path, capsys: Capture) -> None:
    """Without `--callouts`, the callout is the one that the CE is wired to, as after an installation by pip."""
    system = CeSystem(tmp_path / "root", arc=True).made()
    for words, colour in ([[], "green"], [["--callouts", str(tmp_path)], "red"]):
        capsys.readouterr()
        run(["status", "--root", str(system.root), "--json", *words])
        lines = {line["what"]: line["colour"] for line in json.loads(capsys.readouterr().out)}
        assert (lines["vomap-arc"], lines[ARC_FILE]) == (colour, colour)
    system.write(ARC_FILE, system.read(ARC_FILE).replace(str(CALLOUTS), str(tmp_path)))
    capsys.readouterr()
    run(["status", "--root", str(system.root), "--json"])
    lines = {line["what"]: line["colour"] for line in json.loads(capsys.readouterr().out)}
    assert (lines["vomap-arc"], lines[ARC_FILE]) == ("red", "green")


def test_another_plugin_after_vomap(htcondor: CeSystem, look: Looked) -> None:
    """A wiring that asks other plugins about declined tokens is as the policy needs. Any other is not."""
    as_wired = htcondor.read(MAP_FILE)
    for then in (",EGI", ",EGI,OTHER_2"):
        htcondor.write(MAP_FILE, as_wired.replace("PLUGIN:VOMAP", f"PLUGIN:VOMAP{then}"))
        assert _not_green(look(htcondor)) == {}
    for before in ("PLUGIN:EGI,VOMAP", "PLUGIN:EGI", "PLUGIN:VOMAPS,EGI", "plugin:VOMAP,EGI"):
        htcondor.write(MAP_FILE, as_wired.replace("PLUGIN:VOMAP", before))
        assert _not_green(look(htcondor)) == {MAP_FILE: "red", "past vomap": "red"}


def test_vomap_only_observes(htcondor: CeSystem, look: Looked) -> None:
    """That is reported, with the file and the plugins that map, and nothing is red."""
    lines = look(_observed(htcondor))
    assert _not_green(lines) == {"observing": "yellow"}
    assert OBSERVE_FILE in lines["observing"][1]
    assert "; tokens are mapped by OTHER; " in lines["observing"][1]


def test_the_policys_settings_may_wait_while_vomap_observes(htcondor: CeSystem, look: Looked) -> None:
    """With these settings HTCondor refuses by audience. Without them vomap is not wired, even if it answers."""
    _observed(htcondor).at(SETTINGS_FILE).unlink()
    htcondor.write(OBSERVE_FILE, "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor --observe\n")
    assert _not_green(look(htcondor)) == {SETTINGS_FILE: "yellow", "observing": "yellow"}
    htcondor.at(OBSERVE_FILE).unlink()
    assert _not_green(look(htcondor)) == {SETTINGS_FILE: "red"}


def test_nothing_maps_while_vomap_observes(htcondor: CeSystem, look: Looked) -> None:
    """HTCondor refuses tokens whose line names no other plugin, and later lines do not count. Each issuer is named."""
    lines = look(_observed(htcondor, then=""))
    assert _not_green(lines) == {"observing": "red"}
    told = lines["observing"][1]
    assert f"nothing maps tokens of {ONE}, {TWO}: " in told
    assert f"run `rm {htcondor.at(MAP_FILE)} && condor_ce_reconfig`" in told
    assert "write its name at the end of these lines (PLUGIN:VOMAP,NAME), and run `condor_ce_reconfig`" in told


def test_a_file_of_the_site_is_never_removed(htcondor: CeSystem, look: Looked) -> None:
    """Where the lines for vomap are in another file than its own, the advice names the lines to delete."""
    _observed(htcondor, then="").at(MAP_FILE).rename(htcondor.at("/etc/condor-ce/mapfiles.d/06-site.conf"))
    colour, told = look(htcondor)["observing"]
    assert (colour, "`rm " in told, "delete " in told, "06-site.conf:3" in told) == ("red", False, True, True)


def test_nothing_maps_some_tokens_while_vomap_observes(htcondor: CeSystem, look: Looked) -> None:
    """A line of one issuer in an early file leaves the others as they are: with a line of vomap alone."""
    early = "/etc/condor-ce/mapfiles.d/04-observe.conf"
    _observed(htcondor, then="").write(early, f"{LINE},OTHER\n")
    colour, told = look(htcondor)["observing"]
    assert colour == "red"
    assert f"nothing maps tokens of {TWO}: " in told
    htcondor.write(early, f"{LINE},OTHER\n{LINE.replace('one', 'gone')}\n")
    htcondor.at(MAP_FILE).unlink()
    told = look(htcondor)["observing"][1]
    assert f"delete {htcondor.at(early)}:2, and run `condor_ce_reconfig`" in told


def test_vomaps_lines_may_wait_while_vomap_observes(htcondor: CeSystem, look: Looked) -> None:
    """The advice of the red line helps: without vomap's lines, the site's own map lines map as before."""
    _observed(htcondor, then="").at(MAP_FILE).unlink()
    lines = look(htcondor)
    assert _not_green(lines) == {MAP_FILE: "yellow", "observing": "yellow"}
    assert "sees no token" in lines["observing"][1]
    htcondor.write("/etc/condor-ce/mapfiles.d/04-observe.conf", rf"{LINE[:-14]}alice$/ PLUGIN:VOMAP,ACCT1")
    colour, text = look(htcondor)["observing"]
    assert colour == "yellow"
    assert text.startswith(lines["observing"][1].partition(", and")[0] + "; tokens are mapped by ACCT1; ")


@pytest.mark.parametrize("command", ["/bin/echo --observe", "/bin/echo root", "{own} --observe --policy /x"])
def test_another_command_than_vomaps(htcondor: CeSystem, look: Looked, command: str) -> None:
    """A later file may add only `--observe`. Other text there is reported as a way past vomap."""
    own = htcondor.read(SETTINGS_FILE).partition("_COMMAND = ")[2].partition("\n")[0]
    htcondor.write(OBSERVE_FILE, f"SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = {command.format(own=own)}\n")
    assert _not_green(look(htcondor))["past vomap"] == "red"


def test_a_line_that_has_vomap_asked_first(htcondor: CeSystem, look: Looked) -> None:
    """A line of the site for one account, before vomap's file, is not a way past vomap if it asks vomap first."""
    early = "/etc/condor-ce/mapfiles.d/04-observe.conf"
    htcondor.write(early, f"{LINE},ACCT1\n")
    assert _not_green(look(htcondor)) == {}
    for line in (f"{LINE.replace('VOMAP', 'ACCT1,VOMAP')}", f"{LINE.replace(' PLUGIN', ' acct1 PLUGIN')},ACCT1"):
        htcondor.write(early, f"{line}\n")
        assert _not_green(look(htcondor)) == {"past vomap": "red"}


# bans of map files that vomap's lines disable

BAN_FILE = "/etc/condor-ce/mapfiles.d/90-ban.conf"
LEAK = r"SCITOKENS /^https:\/\/one\.example\/,leak$/ x@banned.htcondor.org"
LOST = "lost ban"


def test_a_lost_ban(htcondor: CeSystem, look: Looked) -> None:
    """It is red, with its place and a command. The command ends the red line, and its token is denied."""
    htcondor.write(BAN_FILE, f"# bans\n{LEAK}\n")
    lines = look(htcondor)
    assert _not_green(lines) == {LOST: "red"}
    told = lines[LOST][1]
    assert told.startswith(f"{htcondor.at(BAN_FILE)}:2: `{LEAK}` bans the subject leak of {ONE}, but ")
    assert told.endswith(". If the ban is void, delete the line")
    command = shlex.split(told.partition("run `")[2].partition("`")[0])
    assert command[:7] == ["vomap", "ban", "add", "--issuer", ONE, "--subject", "leak"]
    assert run(command[1:]) == 0
    assert _not_green(look(htcondor)) == {}


def test_each_lost_ban_has_a_line(htcondor: CeSystem, capsys: Capture) -> None:
    """Also those of the folder that ships, after lines that map."""
    htcondor.write(BAN_FILE, f"{LEAK}\n{LEAK.replace('leak', 'other')}\n")
    htcondor.write("/usr/share/condor-ce/mapfiles.d/50-x.conf", LEAK.replace("leak", "third"))
    capsys.readouterr()
    assert htcondor.status() == 1
    assert capsys.readouterr().out.count("\nred     lost ban: ") == 3


def test_a_ban_before_vomaps_lines(htcondor: CeSystem, look: Looked) -> None:
    """It is in force, and maps no token past vomap."""
    htcondor.write("/etc/condor-ce/mapfiles.d/04-bans.conf", f"{LEAK}\n")
    assert _not_green(look(htcondor)) == {}


def test_a_ban_that_vomap_cannot_have(htcondor: CeSystem, look: Looked) -> None:
    """The line says so. Its advice helps: HTCondor-CE reads the line before vomap's."""
    line = LEAK.replace("leak", "[lL]eak")
    htcondor.at("/etc/condor-ce/mapfiles.d/10-scitokens.conf").unlink()
    htcondor.write(BAN_FILE, f"{line}\n")
    colour, told = look(htcondor)[LOST]
    early = htcondor.at("/etc/condor-ce/mapfiles.d/04-bans.conf")
    assert (colour, f"move it to {early}" in told, "no ban for exactly these subjects" in told) == ("red", True, True)
    htcondor.at(BAN_FILE).rename(early)
    assert _not_green(look(htcondor)) == {}


def test_a_ban_of_all_other_tokens_of_an_issuer(htcondor: CeSystem, look: Looked) -> None:
    """Behind lines that map, it does not become a ban of vomap, which would deny mapped users."""
    htcondor.write(BAN_FILE, LEAK.replace("leak$", ""))
    told = look(htcondor)[LOST][1]
    assert "10-scitokens.conf:1 comes before it and maps, so it bans only the rest" in told
    assert f"`vomap ban add --issuer {ONE} --subject SUBJECT --reason REASON --bans {htcondor.at(BANS_FOLDER)} " in told


def test_a_ban_of_any_token(htcondor: CeSystem, capsys: Capture) -> None:
    """It bans tokens of issuers that vomap does not know, so nothing says to move or to delete it."""
    htcondor.write(BAN_FILE, "SCITOKENS /.*/ x@banned.htcondor.org\n")
    capsys.readouterr()
    assert htcondor.status() == 0
    (told,) = (line for line in capsys.readouterr().out.splitlines() if BAN_FILE in line)
    assert told.startswith("yellow  ban of the rest: ")
    assert told.endswith("; leave it in its place")
    assert not any(word in told for word in ("move", "delete", "04-bans"))


def test_a_ban_while_vomap_observes(htcondor: CeSystem, look: Looked) -> None:
    """The bans of vomap deny no token then, so `vomap ban add` would not help."""
    _observed(htcondor).write(BAN_FILE, f"{LEAK}\n")
    htcondor.ban({"issuer": ONE, "subject": "leak", "reason": "x"})
    htcondor.build()
    colour, told = look(htcondor)[LOST]
    assert (colour, "only observes" in told, "ban add" in told, "04-bans.conf" in told) == ("red", True, False, True)


def test_lines_behind_vomaps(htcondor: CeSystem, look: Looked) -> None:
    """Lines of the site for an issuer of vomap's are never used. That is yellow, and one line for all."""
    lines = "".join(f"SCITOKENS /^https:\\/\\/one\\.example\\/,{name}$/ {name}\n" for name in "abcdefg")
    file = htcondor.write("/etc/condor-ce/mapfiles.d/50-x.conf", lines)
    found = look(htcondor)
    assert _not_green(found) == {"lines behind vomap's": "yellow"}
    told = found["lines behind vomap's"][1]
    assert "50-x.conf:5 and 2 more; " in told
    file.unlink()
    # The site cannot delete the lines of a package.
    htcondor.write("/usr/share/condor-ce/mapfiles.d/50-x.conf", lines)
    assert _not_green(look(htcondor)) == {}


def test_map_files_that_cannot_be_read(htcondor: CeSystem, look: Looked) -> None:
    """A FIFO or bytes that are not UTF-8 give a red line, and all other lines are there."""
    before = list(look(htcondor))
    fifo = htcondor.at(BAN_FILE)
    os.mkfifo(fifo)
    what = "map files and settings"
    lines = look(htcondor)
    assert set(lines) == {*before, what}
    assert lines[what][0] == "red"
    assert lines[what][1].startswith(
        f"{fifo}: is not a regular file; name the file itself; after the repair, run `vomap status "
    )
    fifo.unlink()
    fifo.write_bytes(b"SCITOKENS /^https:\\/\\/other\\/,caf\xe9$/ x\n")
    assert look(htcondor)[what][1].startswith(f"{fifo}:1: not valid UTF-8: ")


def test_names_of_files_forge_no_line(htcondor: CeSystem, capsys: Capture) -> None:
    """A line break or an escape in a name, or in a map line, is shown as text."""
    name = "/etc/condor-ce/mapfiles.d/04-x\ngreen   policy: fine \x1b[2J.conf"
    htcondor.write(name, f"{LINE.replace('VOMAP', 'OTHER')}\n{LEAK}\r\x1b[2K\n")
    htcondor.write(BAN_FILE, f"{LEAK}\r\x1b[2K\n")
    capsys.readouterr()
    assert htcondor.status() == 1
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\r" not in told
    assert r"04-x\ngreen   policy: fine \x1b[2J.conf:1" in told
    assert [line for line in told.splitlines() if not line.startswith(("green ", "yellow ", "red "))] == []
    assert told.count("policy: fine") == told.count(r"04-x\ngreen   policy: fine")
