"""The place of a character that YAML does not allow is its line and column, in characters, for both YAML parsers."""

from __future__ import annotations

import pytest
import yaml

from vomap.mapfile import reader
from vomap.mapfile.findings import Findings


@pytest.mark.parametrize("loader", [yaml.SafeLoader, reader._LOADER])
@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("\x00", 1, 1),
        ("a: \x01", 1, 4),
        ("\u00e9\u00e9: \x07", 1, 5),
        ("a: \u20ac\nb: \x00", 2, 4),
        ("\u2028\x7f", 1, 2),
    ],
)
def test_a_character_that_yaml_does_not_allow(
    monkeypatch: pytest.MonkeyPatch, loader: object, text: str, line: int, column: int
) -> None:
    """Characters before it may have several bytes, which libyaml counts."""
    monkeypatch.setattr(reader, "_LOADER", loader)
    findings = Findings()
    assert reader.read_yaml(text, "site.yaml", findings) is None
    (found,) = findings.all
    assert (found.place.line, found.place.column) == (line, column)
