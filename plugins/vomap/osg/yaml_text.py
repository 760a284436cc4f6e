"""Read the YAML files of a topology as text: `no` is not false, `0815` is not 429, a date is what is written.

The places, the findings and the syntax errors are those of mapfile/reader.py. A topology is not vomap's own language:
null, aliases and texts of several lines are legal where the generator reads nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import yaml

from vomap.mapfile.findings import WARNING, Finding, Findings, Place
from vomap.mapfile.reader import syntax_error
from vomap.osg.files import LARGEST_FILE, TopologyError, quoted

_NULL = "tag:yaml.org,2002:null"
_TEXT = "tag:yaml.org,2002:str"
_PLAIN_TAGS = {_NULL, _TEXT, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_MERGE = "<<"
# An error below a key shows it. This bounds the errors of a file that an attacker wrote.
_LONGEST_KEY = 255
_MOST_FINDINGS = 100
# Of the files of 2026, one has 1,550 keys and values, and all together have 11,203. PyYAML reads 50,000 in a second.
_MOST_VALUES = 10_000
_MOST_VALUES_OF_ALL = 200_000


class _TooManyValuesError(yaml.YAMLError):
    """A file has more keys and values than any VO file."""


class _TextLoader(yaml.SafeLoader):
    """Resolves only null, so that every other scalar is text. Marks the nodes that aliases repeat, and counts all."""

    values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.values += 1
        if self.values > _MOST_VALUES:
            raise _TooManyValuesError
        is_alias = self.check_event(yaml.AliasEvent)
        node: Any = super().compose_node(parent, index)
        if is_alias:
            node.is_aliased = True
        return node


_TextLoader.yaml_implicit_resolvers = {
    first: of_null
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (of_null := [resolver for resolver in resolvers if resolver[0] == _NULL])
}


@dataclass
class ValuesLeft:
    """How many keys and values the files of a topology may still have together."""

    number: int = _MOST_VALUES_OF_ALL

    def take(self, number: int) -> None:
        """Count the keys and values of a file. Raises TopologyError for too many."""
        self.number -= number
        if self.number < 0:
            text = f"all VO files together have more than {_MOST_VALUES_OF_ALL} keys and values"
            raise TopologyError([f"{text}; expected a topology checkout"])


@dataclass(frozen=True)
class TextValue:
    """A value in a YAML file, with the name of the file and the path of keys to the value."""

    file: str
    key: str
    node: yaml.Node

    @property
    def is_null(self) -> bool:
        """Whether the value is empty: `null`, `~`, or no text at all."""
        return bool(self.node.tag == _NULL)

    @property
    def is_mapping(self) -> bool:
        """Whether the value is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def place(self) -> Place:
        """The place of this value in its file."""
        mark = self.node.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def report(self, message: str, findings: Findings) -> None:
        """Add an error at the place of this value."""
        findings.error(self.place, f"{self.key}: {message}" if self.key else message)

    def warn(self, message: str, findings: Findings) -> None:
        """Add a warning at the place of this value."""
        findings.warn(self.place, f"{self.key}: {message}" if self.key else message)

    def refuse(self, expected: str, findings: Findings, advice: str = "") -> None:
        """Add the error that something else was expected here. `advice` is what the author of the file should do."""
        self.report(f"expected {expected}, got {self._kind()}{'; ' if advice else ''}{advice}", findings)

    def text(self, expected: str, findings: Findings) -> str | None:
        """Return the text, or None and an error if the value is not a text, or if an alias repeats it.

        Topologies contain aliases. A value that the generator reads must not be one: a few aliases can unfold to
        billions of values.
        """
        if isinstance(self.node, yaml.ScalarNode) and not self.is_null and not _is_aliased(self.node):
            return str(self.node.value)
        self.refuse(expected, findings)
        return None

    def members(self, expected: str, findings: Findings) -> list[TextValue]:
        """Return the members of a list, or none and an error if the value is not a list."""
        if isinstance(self.node, yaml.SequenceNode) and not _is_aliased(self.node):
            return [TextValue(self.file, f"{self.key}[{i}]", node) for i, node in enumerate(self.node.value, 1)]
        self.refuse(expected, findings)
        return []

    def entries(self, expected: str, findings: Findings) -> dict[str, TextValue]:
        """Return the values of a mapping by their keys, or none and an error if the value is not a mapping."""
        if not isinstance(self.node, yaml.MappingNode) or _is_aliased(self.node):
            self.refuse(expected, findings)
            return {}
        found = {}
        for key, node in self.node.value:
            name = str(key.value)
            found[name] = TextValue(self.file, f"{self.key}.{name}" if self.key else name, node)
            if name == _MERGE:
                found[name].report("a merge key hides other keys: write the keys out", findings)
        return found

    def _kind(self) -> str:
        if _is_aliased(self.node):
            return "a value that aliases repeat"
        if self.is_null:
            return "nothing"
        if isinstance(self.node, yaml.ScalarNode):
            return quoted(self.node.value)
        return "a mapping" if self.is_mapping else "a list"


def read_document(
    file: str,
    content: bytes,
    findings: Findings,
    read: Collection[str] | None = None,
    left: ValuesLeft | None = None,
) -> TextValue | None:
    """Return the document of a YAML file, or None and at least one error, for a file that vomap cannot read.

    `read` are the keys at the top that the caller reads (default: all). Errors below other keys become warnings: they
    cannot change the value of a key that counts. `left` counts the keys and values of several files. Raises
    TopologyError for too many.
    """
    text = ""
    if len(content) > LARGEST_FILE:
        report_file(file, f"is larger than {LARGEST_FILE} bytes", findings)
        return None
    try:
        text = content.decode("utf-8")
        node = _compose(text, left or ValuesLeft())
    except UnicodeDecodeError as error:
        report_file(file, f"byte {error.start + 1} is not UTF-8: save the file as UTF-8", findings)
    except _TooManyValuesError:
        report_file(file, f"has more than {_MOST_VALUES} keys and values; no VO file has as many", findings)
    except yaml.YAMLError as error:
        findings.extend([syntax_error(error, text, file)])
    except RecursionError:
        report_file(file, "is nested too deeply to be read", findings)
    else:
        if node is None:
            report_file(file, "is empty; expected a mapping", findings)
            return None
        found = _check_structure(file, node, read)
        findings.extend(found)
        if all(finding.severity == WARNING for finding in found):
            return TextValue(file, "", node)
    return None


def _compose(text: str, left: ValuesLeft) -> Any:
    """Return the node of a document, or None for none. Counts also what a broken file has before its error."""
    loader = _TextLoader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()
        left.take(loader.values)


def report_file(file: str, message: str, findings: Findings) -> None:
    """Add an error about a whole file."""
    findings.error(Place(file, 0, 0), message)


def _check_structure(file: str, root: yaml.Node, read: Collection[str] | None) -> list[Finding]:
    """Find duplicate keys, keys that are not text, and tags, at any depth. An aliased node is checked once."""
    errors, warnings = Findings(), Findings()
    if read is None or not isinstance(root, yaml.MappingNode):
        _check_nodes(file, [root], set(), errors)
        return errors.in_order
    seen = {id(root)}
    _check_tag(file, root, errors)
    _check_keys(file, root, errors, warnings, read)
    # A value that an alias repeats below a key that counts is checked there.
    _check_nodes(file, [value for key, value in root.value if key.value in read], seen, errors)
    _check_nodes(file, [value for key, value in root.value if key.value not in read], seen, warnings)
    return [*errors.in_order, *(replace(finding, severity=WARNING) for finding in warnings.in_order)]


def _check_nodes(file: str, nodes: Iterable[yaml.Node], seen: set[int], findings: Findings) -> None:
    """Check nodes, and those below them, that were not seen before."""
    waiting = [node for node in nodes if id(node) not in seen]
    seen.update(map(id, waiting))
    while waiting and len(findings.all) < _MOST_FINDINGS:
        node = waiting.pop()
        _check_tag(file, node, findings)
        if isinstance(node, yaml.MappingNode):
            _check_keys(file, node, findings)
            below = [value for _, value in node.value]
        else:
            below = node.value if isinstance(node, yaml.SequenceNode) else []
        for value in below:
            if id(value) not in seen:
                seen.add(id(value))
                waiting.append(value)


def _check_tag(file: str, node: yaml.Node, findings: Findings) -> None:
    if node.tag not in _PLAIN_TAGS:
        TextValue(file, "", node).report(f"has the tag {quoted(node.tag)}; expected a plain value", findings)


def _check_keys(
    file: str,
    mapping: yaml.MappingNode,
    findings: Findings,
    warnings: Findings | None = None,
    read: Collection[str] = (),
) -> None:
    """Check the keys of a mapping. A repeated key goes to `warnings`, if there are any, unless it is in `read`."""
    seen = set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
            TextValue(file, "", key).report("is a key that is not text: write a name before the colon", findings)
        elif len(key.value) > _LONGEST_KEY:
            TextValue(file, "", key).report(f"is a key of more than {_LONGEST_KEY} characters", findings)
        elif key.value in seen:
            where = findings if warnings is None or key.value in read else warnings
            TextValue(file, key.value, key).report("is given twice here: keep one of the two", where)
        else:
            seen.add(key.value)


def _is_aliased(node: yaml.Node) -> bool:
    return getattr(node, "is_aliased", False)
