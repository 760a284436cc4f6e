"""The design's picture of the rooms shows the imports between them, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ROOT / "plugins" / "vomap"
PAGE = (ROOT / "docs" / "design" / "architecture.md").read_text("utf-8")
Edge = tuple[str, str]

# The picture has the rooms as they are after the move of all files to new rooms. `compile` is the last room to come.
after_the_move = pytest.mark.skipif(
    not (ROOMS / "compile" / "__init__.py").exists(), reason="files still move to new rooms"
)


def _arrows() -> set[Edge]:
    """Return the arrows of the picture, each from a room to a room that it imports."""
    found = re.search(r"^digraph rooms \{$(.*?)^\}$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return set(re.findall(r"^\s*(\w+) -> (\w+)$", found[1], re.MULTILINE))


def _imports() -> set[Edge]:
    """Return each pair of rooms of which the first imports from the second, also in functions and for types alone."""
    edges = set()
    for path in ROOMS.glob("*/**/*.py"):
        room = path.relative_to(ROOMS).parts[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
            edges |= {(room, other) for other in _rooms_of(node) if other != room}
    return edges


def _rooms_of(node: ast.AST) -> Iterator[str]:
    """Yield the rooms that an import statement names."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [each.name for each in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports would hide a room"
        names = [f"{node.module}.{each.name}" for each in node.names]
    for name in names:
        first, *rest = name.split(".")
        if first == "vomap" and rest and (ROOMS / rest[0]).is_dir():
            yield rest[0]


def _reached(arrows: set[Edge]) -> set[Edge]:
    """Return each pair of rooms of which a path of arrows leads from the first to the second."""
    reached = set(arrows)
    while True:
        more = {(start, end) for start, middle in reached for begin, end in arrows if begin == middle} - reached
        if not more:
            return reached
        reached |= more


def _lines(edges: set[Edge]) -> str:
    return "\n".join(sorted(f"{start} -> {end}" for start, end in edges))


def test_an_arrow_leads_up() -> None:
    """Each arrow leads to a room above its own in the table, and both rooms are in the table."""
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {room for arrow in _arrows() for room in arrow} == set(listed)
    assert _lines({(start, end) for start, end in _arrows() if listed.index(end) >= listed.index(start)}) == ""


@after_the_move
def test_a_path_of_arrows_for_each_import() -> None:
    """A room imports only the rooms that the picture lets it reach."""
    missing = _imports() - _reached(_arrows())
    assert not missing, f"draw these arrows, or remove the imports:\n{_lines(missing)}"


@after_the_move
def test_an_import_for_each_arrow() -> None:
    """The picture has no arrow that no import needs."""
    unused = _arrows() - _imports()
    assert not unused, f"remove these arrows:\n{_lines(unused)}"
