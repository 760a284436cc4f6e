"""YAML as mapfiles use it: every scalar is text, every value has a place, and nothing is said twice or in disguise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Union

import yaml

from vomap.claims import is_clean
from vomap.mapfile.findings import Finding, Findings, Place

# No mapfile needs more; what is deeper is an attack or an accident.
_DEEPEST = 16
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What the parser says of a mistake, and what it usually means in a mapfile.
_ADVICE = (
    ("an alias", "quote a text that begins with *"),
    ("an anchor", "quote a text that begins with &"),
    ("a flow ", "close every { and [, and quote a text that holds { } [ ] or a comma"),
    ("cannot start any token", "indent with blanks, not with tabs; quote a text that begins with @, % or `"),
    ("mapping values are not allowed", "the keys of one mapping begin in one column; quote a text that holds `: `"),
    ("a quoted scalar", "close the quote"),
    ("a simple key", "a key ends with a colon and a blank"),
    ("a block ", "the keys of one mapping, or the members of one list, begin in one column"),
)

Value = Union[str, list["Node"], dict[str, "Node"]]
NodeHandler = Callable[["Node"], None]


@dataclass(frozen=True)
class Node:
    """A value and its place; in a mapping, `keys` has the places of the keys."""

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

    def items(self) -> list[Node]:
        """Return the members of a list; a value that stands for a list of one is its only member."""
        return self.value if isinstance(self.value, list) else [self]

    def member(self, key: str) -> Node | None:
        """Return the value of a key, or None."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def at(self, *path: str | int) -> Node | None:
        """Return what lies at a path of keys and indices, or None."""
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
    """Return the members of a list as `Node.items` does; none if there is no node."""
    return [] if node is None else node.items()


def mapping_entries(node: Node | None) -> list[tuple[str, Place, Node]]:
    """Return each key of a mapping, its place and its value; none if there is no node, or if it is not a mapping."""
    if node is None or not isinstance(node.value, dict):
        return []
    return [(key, node.keys[key], value) for key, value in node.value.items()]


def read_yaml(
    text: str,
    file: str,
    findings: Findings,
    handlers: Mapping[str, NodeHandler] | None = None,
    may_be_empty: Collection[str] = (),
) -> Node | None:
    """Read one YAML document; `file` is its name in findings.

    `handlers` maps top-level keys to functions that receive each member of the key's list as it is read. A long list
    then needs little memory, and the key has no value in the node that is returned. `may_be_empty` names top-level keys
    whose lists may be empty; the key of an empty list has no value either.
    Returns None if the text is not valid YAML. After any other error the value is left out and reading goes on.
    """
    try:
        return _Reader(text, file, findings, handlers or {}, may_be_empty).document()
    except yaml.YAMLError as error:
        findings.extend([syntax_error(error, text, file)])
    return None


def syntax_error(error: yaml.YAMLError, text: str, file: str) -> Finding:
    """Return what the YAML parser reports of a text as a finding, with its place in the file."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = f"this is no YAML: {error.problem or error.context}{_advice(error)}"
        return Finding(Place(file, line, column), message)
    at = getattr(error, "position", 0)
    before = text[:at]
    place = Place(file, before.count("\n") + 1, at - before.rfind("\n"))
    return Finding(place, f"this is no YAML: {getattr(error, 'reason', error)}")


class _Reader:
    """One pass over the events of a document."""

    def __init__(
        self,
        text: str,
        file: str,
        findings: Findings,
        handlers: Mapping[str, NodeHandler],
        may_be_empty: Collection[str],
    ) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._file, self._findings, self._handlers = file, findings, handlers
        self._may_be_empty = [f"`{key}`" for key in may_be_empty]

    def document(self) -> Node | None:
        next(self._events)  # the stream begins
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            self._findings.error(Place(self._file, 1, 1), "the file is empty; it begins with `mapfile: 1`")
            return None
        event = next(self._events)
        if _is_nothing(event):
            self._findings.error(Place(self._file, 1, 1), "the file is empty; it begins with `mapfile: 1`")
            return None
        node = self._node(event, 0, "the file")
        next(self._events)  # the document ends
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._findings.error(self._place(event), "a second document: one file holds one mapfile")
        return node

    def _place(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, depth: int, label: str) -> Node | None:
        """Return the node that begins with an event, or None if it is none that a mapfile may hold."""
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            self._findings.error(
                place, f"{label}: alias `*{event.anchor}`: write the value out, or quote a text with *"
            )
            return None
        if event.anchor is not None:
            self._findings.error(
                place, f"{label}: anchor `&{event.anchor}`: write the value out, or quote a text with &"
            )
        if event.tag is not None:
            self._findings.error(place, f"{label}: tag `{event.tag}`: leave it out, every value is plain text here")
            self._skip(event)
            return None
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place, label)
        if depth >= _DEEPEST:
            self._findings.error(place, f"{label}: nested too deep")
            self._skip(event)
            return None
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place, depth, label)
        return self._mapping(place, depth, label)

    def _skip(self, event: Any) -> None:
        """Pass over the rest of a value whose first event was read."""
        open_collections = int(isinstance(event, yaml.CollectionStartEvent))
        while open_collections:
            event = next(self._events)
            open_collections += isinstance(event, yaml.CollectionStartEvent)
            open_collections -= isinstance(event, yaml.CollectionEndEvent)

    def _scalar(self, event: Any, place: Place, label: str) -> Node | None:
        text: str = event.value
        if _is_nothing(event):
            self._findings.error(place, f"{label}: an empty value: write one, or leave the key out")
            return None
        if not is_clean(text):
            self._findings.error(place, f"{label}: a line break or control character; a value is one line of text")
            return None
        return Node(text, place, {})

    def _sequence(self, place: Place, depth: int, label: str) -> Node | None:
        items: list[Node] = []
        self._members(place, depth, label, items.append)
        return Node(items, place, {}) if items else None

    def _members(self, place: Place, depth: int, label: str, handle: NodeHandler) -> None:
        """Read the members of a list that has begun, and hand each over."""
        seen = False
        event = next(self._events)
        while not isinstance(event, yaml.SequenceEndEvent):
            seen = True
            node = self._node(event, depth + 1, label)
            if node is not None:
                handle(node)
            event = next(self._events)
        if not seen and (depth > 1 or label not in self._may_be_empty):
            self._findings.error(place, f"{label}: an empty list: name something, or leave the key out")

    def _mapping(self, place: Place, depth: int, label: str) -> Node | None:
        members: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        seen = False
        event = next(self._events)
        while not isinstance(event, yaml.MappingEndEvent):
            seen = True
            key = self._key(event, depth, keys)
            value = next(self._events)
            if key is None:
                self._skip(value)  # the key is told; its value says nothing without it
            elif _is_nothing(value):
                # libyaml and PyYAML disagree where nothing is; the key's place is the one to show.
                self._findings.error(keys[key], f"`{key}`: an empty value: write one, or leave the key out")
            elif depth == 0 and key in self._handlers and _is_plain_list(value):
                self._members(self._place(value), depth + 1, f"`{key}`", self._handlers[key])
            else:
                node = self._node(value, depth + 1, f"`{key}`")
                if node is not None:
                    members[key] = node
            event = next(self._events)
        if not seen:
            self._findings.error(place, f"{label}: an empty mapping: write something, or leave the key out")
        return Node(members, place, keys) if keys else None

    def _key(self, event: Any, depth: int, keys: dict[str, Place]) -> str | None:
        if isinstance(event, yaml.CollectionStartEvent):
            self._findings.error(self._place(event), "a key is one text; quote a text that begins with { or [")
            self._skip(event)
            return None
        node = self._node(event, depth + 1, "a key")
        if node is None or not isinstance(node.value, str):
            return None
        if node.value == "<<":
            self._findings.error(node.place, "merge key `<<`: write the values out")
        elif node.value in keys:
            first = keys[node.value].line
            self._findings.error(node.place, f"`{node.value}` is here twice; the first is in line {first}")
        else:
            keys[node.value] = node.place
            return node.value
        return None


def _advice(error: yaml.MarkedYAMLError) -> str:
    told = f"{error.context} {error.problem}"
    advice = next((f"; {advice}" for mark, advice in _ADVICE if mark in told), "")
    begin, end = error.context_mark, error.problem_mark
    since = f" ({error.context}, from line {begin.line + 1})" if begin and end and begin.line != end.line else ""
    return since + advice


def _is_plain_list(event: Any) -> bool:
    return isinstance(event, yaml.SequenceStartEvent) and event.anchor is None and event.tag is None


def _is_nothing(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and not event.value and event.implicit[0]
