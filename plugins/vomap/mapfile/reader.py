"""Read YAML as mapfiles use it: every scalar is text, and repeated keys, aliases and tags are errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Union

import yaml

from vomap import printable
from vomap.claims import is_clean
from vomap.mapfile.findings import Finding, Findings, Place

# No mapfile needs more. Deeper nesting is an attack, such as one on the stack, or an accident.
_DEEPEST = 16
# The parser compares each of these lines with all lines before it.
_TAG_DIRECTIVE = re.compile(r"^%TAG", re.MULTILINE)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Parts of the parser's messages, and the usual correction in a mapfile.
_ADVICE = (
    ("an alias", "quote a text that begins with *"),
    ("an anchor", "quote a text that begins with &"),
    ("a flow ", "close every { and [, and quote a text that contains { } [ ] or a comma"),
    ("cannot start any token", "indent with spaces, not with tabs; quote a text that begins with @, % or `"),
    ("mapping values are not allowed", "begin the keys of a mapping in one column; quote a text that contains `: `"),
    ("a quoted scalar", "close the quote"),
    ("a simple key", "a key ends with a colon and a space"),
    ("a block ", "the keys of a mapping, or the items of a list, must begin in the same column"),
)

Value = Union[str, list["Node"], dict[str, "Node"]]
Handlers = Mapping[str, Callable[["Node"], None]]


@dataclass(frozen=True)
class Node:
    """A value and its place. In a mapping, `keys` has the places of the keys."""

    value: Value
    place: Place
    keys: dict[str, Place]

    def plain(self) -> Any:
        """Return the value without its places."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value

    def member(self, key: str) -> Node | None:
        """Return the value of a key, or None."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def at(self, *path: str | int) -> Node | None:
        """Return the node at a path of keys and indices, or None."""
        node: Node | None = self
        for step in path:
            if node is None or isinstance(node.value, str):
                return None
            if isinstance(node.value, list):
                node = node.value[step] if isinstance(step, int) else None
            else:
                node = node.value.get(str(step))
        return node


def list_items(node: Node | None) -> list[Node]:
    """Return the members of a list, or none for no node. A single value is a list of one."""
    if node is None:
        return []
    return node.value if isinstance(node.value, list) else [node]


def mapping_entries(node: Node | None) -> list[tuple[str, Place, Node]]:
    """Return each key of a mapping, its place and its value, or none if the node is not a mapping."""
    if node is None or not isinstance(node.value, dict):
        return []
    return [(key, node.keys[key], value) for key, value in node.value.items()]


class _TooManyNodes(Exception):
    """The text has more nodes than allowed. The argument is the first one too many."""


def read_yaml(
    text: str,
    file: str,
    findings: Findings,
    handlers: Handlers | None = None,
    may_be_empty: Collection[str] = (),
    *,
    most_nodes: int | None = None,
) -> Node | None:
    """Read one YAML document. `file` is its name in findings.

    `handlers` maps top-level keys to functions that receive each member of the key's list as it is read. A long list
    then needs little memory, and the key has no value in the node that is returned. `may_be_empty` names top-level keys
    whose lists may be empty. The key of an empty list has no value either. `most_nodes` is the greatest allowed number
    of keys and values, None for any number.
    Returns None if the text is not valid YAML, or has more nodes. After any other error the value is left out and
    reading goes on.
    """
    if (directive := _TAG_DIRECTIVE.search(text)) is not None:
        line = text.count("\n", 0, directive.start()) + 1
        findings.error(Place(file, line, 1), "`%TAG`: tags are not supported; remove this line")
        return None
    try:
        events = _bounded(yaml.parse(text, Loader=_LOADER), most_nodes)
        return _Reader(events, file, findings, handlers or {}, [f"`{key}`" for key in may_be_empty]).document()
    except yaml.YAMLError as error:
        findings.extend([syntax_error(error, text, file)])
    except _TooManyNodes as error:
        mark = error.args[0].start_mark
        place = Place(file, mark.line + 1, mark.column + 1)
        findings.error(place, f"more than {most_nodes:,} keys and values, which is the limit of such a file")
    return None


def _bounded(events: Iterator[Any], most_nodes: int | None) -> Iterator[Any]:
    """Yield events. Raises _TooManyNodes."""
    nodes = 0
    for event in events:
        nodes += isinstance(event, yaml.NodeEvent)
        if most_nodes is not None and nodes > most_nodes:
            raise _TooManyNodes(event)
        yield event


def syntax_error(error: yaml.YAMLError, text: str, file: str) -> Finding:
    """Return what the YAML parser reports of a text as a finding, with its place in the file."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        where = f"{error.context} {error.problem}"
        advice = next((f"; {advice}" for part, advice in _ADVICE if part in where), "")
        begin, end = error.context_mark, error.problem_mark
        since = f" ({error.context}, from line {begin.line + 1})" if begin and end and begin.line != end.line else ""
        message = f"not valid YAML: {error.problem or error.context}{since}{advice}"
        return Finding(Place(file, line, column), message)
    # libyaml counts the bytes before the character, and PyYAML's own parser counts characters.
    refused = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: refused.start()] if refused else ""
    place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
    return Finding(place, f"not valid YAML: {getattr(error, 'reason', error)}")


@dataclass
class _Reader:
    """One pass over the events of a document. `_may_be_empty` has labels of lists."""

    _events: Iterator[Any]
    _file: str
    _findings: Findings
    _handlers: Handlers
    _may_be_empty: Collection[str]

    def document(self) -> Node | None:
        next(self._events)  # the stream begins
        is_empty = isinstance(next(self._events), yaml.StreamEndEvent)
        event = None if is_empty else next(self._events)
        if is_empty or _is_nothing(event):
            self._findings.error(Place(self._file, 1, 1), "the file is empty; expected `mapfile: 1` in the first line")
            return None
        node = self._node(event, 0, "the file")
        next(self._events)  # the document ends
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._findings.error(self._place(event), "a second YAML document; write each mapfile to its own file")
        return node

    def _place(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, depth: int, label: str) -> Node | None:
        """Return the node that begins with an event, or None if a mapfile may not contain it."""
        place = self._place(event)
        advice = "not supported; write the value itself, or quote a text that begins with"
        if isinstance(event, yaml.AliasEvent):
            self._findings.error(place, f"{label}: alias `*{event.anchor}`: {advice} *")
            return None
        if event.anchor is not None:
            self._findings.error(place, f"{label}: anchor `&{event.anchor}`: {advice} &")
        if event.tag is not None:
            # A tag may have any character, as `%0A`.
            self._findings.error(place, f"{label}: tag `{printable(event.tag)}`: not supported; remove it")
        elif isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place, label)
        elif depth >= _DEEPEST:
            self._findings.error(place, f"{label}: nested more than {_DEEPEST} levels deep")
        elif isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            self._members(place, depth, label, items.append)
            return Node(items, place, {}) if items else None
        else:
            return self._mapping(place, depth, label)
        self._skip(event)
        return None

    def _skip(self, event: Any) -> None:
        """Skip the rest of a value whose first event was read."""
        open_collections = int(isinstance(event, yaml.CollectionStartEvent))
        while open_collections:
            event = next(self._events)
            open_collections += isinstance(event, yaml.CollectionStartEvent)
            open_collections -= isinstance(event, yaml.CollectionEndEvent)

    def _scalar(self, event: Any, place: Place, label: str) -> Node | None:
        if _is_nothing(event):
            self._findings.error(place, f"{label}: the value is empty; write a value, or remove the key")
        elif not is_clean(event.value):
            self._findings.error(place, f"{label}: a line break or control character; expected one line of text")
        else:
            return Node(event.value, place, {})
        return None

    def _members(self, place: Place, depth: int, label: str, handle: Callable[[Node], None]) -> None:
        """Read the members of a list that has begun, and call `handle` with each."""
        seen = False
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            seen = True
            node = self._node(event, depth + 1, label)
            if node is not None:
                handle(node)
        if not seen and (depth > 1 or label not in self._may_be_empty):
            self._findings.error(place, f"{label}: the list is empty; add an item, or remove the key")

    def _mapping(self, place: Place, depth: int, label: str) -> Node | None:
        members: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        seen = False
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            seen = True
            key = self._key(event, depth, keys)
            value = next(self._events)
            if key is None:
                self._skip(value)  # the error of the key is enough
            elif _is_nothing(value):
                # libyaml and PyYAML disagree on the place of an empty value, so show the place of the key.
                self._findings.error(keys[key], f"`{key}`: the value is empty; write a value, or remove the key")
            elif depth == 0 and key in self._handlers and _is_plain_list(value):
                self._members(self._place(value), depth + 1, f"`{key}`", self._handlers[key])
            else:
                node = self._node(value, depth + 1, f"`{key}`")
                if node is not None:
                    members[key] = node
        if not seen:
            self._findings.error(place, f"{label}: the mapping is empty; add a key, or remove it")
        return Node(members, place, keys) if keys else None

    def _key(self, event: Any, depth: int, keys: dict[str, Place]) -> str | None:
        if isinstance(event, yaml.CollectionStartEvent):
            self._findings.error(self._place(event), "a key must be a text; quote a text that begins with { or [")
            self._skip(event)
            return None
        node = self._node(event, depth + 1, "a key")
        if node is None or not isinstance(node.value, str):
            return None
        if node.value == "<<":
            self._findings.error(node.place, "merge key `<<`: not supported; write the values themselves")
        elif node.value in keys:
            first = keys[node.value].line
            self._findings.error(node.place, f"`{node.value}` is repeated; the first is in line {first}")
        else:
            keys[node.value] = node.place
            return node.value
        return None


def _is_plain_list(event: Any) -> bool:
    return isinstance(event, yaml.SequenceStartEvent) and event.anchor is None and event.tag is None


def _is_nothing(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and not event.value and event.implicit[0]
