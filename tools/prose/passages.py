"""Find the prose in a file: docstrings, comments and messages of Python, and the text of Markdown."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCSTRING, COMMENT, MESSAGE, TEXT, HEADING = "docstring", "comment", "message", "text", "heading"
_DIRECTIVE = re.compile(r"^(noqa|nosec|type:|pragma|fmt:|!)[^-]*(- )?")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_ITEM = re.compile(r"^\s{0,6}([-*+]|\d+\.) ")
_FEWEST_WORDS = 4
# How far a line is indented that is code, in Markdown and in Python.
_MARKDOWN_CODE, _PYTHON_CODE = 4, 2


@dataclass(frozen=True)
class Passage:
    """One paragraph, heading, list item or table cell, and the line on which it begins."""

    path: Path
    line: int
    kind: str
    text: str

    def line_at(self, offset: int) -> int:
        """Return the line of the file for an offset in the text."""
        return self.line + self.text.count("\n", 0, offset)


def passages(path: Path, *, messages: bool = True) -> Iterator[Passage]:
    """Yield the passages of a file. `messages` includes the strings of Python that look like prose."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        for line, kind, block in _Blocks(_MARKDOWN_CODE, markdown=True).split(text.splitlines(), 1):
            yield Passage(path, line, kind, block)
        return
    yield from _comments(path, text)
    yield from _strings(path, text, messages=messages)


def _in_python(path: Path, lines: Sequence[str], first: int, kind: str) -> Iterator[Passage]:
    for line, _, block in _Blocks(_PYTHON_CODE, markdown=False).split(lines, first):
        yield Passage(path, line, kind, block)


def _comments(path: Path, text: str) -> Iterator[Passage]:
    """Yield the comments. Those on consecutive lines are one text."""
    lines: list[str] = []
    first = last = column = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, at = token.start
        comment = token.string[1:].removeprefix(" ")
        own_line = not token.line[:at].strip()
        if not (own_line and lines and line == last + 1 and at == column):
            yield from _in_python(path, lines, first, COMMENT)
            lines, first = [], line
        lines.append(_DIRECTIVE.sub("", comment))
        last, column = (line, at) if own_line else (0, 0)
    yield from _in_python(path, lines, first, COMMENT)


def _strings(path: Path, text: str, *, messages: bool) -> Iterator[Passage]:
    """Yield docstrings, strings of help, and other strings of at least four words if `messages` are wanted."""
    tree = ast.parse(text, str(path))
    lines = text.splitlines()
    documented = {id(node) for node in _docstrings(tree)}
    helps = set() if messages else set(_helps(tree))
    for node, value in _texts(tree):
        first = node.lineno + lines[node.lineno - 1].endswith('"""\\')
        if id(node) in documented:
            yield from _in_python(path, inspect.cleandoc(value).splitlines(), first, DOCSTRING)
        elif messages or id(node) in helps:
            for passage in _in_python(path, value.splitlines(), first, MESSAGE):
                if len(re.findall(r"(?<!\S)[A-Za-z'`]+[,.:;]?(?!\S)", passage.text)) >= _FEWEST_WORDS:
                    yield passage


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def _helps(tree: ast.Module) -> Iterator[int]:
    """Yield the identity of each string that argparse shows as help."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("help", "description", "epilog"):
            yield id(node.value)


def _texts(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Yield each string with its text. Each value of an f-string becomes `{}`."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        yield node, "".join(str(part) for part in parts)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node, node.value
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


class _Blocks:
    """Split lines into paragraphs, list items, headings and table cells. Leave out code."""

    def __init__(self, code_indent: int, *, markdown: bool) -> None:
        self._indent = code_indent
        self._markdown = markdown
        self._open: list[str] = []
        self._first = 0
        self._in_item = False

    def split(self, lines: Sequence[str], first: int) -> Iterator[tuple[int, str, str]]:
        """Yield line, kind and text of each block."""
        fence = ""
        for number, line in enumerate(_without_remarks(lines), first):
            mark = _FENCE.match(line)
            if mark and (not fence or mark[1].startswith(fence)):
                fence = "" if fence else mark[1]
                yield from self._close()
            elif not fence:
                yield from self._add(number, line)
        yield from self._close()

    def _add(self, number: int, line: str) -> Iterator[tuple[int, str, str]]:
        indented = len(line) - len(line.lstrip()) >= self._indent
        if not line.strip():
            yield from self._close()
        elif self._markdown and re.match(r"#+ ", line):
            yield from self._close()
            yield number, HEADING, line.lstrip("# ")
        elif self._markdown and line.lstrip().startswith("|"):
            yield from self._close()
            yield from ((number, TEXT, cell.strip()) for cell in re.split(r"(?<!\\)\|", line) if cell.strip(" :-"))
        elif _ITEM.match(line):
            yield from self._close()
            self._begin(number, _ITEM.sub("", line), in_item=True)
        elif indented and not self._in_item and not (self._markdown and self._open):
            yield from self._close()
        elif self._open:
            self._open.append(line)
        else:
            self._begin(number, line, in_item=self._in_item and line.startswith(" "))

    def _begin(self, number: int, line: str, *, in_item: bool) -> None:
        self._first, self._open, self._in_item = number, [line], in_item

    def _close(self) -> Iterator[tuple[int, str, str]]:
        if self._open:
            yield self._first, TEXT, "\n".join(self._open)
        self._open = []


def _without_remarks(lines: Sequence[str]) -> list[str]:
    """Blank the HTML comments."""
    text = "\n".join(lines)
    return re.sub(r"<!--.*?-->", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL).split("\n")
