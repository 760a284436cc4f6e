"""The files of the packages: their places, owners and modes."""

from __future__ import annotations

import configparser
import re
import stat
from pathlib import Path

import pytest
import yaml

from rpm.packages import CHECKOUT, NAMES, PYTHONS, RELEASES, EmptySystem, Packages

HERE = Path(__file__).parent
LAYOUT = yaml.safe_load((HERE / "layout.yaml").read_text("utf-8"))
_FIELDS = "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags}\n]"
_MANUAL = "/usr/share/man/"
_FLAGS = {"c": "config", "n": "noreplace", "d": "doc", "l": "license"}

pytestmark = pytest.mark.parametrize("release", RELEASES)


@pytest.fixture
def system(packages: Packages, release: str, tmp_path: Path) -> EmptySystem:
    """An empty system with all packages."""
    made = EmptySystem(tmp_path / "root")
    made.install(packages.files(release))
    return made


def _site_packages(release: str) -> str:
    return f"/usr/lib/python{PYTHONS[release]}/site-packages/"


def _listed(packages: Packages, release: str, name: str) -> dict[str, str]:
    """Return what a package says of its files, but the library's and the manual's, in the words of layout.yaml."""
    found = {}
    for line in packages.query(release, name, "--qf", _FIELDS).splitlines():
        path, mode, owner, *flags = line.split()
        if not path.startswith((_site_packages(release), _MANUAL)):
            found[path] = " ".join([mode, owner, *(_FLAGS[flag] for flag in "".join(flags))])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_package_holds_what_is_written_down(packages: Packages, release: str, name: str) -> None:
    """A file that is new, gone, or of another mode is a change that a developer must confirm."""
    assert _listed(packages, release, name) == LAYOUT[name]


def test_the_library_is_all_of_it(packages: Packages, release: str) -> None:
    """Every module of the checkout is there with its compiled form, and none but root may write any."""
    site = _site_packages(release)
    lines = [line.split() for line in packages.query(release, "vomap", "--qf", _FIELDS).splitlines()]
    library = {path.removeprefix(site): (mode, owner) for path, mode, owner, *_ in lines if path.startswith(site)}
    assert set(library.values()) <= {("drwxr-xr-x", "root:root"), ("-rw-r--r--", "root:root")}
    source = CHECKOUT / "plugins"
    kept = {str(path.relative_to(source)) for path in (source / "vomap").rglob("*") if path.suffix in (".py", ".yaml")}
    assert {path for path in library if path.endswith((".py", ".yaml"))} == kept
    compiled = {re.sub(r"__pycache__/(.*)\.cpython-\d+\.pyc", r"\1.py", path) for path in library}
    assert {path for path in kept if path.endswith(".py")} <= compiled
    assert not [path for path in library if path.endswith("RECORD")]


def test_on_disk_it_is_as_listed(packages: Packages, release: str, system: EmptySystem) -> None:
    """Installed into an empty system, there is nothing but what is listed, with just these modes, owned by root."""
    wanted = {path: words.split()[0] for name in NAMES for path, words in LAYOUT[name].items()}
    for path, mode in wanted.items():
        status = system.path(path).lstat()
        assert (stat.filemode(status.st_mode), status.st_uid, status.st_gid) == (mode, 0, 0), path
    elsewhere = (_site_packages(release), _MANUAL)
    rest = [path for path in system.files() if path not in wanted and not path.startswith(elsewhere)]
    # Folders on the way belong to the system.
    assert [path for path in rest if not system.path(path).is_dir()] == []
    assert "missing" not in system.rpm("-V", "--nodeps", *NAMES)


def test_every_program_has_a_page_of_the_manual(packages: Packages, release: str) -> None:
    """Compressed, and for all to read."""
    lines = [line.split() for line in packages.query(release, "vomap", "--qf", _FIELDS).splitlines()]
    pages = {path.removeprefix(_MANUAL): (mode, owner) for path, mode, owner, *_ in lines if path.startswith(_MANUAL)}
    assert {
        "man1/vomap.1.gz",
        "man8/vomap-arc.8.gz",
        "man8/vomap-htcondor.8.gz",
        "man8/vomap-token.8.gz",
    } <= pages.keys()
    assert set(pages.values()) == {("-rw-r--r--", "root:root")}


def test_programs_start_isolated(release: str, system: EmptySystem) -> None:
    """No variable reaches the interpreter. The callouts of CEs start without `site`, and no callout is on a PATH."""
    first = {path.name: path.read_text("utf-8").splitlines()[0] for path in system.path("/usr/bin").iterdir()}
    assert first == {"vomap": "#!/usr/bin/python3 -I"}
    callouts = system.path("/usr/libexec/vomap").iterdir()
    first = {path.name: path.read_text("utf-8").splitlines()[0] for path in callouts}
    started_by_ces = dict.fromkeys(("vomap-arc", "vomap-htcondor"), "#!/usr/bin/python3 -IS")
    assert first == {**started_by_ces, "vomap-token": "#!/usr/bin/python3 -I"}


def test_what_is_required(packages: Packages, release: str) -> None:
    """The library's requirements are those of setup.cfg, for the Python of the build.

    The packages of CEs require the library.
    """
    python = PYTHONS[release]
    setup = configparser.ConfigParser()
    setup.read(CHECKOUT / "setup.cfg", "utf-8")
    wanted = [line.split() for line in setup["options"]["install_requires"].split("\n") if line]
    required = packages.query(release, "vomap", "--requires").splitlines()
    for name, relation, version in wanted:
        # rpm's generator leaves a last `.0` out.
        assert f"python{python}dist({name}) {relation} {version.removesuffix('.0')}" in required
    assert f"python(abi) = {python}" in required
    same = f"vomap = {packages.query(release, 'vomap', '--qf', '%{VERSION}-%{RELEASE}')}"
    assert {same, "htcondor-ce"} <= {*packages.query(release, "vomap-htcondor-ce", "--requires").splitlines()}
    assert {same, "nordugrid-arc-arex >= 7"} <= {*packages.query(release, "vomap-arc", "--requires").splitlines()}


def test_the_mapfile_of_the_osg_has_the_version_of_its_data(packages: Packages, release: str) -> None:
    """It is built from a source package of its own, so that new data needs no new code."""
    (date,) = re.findall(r"^# date: (\S+)$", (CHECKOUT / "mapfiles/osg.yaml").read_text("utf-8"), re.MULTILINE)
    assert packages.query(release, "vomap-osg-mapfile", "--qf", "%{VERSION}") == date.replace("-", "")
    sources = {packages.query(release, name, "--qf", "%{SOURCERPM}") for name in NAMES if name != "vomap-osg-mapfile"}
    assert len(sources) == 1
    assert packages.query(release, "vomap-osg-mapfile", "--qf", "%{SOURCERPM}") not in sources
