"""Figures about names: how long they are, and which are defined more than once."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from tools.figures.imports import top_level
from tools.figures.sizes import mean, median, percentile
from tools.figures.source import Figure, Module


def identifier_figures(modules: Sequence[Module]) -> list[Figure]:
    """Return the figures about identifiers."""
    lengths = [len(name) for module in modules for name in _defined(module.tree)]
    private = _repeated(modules, lambda node: isinstance(node, ast.ClassDef) and node.name.startswith("_"))
    public = _repeated(modules, lambda node: not node.name.startswith("_"))
    return [
        Figure("identifier length, mean", mean(lengths)),
        Figure("identifier length, median", median(lengths)),
        Figure("identifier length, 90th percentile", str(percentile(lengths, 90))),
        Figure("public names defined in several modules", str(len(public)), public),
        Figure("private classes defined in several modules", str(len(private)), private),
    ]


def _defined(scope: ast.AST) -> list[str]:
    """Return the names of functions, classes, arguments and variables, each once for each scope that defines it."""
    names = set()
    inner = []
    for node in _nodes_of(scope):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            inner += _defined(node)
        elif isinstance(node, ast.Lambda):
            inner += _defined(node)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return [*sorted(names - {"self", "cls", "_"}), *inner]


def _nodes_of(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, without those of scopes inside it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield from _nodes_of(node)


def _repeated(modules: Sequence[Module], wanted: Callable[[ast.ClassDef | ast.FunctionDef], bool]) -> tuple[str, ...]:
    """Return a line for each name that several modules define at their top level."""
    places: dict[str, dict[str, str]] = defaultdict(dict)
    for module in modules:
        for node in top_level(module.tree):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and wanted(node):
                places[node.name][module.name] = module.place(node.lineno)
    repeated = sorted((name, list(found.values())) for name, found in places.items() if len(found) > 1)
    return tuple(f"{found[0]}: {name}, also {', '.join(found[1:])}" for name, found in repeated)
