"""A page of the manual as roff, for `man`: only macros that groff and mandoc both know."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.manual.model import Block, Code, Items, Page, Paragraph, Table, Terms


def roff(page: Page, version: str) -> str:
    """Return the source of a man page."""
    title = f'.TH "{_plain(page.name).upper()}" "{page.volume}" "" "vomap {version}" "vomap manual"'
    lines = [title, ".SH NAME", f"{_plain(page.name)} \\- {_inline(page.summary)}"]
    if page.synopsis:
        lines += [".SH SYNOPSIS", ".nf", *map(_synopsis, page.synopsis), ".fi"]
    for section in page.sections:
        lines.append(f'.SH "{_plain(section.title).upper()}"')
        for number, block in enumerate(section.blocks):
            lines += _block(block, is_first=number == 0)
    if page.see_also:
        lines += [".SH SEE ALSO", ",\n".join(map(_reference, page.see_also))]
    return "\n".join(lines) + "\n"


def _block(block: Block, *, is_first: bool) -> Iterator[str]:
    if isinstance(block, Paragraph):
        if not is_first:
            yield ".PP"
        yield _safe(_inline(block.text))
    elif isinstance(block, Code):
        if not is_first:
            yield ".PP"
        yield from (".RS 2", ".nf", *(_safe(_plain(line)) for line in block.text.splitlines()), ".fi", ".RE")
    elif isinstance(block, Terms):
        for term, text in block.entries:
            yield from (".TP", f"\\fB{_plain(term)}\\fR", _safe(_inline(text)) or "\\&")
    elif isinstance(block, Items):
        for text in block.texts:
            yield from (".TP 2", "\\(bu", _safe(_inline(text)))
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    """Yield a table as terms: a row's first cell, and the others with their titles."""
    for row in table.rows:
        cells = [(title, cell) for title, cell in zip(table.titles[1:], row[1:]) if cell]
        text = "; ".join(f"{title}: {cell}" if table.titled else cell for title, cell in cells)
        yield from (".TP", f"\\fB{_plain(row[0].replace('`', ''))}\\fR", _safe(_inline(text)) or "\\&")


def _synopsis(line: str) -> str:
    command, blank, rest = line.partition(" [")
    return f"\\fB{_plain(command)}\\fR{_plain(blank + rest)}"


def _reference(name: str) -> str:
    page, _, volume = name.partition("(")
    return f"\\fB{_plain(page)}\\fR({volume}"


def _inline(text: str) -> str:
    """Return a text with the text between backticks in bold."""
    parts = re.split(r"`([^`]+)`", text)
    return "".join(f"\\fB{_plain(part)}\\fR" if number % 2 else _plain(part) for number, part in enumerate(parts))


def _plain(text: str) -> str:
    marks = {"\\": "\\e", "-": "\\-", "\N{HORIZONTAL ELLIPSIS}": "...", "^": "\\(ha", "~": "\\(ti", "`": "\\(ga"}
    return "".join(marks.get(mark, mark) for mark in text)


def _safe(line: str) -> str:
    """Return a line that roff takes for text, whatever it begins with."""
    return f"\\&{line}" if line.startswith((".", "'")) else line
