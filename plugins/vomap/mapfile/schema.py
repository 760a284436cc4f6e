"""One mapfile against schemas/mapfile-1.schema.json, in words that name the place, the key and what was expected."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft7Validator

from vomap.mapfile.findings import Findings, Place, did_you_mean
from vomap.mapfile.reader import Node
from vomap.shipped import shipped_file

MAPFILE_SCHEMA = "mapfile-1.schema.json"
_LONGEST_NUMBER = 15
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}


@cache
def mapfile_schema() -> dict[str, Any]:
    """Return the schema of mapfiles, which also serves editors and the reference."""
    schema: dict[str, Any] = json.loads(shipped_file("schemas", MAPFILE_SCHEMA).read_text("utf-8"))
    Draft7Validator.check_schema(schema)
    return schema


@cache
def _validator() -> Draft7Validator:
    return Draft7Validator(mapfile_schema())


def check_schema(node: Node, findings: Findings) -> Any:
    """Return a mapfile as plain values, numbers and truth values converted where the schema means them.

    Every violation becomes an error in `findings`.
    """
    plain = _typed(node, mapfile_schema())
    for violation in sorted(_validator().iter_errors(plain), key=lambda each: [str(step) for step in each.path]):
        _tell(violation, node, findings)
    return plain


def _typed(node: Node, schema: dict[str, Any]) -> Any:
    """Convert text where the schema means a number or a truth value; everything else stays text."""
    schema = _resolved(schema)
    if isinstance(node.value, list):
        return [_typed(item, schema.get("items", {})) for item in node.value]
    if isinstance(node.value, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties")
        rest = other if isinstance(other, dict) else {}
        return {key: _typed(item, known.get(key, rest)) for key, item in node.value.items()}
    if (
        schema.get("type") == "integer"
        and node.value.isascii()
        and node.value.isdigit()
        and len(node.value) <= _LONGEST_NUMBER
    ):
        return int(node.value)
    if schema.get("type") == "boolean":
        return _TRUTH.get(node.value, node.value)
    return node.value


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    definition: dict[str, Any] = mapfile_schema()["definitions"][reference.rpartition("/")[2]]
    return definition


def _tell(violation: Any, root: Node, findings: Findings) -> None:
    path = list(violation.absolute_path)
    node = root.at(*path)
    assert node is not None
    schema = violation.schema
    what = schema.get("title", "this")
    if violation.validator == "additionalProperties":
        for key in node.keys:
            if key not in schema["properties"] and node.member(key) is not None:
                findings.error(node.keys[key], _unknown_key(key, what, schema["properties"]))
    elif violation.validator == "required":
        for key in schema["required"]:
            if key not in node.keys and f"{key!r} is a required" in violation.message:
                findings.error(node.place, f"{what} needs `{key}`: {_described(schema['properties'][key])}")
    elif violation.schema_path and "propertyNames" in violation.absolute_schema_path:
        findings.error(
            _key_place(node, violation.instance), f"`{violation.instance}`: expected {schema['description']}"
        )
    else:
        findings.error(node.place, _unexpected(path, violation))


def _key_place(node: Node, key: str) -> Place:
    return node.keys.get(key, node.place)


def _unknown_key(key: str, what: str, properties: dict[str, Any]) -> str:
    hint = did_you_mean(key, properties) or f"; it may have: {', '.join(properties)}"
    return f"`{key}`: {what} has no such key{hint}"


def _unexpected(path: list[Any], violation: Any) -> str:
    name = next((step for step in reversed(path) if isinstance(step, str)), "the file")
    expected = violation.schema.get("description", violation.message)
    value = violation.instance
    got = f"`{value}`" if isinstance(value, (str, int)) else "a list" if isinstance(value, list) else "a mapping"
    hint = did_you_mean(value, violation.schema.get("enum", ())) if isinstance(value, str) else ""
    return f"`{name}`: expected {expected}, got {got}{hint}"


def _described(schema: dict[str, Any]) -> str:
    return str(_resolved(schema).get("description", ""))
