"""Invalid mapfiles: vomap reports every error at its place. Comments in the mapfiles list the expected errors."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml

from vomap.mapfile.bans import compose_bans
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile, read_files
from vomap.mapfile.findings import Finding, Findings

_FOLDER = Path(__file__).resolve().parents[2] / "mapfiles"
_INVALID = sorted((_FOLDER / "invalid").glob("*.yaml"))
_SEVERAL = sorted(path.parent for path in (_FOLDER / "several").glob("*/expect.txt"))
_EXPECTATION = re.compile(r"# expect (\d+)(?::(\d+))?: (.+)")
_ABOUT_SYNTAX = "not valid YAML"
_OTHER_KINDS: tuple[Any, ...] = ("x y", "", [], ["x"], [["x"]], [{"x": "y"}], {}, {"x": "y"}, {"x": ["y"]}, None)
_VALID: dict[str, Any] = {
    "mapfile": 1,
    "site": {
        "audience": ["ANY"],
        "serve": ["CMS"],
        "rename": {"cmspilot": "cms001"},
        "accounts": {"must-exist": "yes", "minimum-uid": 1000, "never": ["condor"]},
        "maximum-lifetime": "6h",
    },
    "issuers": {
        "https://cms.example.org/": {"vo": "CMS", "audience": ["ANY"], "without-audience": "accept"},
        "https://lab.example.org/": {
            "vo-from": ["scope-path", "group"],
            "vos": {"nova": "Nova"},
            "default-vo": "Nova",
            "entitlements": {"namespace": "urn:mace:egi.eu", "authority": "aai.egi.eu", "in-scope": "no"},
        },
    },
    "rules": [
        {
            "name": "people",
            "vo": ["CMS"],
            "subject": "<user>@x",
            "claim": {"client_id": "<id>"},
            "account": "<user><id>",
        },
        {"name": "pooled", "issuer": "https://cms.example.org/", "group": ["/cms/**"], "scope": "read:/", "pool": "p"},
        {"name": "denied", "vo": "CMS", "first-group": "/cms/Role=pilot", "audience": ["ANY"], "deny": "not here"},
    ],
    "pools": {"p": {"accounts": ["p{01..99}"], "lease": "30d", "quarantine": "2d"}},
    "tests": [
        {
            "token": {"iss": "x", "exp": 1, "aud": ["y"]},
            "expect": {"outcome": "declined"},
            "at": "2026-12-31",
            "alone": "no",
        }
    ],
}
_VALID_BANS: dict[str, Any] = {
    "mapfile": 1,
    "bans": [
        {
            "vo": ["CMS"],
            "subject": "x",
            "group": "/cms",
            "jti": ["y"],
            "client": "z",
            "claim": {"sub": "x"},
            "reason": "r",
        },
        {"vo": "CMS", "reason": "no agreement", "until": "2026-12-31"},
    ],
}

# Line and column of an error, and a part of its message. The column is None if the parser chooses it.
_Expected = tuple[int, Optional[int], str]


def _findings(path: Path) -> list[Finding]:
    findings = Findings()
    mapfile = Mapfile(path.name, path.read_bytes().decode("utf-8"))
    if path.name.startswith("bans-"):
        compose_bans([mapfile], findings)
    else:
        compose([mapfile], findings)
    return findings.all


def _expected(path: Path) -> list[_Expected]:
    matches = (_EXPECTATION.fullmatch(line) for line in path.read_bytes().decode("utf-8").split("\n"))
    return [(int(each[1]), int(each[2]) if each[2] else None, each[3]) for each in matches if each]


def _differences(expected: list[_Expected], found: list[Finding]) -> list[str]:
    """Return the expected errors that are missing, and the unexpected errors."""
    left, missing = list(found), []
    for line, column, text in expected:
        for finding in left:
            place = finding.place
            if place.line == line and column in (None, place.column) and text in finding.message:
                left.remove(finding)
                break
        else:
            missing.append(f"missing: {line}:{column or '*'}: {text}")
    return [*missing, *(f"unexpected: {finding}" for finding in left)]


def _mutants(valid: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield copies of a document as JSON, which is YAML. Each copy has one value of another kind."""
    for path in _paths(valid):
        for other in _OTHER_KINDS:
            document = copy.deepcopy(valid)
            holder: Any = document
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = other
            yield f"{path} is {other!r}", json.dumps(document)


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield (step,)
        for path in _paths(member):
            yield (step, *path)


def test_the_scan_finds_the_mapfiles() -> None:
    """The folder of invalid mapfiles is not empty. Without mapfiles these tests prove nothing."""
    assert len(_INVALID) >= 60
    assert len(_SEVERAL) >= 4


@pytest.mark.parametrize("path", _INVALID, ids=lambda path: str(path.stem))
def test_an_invalid_mapfile_has_exactly_the_errors_that_it_states(path: Path) -> None:
    """A mapfile has each expected error at its place, and no other error."""
    expected = _expected(path)
    assert expected, "the mapfile states no error"
    assert _differences(expected, _findings(path)) == []


@pytest.mark.parametrize("path", _INVALID, ids=lambda path: str(path.stem))
def test_an_error_carries_file_line_and_column(path: Path) -> None:
    """Every message is one line. It begins with file, line and column, and this place is in the file."""
    lines = path.read_bytes().decode("utf-8").split("\n")
    for finding in _findings(path):
        assert re.fullmatch(rf"{re.escape(path.name)}:[1-9][0-9]*:[1-9][0-9]*: \S.*\S", str(finding))
        assert finding.place.line <= len(lines)
        assert finding.place.column <= len(lines[finding.place.line - 1]) + 1


@pytest.mark.parametrize("path", _INVALID, ids=lambda path: str(path.stem))
def test_a_message_speaks_of_mapfiles_and_not_of_python(path: Path) -> None:
    """A message contains no name or notation of the implementation."""
    for finding in _findings(path):
        assert not re.search(r"\bNone\b(?!`)|Node\(|Place\(|<class|Error\b|\bdict\b", finding.message), str(finding)


@pytest.mark.parametrize("path", _INVALID, ids=lambda path: str(path.stem))
def test_both_parsers_find_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML with and without libyaml reports the same errors. Only its messages about invalid YAML differ."""
    usual = _findings(path)
    monkeypatch.setattr("vomap.mapfile.reader._LOADER", yaml.SafeLoader)
    alone = _findings(path)
    assert _differences(_expected(path), alone) == []
    if not any(finding.message.startswith(_ABOUT_SYNTAX) for finding in usual):
        assert list(map(str, alone)) == list(map(str, usual))


@pytest.mark.parametrize("folder", _SEVERAL, ids=lambda folder: str(folder.name))
def test_several_mapfiles_have_exactly_the_findings_that_are_stated(folder: Path) -> None:
    """The error about a conflict of two files has its place in the later file, and names the earlier one."""
    findings = Findings()
    compose(read_files([str(folder)]), findings)
    found = sorted(str(finding).replace(f"{folder}/", "") for finding in findings.all)
    lines = (folder / "expect.txt").read_text("utf-8").splitlines()
    expected = sorted(line for line in lines if not line.startswith("#"))
    assert len(found) == len(expected), found
    assert [(said, stated) for said, stated in zip(found, expected) if not said.startswith(stated)] == []


def test_the_documents_of_the_next_test_are_valid() -> None:
    """The two documents are valid, so each of their mutants has at most one mistake."""
    findings = Findings()
    compose([Mapfile("valid.yaml", json.dumps(_VALID))], findings)
    compose_bans([Mapfile("bans.yaml", json.dumps(_VALID_BANS))], findings)
    assert findings.all == []


def test_no_value_of_a_wrong_kind_leads_to_a_traceback() -> None:
    """A value of a wrong kind causes no traceback, and vomap reports no error twice."""
    for what, text in [*_mutants(_VALID), *_mutants(_VALID_BANS)]:
        findings = Findings()
        run = compose_bans if '"bans"' in text else compose
        run([Mapfile("mutant.yaml", text)], findings)
        assert len(set(findings.all)) == len(findings.all), what
        assert "Node(" not in "".join(map(str, findings.all)), what
