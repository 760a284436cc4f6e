"""Replacements: how a seeded bug takes the place of a function, a method or a constant of vomap at run time.

A target is `module:qualified.name`. A replacement reaches every vomap module that refers to the target: modules
that imported it by its name, tables, and classes. A remaining reference to the right function fails the installation.
"""

from __future__ import annotations

import gc
import runpy
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from types import FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple, Union

UNUSED = 3


class Call(NamedTuple):
    """A function or method, and what vomap calls instead: `wrong` gets the right function before its arguments."""

    target: str
    wrong: Callable[..., Any]


class Constant(NamedTuple):
    """A constant of a module, and what makes the wrong value of the right one."""

    target: str
    wrong: Callable[[Any], object]


Replacement = Union[Call, Constant]


class TargetError(Exception):
    """A target that does not exist, or that a replacement cannot reach everywhere."""


def run(script: str, words: Sequence[str], bug: Sequence[Replacement]) -> int:
    """Run a script with a bug in place. Return its exit code, or UNUSED if it never called a replaced function."""
    calls = install(bug)
    sys.argv = [script, *words]
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    unused = [each.target for each in bug if isinstance(each, Call) and not calls[each.target]]
    if unused:
        print(f"{script} never called {', '.join(unused)}", file=sys.stderr)
        return UNUSED
    return code


def install(bug: Sequence[Replacement]) -> Counter[str]:
    """Install a bug. Return the number of calls of each function that it replaces. Raises TargetError."""
    calls: Counter[str] = Counter()
    for each in bug:
        if isinstance(each, Call):
            _replace_function(each, calls)
        else:
            _replace_constant(each)
    return calls


def _replace_function(call: Call, calls: Counter[str]) -> None:
    owner, name = _locate(call.target)
    right = vars(owner)[name]
    if not isinstance(right, FunctionType):
        raise TargetError(f"{call.target} is not a function: {right!r}")

    def wrong(*args: Any, **keywords: Any) -> Any:
        calls[call.target] += 1
        return call.wrong(right, *args, **keywords)

    _put(right, wrong)
    assert vars(owner)[name] is wrong, call.target
    cells = wrong.__closure__ or ()
    left = [
        holder
        for holder in gc.get_referrers(right)
        if not isinstance(holder, FrameType) and not any(holder is cell for cell in cells)
    ]
    if left:
        raise TargetError(f"{call.target} is replaced, but these still hold it: {[repr(each)[:200] for each in left]}")


def _replace_constant(constant: Constant) -> None:
    owner, name = _locate(constant.target)
    right = vars(owner)[name]
    if not isinstance(owner, ModuleType) or callable(right):
        raise TargetError(f"{constant.target} is not a constant of a module")
    wrong = constant.wrong(right)
    if wrong == right:
        raise TargetError(f"{constant.target} is {right!r} already")
    for module in _modules():
        if vars(module).get(name) is right:
            setattr(module, name, wrong)


def _locate(target: str) -> tuple[Any, str]:
    """Return the module or class that defines a target, and the target's name there."""
    module, _, qualified = target.partition(":")
    *classes, name = qualified.split(".")
    try:
        owner: Any = import_module(module)
        for each in classes:
            owner = vars(owner)[each]
        vars(owner)[name]
    except (ImportError, KeyError, TypeError) as error:
        raise TargetError(f"{target} does not exist: {error!r}") from None
    return owner, name


def _put(right: Any, wrong: Any) -> None:
    """Replace a function in modules, in classes, and in the tables of modules."""
    for module in _modules():
        for name, value in list(vars(module).items()):
            if value is right:
                setattr(module, name, wrong)
            elif isinstance(value, dict):
                value.update({key: wrong for key, entry in value.items() if entry is right})
            elif isinstance(value, type) and value.__module__ == module.__name__:
                for attribute in [key for key, entry in vars(value).items() if entry is right]:
                    setattr(value, attribute, wrong)


def _modules() -> Iterator[ModuleType]:
    """Yield the imported modules of vomap. Modules that are imported later get the replacement by themselves."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "vomap":
            yield module
