"""Mapfiles and files of bans: every finding has its place, and a file without errors is a policy that stays as it is.

A mapfile that was read, written again as YAML and read again is the same. So is a policy that is taken apart for a
compiled file and put together again.
"""

from __future__ import annotations

import json

from vomap.mapfile.bans import compose_bans
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings
from vomap.mapfile.reader import read_yaml
from vomap.policy.index import bans_of, document_of_policy, index_policy, policy_of
from vomap.store.writer import document_digest

FILE = "fuzz.yaml"


def check(data: bytes) -> None:
    """Read a mapfile. Raises AssertionError if the rules above are broken."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    _check_yaml(text)
    _check_policy(text)
    _check_bans(text)


def _check_yaml(text: str) -> None:
    findings = Findings()
    node = read_yaml(text, FILE, findings)
    _check_places(text, findings)
    if node is None or findings.errors:
        assert findings.errors, "nothing was read, and nobody is told why"
        return
    again = read_yaml(_written(node.plain()), FILE, findings)
    assert findings.errors == []
    assert again is not None
    assert again.plain() == node.plain()


def _check_policy(text: str) -> None:
    findings = Findings()
    composition = compose([Mapfile(FILE, text)], findings)
    _check_places(text, findings)
    if findings.errors:
        return
    document = composition.document
    again = json.loads(json.dumps(document))
    assert again == document, "a policy that JSON cannot hold"
    pieces = json.loads(json.dumps(dict(index_policy(document))))
    together = document_of_policy(pieces)
    assert {**document, **together} == {**document, "reserved-vos": document.get("reserved-vos", [])}
    assert document_digest(again) == document_digest(document)
    assert len(list(policy_of(document).rules())) == len(document["rules"])


def _check_bans(text: str) -> None:
    findings = Findings()
    document = compose_bans([Mapfile(FILE, text)], findings)
    _check_places(text, findings)
    if not findings.errors:
        assert len(list(bans_of(json.loads(json.dumps(document))).all())) == len(document["bans"])


def _check_places(text: str, findings: Findings) -> None:
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029")
    for finding in findings.all:
        assert finding.place.file == FILE
        assert 1 <= finding.place.line <= lines + 2
        assert 1 <= finding.place.column <= len(text) + 1
        assert finding.message


def _written(value: object) -> str:
    """Write texts, lists and mappings as YAML in one line, every unusual character as YAML escapes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        # `? ` allows for keys of any length.
        return "{" + ", ".join(f"? {_written(key)} : {_written(item)}" for key, item in value.items()) + "}"
    return (
        '"' + "".join(sign if sign.isalnum() and sign.isascii() else f"\\U{ord(sign):08x}" for sign in str(value)) + '"'
    )
