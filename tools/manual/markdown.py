"""Pages of the manual as Markdown, for the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tools.manual.model import Block, Code, Items, Page, Paragraph, Section, Terms

NOTE = "<!-- Written by `make manual` from the code; not to be edited. -->"


def document(title: str, introduction: str, parts: Sequence[str]) -> str:
    """Return a whole document."""
    return "\n\n".join([NOTE, f"# {title}", introduction, *parts]) + "\n"


def page_part(page: Page) -> str:
    """Return a page, whose first section describes it, as a part of a document."""
    heading = f"## {page.name}"
    synopsis = ["```text\n" + "\n".join(page.synopsis) + "\n```"] if page.synopsis else []
    description, *sections = page.sections
    told = map(_block, description.blocks)
    return "\n\n".join([heading, *synopsis, *told, *(section_part(section, 3) for section in sections)])


def section_part(section: Section, level: int) -> str:
    """Return a section under a heading of a level."""
    return "\n\n".join([f"{'#' * level} {section.title}", *(_block(block) for block in section.blocks)])


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return _outside_code(block.text)
    if isinstance(block, Code):
        return f"```{block.language}\n{block.text.rstrip()}\n```"
    if isinstance(block, Terms):
        return "\n".join(f"- `{term}`: {_outside_code(text)}" for term, text in block.entries)
    if isinstance(block, Items):
        return "\n".join(f"- {_outside_code(text)}" for text in block.texts)
    return "\n".join(_rows([block.titles, ["---"] * len(block.titles), *block.rows]))


def _rows(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield "| " + " | ".join(_outside_code(cell).replace("|", "\\|") for cell in row) + " |"


def _outside_code(text: str) -> str:
    """Return a text with escapes for Markdown, except between backticks."""
    parts = text.split("`")
    return "`".join(part if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _escaped(text: str) -> str:
    return "".join(f"\\{mark}" if mark in "*<>[]_" else mark for mark in text)
