"""The parts of a page of the manual, for each format.

Texts are plain, with `code` between backticks. Formats show code unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Code:
    """Lines to show unchanged, in a language that the reference can colour."""

    text: str
    language: str = "text"


@dataclass(frozen=True)
class Terms:
    """Terms, each with its meaning. A term is code."""

    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Items:
    """A list of texts."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table with a row of titles. If it becomes a list, `titled` is True to repeat the titles in it."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    titled: bool = True


Block = Union[Paragraph, Code, Terms, Items, Table]


@dataclass(frozen=True)
class Section:
    """A part of a page, with its title."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A page of the manual, `volume` is the number of its part of the system's manual."""

    name: str
    volume: int
    summary: str
    synopsis: Sequence[str]
    sections: Sequence[Section]
    see_also: Sequence[str] = ()
