"""The picture of the rooms in the design shows exactly the imports between them. No verb imports another verb."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from vomap.cli import VERBS

ROOT = Path(__file__).parents[2]
ROOMS = ROOT / "plugins" / "vomap"
PAGE = (ROOT / "docs" / "design" / "architecture.md").read_text("utf-8")
Edge = tuple[str, str]


def _arrows() -> set[Edge]:
    """Return the arrows of the picture, each from a room to a room that it imports."""
    found = re.search(r"^digraph rooms \{$(.*?)^\}$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return set(re.findall(r"^\s*(\w+) -> (\w+)$", found[1], re.MULTILINE))


def _imports() -> set[Edge]:
    """Return each pair of rooms of which the first imports from the second. Imports for types alone count, too."""
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
    """Return each pair of rooms with a path of arrows from the first to the second."""
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


def test_a_path_of_arrows_for_each_import() -> None:
    """A room imports only rooms to which a path of arrows leads."""
    missing = _imports() - _reached(_arrows())
    assert not missing, f"draw these arrows, or remove the imports:\n{_lines(missing)}"


def test_an_import_for_each_arrow() -> None:
    """Each arrow of the picture has an import."""
    unused = _arrows() - _imports()
    assert not unused, f"remove these arrows:\n{_lines(unused)}"


def _verb(module: str) -> str | None:
    """Return the verb of a module of `cli`, such as `ban` for `ban_list`. Return None for a shared module."""
    return module.partition("_")[0] if module.partition("_")[0] in VERBS else None


def test_no_verb_imports_another() -> None:
    """No verb imports another verb. Their shared code is in a shared module of `cli`, or in a room above."""
    for path in ROOMS.glob("cli/*.py"):
        imported = re.findall(r"^\s*from vomap\.cli\.(\w+) import", path.read_text("utf-8"), re.MULTILINE)
        others = {_verb(module) for module in imported} - {None, _verb(path.stem)}
        assert not others, f"{path.name} imports from the verbs {others}"
        assert "from vomap.cli import" not in path.read_text("utf-8").replace("from vomap.cli import main\n", ""), path


def test_only_the_command_line_makes_a_namespace() -> None:
    """A function takes its values as parameters, and not as a command line that its caller makes up."""
    for path in ROOMS.glob("**/*.py"):
        assert "Namespace(" not in path.read_text("utf-8"), path
