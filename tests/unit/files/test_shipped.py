"""If a shipped file is missing, vomap names the package that contains it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vomap import Error
from vomap.files import shipped
from vomap.files.shipped import shipped_file


@pytest.mark.parametrize(
    ("folder", "name", "advice"),
    [("mapfiles", "osg.yaml", "install the package vomap-osg-mapfile"), ("schemas", "x.json", "install vomap again")],
)
def test_what_is_missing_has_a_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str, name: str, advice: str
) -> None:
    """A separate package contains the mapfile of the OSG, so the advice for that file names that package."""
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "a" / "b" / "files/shipped.py"))
    monkeypatch.setattr(shipped, "_installed", lambda *_: [])
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(Error, match=f"{folder}/{name} is not installed with vomap: {advice}"):
        shipped_file(folder, name)
