"""The order in which HTCondor-CE reads its map files, and the files that it leaves out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unit.ces.ce_system import CeSystem
from vomap.ces.htcondor_files import read_map_files, read_settings
from vomap.ces.kinds import HtcondorCe, known_ces

ETC, SHARE, TOP = "/etc/condor-ce/mapfiles.d", "/usr/share/condor-ce/mapfiles.d", "/etc/condor-ce/condor_mapfile"
AS_SHIPPED = f"# comment\n@include {ETC}/\n@include {SHARE}/\n"


@pytest.fixture
def system(tmp_path: Path) -> CeSystem:
    """Return a system with HTCondor-CE and no map lines."""
    made = CeSystem(tmp_path, htcondor=True)
    made.at(f"{ETC}/10-scitokens.conf").unlink()
    return made


def _ce(system: CeSystem) -> HtcondorCe:
    ce = known_ces(system.root)[0]
    assert isinstance(ce, HtcondorCe)
    return ce


def _names(system: CeSystem) -> list[str]:
    return [line.name for line in read_map_files(_ce(system)).lines]


@pytest.mark.parametrize("top", [None, AS_SHIPPED])
def test_the_order(system: CeSystem, top: str | None) -> None:
    """The site's folder comes before the one that ships, each in the order of bytes."""
    for number, path in enumerate((f"{SHARE}/00", f"{ETC}/b", f"{ETC}/a", f"{ETC}/B", f"{ETC}/10", f"{ETC}/05-a")):
        system.write(path, f"SCITOKENS /x/ {number}\n")
    if top is not None:
        system.write(TOP, top)
    found = read_map_files(_ce(system))
    assert [line.name for line in found.lines] == ["5", "4", "3", "2", "1", "0"]
    assert [line.name for line in found.before_own] == ["5"]


def test_the_lines_of_the_map_file_itself(system: CeSystem) -> None:
    """They count where they are. Without an include of its folder, vomap's own file is not read."""
    system.write(f"{ETC}/10", "SCITOKENS /x/ b\n")
    system.write("/etc/condor-ce/more", "SCITOKENS /x/ d\n")
    system.write(TOP, f"SCITOKENS /x/ a\n@include {ETC}\nSCITOKENS /x/ c\n@include more\n@include\n@include /gone\n")
    assert _names(system) == ["a", "b", "c", "d"]
    system.write(TOP, "SCITOKENS /x/ a\n")
    assert read_map_files(_ce(system)).own_at is None


@pytest.mark.parametrize("name", [".hidden", "10-ban.conf~", "#10-ban.conf#", "10.conf.rpmsave", "10.conf.rpmnew"])
def test_files_that_htcondor_leaves_out(system: CeSystem, name: str) -> None:
    """They are left out in folders of map files and of settings. A file that the map file names is read."""
    system.write(f"{ETC}/{name}", "SCITOKENS /x/ a\n")
    system.write(f"{HtcondorCe.SETTINGS}/{name}", "A = b\n")
    assert _names(system) == []
    assert read_settings(_ce(system), HtcondorCe.SETTINGS).values == []
    system.write(TOP, f"@include {ETC}/{name}\n")
    assert _names(system) == ["a"]


def test_no_include_in_an_included_file(system: CeSystem) -> None:
    """HTCondor follows no `@include` there."""
    system.write("/etc/more", "SCITOKENS /x/ a\n")
    system.write(f"{ETC}/10", "@include /etc/more\n")
    assert _names(system) == []


def test_files_that_cannot_be_read(system: CeSystem) -> None:
    """A FIFO, and bytes that are not UTF-8 in a line for tokens, are reported. HTCondor ignores links to nowhere."""
    os.mkfifo(system.at(f"{ETC}/10"))
    system.at(f"{ETC}/11").symlink_to("/gone/x")
    system.at(f"{ETC}/12").write_bytes(b"# caf\xe9\nSSL /caf\xe9/ x\nSCITOKENS /^caf\xe9$/ x\n\xff\xfe\n")
    system.at(f"{ETC}/13").mkdir()
    found = read_map_files(_ce(system))
    places = [f"{system.at(ETC)}/{name}: " for name in ("10", "12:3", "12:4")]
    assert [fault.startswith(place) for fault, place in zip(found.faults, places)] == [True] * 3
    assert len(found.faults) == 3
    system.write(f"{HtcondorCe.SETTINGS}/1.conf", "A = b\n")
    system.at(f"{HtcondorCe.SETTINGS}/2.conf").symlink_to("/gone/x")
    assert read_settings(_ce(system), HtcondorCe.SETTINGS).faults == []
    os.mkfifo(system.at("/etc/condor-ce/condor_config"))
    assert len(read_settings(_ce(system), "/etc/condor-ce/condor_config").faults) == 1


def test_a_folder_that_cannot_be_read(system: CeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported, for map files and for settings."""

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    system.at(HtcondorCe.SETTINGS).mkdir()
    assert read_map_files(_ce(system)).faults == [f"{system.at(ETC)}: Permission denied"]
    assert read_settings(_ce(system), HtcondorCe.SETTINGS).faults == [
        f"{system.at(HtcondorCe.SETTINGS)}: Permission denied"
    ]


def test_settings(system: CeSystem) -> None:
    """A backslash joins two lines. Comments and lines without `=` set nothing."""
    text = "# A = b\nschedd.deny_write = a@b, \\\n *@c\nuse X : Y\n"
    file = system.write(f"{HtcondorCe.SETTINGS}/1.conf", text)
    assert read_settings(_ce(system), HtcondorCe.SETTINGS, "/gone").values == [(file, "SCHEDD.DENY_WRITE", "a@b,  *@c")]


def test_a_setting_of_several_lines(system: CeSystem) -> None:
    """Its lines are one value. The lines after its end are other settings."""
    system.write("/etc/condor-ce/config.d/x.conf", "DENY_WRITE @=end\n  a@b,\n  c@d\n@end\nX = y\n")
    values = [(key, value) for _, key, value in read_settings(_ce(system), "/etc/condor-ce/config.d/x.conf").values]
    assert values == [("DENY_WRITE", "a@b, c@d"), ("X", "y")]


def test_a_large_map_file_is_a_fault(system: CeSystem) -> None:
    """Reading it would take all memory."""
    large = system.at(f"{ETC}/large")
    large.parent.mkdir(parents=True, exist_ok=True)
    with large.open("wb") as file:
        file.truncate(9 << 20)
    assert read_map_files(_ce(system)).faults == [f"{large}: is larger than 8 MiB; split it into several files"]
