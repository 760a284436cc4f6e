"""A chroot that the packages take for Enterprise Linux: its Python and its libraries are in their places.

The rest of it is Debian's, rpm included. That rpm installs the packages, with every scriptlet and trigger.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.chroot import FOLDER, Chroot
from rpm.packages import PYTHONS, said_by

if TYPE_CHECKING:
    from collections.abc import Sequence

# The commands of scriptlets on Enterprise Linux, and rpm.
PACKAGES = ("rpm", "passwd", "systemd-standalone-sysusers", "systemd-standalone-tmpfiles")
_LIBRARIES = "/usr/lib"
# The parts of a Python for developers that no installed program needs.
_LEFT_OUT = ("site-packages", "test", "idlelib", "ensurepip", "config-*", "__pycache__")
_PLACES = ("/etc/vomap", "/var/lib/vomap", "/etc/condor-ce", "/usr/share/condor-ce", "/etc/arc.conf.d", "/var/lib/rpm")


class ElSystem:
    """One chroot, emptied of packages at its beginning."""

    def __init__(self, release: str, site_packages: Path) -> None:
        """Make or find the chroot for a release. `site_packages` has its libraries."""
        self.python = f"python{PYTHONS[release]}"
        self.chroot = Chroot(FOLDER / f"el{release}")
        self.chroot.build(PACKAGES)
        self._install_python(site_packages)
        self._empty()
        self.chroot.mount()

    def close(self) -> None:
        """End whatever runs there."""
        self.chroot.umount()

    def _install_python(self, site_packages: Path) -> None:
        """Put the release's Python where its own packages put it, so that its prefix is /usr, and make it python3."""
        told = said_by(site_packages.parents[2] / "bin/python", "-Ic", "import sys; print(sys.base_prefix)")
        prefix = Path(told.strip())
        library = self.chroot.path(f"{_LIBRARIES}/{self.python}")
        shutil.rmtree(library, ignore_errors=True)
        shutil.copytree(prefix / "lib" / self.python, library, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        for shared in (prefix / "lib").glob("libpython*.so.*"):
            shutil.copy(shared, self.chroot.path(_LIBRARIES))
        shutil.copy(prefix / "bin" / self.python, self.chroot.path("/usr/bin"))
        shutil.copytree(site_packages, library / "site-packages", ignore=shutil.ignore_patterns("pip", "__pycache__"))
        python3 = self.chroot.path("/usr/bin/python3")
        python3.unlink()
        python3.symlink_to(self.python)

    def _empty(self) -> None:
        """Take away what an earlier run has left: packages' files, what a site wrote, users."""
        for place in _PLACES:
            shutil.rmtree(self.chroot.path(place), ignore_errors=True)
        for folder in ("/usr/bin", "/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/usr/lib/systemd/system"):
            for file in self.chroot.path(folder).glob("vomap*"):
                file.unlink()
        shutil.rmtree(self.chroot.path("/usr/share/vomap"), ignore_errors=True)
        shutil.rmtree(self.chroot.path("/usr/libexec/vomap"), ignore_errors=True)
        for user in ("vomap", "vomap-refresh", "condor", "cmspilot"):
            self.chroot.run(["userdel", "--force", user], check=False)
            self.chroot.run(["groupdel", user], check=False)

    def run(self, *words: str, stdin: str = "", env: dict[str, str] | None = None, code: int = 0) -> str:
        """Run a command there and return its output. The exit code must be the expected one."""
        done = self.try_to_run(*words, stdin=stdin, env=env)
        assert done.returncode == code, f"exit {done.returncode} of {words}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def try_to_run(
        self, *words: str, stdin: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there, whatever it ends in."""
        return self.chroot.run(words, stdin=stdin, env=env, check=False)

    def install(self, *files: Path) -> str:
        """Install or upgrade packages in one transaction, with scriptlets. Other packages meet their requirements."""
        place = self.chroot.path("/tmp/packages")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for file in files:
            shutil.copy(file, place)
        return self._rpm("-U", *(f"/tmp/packages/{file.name}" for file in files))

    def remove(self, *names: str) -> str:
        """Remove packages in one transaction."""
        return self._rpm("-e", *names)

    def _rpm(self, *words: str) -> str:
        # One of Debian's plugins gives each scriptlet mounts of its own, which a chroot cannot have.
        return self.run("rpm", "--dbpath", "/var/lib/rpm", "--noplugins", "--nodeps", *words)

    def groups_of(self, user: str) -> set[str]:
        """Return the groups of a user, none if there is no such user."""
        return {*self.try_to_run("id", "-nG", user).stdout.split()}

    def write(self, inside: str, text: str) -> None:
        """Write a file there."""
        self.chroot.write(inside, text)

    def read(self, inside: str) -> bytes:
        """Read a file there."""
        return self.chroot.path(inside).read_bytes()

    def exists(self, inside: str) -> bool:
        """Return True if a file or folder exists."""
        return self.chroot.path(inside).exists()


def stub_package(folder: Path, name: str, scriptlet: str = "", files: Sequence[str] = ()) -> Path:
    """Build a package in the place of one of another project: its name, its first action, its folders."""
    spec = folder / f"{name}.spec"
    folders = "".join(f"mkdir -p %{{buildroot}}{file}\n" for file in files)
    listed = "".join(f"%dir {file}\n" for file in files)
    spec.write_text(
        f"Name: {name}\nVersion: 1\nRelease: 1\nSummary: A stub\nLicense: none\nBuildArch: noarch\n"
        f"%description\nA stub.\n%install\n{folders}%pre\n{scriptlet}\n%files\n{listed}",
        "utf-8",
    )
    said_by("rpmbuild", "--define", f"_topdir {folder}", "--nodeps", "-bb", spec)
    (made,) = folder.glob(f"RPMS/noarch/{name}-1-1.noarch.rpm")
    return made
