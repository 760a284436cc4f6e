"""The whole topology, as it is: VOMAP_TOPOLOGY names a checkout at the snapshot's commit, or its folder of VO files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from osg_mapfile import generate
from vomap.osg.files import FOLDER

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def full_topology(tmp_path: Path) -> Path:
    """Return a copy of the full VO files, with the snapshot's statement beside it."""
    given = os.environ.get("VOMAP_TOPOLOGY")
    if not given or not Path(given).is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("VOMAP_TOPOLOGY names no folder, and CI does not go without the real data")
        pytest.skip("VOMAP_TOPOLOGY names no topology checkout")
    folder = Path(given, FOLDER) if Path(given, FOLDER).is_dir() else Path(given)
    shutil.copytree(folder, tmp_path / FOLDER)
    shutil.copy(REPOSITORY / "mapfiles" / "osg-topology" / "SNAPSHOT.yaml", tmp_path)
    return tmp_path


def test_the_full_data_gives_the_shipped_mapfile(full_topology: Path) -> None:
    """From the full files, which are those of the commit, the generator gives mapfiles/osg.yaml byte for byte."""
    generated = generate(str(full_topology))
    assert generated.text == (REPOSITORY / "mapfiles" / "osg.yaml").read_text("utf-8")
    assert generated.warnings == ()
    assert not generated.mapfile.provenance.changed
