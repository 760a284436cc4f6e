"""The packages of this checkout and of a newer one, and an empty system that rpm installs them into."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = Path("packaging/rpm/build.sh")
PYTHONS = {"9": "3.9", "10": "3.12"}
RELEASES = tuple(PYTHONS)
NAMES = ("vomap", "vomap-arc", "vomap-htcondor-ce", "vomap-osg-mapfile")
DEFAULTS = "/etc/condor-ce/config.d/50-vomap.conf"
# A version and a date that come after any of the checkout's.
NEWER_VERSION, NEWER_DATE = "99.0.0", "2099-12-31"
# The environments of the builds are kept from one run to the next.
VENVS = Path(os.environ.get("VOMAP_RPM_VENVS") or CHECKOUT / "build" / "rpm" / "venv")
_DATABASE = "/var/lib/rpm"


def said_by(*words: str | Path, check: bool = True) -> str:
    """Run a command and return its standard output. Text on standard error fails the test."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, f"{' '.join(map(str, words))}:\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Packages:
    """All that `build.sh` has made of a checkout, for each Enterprise Linux."""

    folder: Path
    venvs: Path

    def file(self, release: str, name: str) -> Path:
        """Return the file of a package."""
        (found,) = (self.folder / f"el{release}").glob(f"{name}-[0-9]*.noarch.rpm")
        return found

    def files(self, release: str, names: Sequence[str] = NAMES) -> list[Path]:
        """Return the files of packages."""
        return [self.file(release, name) for name in names]

    def query(self, release: str, name: str, *words: str) -> str:
        """Ask rpm for something that a package says of itself."""
        return said_by("rpm", "-qp", *words, self.file(release, name))

    def site_packages(self, release: str) -> Path:
        """Return the libraries that the target has, in its versions."""
        return self.venvs / f"el{release}" / "lib" / f"python{PYTHONS[release]}" / "site-packages"


@cache
def built() -> Packages:
    """Return the packages of this checkout, as `make rpm` has just built them, or build them once."""
    return build(CHECKOUT, CHECKOUT / "build" / "rpm")


def build(checkout: Path, folder: Path, *options: str) -> Packages:
    """Build the packages of a checkout by the command that users have. The options are rpmbuild's."""
    done = subprocess.run(
        [checkout / BUILD, folder, *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VOMAP_RPM_VENVS": str(VENVS)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Packages(folder, VENVS)


def copy_checkout(folder: Path) -> None:
    """Copy the checkout's files, as they are now, into a repository of their own."""
    listed = said_by("git", "-C", CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    said_by("git", "init", "-q", folder)
    said_by("git", "-C", folder, "add", "--all")
    someone = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    said_by("git", "-C", folder, *someone, "commit", "-q", "-m", "as it is now")


def make_newer(checkout: Path) -> None:
    """Make a checkout one of a later version, with another mapfile of the OSG and other settings of HTCondor-CE."""
    _replace(checkout / "plugins/vomap/__init__.py", r'__version__ = ".*"', f'__version__ = "{NEWER_VERSION}"')
    _replace(checkout / "packaging/rpm/vomap.spec", r"Version: .*", f"Version:        {NEWER_VERSION}")
    _replace(checkout / "mapfiles/osg.yaml", r"# date: .*", f"# date: {NEWER_DATE}")
    _replace(checkout / "packaging/htcondor/50-vomap.conf", r"\A", "# Newer than before.\n")


def _replace(file: Path, pattern: str, text: str) -> None:
    changed, times = re.subn(pattern, text, file.read_text("utf-8"), count=1)
    assert times == 1, file
    file.write_text(changed, "utf-8")


class EmptySystem:
    """A folder that rpm takes for the root of an empty system. No scriptlet runs there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.rpm("--initdb")

    def rpm(self, *words: str | Path) -> str:
        """Run rpm on this system."""
        return said_by("rpm", "--root", self.root, "--dbpath", _DATABASE, *words)

    def install(self, files: Sequence[Path]) -> None:
        """Install or upgrade packages, without their requirements: Debian has no packages with these names."""
        self.rpm("--force-debian", "--nodeps", "--noscripts", "-U", *files)

    def remove(self, *names: str) -> None:
        """Remove packages."""
        self.rpm("--force-debian", "--nodeps", "--noscripts", "-e", *names)

    def path(self, inside: str) -> Path:
        """Return where a path of the system lies for us."""
        return self.root / inside.lstrip("/")

    def files(self) -> list[str]:
        """Return all files and folders there, without the database of packages."""
        found = (f"/{path.relative_to(self.root)}" for path in self.root.rglob("*"))
        return sorted(path for path in found if not path.startswith(_DATABASE))
