"""The packages are built once, by the command that users have, and installed by the rpm of this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rpm.packages import CHECKOUT, Packages, build, copy_checkout, make_newer


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The packages of this checkout: those in VOMAP_RPMS, which `make rpm` has just built, or new ones."""
    assert os.geteuid() == 0, "files get their owners only from root: run these tests as root"
    missing = [tool for tool in ("rpm", "rpmbuild", "rpmlint") if not shutil.which(tool)]
    assert not missing, f"apt-get install rpm rpmlint python3-packaging: {missing} are missing"
    if built := os.environ.get("VOMAP_RPMS"):
        return Packages(Path(built).resolve(), _venvs())
    return build(CHECKOUT, tmp_path_factory.mktemp("packages"), _venvs())


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The packages of a later version."""
    checkout = tmp_path_factory.mktemp("newer")
    copy_checkout(checkout)
    make_newer(checkout)
    return build(checkout, tmp_path_factory.mktemp("newer-packages"), _venvs(), "--without", "tests")


def _venvs() -> Path:
    """Return where the environments of the builds are kept from one run to the next."""
    return Path(os.environ.get("VOMAP_RPM_VENVS") or CHECKOUT / "build" / "rpm" / "venv")
