"""The packages are built once, by the command that users have, and installed by the rpm of this machine."""

from __future__ import annotations

import os
import shutil

import pytest

from rpm.packages import Packages, build, built, copy_checkout, make_newer


@pytest.fixture(scope="session")
def packages() -> Packages:
    """The packages of this checkout."""
    assert os.geteuid() == 0, "files get their owners only from root: run these tests as root"
    missing = [tool for tool in ("rpm", "rpmbuild", "rpmlint") if not shutil.which(tool)]
    assert not missing, f"apt-get install rpm rpmlint python3-packaging: {missing} are missing"
    return built()


@pytest.fixture(scope="session")
def newer(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The packages of a later version, built over those of this checkout: what has changed is never left as it is."""
    checkout, folder = tmp_path_factory.mktemp("newer"), tmp_path_factory.mktemp("newer-packages")
    copy_checkout(checkout)
    make_newer(checkout)
    shutil.copytree(packages.folder, folder, ignore=shutil.ignore_patterns("venv"), dirs_exist_ok=True)
    return build(checkout, folder, "--without", "tests")
