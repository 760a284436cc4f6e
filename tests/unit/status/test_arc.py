"""`vomap status` reports lines of ARC's configuration that bypass vomap, and that vomap only observes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.ces.ce_system import ARC_CONF, ARC_FILE, CeSystem
from unit.policy.composed import policy_document
from vomap.ces.arc import LAST_FILE, render_arc
from vomap.ces.kinds import ArcCe, known_ces
from vomap.ces.wiring import WiringOptions
from vomap.compile.advice import Advice
from vomap.status import StatusLine
from vomap.status.arc import arc_bypass_lines, arc_observe_lines

OURS = "[mapping]\nmap_with_plugin = vomap 10 /usr/libexec/vomap/vomap-arc map\n"
ISSUER = "https://a/"
SITE_FILE = "/etc/arc.conf.d/60-site.conf"


@pytest.fixture
def system(tmp_path: Path) -> CeSystem:
    """Return a system with ARC that is wired to vomap."""
    system = CeSystem(tmp_path, arc=True)
    system.write(ARC_FILE, OURS)
    return system


def _ce(system: CeSystem) -> ArcCe:
    (ce,) = (each for each in known_ces(system.root) if isinstance(each, ArcCe))
    return ce


def _wire(system: CeSystem, options: WiringOptions) -> None:
    document = policy_document("mapfile: 1\nissuers:\n  https://a/: {vo: A}\n")
    chosen: dict[str, Any] = {"vos": options.vos, "more_rules": options.more_rules, "observe": options.observe}
    for name, text in render_arc(document, {"bans": []}, callout=options.callout, **chosen).items():
        system.write(f"/etc/arc.conf.d/{name}", text)


def _bypasses(system: CeSystem) -> Iterator[StatusLine]:
    return arc_bypass_lines(_ce(system), [ISSUER], Advice(root=system.root, callouts=Path("/opt/bin")))


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        (ARC_CONF, "[mapping]\nmap_to_user = all nobody\n", ["2: [mapping] map_to_user=all nobody"]),
        (ARC_CONF, "[mapping]\npolicy_on_nomap = stop\n", []),
        (ARC_CONF, "[queue:fork]\nmap_to_user = all nobody\n", []),
        (ARC_CONF, "# [mapping]\n# map_to_user = all nobody\n", []),
        (ARC_CONF, f"{OURS}map_to_user = all nobody\n", []),
        (ARC_CONF, f"{OURS.strip()} --observe\nmap_to_user = all x\n", ["3: [mapping] map_to_user=all x"]),
        (SITE_FILE, "[mapping]\nmap_to_user = all nobody\n", []),
        (SITE_FILE, "[authgroup:vomap]\nall = yes\n", ["2: [authgroup:vomap] all=yes"]),
        (SITE_FILE, "[ authgroup: vomap ]\nall = yes\n", ["2: [authgroup:vomap] all=yes"]),
        (ARC_FILE, f"[authgroup:vomap]\nauthtokens = * https://a/ * * *\n{OURS}", []),
    ],
)
def test_lines_that_bypass_vomap(system: CeSystem, file: str, text: str, found: list[str]) -> None:
    """Mapping rules before vomap's, and lines that other files add to vomap's group, are reported with their place."""
    system.write(file, text)
    (line,) = _bypasses(system)
    assert line.colour == ("red" if found else "green")
    assert all(f"{system.at(file)}:{each}" in line.text for each in found)


def test_what_to_do_about_rules_before_vomaps(system: CeSystem) -> None:
    """The rules go into a file after vomap's. The command that lets them map there keeps all options."""
    _wire(system, WiringOptions(vos=("A",)))
    system.write(ARC_CONF, "[mapping]\nmap_to_user = all nobody\n")
    (line,) = _bypasses(system)
    folder = system.at("/etc/arc.conf.d")
    later = f"to a file of {folder} that sorts after 50-vomap.conf, such as 60-site.conf"
    assert f"move them, with their policy lines, {later}" in line.text
    places = f"--policy {system.at('/var/lib/vomap/policy')} --callout /opt/bin/vomap-arc"
    assert f"`vomap render arc --more-rules --vo A --output {folder} {places}`" in line.text
    _wire(system, WiringOptions(vos=("A",), more_rules=True))
    (line,) = _bypasses(system)
    assert "render" not in line.text
    assert "systemctl restart arc-arex-ws" in line.text


def test_both_faults_are_reported(system: CeSystem) -> None:
    """A rule before vomap's does not hide a line that adds to vomap's group."""
    system.write(ARC_CONF, "[authgroup:vomap]\nall = yes\n[mapping]\nmap_to_user = all nobody\n")
    (line,) = _bypasses(system)
    assert "[mapping] map_to_user=all nobody" in line.text
    assert "[authgroup:vomap] all=yes; remove them" in line.text


@pytest.mark.parametrize("user", ["grid", "grid:grid", "root", "root:grid", ""])
@pytest.mark.parametrize("more_rules", [False, True])
def test_arex_runs_as_another_user(system: CeSystem, user: str, more_rules: bool) -> None:
    """With later rules, A-REX's user is whom ARC maps a token to for which such a rule finds no account."""
    _wire(system, WiringOptions(more_rules=more_rules))
    system.write(ARC_CONF, f"[arex]\nuser = {user}\n" if user else "[arex]\n")
    colours = {line.what: (line.colour, line.text) for line in _bypasses(system)}
    assert ("A-REX" in colours) == (more_rules and user.startswith("grid"))
    if "A-REX" in colours:
        colour, text = colours["A-REX"]
        assert colour == "yellow"
        assert f"{system.at(ARC_CONF)}:2: [arex] user={user}" in text


def test_vomap_only_observes(system: CeSystem) -> None:
    """The line is yellow, and says how to end it. The site's own rules may be anywhere."""
    assert list(arc_observe_lines(_ce(system), Advice())) == []
    _wire(system, WiringOptions(observe=True))
    system.write(ARC_CONF, "[mapping]\nmap_to_user = all nobody\n")
    assert list(_bypasses(system)) == []
    (line,) = arc_observe_lines(_ce(system), Advice(root=system.root))
    assert (line.what, line.colour) == ("observing", "yellow")
    assert str(system.at(ARC_FILE)) in line.text
    assert f"`vomap render arc --more-rules --output {system.at('/etc/arc.conf.d')} --policy" in line.text


@pytest.mark.parametrize(
    ("callout", "option"), [("/opt/x/vomap-arc", " --callout /opt/x/vomap-arc"), ("/usr/libexec/vomap/vomap-arc", "")]
)
def test_advice_keeps_the_callout_of_the_wiring(system: CeSystem, callout: str, option: str) -> None:
    """Without `--callouts`, too: another callout than that of the wiring may not exist."""
    _wire(system, WiringOptions(observe=True, callout=callout))
    (line,) = arc_observe_lines(_ce(system), Advice(root=system.root))
    assert (
        f"--output {system.at('/etc/arc.conf.d')} --policy {system.at('/var/lib/vomap/policy')}{option}`" in line.text
    )


def test_vomap_observes_and_answers(system: CeSystem) -> None:
    """A rule of vomap's that is left, such as the last one, refuses tokens: this is red."""
    _wire(system, WiringOptions(more_rules=True))
    _wire(system, WiringOptions(observe=True))
    (line,) = arc_observe_lines(_ce(system), Advice())
    assert line.colour == "red"
    assert f"{system.at(f'/etc/arc.conf.d/{LAST_FILE}')}:5: [mapping] map_with_plugin=vomap" in line.text


def test_lines_of_others_while_vomap_observes(system: CeSystem) -> None:
    """A line that adds to vomap's group is red, whether vomap answers or observes."""
    _wire(system, WiringOptions(observe=True))
    system.write(SITE_FILE, "[authgroup:vomap]\nall = yes\n")
    (line,) = _bypasses(system)
    assert (line.what, line.colour) == ("past vomap", "red")


@pytest.mark.parametrize(("file", "is_late"), [("40-x.conf", False), ("60-x.conf", True)])
def test_a_denial_after_vomaps_file_is_never_reached(tmp_path: Path, file: str, is_late: bool) -> None:
    """ARC stops at the first line of the block that matches a token."""
    system = CeSystem(tmp_path / "root", arc=True)
    _wire(system, WiringOptions())
    system.write(f"/etc/arc.conf.d/{file}", "[arex/ws/jobs]\ndenyaccess = banned\n")
    told = [line.text for line in _bypasses(system) if "deny no token" in line.text]
    assert bool(told) is is_late


DEAD = f"[authgroup:members]\nauthtokens = * {ISSUER} * * *\n"
OTHERS = "[authgroup:others]\nauthtokens = * https://other/ * * *\n[authgroup:grid]\nvoms = vo * * *\n"


def _dead(system: CeSystem) -> str:
    """Return the text about rules behind vomap's, or an empty text."""
    lines = {line.what: (line.colour, line.text) for line in _bypasses(system)}
    colour, text = lines.get("rules behind vomap's", ("yellow", ""))
    assert colour == "yellow"
    return text


def test_rules_behind_vomaps(system: CeSystem) -> None:
    """They map no token of a declared issuer. The line says where they are, and each way to go on."""
    _wire(system, WiringOptions(vos=("A",)))
    system.write(SITE_FILE, f"{DEAD}[mapping]\npolicy_on_nomap = stop\nmap_to_user = members user\n")
    text = _dead(system)
    assert text.startswith(
        "never used for tokens of the declared issuers, because vomap's rule for the same tokens comes"
    )
    assert f"{system.at(SITE_FILE)}:5: [mapping] map_to_user=members user" in text
    folder = system.at("/etc/arc.conf.d")
    places = f"--policy {system.at('/var/lib/vomap/policy')} --callout /opt/bin/vomap-arc"
    assert f"run `vomap render arc --more-rules --vo A --output {folder} {places}`" in text
    assert "write the mappings that you still need as rules of a mapfile" in text
    assert "run `systemctl restart arc-arex-ws`" in text


@pytest.mark.parametrize(
    ("rules", "is_dead"),
    [
        ("map_to_user = members user", True),
        ("map_to_pool = all /srv/pool", True),
        ("map_with_plugin = parts 10 /usr/bin/other", True),
        ("map_to_user = others user", False),
        ("map_to_user = grid user", False),
        ("map_to_user = nowhere user", False),
        ("policy_on_map = stop", False),
    ],
)
@pytest.mark.parametrize("options", [WiringOptions(), WiringOptions(more_rules=True), WiringOptions(observe=True)])
def test_which_rules_behind_vomaps_are_dead(
    system: CeSystem, options: WiringOptions, rules: str, is_dead: bool
) -> None:
    """Rules for other clients are alive, as are all rules while vomap observes or lets later rules map."""
    _wire(system, options)
    groups = f"{DEAD}{OTHERS}[authgroup:all]\nall = yes\n[authgroup:parts]\nauthgroup = others members\n"
    system.write(SITE_FILE, f"{groups}[mapping]\n{rules}\n")
    assert bool(_dead(system)) == (is_dead and options == WiringOptions())


def test_rules_behind_vomaps_last_rule(system: CeSystem) -> None:
    """With later rules, they must come before the last file."""
    _wire(system, WiringOptions(more_rules=True))
    system.write("/etc/arc.conf.d/zz-site.conf", f"{DEAD}[mapping]\nmap_to_user = members user\n")
    assert f"move them to a file that sorts before {LAST_FILE}" in _dead(system)


def test_many_rules_behind_vomaps(system: CeSystem) -> None:
    """Five are shown, and the number of the others."""
    _wire(system, WiringOptions())
    rules = "".join(f"map_to_user = members user{number}\n" for number in range(7))
    system.write(SITE_FILE, f"{DEAD}[mapping]\n{rules}")
    assert "user4 and 2 more; " in _dead(system)
