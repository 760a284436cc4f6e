"""The options of existing fragments are those that they were written with."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from unit.policy.composed import bans_document, policy_document
from vomap.ces.arc import FRAGMENT_FILE
from vomap.ces.htcondor import MAP_FILE, SETTINGS_FILE
from vomap.ces.kinds import ArcCe, Ce, HtcondorCe, known_ces
from vomap.ces.wiring import WiringOptions

DOCUMENT = policy_document("mapfile: 1\nissuers:\n  https://a/: {vo: A}\n  https://b/: {vo: B}\n")
NO_BANS = bans_document("mapfile: 1\nbans: []\n")
HTCONDOR = [
    WiringOptions(callout=callout, observe=observe, then=then)
    for callout, observe, then in product(
        (None, "/opt/x/vomap-htcondor"), (False, True), ((), ("EGI",), ("EGI", "B_2"))
    )
]
ARC = [
    WiringOptions(callout=callout, vos=vos, more_rules=more_rules)
    for callout, vos, more_rules in product(
        ("/usr/libexec/vomap/vomap-arc", "/opt/x/vomap-arc"), ((), ("A",), ("A", "b.c")), (False, True)
    )
]
MAP_PATH, SETTINGS_PATH = f"{HtcondorCe.MAPFILES[0]}/{MAP_FILE}", f"{HtcondorCe.SETTINGS}/{SETTINGS_FILE}"
ARC_PATH = f"{ArcCe.FRAGMENTS}/{FRAGMENT_FILE}"


def _wired(root: Path, name: str, options: WiringOptions) -> Ce:
    """Return a CE with the fragments for these options."""
    (ce,) = (ce for ce in known_ces(root) if ce.name == name)
    for path, text in ce.fragments(DOCUMENT, NO_BANS, options).items():
        ce.at(path).parent.mkdir(parents=True, exist_ok=True)
        ce.at(path).write_text(text, "utf-8")
    return ce


@pytest.mark.parametrize(
    "name_and_options", [*(("htcondor", each) for each in HTCONDOR), *(("arc", each) for each in ARC)]
)
def test_what_was_written_is_read(tmp_path: Path, name_and_options: tuple[str, WiringOptions]) -> None:
    """Every combination of options comes back, and `--callouts` replaces the callout alone."""
    name, options = name_and_options
    ce = _wired(tmp_path, name, options)
    if name == "htcondor" and options.observe and options.callout is None:
        options = WiringOptions("/usr/libexec/vomap/vomap-htcondor", observe=True, then=options.then)
    assert ce.options(None) == options
    found = ce.options(Path("/new"))
    assert found.callout == f"/new/vomap-{name}"
    assert (found.then, found.vos, found.more_rules, found.observe) == (
        options.then,
        options.vos,
        options.more_rules,
        options.observe,
    )


def test_without_fragments(tmp_path: Path) -> None:
    """A CE that is not wired has the default options."""
    assert {ce.options(None) for ce in known_ces(tmp_path)} == {WiringOptions()}


@pytest.mark.parametrize(
    "callout", ["/bin/echo", "vomap-htcondor", "/opt/$(X)/vomap-htcondor", "", "/opt/x/vomap-htcondor/y"]
)
def test_another_program_is_not_a_callout(tmp_path: Path, callout: str) -> None:
    """`init` never keeps a program that is not a callout of vomap."""
    ce = _wired(tmp_path, "htcondor", HTCONDOR[0])
    ce.at(SETTINGS_PATH).write_text(f"SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = {callout} --observe\n", "utf-8")
    assert ce.options(None).callout is None


def test_a_group_that_only_observes(tmp_path: Path) -> None:
    """The callout is also known where ARC has no mapping rule."""
    ce = _wired(tmp_path, "arc", ARC[0])
    ce.at(ARC_PATH).write_text("[authgroup:x]\nplugin = 10 /opt/x/vomap-arc map --observe\n", "utf-8")
    assert ce.options(None) == WiringOptions("/opt/x/vomap-arc", observe=True)


@pytest.mark.parametrize("line", ["plugin = 10 /x authorize --vo a/b", "plugin = 10 /x authorize --vo ..", "map = 1"])
def test_what_no_option_writes_is_left_out(tmp_path: Path, line: str) -> None:
    """The name of a VO that `render` would refuse does not count, so the fragment differs."""
    ce = _wired(tmp_path, "arc", ARC[0])
    text = ce.at(ARC_PATH).read_text("utf-8")
    ce.at(ARC_PATH).write_text(f"{text}{line}\n", "utf-8")
    assert ce.options(None) == ARC[0]
    assert not ce.is_same(ARC_PATH, text)


@pytest.mark.parametrize(("old", "new"), [(" * * *", "\t* * *"), (" * * *", "\u00a0* * *"), ("# Place", "#\nplace")])
def test_a_line_that_arc_reads_otherwise(tmp_path: Path, old: str, new: str) -> None:
    """Only a blank ends a word of arc.conf, and only a line break ends a line. `status` compares as ARC reads."""
    ce = _wired(tmp_path, "arc", ARC[0])
    text = ce.at(ARC_PATH).read_text("utf-8")
    ce.at(ARC_PATH).write_text(text.replace(old, new, 1), "utf-8")
    assert not ce.is_same(ARC_PATH, text)


def test_a_comment_that_only_python_would_end(tmp_path: Path) -> None:
    """A form feed ends no comment."""
    ce = _wired(tmp_path, "arc", ARC[0])
    text = ce.at(ARC_PATH).read_text("utf-8")
    ce.at(ARC_PATH).write_text(f"{text}# old:\x0cauthtokens = * https://c/ * * *\n", "utf-8")
    assert ce.is_same(ARC_PATH, text)


def test_blanks_that_htcondor_does_not_know(tmp_path: Path) -> None:
    """HTCondor would ignore a line that begins with another character. To ARC, which is Python, it is a blank."""
    htcondor, arc = _wired(tmp_path, "htcondor", HTCONDOR[0]), _wired(tmp_path, "arc", ARC[0])
    for ce, path, old, is_same in ((htcondor, MAP_PATH, "SCITOKENS", False), (arc, ARC_PATH, "authtokens", True)):
        text = ce.at(path).read_text("utf-8")
        ce.at(path).write_text(text.replace(old, f"\u00a0{old}", 1), "utf-8")
        assert ce.is_same(path, text) == is_same


def test_lines_with_different_plugins(tmp_path: Path) -> None:
    """Their plugins are not one option. Their meaning for vomap is the same."""
    ce = _wired(tmp_path, "htcondor", HTCONDOR[0])
    text = ce.at(MAP_PATH).read_text("utf-8")
    ce.at(MAP_PATH).write_text(text.replace("VOMAP\n", "VOMAP,EGI\n", 1), "utf-8")
    assert ce.options(None).then is None
    assert ce.is_same(MAP_PATH, text)
