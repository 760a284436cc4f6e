"""Collect the commands that messages of the product name, from its source.

A message is a string or an f-string that is neither a docstring nor a text of the command's own help, which has tests
of its own. A list of words that has the name of a program is a command, too, and so is a call of `Advice.command`. A
command that a function gives a name is seen in the messages with that name. `…` is what the program fills in.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from vomap.cli import VERBS

PRODUCT = Path(__file__).resolve().parents[3] / "plugins"
VALUE = "…"
_HELP_KEYWORDS = ("help", "description", "epilog")
_HELP_NAMES = ("EXAMPLES", "HELP")
_HELP_CALLS = ("Action",)
_SYSTEM = (
    "chown|chmod|useradd|usermod|groupadd|gpasswd|systemctl|runuser|sudo|arcctl|gm-jobs|"
    "mkdir|rm|mv|cp|diff -u|curl|getent|install -m"
)
# The name of a program, with or without variables before it.
_VERB = rf"(?:{'|'.join(VERBS)})\b|{VALUE}{VALUE}"
_PROGRAM = rf"(?:[A-Z_]+=\S+ )*(?:vomap (?:{_VERB})|(?:{_SYSTEM}) |ln -|condor_(?:ce_\w+|config_val|reconfig)\b)"
_QUOTED = re.compile(rf"`((?:{VALUE} (?:&& )?)?{_PROGRAM}[^`]*)`|\b(?:run|try|type) `([^`\n]*[^`\n{VALUE}][^`\n]*)`")
_BEGIN = r"(?:^|(?<=[\s:,(]))"
_BARE = re.compile(rf"{_BEGIN}{_PROGRAM}[^\n`]*", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A command in a message: the file and line of the source, the whole message, and the command alone."""

    file: str
    line: int
    message: str
    text: str

    def __str__(self) -> str:
        """Return the place, the command and its message."""
        return f"plugins/{self.file}:{self.line}: {self.text!r} in {self.message!r}"

    @property
    def name(self) -> str:
        """The command without what the program fills in at its end."""
        return self.text.rstrip(f" {VALUE}")

    @property
    def pattern(self) -> re.Pattern[str]:
        """The printed message."""
        return re.compile(_expression(self.message), re.DOTALL)

    def find_in(self, printed: str) -> list[str]:
        """Return what a reader copies of a printed text: all between backticks, or all up to the end of the line."""
        text = _expression(self.text)
        quoted: list[str] = [each for each in re.findall(r"`([^`\n]+)`", printed) if re.fullmatch(text, each)]
        return quoted or re.findall(rf"{_BEGIN}({text}[^`\n]*)$", printed, re.MULTILINE)


def _expression(template: str) -> str:
    """Return the expression of a template. A list of words may be empty, and then has no blank before it."""
    words = [".*?".join(map(re.escape, part.split(VALUE))) for part in template.split(f" {VALUE}")]
    return "(?: .*?)?".join(words)


@functools.cache
def find_commands(product: Path = PRODUCT) -> tuple[Command, ...]:
    """Return each command of each message."""
    files = [*sorted(product.glob("vomap/**/*.py")), *sorted(product.glob("bin/*"))]
    return tuple(found for file in files for found in _commands_of(file, str(file.relative_to(product))))


def _commands_of(file: Path, name: str) -> Iterator[Command]:
    visitor = _Messages()
    visitor.visit(ast.parse(file.read_text("utf-8"), str(file)))
    for line, message in visitor.messages:
        rest = message
        for match in _QUOTED.finditer(message):
            yield Command(name, line, message, match[1] or match[2])
            rest = rest.replace(match[0], "")
        yield from (Command(name, line, message, found) for found in _BARE.findall(rest))


class _Messages(ast.NodeVisitor):
    """Collects the messages of a module, each with its line."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, str]] = []
        self._named: dict[str, str] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        before = self._named
        self._named = {**before, **_named_commands(node)}
        self.generic_visit(node)
        self._named = before

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for name, value in _assigned(node):
            if name not in _HELP_NAMES and name not in self._named:
                self.visit(value)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in _HELP_CALLS:
            return
        if (command := _advised(node)) is not None:
            self.messages.append((node.lineno, command))
            return
        for child in ast.iter_child_nodes(node):
            if not (isinstance(child, ast.keyword) and child.arg in _HELP_KEYWORDS):
                self.visit(child)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._add(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._add(node)
        for part in node.values:
            if isinstance(part, ast.FormattedValue) and _advised(part.value) is None:
                self.visit(part.value)

    def visit_List(self, node: ast.List) -> None:
        self._add_words(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self._add_words(node)

    def _add(self, node: ast.expr) -> None:
        text = _template(node, self._named)
        if text is not None:
            self.messages.append((node.lineno, text))

    def _add_words(self, node: ast.List | ast.Tuple) -> None:
        """Add a list of words as one command. Otherwise its members are messages."""
        words = list(map(_word, node.elts))
        text = " ".join(words)
        if len(words) > 1 and _BARE.search(text) and not any(" " in word for word in words):
            self.messages.append((node.lineno, text))
        else:
            self.generic_visit(node)


def _named_commands(function: ast.FunctionDef) -> dict[str, str]:
    """Return the texts with commands that a function gives a name, if the name has no other value."""
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        for name, value in _assigned(node):
            values.setdefault(name, []).append(value)
    used = {part.value.id for part in ast.walk(function) if _is_named_part(part)}  # type: ignore[attr-defined]
    single = {name: nodes[0] for name, nodes in values.items() if len(nodes) == 1 and name in used}
    named: dict[str, str] = {}
    # A text may have the name of an earlier one in it.
    for name, value in single.items():
        text = _advised(value) or _template(value, named) or ""
        if _QUOTED.search(text) or _BARE.search(text):
            named[name] = text
    return named


def _is_named_part(node: ast.AST) -> bool:
    return isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name)


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield each name that a statement gives a value, and the value. Another target has the name ""."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts)
                yield from ((each.id if isinstance(each, ast.Name) else "", value) for each, value in pairs)
            else:
                yield target.id if isinstance(target, ast.Name) else "", node.value


def _word(node: ast.expr) -> str:
    text = _template(node)
    return VALUE if text is None else text


def _template(node: ast.expr, named: Mapping[str, str] = MappingProxyType({})) -> str | None:
    """Return the text of a string or an f-string, with `…` for each value, or None for any other expression."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(part, named) for part in node.values)
    return None


def _part(node: ast.expr, named: Mapping[str, str]) -> str:
    if not isinstance(node, ast.FormattedValue):
        return _word(node)
    if isinstance(node.value, ast.Name):
        return named.get(node.value.id, VALUE)
    return _advised(node.value) or VALUE


def _advised(node: ast.expr) -> str | None:
    """Return the command that `Advice.command` makes: its words, and perhaps the places that were given."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "command"):
        return None
    return " ".join(["vomap", *map(_word, node.args)]) + VALUE
