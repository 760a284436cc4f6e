"""The rules that a passage must meet: phrases, length of sentences, `;`, headings, and names of the code."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from tools.prose.passages import DOCSTRING, HEADING, MESSAGE, Passage

LIMIT, GUIDE_LIMIT = 35, 25
_ABBREVIATIONS = ("e.g.", "i.e.", "cf.", "vs.", "...")
_FEWEST_WORDS = 3
_NOT_A_TASK = re.compile(r"(the|an?|what|who|whom|which|where|when|why|how|if)\b", re.IGNORECASE)
_CAMEL_CASE = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+")
_CALL = re.compile(r"([A-Za-z_][\w.]*)\(\)")
_SNAKE_CASE = re.compile(r"_*[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
_DOTTED = re.compile(r"vomap(?:\.[A-Za-z_]\w*)+")
_FILE_ENDINGS = ("bans", "conf", "json", "log", "md", "py", "service", "spec", "timer", "yaml")

Fault = tuple[int, str]


@dataclass(frozen=True)
class Phrase:
    """A phrase to avoid, the texts in which it is allowed, and what to write instead."""

    pattern: re.Pattern[str]
    allowed: tuple[re.Pattern[str], ...]
    write: str


def read_phrases() -> list[Phrase]:
    """Read the data file of phrases."""
    path = Path(__file__).with_name("phrases.yaml")
    return [
        Phrase(_words(each["phrase"]), tuple(_words(fit) for fit in each.get("fits", ())), each["write"])
        for each in yaml.safe_load(path.read_text("utf-8"))
    ]


def phrase_faults(passage: Passage, phrases: Collection[Phrase]) -> Iterator[Fault]:
    """Yield the forbidden phrases, outside of code."""
    text = masked(passage.text)
    for phrase in phrases:
        allowed = [found.span() for fit in phrase.allowed for found in fit.finditer(text)]
        for found in phrase.pattern.finditer(text):
            if not any(begin <= found.start() and found.end() <= end for begin, end in allowed):
                shown = " ".join(found[0].split())
                yield passage.line_at(found.start()), f'"{shown}": write {phrase.write}'


def sentence_faults(passage: Passage, limit: int) -> Iterator[Fault]:
    """Yield the sentences that are too long, that begin with a what-clause, or that `;` joins."""
    for offset, sentence in sentences(passage.text):
        line = passage.line_at(offset)
        words = count_words(sentence)
        if words > limit:
            yield line, f"a sentence of {words} words, at most {limit}: write one fact a sentence"
        if re.match(r"What(ever)?\s", sentence) and not sentence.rstrip(" *\"')").endswith("?"):
            yield line, 'a what-clause: begin with a noun ("the CE configuration", not "what wires the CE")'
        if passage.kind != MESSAGE:
            yield from ((passage.line_at(offset + at), _SEMICOLON) for at in _joints(sentence))


_SEMICOLON = "`;` joins two sentences: write two sentences"


def heading_faults(passage: Passage) -> Iterator[Fault]:
    """Yield the heading of a guide that is not a task."""
    if passage.kind == HEADING and (_NOT_A_TASK.match(passage.text) or " " not in passage.text.strip()):
        yield passage.line, f'the heading "{passage.text}" is not a task: begin with a verb ("Ban a user now")'


def name_faults(passage: Passage, is_known: Callable[[str], bool]) -> Iterator[Fault]:
    """Yield the names in backticks of a docstring that are names of Python, but not of this code."""
    if passage.kind != DOCSTRING:
        return
    for found in re.finditer(r"`([^`\n]+)`", passage.text):
        missing = next((part for part in _python_names(found[1]) if not is_known(part)), "")
        if missing:
            line = passage.line_at(found.start())
            yield line, f"`{found[1]}`: the code has no name '{missing}'; write the name that it has now"


def _python_names(code: str) -> list[str]:
    """Return the parts to look up of a call, a class, a name with `_`, or a dotted name of vomap."""
    call = _CALL.fullmatch(code)
    if call:
        return [call[1].split(".")[-1]]
    if _DOTTED.fullmatch(code):
        parts = code.split(".")[1:]
        return [] if parts[-1] in _FILE_ENDINGS else parts
    first, *rest = code.split(".")
    if _CAMEL_CASE.fullmatch(first) and all(part.isidentifier() for part in rest):
        return [first, *rest]
    return [code] if _SNAKE_CASE.fullmatch(code) else []


def masked(text: str) -> str:
    """Return the text with code and addresses as `_`, all at their places."""
    return re.sub(r"`[^`]+`|(?<=\])\([^)\s]+\)|https?://\S+|&\w+;", lambda found: _blank(found[0]), text)


def sentences(text: str) -> list[tuple[int, str]]:
    """Return each sentence of the masked text with its offset."""
    text = masked(text)
    found = []
    begin = 0
    for end in re.finditer(r"[.!?][\"')*_]*(?=\s|$)", text):
        if not text[begin : end.start() + 1].endswith(_ABBREVIATIONS):
            found.append((begin, text[begin : end.end()]))
            begin = end.end()
    found.append((begin, text[begin:]))
    return [(at + len(each) - len(each.lstrip()), each.strip()) for at, each in found if each.strip()]


def count_words(sentence: str) -> int:
    """Count the words. Code is one word."""
    return sum(bool(re.search(r"\w|\{\}", word)) for word in sentence.split())


def _joints(sentence: str) -> list[int]:
    """Return the offsets of `;` between two texts of three words. A list after a colon may use it."""
    marks = [found.start() for found in re.finditer(";", sentence)]
    if len(marks) > 1 and ":" in sentence[: marks[0]]:
        return []
    edges = [-1, *marks, len(sentence)]
    sizes = [count_words(sentence[left + 1 : right]) for left, right in zip(edges, edges[1:])]
    return [mark for mark, *sides in zip(marks, sizes, sizes[1:]) if min(sides) >= _FEWEST_WORDS]


def _blank(text: str) -> str:
    return re.sub(r"\S", "_", text).replace(" ", "_")


def _words(phrase: str) -> re.Pattern[str]:
    body = re.sub(r" ", r"\\s+", phrase)
    return re.compile(rf"(?<![\w-])(?:{body})(?!\w)", re.IGNORECASE)
