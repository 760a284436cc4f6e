"""vomap in a chroot as pip brings it, where there are no packages: in a venv at /opt/vomap, as the README has it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.chroot import CHECKOUT

if TYPE_CHECKING:
    from e2e.chroot import Chroot

VENV = "/opt/vomap"
CALLOUTS = f"{VENV}/bin"
VOMAP = f"{CALLOUTS}/vomap"


def install(chroot: Chroot) -> None:
    """Install the wheel of this checkout alone into a new venv, on the chroot's own Python and its own libraries."""
    shutil.rmtree(chroot.path(VENV), ignore_errors=True)
    chroot.run(["python3", "-m", "venv", "--system-site-packages", VENV])
    wheel = _build_wheel(chroot.path(VENV))
    # Where there are packages, too, the venv sees their vomap, which pip would take for what it is to install.
    words = ["--no-index", "--no-deps", "--no-cache-dir", "--ignore-installed", f"{VENV}/{wheel}"]
    chroot.run([f"{VENV}/bin/python", "-m", "pip", "install", "-q", *words])


def _build_wheel(folder: Path) -> str:
    """Build the wheel from a copy of the checkout's files, so that nothing left by another build gets into it."""
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary, "source")
        nothing = shutil.ignore_patterns(".*", "build", "dist", "tests", "*.egg-info", "__pycache__")
        shutil.copytree(CHECKOUT, source, ignore=nothing, symlinks=True)
        words = ["-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([sys.executable, *words, "--wheel-dir", folder, source], check=True, stdin=subprocess.DEVNULL)
    (wheel,) = folder.glob("vomap-*.whl")
    return wheel.name
