"""YAML files of a topology are read as text, and strictly."""

from __future__ import annotations

import time

import pytest

from vomap.mapfile.findings import Findings
from vomap.osg.files import TopologyError
from vomap.osg.yaml_text import TextValue, read_document


def read(content: str | bytes) -> tuple[TextValue | None, Findings]:
    """Return the document that a text contains, and its errors."""
    findings = Findings()
    return read_document("x.yaml", content if isinstance(content, bytes) else content.encode(), findings), findings


@pytest.mark.parametrize("text", ["no", "0815", "1e5", "2026-08-21", "1:30", "0x1f", "=", "true", "1_000"])
def test_a_scalar_is_the_text_that_is_written(text: str) -> None:
    """No scalar but null becomes anything else than its own text."""
    document, findings = read(f"key: {text}\n")
    assert document is not None
    assert document.entries("a mapping", findings)["key"].text("text", findings) == text
    assert findings.all == []


@pytest.mark.parametrize("text", ["", "null", "~", "Null"])
def test_null_is_nothing(text: str) -> None:
    """An empty value and a written null are the same: nothing."""
    document, findings = read(f"key: {text}\n")
    assert document is not None
    assert document.entries("a mapping", findings)["key"].is_null


def test_quoted_null_is_text() -> None:
    """Quotes make a text of everything, of nothing too."""
    document, findings = read("a: 'null'\nb: ''\n")
    assert document is not None
    values = document.entries("a mapping", findings)
    assert [values[key].text("text", findings) for key in "ab"] == ["null", ""]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "given twice"),
        ("deep:\n  - {x: 1, x: 2}\n", 2, "given twice"),
        ("a: !!python/object:os.system x\n", 1, "tag"),
        ("a: !!binary aGk=\n", 1, "tag"),
        ("[1, 2]: x\n", 1, "not text"),
        ("null: x\n", 1, "not text"),
        ("a: [1\n", 2, "YAML"),
        ("a: 1\n---\nb: 2\n", 2, "YAML"),
        ("a: *nowhere\n", 1, "YAML"),
        ("a: \x07\n", 1, "YAML"),
        ("", 0, "is empty"),
        ("# nothing\n", 0, "is empty"),
        (b"a: \xff\n", 0, "not UTF-8"),
        ("[" * 100_000, 0, "nested too deeply"),
    ],
)
def test_a_broken_file_is_told_with_its_place(content: str | bytes, line: int, words: str) -> None:
    """Text that is not YAML, or that would hide something, is an error at its line."""
    document, findings = read(content)
    assert document is None
    assert [finding.place.line for finding in findings.all] == [line]
    assert words in str(findings.all[0])


def test_all_findings_of_a_file_are_told() -> None:
    """Two duplicate keys are two findings, in the order of their lines."""
    _, findings = read("b: 1\na: 1\nb: 2\na: 2\n")
    assert [(finding.place.line, finding.message[:3]) for finding in findings.all] == [(3, "b: "), (4, "a: ")]


def test_aliases_are_passed_over_where_nothing_is_read() -> None:
    """The topology's lists of caches use anchors. The rest of the file is valid in spite of them."""
    document, findings = read("caches: &all [x]\nmore: *all\nkey: value\n")
    assert document is not None
    assert document.entries("a mapping", findings)["key"].text("text", findings) == "value"
    assert findings.all == []


@pytest.mark.parametrize(
    ("text", "how"), [("&x {y: 1}", "entries"), ("&x [1]", "members"), ("&x text", "text"), ("&x [*x]", "members")]
)
@pytest.mark.parametrize("key", ["a", "b"])
def test_aliases_are_refused_where_something_is_read(text: str, how: str, key: str) -> None:
    """A few aliases could make very much of a small file, wherever they are."""
    document, findings = read(f"a: {text}\nb: *x\n")
    assert document is not None
    assert not getattr(document.entries("a mapping", findings)[key], how)("something", findings)
    (finding,) = findings.all
    assert "got a value that aliases repeat" in str(finding)


def test_what_many_findings_come_to_is_bounded() -> None:
    """Neither do very many fill the log, nor does each bring a very long key along."""
    _, findings = read("".join(f"k{i}: 1\nk{i}: 2\n" for i in range(1000)))
    assert len(findings.all) <= 1001
    _, findings = read("[" + "{a: 1, a: 2}, " * 1000 + "]")
    assert len(findings.all) == 100
    _, findings = read(f"? {'k' * 300}\n: [1, 2]\n")
    assert ["is a key of more than 255 characters" in str(each) for each in findings.all] == [True]
    assert len(str(TopologyError(findings.all * 1000))) < 20_000


def test_a_merge_key_is_refused_where_it_is_read() -> None:
    """A merge key hides which keys there are."""
    document, findings = read("base: &base {x: 1}\nentry: {<<: *base}\n")
    assert document is not None
    assert findings.all == []
    document.entries("a mapping", findings)["entry"].entries("a mapping", findings)
    assert "merge key" in str(findings.all[0])


def test_a_heap_of_aliases_takes_no_time() -> None:
    """Aliases of aliases that would unfold to billions of nodes are looked at once each."""
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    started = time.monotonic()
    document, _ = read("\n".join(lines))
    assert document is not None
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("text", ["x: [" + "a," * 50_000 + "]", "{" + "a: b, " * 5_001 + "}", "- \n" * 10_001])
def test_a_file_of_very_many_values_is_refused(text: str) -> None:
    """256 kB of short values took PyYAML seconds, and a topology may have many such files."""
    document, findings = read(text)
    assert document is None
    assert ["has more than 10000 keys and values" in str(each) for each in findings.all] == [True]


def test_a_file_may_have_many_values() -> None:
    """A thousand entries, the most that a VO may have, are within the limit."""
    entry = "- {URL: a, Subject: b, Description: c, DefaultUnixUser: d}\n"
    assert read("Credentials:\n  TokenIssuers:\n" + f"  {entry}" * 1000)[0] is not None
