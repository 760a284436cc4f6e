"""`vomap status` reports the map lines and settings of HTCondor-CE by which tokens bypass vomap."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.ces.ce_system import MAP_FILE, CeSystem
from unit.policy.composed import policy_document
from vomap.ces.htcondor import map_line
from vomap.ces.kinds import HtcondorCe, known_ces
from vomap.ces.wiring import wired_issuers
from vomap.status import GREEN, RED
from vomap.status.checks import htcondor_bypass_lines
from vomap.status.in_force import InForce
from vomap.store.writer import CompiledBans, CompiledPolicy

ISSUER = "https://chtc.cs.wisc.edu"
POLICY = CompiledPolicy(
    policy_document(
        "mapfile: 1\nsite: {audience: [ANY]}\nissuers:\n"
        f"  {ISSUER}: {{vo: GLOW}}\n  {ISSUER}/icecube: {{vo: IceCube}}\n  https://gone/: none\n"
    ),
    "d" * 64,
    "",
    {},
)
BANS = CompiledBans({"bans": []}, "", "", {})
EARLY = "/etc/condor-ce/mapfiles.d/01-local.conf"


def _htcondor(root: Path) -> HtcondorCe:
    found = known_ces(root)[0]
    assert isinstance(found, HtcondorCe)
    return found


def _wired(root: Path) -> CeSystem:
    """Return a system with vomap's lines for the policy."""
    system = CeSystem(root, htcondor=True)
    issuers = wired_issuers(POLICY.document, BANS.document)
    system.write(MAP_FILE, "".join(map_line(issuer, "VOMAP") for issuer in issuers))
    return system


def _colour(root: Path, line: str, path: str = EARLY) -> str:
    _wired(root).write(path, f"# a comment\n\n{line}\n")
    (found,) = htcondor_bypass_lines(_htcondor(root), POLICY, BANS, InForce(), ())
    assert (f"{path}:3" in found.text) == (found.colour == RED)
    return found.colour


@pytest.mark.parametrize(
    "line",
    [
        r"SCITOKENS /.*/ nobody",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,/ glow",
        r"SCITOKENS /^https:\/\/chtc.cs.wisc.edu.*/ glow",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,alice$/ alice",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu\/ice.*,alice$/ alice",
        r"SCITOKENS /^https:\/\/(chtc|other)\.cs\.wisc\.edu,bob$/ bob",
        r"SCITOKENS /^https:\/\/other\/,x$|,alice$/ alice",
        r"SCITOKENS /^https?:\/\/[[:alnum:].]+,bob/ bob",
        r"SCITOKENS /,alice$/ alice",
        r"SCITOKENS /^(.*),(.*)@fnal\.gov$/ \2",
        r"SCITOKENS /^HTTPS:\/\/CHTC\.CS\.WISC\.EDU,/i glow",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,(first last|alice)$/ alice",
        r"SCITOKENS /^\Qhttps://chtc.cs.wisc.edu\E,/ glow",
        r"SCITOKENS /(?i)^HTTPS:/ glow",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu(/ glow",
        r"SCITOKENS /[/ glow",
        r"SCITOKENS https://chtc.cs.wisc.edu,alice alice",
        r'SCITOKENS "https://chtc.cs.wisc.edu/icecube,alice" alice',
        "SCITOKENS\t/^https:\\/\\/chtc\\.cs\\.wisc\\.edu,/\tglow",
        r"  scitokens /^https:\/\/chtc\.cs\.wisc\.edu,/ glow",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,/ PLUGIN:OTHER",
    ],
)
def test_a_line_that_maps_past_vomap(tmp_path: Path, line: str) -> None:
    """The check reports a line before its own that matches a token of a declared issuer, or that it cannot read."""
    assert _colour(tmp_path, line) == RED


@pytest.mark.parametrize(
    "line",
    [
        r"FS /.*/ nobody",
        r"SSL /.*/ nobody",
        r"# SCITOKENS /.*/ nobody",
        r"SCITOKENS /^https:\/\/other\.example\/,/ other",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu\/other,/ other",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.education,/ other",
        r"SCITOKENS /^https:\/\/gone\/,/ other",
        r"SCITOKENS https://chtc.cs.wisc.edu/other,alice alice",
        r"SCITOKENS https://chtc.cs.wisc.edu glow",
        # HTCondor ignores a line with a field missing.
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,/",
        r"SCITOKENS",
        r"",
    ],
)
def test_a_line_of_others(tmp_path: Path, line: str) -> None:
    """The check does not report other methods and other issuers, a longer one among them."""
    assert _colour(tmp_path, line) == GREEN


def test_a_line_after_vomaps(tmp_path: Path) -> None:
    """A line after vomap's maps only tokens that vomap does not see."""
    line = r"SCITOKENS /.*/ nobody"
    for name in ("05-vomap.conf.rpmsave", "10-scitokens.conf", "99-local.conf"):
        assert _colour(tmp_path, line, f"/etc/condor-ce/mapfiles.d/{name}") == GREEN


def test_a_line_of_the_map_file_itself(tmp_path: Path) -> None:
    """The map file includes the folders. Only its lines before the `@include` come before vomap's."""
    line, include = r"SCITOKENS /.*/ nobody", "@include /etc/condor-ce/mapfiles.d/"
    assert _colour(tmp_path, f"{line}\n{include}", "/etc/condor-ce/condor_mapfile") == RED
    assert _colour(tmp_path, f"{include}\n{line}", "/etc/condor-ce/condor_mapfile") == GREEN


def test_another_file_that_the_map_file_includes(tmp_path: Path) -> None:
    """A file or folder that is included before the folder of vomap's lines comes before vomap."""
    system = _wired(tmp_path)
    for target, file in (("/etc/extra.map", "/etc/extra.map"), ("/etc/extra.d/", "/etc/extra.d/1.map")):
        include = f"@include {target}\n@include /etc/condor-ce/mapfiles.d/\n"
        system.write("/etc/condor-ce/condor_mapfile", include)
        assert _colour(tmp_path, r"SCITOKENS /.*/ nobody", file) == RED
        assert _colour(tmp_path, r"FS /.*/ nobody", file) == GREEN


@pytest.mark.parametrize(
    ("file", "line", "colour"),
    [
        ("99-local.conf", "CERTIFICATE_MAPFILE = /etc/other.map", RED),
        ("01-local.conf", "CERTIFICATE_MAPFILE = /etc/other.map", RED),
        ("99-local.conf", "CERTIFICATE_MAPFILE = /etc/condor-ce/condor_mapfile", GREEN),
        ("99-local.conf", "sec_scitokens_plugin_vomap_command = /bin/true", RED),
        ("01-local.conf", "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /bin/true", GREEN),
        ("99-local.conf", "DENY_READ =", RED),
        ("51-local.conf", "DENY_READ =", RED),
        ("99-local.conf", "ALLOW_WRITE = *", GREEN),
    ],
)
def test_settings_that_lead_past_vomap(tmp_path: Path, file: str, line: str, colour: str) -> None:
    """The check reports another map file, and later changes of its own settings, but no other settings."""
    system = _wired(tmp_path)
    system.write("/etc/condor-ce/config.d/50-vomap.conf", "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /v\nDENY_READ = x\n")
    system.write(f"/etc/condor-ce/config.d/{file}", f"{line}\n")
    (found,) = htcondor_bypass_lines(_htcondor(tmp_path), POLICY, BANS, InForce(), ())
    assert found.colour == colour


def test_what_is_no_text(tmp_path: Path) -> None:
    """A folder among the map files, or bytes that are not UTF-8, neither hide a line nor end the check."""
    system = _wired(tmp_path)
    system.at("/etc/condor-ce/mapfiles.d/00-folder").mkdir()
    system.at("/etc/condor-ce/mapfiles.d/00-bytes").write_bytes(b"# caf\xe9\n")
    assert _colour(tmp_path, r"FS /.*/ nobody") == GREEN
    assert _colour(tmp_path, r"SCITOKENS /.*/ nobody") == RED


def test_a_denied_account_in_front_of_vomaps_lines_is_no_ban(tmp_path: Path) -> None:
    """A line that maps to an account of the site maps past vomap, although the CE denies that account today."""
    _wired(tmp_path).write("/etc/condor-ce/config.d/90-site.conf", "DENY_WRITE = glow@users.htcondor.org\n")
    assert _colour(tmp_path, r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,/ glow") == RED
    assert _colour(tmp_path, r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,/ glow@banned.htcondor.org") == GREEN


@pytest.mark.parametrize(
    ("how", "unasked"),
    [("missing", True), ("later", True), ("issuer", True), ("prefix", False), ("ban", False), ("as wired", False)],
)
def test_a_line_behind_vomaps_place_without_one_of_vomaps_before_it(tmp_path: Path, how: str, unasked: bool) -> None:
    """It maps past vomap, as a line before vomap's own does: the order of the lines counts, not the names of files."""
    system, folder = _wired(tmp_path), HtcondorCe.MAPFILES[0]
    own, old = system.at(MAP_FILE), system.write(f"{folder}/50-old.conf", f"SCITOKENS {ISSUER},alice glow\n")
    system.at(f"{folder}/10-scitokens.conf").unlink()
    if how == "issuer":
        own.write_text("".join(own.read_text().splitlines(keepends=True)[1:]))
    elif how != "as wired":
        own.rename(own.with_name("95-vomap.conf")) if how == "later" else own.unlink()
    if how == "prefix":
        system.write(f"{folder}/40-x.conf", "SCITOKENS /^https:.*/ PLUGIN:VOMAP\n")
    if how == "ban":
        old.write_text(f"SCITOKENS {ISSUER},alice x@banned.htcondor.org\n")
    (found,) = htcondor_bypass_lines(_htcondor(tmp_path), POLICY, BANS, InForce(), ())
    assert (found.colour == RED, f"{old}:1" in found.text) == (unasked, unasked)
    assert (f"repair {folder}/05-vomap.conf" in found.text) == unasked


def test_a_map_file_that_does_not_include_vomaps_folder(tmp_path: Path) -> None:
    """The line says which line to add, and nothing to remove. With it, all is well."""
    system = _wired(tmp_path)
    file = system.write(HtcondorCe.MAPFILE, "@include /usr/share/condor-ce/mapfiles.d/\n")
    (found,) = htcondor_bypass_lines(_htcondor(tmp_path), POLICY, BANS, InForce(), ())
    assert found.colour == RED
    include = f"@include {HtcondorCe.MAPFILES[0]}/"
    assert f"write the line `{include}` before all lines that map tokens" in found.text
    assert "remove" not in found.text
    file.write_text(f"{include}\n{file.read_text()}")
    (found,) = htcondor_bypass_lines(_htcondor(tmp_path), POLICY, BANS, InForce(), ())
    assert found.colour == GREEN
    # A line of its own reports a map file that the CE cannot read.
    assert list(htcondor_bypass_lines(_htcondor(tmp_path), POLICY, BANS, InForce(), {file})) == []
