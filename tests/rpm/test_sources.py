"""A source package is all that a builder needs."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from rpm.packages import CHECKOUT, RELEASES, Packages, build, said_by

MACROS = CHECKOUT / "packaging/rpm/macros.debian"
SOURCES = {"vomap": ("vomap", "vomap-arc", "vomap-htcondor-ce"), "vomap-osg-mapfile": ("vomap-osg-mapfile",)}


def _source(packages: Packages, release: str, name: str) -> Path:
    (found,) = (packages.folder / f"el{release}").glob(f"{name}-[0-9]*.src.rpm")
    return found


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("release", RELEASES)
def test_it_builds_the_same_again(packages: Packages, release: str, name: str, tmp_path: Path) -> None:
    """Without the checkout, the same packages with the same files come of it."""
    python = packages.venvs / f"el{release}" / "bin" / "python"
    settings = {"_topdir": tmp_path, "buildhost_python": python, "dist": f".el{release}", "rhel": release}
    defined = [word for key, value in settings.items() for word in ("--define", f"{key} {value}")]
    source = _source(packages, release, name)
    said_by("rpmbuild", "--load", MACROS, *defined, "--nodeps", "--without", "tests", "--rebuild", source)
    built = {path.name: path for path in (tmp_path / "RPMS" / "noarch").iterdir()}
    before = {path.name: path for path in packages.files(release, SOURCES[name])}
    assert built.keys() == before.keys()
    for file, path in built.items():
        assert _listed(path) == _listed(before[file])


def test_what_is_there_is_not_built_again(packages: Packages) -> None:
    """Who asks for the packages of sources that have not changed gets those that are there."""
    built = sorted(packages.folder.glob("el*/*.rpm"))
    times = [file.stat().st_mtime_ns for file in built]
    build(CHECKOUT, packages.folder)
    assert [file.stat().st_mtime_ns for file in built] == times


def _listed(package: Path) -> list[str]:
    """Return each file with its mode and its digest. Compiled files contain the time of their source."""
    lines = said_by("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEMODES:perms} %{FILEDIGESTS}\n]", package).splitlines()
    return [line.split()[0] if ".pyc " in line else line for line in lines]


def test_the_archive_holds_the_checkout(packages: Packages, tmp_path: Path) -> None:
    """Every file that git knows is in it, owned by root, and nothing that git ignores."""
    said_by("rpm", "--define", f"_topdir {tmp_path}", "-i", _source(packages, RELEASES[0], "vomap"))
    (archive,) = (tmp_path / "SOURCES").glob("vomap-*.tar.gz")
    listed = said_by("git", "-C", CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    with tarfile.open(archive) as opened:
        members = [member for member in opened.getmembers() if not member.isdir()]
    assert {member.name.partition("/")[2] for member in members} == {
        name for name in listed if name and (CHECKOUT / name).exists()
    }
    assert {(member.uid, member.gid) for member in members} == {(0, 0)}


@pytest.mark.parametrize("date", ["unknown", "2026-8-21", "2026-11-22 12"])
def test_a_mapfile_without_a_date_is_no_package(packages: Packages, tmp_path: Path, date: str) -> None:
    """The version is the date, so that each package of a later topology has a later version."""
    said_by("rpm", "--define", f"_topdir {tmp_path}", "-i", _source(packages, RELEASES[0], "vomap-osg-mapfile"))
    mapfile = tmp_path / "SOURCES" / "osg.yaml"
    mapfile.write_text(re.sub(r"(?m)^# date: .*$", f"# date: {date}", mapfile.read_text("utf-8")), "utf-8")
    spec = tmp_path / "SPECS" / "vomap-osg-mapfile.spec"
    command: list[str | Path] = [
        "rpmbuild",
        "--load",
        MACROS,
        "--define",
        f"_topdir {tmp_path}",
        "--nodeps",
        "-bb",
        spec,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "osg.yaml states no date of a topology" in done.stderr
