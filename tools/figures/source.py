"""Read the modules of the product from a checkout."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Union

Documented = Union[ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef]
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


@dataclass(frozen=True)
class Module:
    """One Python file of the product. `name` is dotted, `room` is empty for the package itself and for scripts."""

    name: str
    path: str
    room: str
    text: str
    tree: ast.Module

    def place(self, line: int) -> str:
        """Return `file:line`."""
        return f"{self.path}:{line}"

    def functions(self) -> list[Function]:
        """Return all functions and methods, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


@dataclass(frozen=True)
class Figure:
    """One row of the table. `offenders` has one line for each place that a reader may want to look at."""

    label: str
    value: str
    offenders: tuple[str, ...] = ()


def read_modules(checkout: Path) -> list[Module]:
    """Read plugins/vomap and plugins/bin. Raises OSError, and SyntaxError for a file that is not valid Python."""
    plugins = checkout / "plugins"
    scripts = sorted(path for path in (plugins / "bin").iterdir() if path.is_file())
    return [_read(checkout, path) for path in [*sorted((plugins / "vomap").rglob("*.py")), *scripts]]


def docstring_of(node: Documented) -> ast.Constant | None:
    """Return the docstring of a module, class or function."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first.value
    return None


def line_count(node: ast.Constant) -> int:
    """Return how many lines a constant has."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield each docstring."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found = docstring_of(node)
            if found is not None:
                yield found


def _read(checkout: Path, path: Path) -> Module:
    text = path.read_text("utf-8")
    parts = path.relative_to(checkout / "plugins").with_suffix("").parts
    is_module = parts[0] == "vomap"
    room = parts[1] if is_module and parts[1] not in ("__init__", "__main__") else ""
    name = ".".join(part for part in parts if part != "__init__") if is_module else "/".join(parts)
    return Module(name, str(path.relative_to(checkout)), room, text, ast.parse(text, str(path)))
