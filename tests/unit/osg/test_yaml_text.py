"""YAML files of a topology are read as text, and strictly."""

from __future__ import annotations

import time

import pytest

from vomap.osg.problems import Problem, SourceError
from vomap.osg.yaml_text import Value, read_document


def read(content: str | bytes) -> tuple[Value | None, list[Problem]]:
    """Return the document that a text holds, and its problems."""
    problems: list[Problem] = []
    return read_document("x.yaml", content if isinstance(content, bytes) else content.encode(), problems), problems


@pytest.mark.parametrize("text", ["no", "0815", "1e5", "2026-08-21", "1:30", "0x1f", "=", "true", "1_000"])
def test_a_scalar_is_the_text_that_is_written(text: str) -> None:
    """No scalar but null becomes anything else than its own text."""
    document, problems = read(f"key: {text}\n")
    assert document is not None
    assert document.entries("a mapping", problems)["key"].text("text", problems) == text
    assert problems == []


@pytest.mark.parametrize("text", ["", "null", "~", "Null"])
def test_null_is_nothing(text: str) -> None:
    """An empty value and a written null are the same: nothing."""
    document, problems = read(f"key: {text}\n")
    assert document is not None
    assert document.entries("a mapping", problems)["key"].is_null


def test_quoted_null_is_text() -> None:
    """Quotes make a text of everything, of nothing too."""
    document, problems = read("a: 'null'\nb: ''\n")
    assert document is not None
    values = document.entries("a mapping", problems)
    assert [values[key].text("text", problems) for key in "ab"] == ["null", ""]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "given twice"),
        ("deep:\n  - {x: 1, x: 2}\n", 2, "given twice"),
        ("a: !!python/object:os.system x\n", 1, "tag"),
        ("a: !!binary aGk=\n", 1, "tag"),
        ("[1, 2]: x\n", 1, "no text"),
        ("null: x\n", 1, "no text"),
        ("a: [1\n", 2, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not YAML"),
        ("a: *nowhere\n", 1, "not YAML"),
        ("a: \x07\n", 0, "not YAML"),
        ("", 0, "is empty"),
        ("# nothing\n", 0, "is empty"),
        (b"a: \xff\n", 0, "not UTF-8"),
        ("[" * 100_000, 0, "nested too deeply"),
    ],
)
def test_a_broken_file_is_told_with_its_place(content: str | bytes, line: int, words: str) -> None:
    """What is no YAML, or would hide something, is a problem at its line."""
    document, problems = read(content)
    assert document is None
    assert [problem.line for problem in problems] == [line]
    assert words in str(problems[0])


def test_all_problems_of_a_file_are_told() -> None:
    """Two duplicate keys are two problems, in the order of their lines."""
    _, problems = read("b: 1\na: 1\nb: 2\na: 2\n")
    assert [(problem.line, problem.key) for problem in problems] == [(3, "b"), (4, "a")]


def test_aliases_are_passed_over_where_nothing_is_read() -> None:
    """The topology's lists of caches use anchors, which is no reason to refuse what else is in the file."""
    document, problems = read("caches: &all [x]\nmore: *all\nkey: value\n")
    assert document is not None
    assert document.entries("a mapping", problems)["key"].text("text", problems) == "value"
    assert problems == []


@pytest.mark.parametrize(
    ("text", "how"), [("&x {y: 1}", "entries"), ("&x [1]", "members"), ("&x text", "text"), ("&x [*x]", "members")]
)
@pytest.mark.parametrize("key", ["a", "b"])
def test_aliases_are_refused_where_something_is_read(text: str, how: str, key: str) -> None:
    """A few aliases could make very much of a small file, wherever they stand."""
    document, problems = read(f"a: {text}\nb: *x\n")
    assert document is not None
    assert not getattr(document.entries("a mapping", problems)[key], how)("something", problems)
    (problem,) = problems
    assert "got a value that aliases repeat" in str(problem)


def test_what_many_problems_come_to_is_bounded() -> None:
    """Neither do very many fill the log, nor does each bring a very long key along."""
    _, problems = read("".join(f"k{i}: 1\nk{i}: 2\n" for i in range(1000)))
    assert len(problems) <= 1001
    _, problems = read("[" + "{a: 1, a: 2}, " * 1000 + "]")
    assert len(problems) == 100
    _, problems = read(f"? {'k' * 300}\n: [1, 2]\n")
    assert ["is a key of more than 255 characters" in str(each) for each in problems] == [True]
    assert len(str(SourceError(problems * 1000))) < 20_000


def test_a_merge_key_is_refused_where_it_is_read() -> None:
    """A merge key hides which keys there are."""
    document, problems = read("base: &base {x: 1}\nentry: {<<: *base}\n")
    assert document is not None
    assert problems == []
    document.entries("a mapping", problems)["entry"].entries("a mapping", problems)
    assert "merge key" in str(problems[0])


def test_a_heap_of_aliases_takes_no_time() -> None:
    """Aliases of aliases that would unfold to billions of nodes are looked at once each."""
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    started = time.monotonic()
    document, _ = read("\n".join(lines))
    assert document is not None
    assert time.monotonic() - started < 5


def test_a_value_that_holds_itself_comes_to_an_end() -> None:
    """A list that is its own member can be written down, and so can one of lists of lists."""
    document, problems = read("a: &a [*a]\nb: [*a, *a, *a]\n")
    assert document is not None
    values = document.entries("a mapping", problems)
    assert [values[key].written() for key in "ab"] == ["...", "[..., ..., ...]"]
