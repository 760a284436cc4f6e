"""vomap in a chroot as its packages for Enterprise Linux 10 bring it: their files in their places, put there by rpm.

The rest of the chroot is Debian's, and the rpm that does it is this machine's.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from rpm.packages import PYTHONS, built, said_by

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.chroot import Chroot

CALLOUTS = "/usr/libexec/vomap"
VOMAP = "/usr/bin/vomap"
MAPFILES = "/usr/share/vomap/mapfiles"

# Its Python is the nearest to that of the chroots.
_RELEASE = "10"
_LIBRARY = f"/usr/lib/python{PYTHONS[_RELEASE]}/site-packages"
# The site's files, and the files compiled from them, belong to no package.
_SITE = ("/etc/vomap", "/var/lib/vomap")
# Debian's rpm needs the first. No requirement of the packages is a package of rpm's here.
_DEBIAN = ("--force-debian", "--nodeps")


def install(chroot: Chroot, ce_package: str) -> None:
    """Install vomap, the mapfile of the OSG and the package of a CE, as if for the first time.

    The packages' own scriptlets make the users and groups. Debian's packages meet the requirements already.
    """
    remove(chroot)
    _lead_python_to_the_library(chroot)
    _rpm(chroot, "-i", *_DEBIAN, *built().files(_RELEASE, ("vomap", "vomap-osg-mapfile", ce_package)))
    # The packages have it compiled, for the Python of their own system.
    chroot.run(["python3", "-m", "compileall", "-q", _LIBRARY])


def remove(chroot: Chroot) -> None:
    """Take away the packages, what Debian's Python has compiled of them, and what a site wrote."""
    _rpm(chroot, "--initdb")
    names = _rpm(chroot, "-qa", "--qf", "%{NAME}\n").split()
    if names:
        _rpm(chroot, "-e", *_DEBIAN, "--noscripts", *names)
    for folder in (_LIBRARY, *_SITE):
        shutil.rmtree(chroot.path(folder), ignore_errors=True)


def package_of(chroot: Chroot, file: str) -> str:
    """Return the name of the package that a file of the chroot belongs to."""
    return _rpm(chroot, "-qf", "--qf", "%{NAME}", file)


def verify(chroot: Chroot) -> None:
    """Fail unless each file has the content, the mode and the owner that its package has for it."""
    _rpm(chroot, "-Va", "--nodeps", "--nomtime")


def _lead_python_to_the_library(chroot: Chroot) -> None:
    """Make Debian's Python find the library of the packages. On Enterprise Linux it does so by itself.

    Debian's Python is of another version, and has no folder `site-packages`. The callouts look for
    {prefix}/lib/pythonX.Y/site-packages, so a link there leads to the packages' folder. The command asks `site`, which
    on Debian knows only folders named `dist-packages`: a .pth file in one of them names the folder.
    """
    python = os.readlink(chroot.path("/usr/bin/python3"))
    link = chroot.path(f"/usr/lib/{python}/site-packages")
    link.unlink(missing_ok=True)
    link.symlink_to(_LIBRARY)
    chroot.write(f"/usr/local/lib/{python}/dist-packages/vomap.pth", f"{_LIBRARY}\n")


def _rpm(chroot: Chroot, *words: str | Path) -> str:
    """Run this machine's rpm on the chroot, and return what it printed.

    One of Debian's plugins gives each scriptlet mounts of its own, which a chroot cannot have.
    """
    return said_by("rpm", "--root", chroot.root, "--dbpath", "/var/lib/rpm", "--noplugins", *words)
