"""Figures about imports: circles between modules, and imports against the order of the rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.figures.source import Figure, Module


@dataclass(frozen=True)
class Import:
    """One import of a module of the product. `late` is in a function, `types_only` under TYPE_CHECKING."""

    importer: Module
    imported: Module
    line: int
    late: bool
    types_only: bool


def import_figures(modules: Sequence[Module], rooms: Sequence[str]) -> list[Figure]:
    """Return the figures about imports. `rooms` are in their order: a room imports only from rooms before it."""
    by_name = {module.name: module for module in modules}
    imports = [found for module in modules for found in _imports(module, by_name)]
    early = [found for found in imports if not found.late]
    return [
        _circle_figure("import circles", [found for found in early if not found.types_only]),
        _circle_figure("import circles, with TYPE_CHECKING", early),
        _upward(imports, rooms),
        _unknown_rooms(modules, rooms),
    ]


def top_level(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements at the top level of a module, also those in `if`, `try` and `with`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt):
            yield node
        if isinstance(node, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
            yield from top_level(node)


def circles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the groups of nodes that can reach each other, each group sorted."""
    reached = {node: _reachable(node, edges) for node in edges}
    groups = {
        frozenset(other for other in reach if node in reached.get(other, ()))
        for node, reach in reached.items()
        if node in reach
    }
    return sorted(sorted(group) for group in groups)


def _reachable(start: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(edges[start])
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += edges.get(node, ())
    return found


def _imports(module: Module, by_name: Mapping[str, Module]) -> Iterator[Import]:
    """Yield one Import for each module of the product that an import statement names."""
    for node, late, types_only in _statements(module.tree, late=False, types_only=False):
        for name in _targets(node, module, by_name):
            if name in by_name and by_name[name] is not module:
                yield Import(module, by_name[name], node.lineno, late, types_only)


def _statements(
    node: ast.AST, *, late: bool, types_only: bool
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node, late, types_only
        return
    late = late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    guarded = node.body if isinstance(node, ast.If) and _is_type_checking(node.test) else []
    for child in ast.iter_child_nodes(node):
        yield from _statements(child, late=late, types_only=types_only or child in guarded)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test).split(".")[-1] == "TYPE_CHECKING"


def _targets(node: ast.Import | ast.ImportFrom, module: Module, by_name: Mapping[str, Module]) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    base = node.module or ""
    if node.level:
        parts = module.name.split(".")
        kept = len(parts) - node.level + module.path.endswith("__init__.py")
        base = ".".join([*parts[:kept], *([base] if base else [])])
    names = {f"{base}.{alias.name}" for alias in node.names}
    return {name if name in by_name else base for name in names}


def _circle_figure(label: str, imports: Sequence[Import]) -> Figure:
    edges: dict[str, set[str]] = {}
    for each in imports:
        edges.setdefault(each.importer.name, set()).add(each.imported.name)
    found = circles(edges)
    lines = []
    for circle in found:
        inside = [i for i in imports if i.importer.name in circle and i.imported.name in circle]
        lines += [f"{i.importer.place(i.line)}: circle {' - '.join(circle)}: imports {i.imported.name}" for i in inside]
    return Figure(label, str(len(found)), tuple(lines))


def _upward(imports: Sequence[Import], rooms: Sequence[str]) -> Figure:
    lines = []
    for each in imports:
        importer, imported = each.importer.room, each.imported.room
        if importer in rooms and imported in rooms and rooms.index(importer) < rooms.index(imported):
            note = " (types only)" if each.types_only else ""
            lines.append(f"{each.importer.place(each.line)}: {importer} imports {each.imported.name}{note}")
    return Figure("upward imports", str(len(lines)), tuple(lines))


def _unknown_rooms(modules: Sequence[Module], rooms: Sequence[str]) -> Figure:
    first = {module.room: module for module in reversed(modules) if module.room and module.room not in rooms}
    lines = tuple(f"{module.place(1)}: unknown room '{room}'" for room, module in sorted(first.items()))
    return Figure("unknown rooms", str(len(lines)), lines)
