"""The names that the code has: what a docstring may name in backticks."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from pathlib import Path


def names_in(paths: Iterable[Path]) -> set[str]:
    """Return every name that files of Python define or use, and each word of their strings, docstrings apart."""
    names = set(dir(builtins))
    for path in paths:
        names.update([path.stem, *path.parent.parts])
        names.update(_names(ast.parse(path.read_text("utf-8"), str(path))))
    return names


def _names(tree: ast.Module) -> Iterator[str]:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield from re.findall(r"\w+", node.value)
        elif isinstance(node, ast.alias):
            yield from (node.asname or node.name).split(".")
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
        else:
            yield from (str(getattr(node, part)) for part in ("id", "attr", "arg", "name") if hasattr(node, part))
