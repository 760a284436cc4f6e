"""The map of the code in CONTRIBUTING.md names files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ROOT / "plugins" / "vomap"
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
WORDS = (
    "audience, authority, ban, callout, capture, clause, compile, decision log, diff, entitlement, invariant, issuer, "
    "lint, lock, mapfile, pattern, refresh, rollback, status, VO"
)


def _section(title: str) -> str:
    """Return the section with this title, of the second level, up to the next one."""
    return re.split(r"^## ", TEXT.split(f"\n## {title}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def _first_cells(section: str) -> list[str]:
    """Return the files or words in the first column of the tables of a section, without the heads of tables."""
    cells = re.findall(r"^\| (.*?) \|", section, re.MULTILINE)
    return [cell for cell in cells if cell not in ("word", "file", "---")]


def _named_files() -> list[str]:
    """Return the files and folders that the two sections of the map name."""
    changes = [name for cell in _first_cells(_section("Where a change goes")) for name in re.findall(r"`(.*?)`", cell)]
    first = re.findall(r"^\| [\w ]+ \| `(.*?)` \|", _section("Which file to open first"), re.MULTILINE)
    return sorted({*changes, *first})


def test_the_map_has_each_word() -> None:
    """The table of words has these twenty words in alphabetical order."""
    assert ", ".join(_first_cells(_section("Which file to open first"))) == WORDS


def test_the_map_has_each_kind_of_change() -> None:
    """The map has a section for a condition, a lint, a verb, a key of an issuer and a kind of CE."""
    titles = re.findall(r"^### (.*)$", _section("Where a change goes"), re.MULTILINE)
    assert titles == ["A condition of rules or bans", "A lint", "A verb", "A key of an issuer", "A kind of CE"]


@pytest.mark.parametrize("name", _named_files())
def test_a_named_file_exists(name: str) -> None:
    """Each file that the map names is in the repository, or below plugins/vomap."""
    assert (ROOT / name).exists() or (ROOMS / name).exists(), name


def test_a_named_name_is_in_its_file() -> None:
    """Each class, constant or key that a row of the map names is in one of the files of that row."""
    rows = re.findall(r"^\| (.*?) \| (.*) \|$", _section("Where a change goes"), re.MULTILINE)
    for cell, text in rows:
        files = [
            path for name in re.findall(r"`(.*?)`", cell) for path in (ROOT / name, ROOMS / name) if path.is_file()
        ]
        code = "".join(path.read_text("utf-8") for path in files)
        missing = [name for name in re.findall(r"`(\w+)`", text) if code and not re.search(rf"\b{name}\b", code)]
        assert not missing, f"{cell}: {missing}"
