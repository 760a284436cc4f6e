"""YAML files of a topology, read as text: `no` is not false, `0815` is not 429, a date stays as it is written."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import yaml

from vomap.osg.problems import Problem, quoted

_NULL = "tag:yaml.org,2002:null"
_TEXT = "tag:yaml.org,2002:str"
_PLAIN_TAGS = {_NULL, _TEXT, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_MERGE = "<<"
_DEEPEST_WRITTEN = 5
# Each problem below a key is told with it.
_LONGEST_KEY = 255
_MOST_PROBLEMS = 100


class _TextLoader(yaml.SafeLoader):
    """Resolves nothing but null, so that every other scalar is text; remembers which nodes stand in several places."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        is_alias = self.check_event(yaml.AliasEvent)
        node: Any = super().compose_node(parent, index)
        if is_alias:
            node.is_aliased = True
        return node


_TextLoader.yaml_implicit_resolvers = {
    first: kept
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [resolver for resolver in resolvers if resolver[0] == _NULL])
}


@dataclass(frozen=True)
class Value:
    """A value in a YAML file, with the file's name and the key under which it stands."""

    file: str
    key: str
    node: yaml.Node

    @property
    def is_null(self) -> bool:
        """Tell whether nothing is written here (`null`, `~`, or no text at all)."""
        return bool(self.node.tag == _NULL)

    @property
    def is_text(self) -> bool:
        """Tell whether this is text."""
        return isinstance(self.node, yaml.ScalarNode) and not self.is_null

    @property
    def is_mapping(self) -> bool:
        """Tell whether this is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def kind(self) -> str:
        """What is written here, in words."""
        if _is_aliased(self.node):
            return "a value that aliases repeat"
        if self.is_null:
            return "nothing"
        if isinstance(self.node, yaml.ScalarNode):
            return quoted(self.node.value)
        return "a mapping" if self.is_mapping else "a list"

    def problem(self, text: str) -> Problem:
        """Return a problem with this value."""
        mark = self.node.start_mark
        return Problem(self.file, mark.line + 1, mark.column + 1, self.key, text)

    def unexpected(self, expected: str, advice: str = "") -> Problem:
        """Return the problem that something else was expected here; `advice` says what to do."""
        return self.problem(f"expected {expected}, got {self.kind}{'; ' if advice else ''}{advice}")

    def text(self, expected: str, problems: list[Problem]) -> str | None:
        """Return the text that stands here; None, and a problem, if it is no text, or repeated by an alias.

        A topology may use aliases, and does; not for what is read here, which a few could make very much of.
        """
        if self.is_text and not _is_aliased(self.node):
            return str(self.node.value)
        problems.append(self.unexpected(expected))
        return None

    def members(self, expected: str, problems: list[Problem]) -> list[Value]:
        """Return the members of the list that stands here; none, and a problem, if it is no list."""
        if isinstance(self.node, yaml.SequenceNode) and not _is_aliased(self.node):
            return [Value(self.file, f"{self.key}[{i}]", node) for i, node in enumerate(self.node.value, 1)]
        problems.append(self.unexpected(expected))
        return []

    def entries(self, expected: str, problems: list[Problem]) -> dict[str, Value]:
        """Return the values of the mapping that stands here; none, and a problem, if it is no mapping."""
        if not isinstance(self.node, yaml.MappingNode) or _is_aliased(self.node):
            problems.append(self.unexpected(expected))
            return {}
        found = {}
        for key, node in self.node.value:
            name = str(key.value)
            found[name] = Value(self.file, f"{self.key}.{name}" if self.key else name, node)
            if name == _MERGE:
                problems.append(found[name].problem("a merge key hides what is meant: write the keys out"))
        return found

    def written(self) -> str:
        """Return this value on one line, mappings sorted by key."""
        return _written(self.node, _DEEPEST_WRITTEN)


def read_document(file: str, content: bytes, problems: list[Problem]) -> Value | None:
    """Return the document that a YAML file holds; None, and at least one problem, if it cannot be read."""
    try:
        node: Any = yaml.compose(content.decode("utf-8"), Loader=_TextLoader)
    except UnicodeDecodeError as error:
        problems.append(Problem(file, 0, 0, "", f"byte {error.start + 1} is not UTF-8: save the file as UTF-8"))
    except yaml.MarkedYAMLError as error:
        problems.append(_syntax_problem(file, error))
    except yaml.YAMLError as error:
        problems.append(Problem(file, 0, 0, "", f"is not YAML: {' '.join(str(error).split())}"))
    except RecursionError:
        problems.append(Problem(file, 0, 0, "", "is nested too deeply to be read"))
    else:
        if node is None:
            problems.append(Problem(file, 0, 0, "", "is empty; expected a mapping"))
            return None
        found = _structure_problems(file, node)
        problems.extend(found)
        return None if found else Value(file, "", node)
    return None


def _syntax_problem(file: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return Problem(file, line, column, "", f"is not YAML: {error.problem or error.context}")


def _structure_problems(file: str, root: yaml.Node) -> list[Problem]:
    """Find duplicate keys, keys that are no text, and tags, wherever they are; an aliased node is looked at once."""
    problems: list[Problem] = []
    waiting, seen = [root], {id(root)}
    while waiting and len(problems) < _MOST_PROBLEMS:
        node = waiting.pop()
        if node.tag not in _PLAIN_TAGS:
            problems.append(Value(file, "", node).problem(f"has the tag {quoted(node.tag)}; expected a plain value"))
        if isinstance(node, yaml.MappingNode):
            problems.extend(_key_problems(file, node))
            below = [value for _, value in node.value]
        else:
            below = node.value if isinstance(node, yaml.SequenceNode) else []
        for value in below:
            if id(value) not in seen:
                seen.add(id(value))
                waiting.append(value)
    return sorted(problems)


def _key_problems(file: str, mapping: yaml.MappingNode) -> list[Problem]:
    problems, seen = [], set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
            problems.append(Value(file, "", key).problem("is a key that is no text: write a name before the colon"))
        elif len(key.value) > _LONGEST_KEY:
            problems.append(Value(file, "", key).problem(f"is a key of more than {_LONGEST_KEY} characters"))
        elif key.value in seen:
            problems.append(Value(file, key.value, key).problem("is given twice here: keep one of the two"))
        else:
            seen.add(key.value)
    return problems


def _is_aliased(node: yaml.Node) -> bool:
    return getattr(node, "is_aliased", False)


def _written(node: yaml.Node, depth: int) -> str:
    """Write a node in YAML's short form; what is too deep, or repeated by aliases, is not written out."""
    if not depth or _is_aliased(node):
        return "..."
    if isinstance(node, yaml.MappingNode):
        pairs = sorted(((str(key.value), value) for key, value in node.value), key=itemgetter(0))
        return "{" + ", ".join(f"{key}: {_written(value, depth - 1)}" for key, value in pairs) + "}"
    if isinstance(node, yaml.SequenceNode):
        return "[" + ", ".join(_written(value, depth - 1) for value in node.value) + "]"
    return str(node.value)
