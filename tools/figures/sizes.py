"""Figures about lines, functions, types and comments."""

from __future__ import annotations

import ast
import io
import math
import statistics
import tokenize
from collections.abc import Callable, Sequence

from tools.figures.source import Figure, Function, Module, docstring_of, docstrings, line_count

LONGEST_FUNCTION = 50
LONGEST_LINE = 100
ANY_DICT = "dict[str, Any]"


def size_figures(modules: Sequence[Module]) -> list[Figure]:
    """Return the figures about lines, functions, types and comments."""
    return [
        *_line_figures(modules),
        *_function_figures(modules),
        *_typed(modules),
        _any_dicts(modules),
        *_comment_figures(modules),
        _long_lines(modules),
    ]


def percentile(values: Sequence[int], percent: int) -> int:
    """Return the nearest-rank percentile, 0 if there are no values."""
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1] if values else 0


def median(values: Sequence[int]) -> str:
    """Return the median as text, `0` if there are no values."""
    return f"{statistics.median(values):g}" if values else "0"


def mean(values: Sequence[int]) -> str:
    """Return the mean with one decimal, `0.0` if there are no values."""
    return f"{statistics.fmean(values):.1f}" if values else "0.0"


def share(part: int, whole: int) -> str:
    """Return a percentage with one decimal."""
    return f"{100 * part / whole:.1f}" if whole else "0.0"


def _line_figures(modules: Sequence[Module]) -> list[Figure]:
    total = sum(len(module.text.splitlines()) for module in modules)
    return [
        Figure("modules", str(len(modules))),
        Figure("lines", str(total)),
        Figure("lines that are not blank", str(_filled(modules))),
    ]


def _filled(modules: Sequence[Module]) -> int:
    return sum(bool(line.strip()) for module in modules for line in module.text.splitlines())


def _function_figures(modules: Sequence[Module]) -> list[Figure]:
    sized = [(_length(function), module, function) for module in modules for function in module.functions()]
    lengths = [length for length, _, _ in sized]
    over = sorted((entry for entry in sized if entry[0] > LONGEST_FUNCTION), key=lambda entry: -entry[0])
    longest = max(sized, key=lambda entry: entry[0], default=None)
    return [
        Figure("functions", str(len(sized))),
        Figure("function length, median", median(lengths)),
        Figure("function length, 90th percentile", str(percentile(lengths, 90))),
        Figure("function length, longest", str(max(lengths, default=0)), (_sized(*longest),) if longest else ()),
        Figure(f"functions over {LONGEST_FUNCTION} lines", str(len(over)), tuple(_sized(*entry) for entry in over)),
    ]


def _length(function: Function) -> int:
    """Return the lines from `def` to the end, without the docstring and decorators."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    docstring = docstring_of(function)
    return lines - line_count(docstring) if docstring else lines


def _sized(length: int, module: Module, function: Function) -> str:
    return f"{module.place(function.lineno)}: {function.name} has {length} lines"


def _typed(modules: Sequence[Module]) -> list[Figure]:
    return [
        _share_of_functions(modules, "functions with a return type (%)", lambda function: function.returns is not None),
        _share_of_functions(modules, "functions with full types (%)", _is_typed),
    ]


def _share_of_functions(modules: Sequence[Module], label: str, is_typed: Callable[[Function], bool]) -> Figure:
    functions = [(module, function) for module in modules for function in module.functions()]
    untyped = tuple(f"{m.place(f.lineno)}: {f.name}" for m, f in functions if not is_typed(f))
    return Figure(label, share(len(functions) - len(untyped), len(functions)), untyped)


def _is_typed(function: Function) -> bool:
    spec = function.args
    first = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    if first and first[0].arg in ("self", "cls"):
        del first[0]
    rest = [argument for argument in (spec.vararg, spec.kwarg) if argument]
    return function.returns is not None and all(argument.annotation is not None for argument in [*first, *rest])


def _any_dicts(modules: Sequence[Module]) -> Figure:
    places = []
    for module in modules:
        prose = {id(node) for node in docstrings(module.tree)}
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Subscript) and ast.unparse(node) == ANY_DICT:
                places.append(module.place(node.lineno))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                places += [module.place(node.lineno)] * node.value.count(ANY_DICT)
    return Figure(f"`{ANY_DICT}`", str(len(places)), tuple(places))


def _comment_figures(modules: Sequence[Module]) -> list[Figure]:
    lines = _filled(modules)
    comments = sum(_comment_lines(module) for module in modules)
    documented = sum(line_count(node) for module in modules for node in docstrings(module.tree))
    return [
        Figure("share of comment lines, # (%)", share(comments, lines)),
        Figure("share of docstring lines (%)", share(documented, lines)),
    ]


def _comment_lines(module: Module) -> int:
    """Return how many lines have nothing but a comment."""
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    return sum(token.type == tokenize.COMMENT and token.line.lstrip().startswith("#") for token in tokens)


def _long_lines(modules: Sequence[Module]) -> Figure:
    places = [
        f"{module.place(number)}: {len(line)} characters"
        for module in modules
        for number, line in enumerate(module.text.splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
    return Figure(f"lines over {LONGEST_LINE} characters", str(len(places)), tuple(places))
