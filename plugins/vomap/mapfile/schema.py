"""Check a mapfile against schemas/mapfile-1.schema.json, and report the place, the key and the expected value."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from typing import Any, Union, cast

from jsonschema import Draft7Validator

from vomap.files.shipped import shipped_file
from vomap.mapfile.findings import Findings, did_you_mean, nearest
from vomap.mapfile.reader import Handlers, Node, list_items, read_yaml

_LONGEST_NUMBER = 15
# The JSON schema of a part of a mapfile.
_Schema = dict[str, Any]
_Path = tuple[Union[str, int], ...]
# Keys that had another name.
_RENAMED = {"journal": "log"}
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}


@cache
def mapfile_schema() -> _Schema:
    """Return the schema of mapfiles. Editors and the reference manual use it as well."""
    schema: _Schema = json.loads(shipped_file("schemas", "mapfile-1.schema.json").read_text("utf-8"))
    Draft7Validator.check_schema(schema)
    return schema


@cache
def _validator(member_of: str | None) -> Draft7Validator:
    """Return the validator of mapfiles, or of the members of one of a mapfile's lists."""
    schema = mapfile_schema()
    if member_of is not None:
        schema = {"definitions": schema["definitions"], **schema["properties"][member_of]["items"]}
    return Draft7Validator(schema)


def read_checked(
    text: str,
    file: str,
    findings: Findings,
    handlers: Handlers | None = None,
    may_be_empty: Collection[str] = (),
    *,
    most_nodes: int | None = None,
) -> tuple[Node, dict[str, Any]] | None:
    """Read one mapfile and check it against the schema. Return its nodes, and its plain values.

    The arguments are those of `read_yaml`. Returns None if the text is not a YAML mapping. Errors go to `findings`.
    """
    node = read_yaml(text, file, findings, handlers, may_be_empty, most_nodes=most_nodes)
    if node is None:
        return None
    if not isinstance(node.value, dict):
        findings.error(node.place, "expected a mapping that begins with `mapfile: 1`")
        return None
    return node, check_schema(node, findings)


def check_schema(node: Node, findings: Findings, member_of: str | None = None) -> Any:
    """Return a mapfile as plain values, with the numbers and truth values of the schema.

    Each violation is an error in `findings`, and its value is removed from `node`. Its key stays among the node's keys.
    A misspelt key counts as the key that was probably meant. So vomap does not report a wrong value as missing as well.
    With `member_of` the node is a member of that list of a mapfile. Returns None for a node that is wrong as a whole.
    """
    validator = _validator(member_of)
    schema = cast("_Schema", validator.schema)
    plain = _typed(node, schema)
    wrong: set[_Path] = set()
    for violation in sorted(validator.iter_errors(plain), key=_order):
        path = _report(violation, node, wrong, findings, member_of or "the file")
        if path is not None:
            wrong.add(path)
    if () in wrong:
        return None
    # Find all of them first: each removal from a list moves the members behind it.
    removed = {id(node.at(*path)) for path in wrong}
    for parent in [node.at(*path) for path in {path[:-1] for path in wrong}]:
        members = parent.value if parent is not None else []
        if isinstance(members, list):
            members[:] = [item for item in members if id(item) not in removed]
        elif isinstance(members, dict):
            for key in [key for key, item in members.items() if id(item) in removed]:
                del members[key]
    return _typed(node, schema) if wrong else plain


def _order(violation: Any) -> tuple[bool, list[str]]:
    """Sort misspelt keys first: they show which keys are not missing."""
    return violation.validator != "additionalProperties", [str(step) for step in violation.absolute_path]


def _typed(node: Node, schema: _Schema) -> Any:
    """Convert text where the schema has a number or a truth value. Everything else stays text."""
    schema = _resolved(schema)
    if isinstance(node.value, list):
        return [_typed(item, schema.get("items", {})) for item in node.value]
    if isinstance(node.value, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties")
        rest = other if isinstance(other, dict) else {}
        return {key: _typed(item, known.get(key, rest)) for key, item in node.value.items()}
    text = node.value
    if schema.get("type") == "integer" and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    return _TRUTH.get(text, text) if schema.get("type") == "boolean" else text


def _resolved(schema: _Schema) -> _Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    definition: _Schema = mapfile_schema()["definitions"][reference.rpartition("/")[2]]
    return definition


def _report(violation: Any, root: Node, wrong: Collection[_Path], findings: Findings, whole: str) -> _Path | None:
    """Report a violation. Return the path of the wrong value if it is new. `whole` is the name of the root."""
    path = tuple(violation.absolute_path)
    node = root.at(*path)
    assert node is not None
    schema = violation.schema
    what = schema.get("title", "this")
    name = next((step for step in reversed(path) if isinstance(step, str)), whole)
    if violation.validator == "additionalProperties":
        _report_unknown_keys(node, schema, what, findings)
    elif violation.validator == "required":
        for key in schema["required"]:
            if key not in node.keys and f"{key!r} is a required" in violation.message:
                description = _resolved(schema["properties"][key]).get("description", "")
                findings.error(node.place, f"{what} needs `{key}`: {description}")
    elif "propertyNames" in violation.absolute_schema_path:
        key = violation.instance
        findings.error(node.keys.get(key, node.place), f"`{key}`: expected {schema['description']}")
    elif violation.validator == "uniqueItems":
        _report_repeated(node, name, findings)
    elif path not in wrong:
        findings.error(node.place, _unexpected(name, violation))
        return path
    return None


def _report_unknown_keys(node: Node, schema: _Schema, what: str, findings: Findings) -> None:
    legal = schema["properties"]
    for key, place in list(node.keys.items()):
        if key not in legal and node.member(key) is not None:
            hint = did_you_mean(key, legal) or f"; expected one of: {', '.join(legal)}"
            renamed = f"write `{_RENAMED[key]}:`" if _RENAMED.get(key) in legal else None
            findings.error(place, f"`{key}`: {renamed or f'{what} has no such key{hint}'}")
            node.keys.setdefault(nearest(key, legal) or key, place)


def _report_repeated(node: Node, name: str, findings: Findings) -> None:
    seen: set[str] = set()
    for item in list_items(node):
        value = repr(item.plain())
        if value in seen:
            findings.error(item.place, f"`{name}`: `{item.value}` is repeated")
        seen.add(value)


def _unexpected(name: str, violation: Any) -> str:
    expected = violation.schema.get("description", violation.message)
    value = violation.instance
    got = "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else f"`{value}`"
    words = violation.schema.get("enum", violation.schema.get("examples", ()))
    hint = did_you_mean(value, map(str, words)) if isinstance(value, str) else ""
    return f"`{name}`: expected {expected}, got {got if value != '' else 'an empty text'}{hint}"
