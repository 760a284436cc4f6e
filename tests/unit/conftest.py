"""Fixtures that write small topologies for the generator."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

WriteTopology = Callable[..., Path]


@pytest.fixture
def write_topology(tmp_path: Path) -> WriteTopology:
    """Return a function that writes a checkout. Its parameters are the YAML of each VO, and of REPORTING_GROUPS."""

    def write(**files: str) -> Path:
        folder = tmp_path / "topology" / "virtual-organizations"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
        return folder.parent

    return write


@pytest.fixture
def entry() -> Callable[..., str]:
    """Return a function that returns the text of a VO file with one token issuer, in the form of the topology."""

    def write(**keys: str) -> str:
        keys = {"URL": "https://issuer.example.org/vo", "DefaultUnixUser": "pilot", **keys}
        lines = [f"    {'- ' if i == 0 else '  '}{key}: {text}" for i, (key, text) in enumerate(keys.items())]
        return "\n".join(["Credentials:", "  TokenIssuers:", *lines, ""])

    return write
