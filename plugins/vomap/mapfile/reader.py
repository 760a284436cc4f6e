"""YAML as mapfiles use it: every scalar is text, every value has a place, and nothing is said twice or in disguise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Union

import yaml

from vomap.claims.claims import is_clean
from vomap.mapfile.findings import Findings, Place

# No mapfile needs more; what is deeper is an attack or an accident.
_DEEPEST = 16
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Value = Union[str, list["Node"], dict[str, "Node"]]


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


def read_yaml(text: str, file: str, findings: Findings) -> Node | None:
    """Read one YAML document; `file` is its name in findings.

    Returns None if the text is no YAML at all; other errors leave their value out and reading goes on.
    """
    try:
        return _Reader(text, file, findings).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        findings.error(Place(file, line, column), f"this is no YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        at = getattr(error, "position", 0)
        before = text[:at]
        place = Place(file, before.count("\n") + 1, at - before.rfind("\n"))
        findings.error(place, f"this is no YAML: {getattr(error, 'reason', error)}")
    return None


class _Reader:
    """One pass over the events of a document."""

    def __init__(self, text: str, file: str, findings: Findings) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._file, self._findings = file, findings

    def document(self) -> Node | None:
        next(self._events)  # the stream begins
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            self._findings.error(Place(self._file, 1, 1), "the file is empty; it begins with `mapfile: 1`")
            return None
        node = self._node(next(self._events), 0, "the file")
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
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place, label)
        if depth >= _DEEPEST:
            self._findings.error(place, f"{label}: nested too deep")
            self._skip()
            return None
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place, depth, label)
        return self._mapping(place, depth, label)

    def _skip(self) -> None:
        """Pass over the rest of a collection whose start was read."""
        open_collections = 1
        while open_collections:
            event = next(self._events)
            open_collections += isinstance(event, yaml.CollectionStartEvent)
            open_collections -= isinstance(event, yaml.CollectionEndEvent)

    def _scalar(self, event: Any, place: Place, label: str) -> Node | None:
        text: str = event.value
        if not text and event.implicit[0]:
            self._findings.error(place, f"{label}: an empty value: write one, or leave the key out")
            return None
        if not is_clean(text):
            self._findings.error(place, f"{label}: a line break or control character; a value is one line of text")
            return None
        return Node(text, place, {})

    def _sequence(self, place: Place, depth: int, label: str) -> Node | None:
        items: list[Node] = []
        seen = False
        event = next(self._events)
        while not isinstance(event, yaml.SequenceEndEvent):
            seen = True
            node = self._node(event, depth + 1, label)
            if node is not None:
                items.append(node)
            event = next(self._events)
        if not seen:
            self._findings.error(place, f"{label}: an empty list: name something, or leave the key out")
        return Node(items, place, {}) if items else None

    def _mapping(self, place: Place, depth: int, label: str) -> Node | None:
        members: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        seen = False
        event = next(self._events)
        while not isinstance(event, yaml.MappingEndEvent):
            seen = True
            key = self._key(event, depth, keys)
            value = next(self._events)
            if key is not None and isinstance(value, yaml.ScalarEvent) and not value.value and value.implicit[0]:
                # libyaml and PyYAML disagree where nothing is; the key's place is the one to show.
                self._findings.error(keys[key], f"`{key}`: an empty value: write one, or leave the key out")
            else:
                node = self._node(value, depth + 1, f"`{key}`")
                if key is not None and node is not None:
                    members[key] = node
            event = next(self._events)
        if not seen:
            self._findings.error(place, f"{label}: an empty mapping: write something, or leave the key out")
        return Node(members, place, keys) if seen else None

    def _key(self, event: Any, depth: int, keys: dict[str, Place]) -> str | None:
        node = self._node(event, depth + 1, "a key")
        if node is None:
            return None
        if not isinstance(node.value, str):
            self._findings.error(node.place, "a key is one text")
        elif node.value == "<<":
            self._findings.error(node.place, "merge key `<<`: write the values out")
        elif node.value in keys:
            first = keys[node.value].line
            self._findings.error(node.place, f"`{node.value}` is here twice; the first is in line {first}")
        else:
            keys[node.value] = node.place
            return node.value
        return None
