"""Read one line of a map file of HTCondor: a method, an expression for `<issuer>,<subject>`, and a name.

Only expressions that begin with literal text are understood. HTCondor's expressions (PCRE) differ from Python's, so
each other expression may match every token.

Source: HTCondor's src/condor_utils/MapFile.cpp, with CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS as HTCondor-CE sets it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vomap.ces.htcondor import PLUGIN

_BLANKS = " \t\n"
_NOT_LITERAL = "^$*+?{[()|"
_QUANTIFIERS = "*+?{"
# The character that replaces bytes that are not UTF-8.
BROKEN = "\ufffd"
_ASKS_VOMAP = re.compile(rf"PLUGIN:{PLUGIN}((?:\s*,\s*\w+)*)", re.ASCII)


@dataclass(frozen=True)
class Expression:
    """The known part of an expression: the characters that each match begins with, None for any character.

    If it is `complete`, these characters are all that a match needs, and `ends` says that nothing may follow them.
    """

    begin: tuple[str | None, ...] = ()
    complete: bool = False
    ends: bool = False
    ignores_case: bool = False

    def may_match(self, issuer: str) -> bool:
        """Return True if this may match a token of some subject of an issuer."""
        text = f"{issuer},"
        if self.ends and len(self.begin) < len(text):
            return False
        return all(self._fits(mark, there) for mark, there in zip(self.begin, text))

    def names(self, issuer: str) -> bool:
        """Return True if this may match tokens of an issuer, and is long enough to be meant for no other."""
        return len(self.begin) > len(issuer) and self.may_match(issuer)

    def issuer(self) -> str | None:
        """Return the issuer of which this matches every token. None if it matches others, too."""
        text = "".join(mark or "" for mark in self.begin)
        is_plain = self.complete and not self.ends and not self.ignores_case and None not in self.begin
        return text[:-1] if is_plain and text.endswith(",") else None

    def takes(self, issuer: str) -> bool:
        """Return True if this matches every token of an issuer, and perhaps those of others."""
        return self.complete and not self.ends and len(self.begin) <= len(issuer) + 1 and self.may_match(issuer)

    def subject_of(self, issuer: str) -> str | None:
        """Return the text with which the matching subjects of an issuer begin. None if it cannot be read.

        "" means every subject.
        """
        rest = self.begin[len(issuer) + 1 :]
        if self.ignores_case or not self.complete or None in rest:
            return None
        return "".join(mark or "" for mark in rest)

    def _fits(self, mark: str | None, there: str) -> bool:
        return mark is None or mark == there or (self.ignores_case and mark.lower() == there.lower())


ANY_TOKEN = Expression(complete=True)


@dataclass(frozen=True)
class MapLine:
    """One line of a map file: its place and text, the expression for tokens, and the name that it gives."""

    file: Path
    number: int
    text: str
    expression: Expression
    name: str

    @property
    def place(self) -> str:
        """The file and the number of the line."""
        return f"{self.file}:{self.number}"

    @property
    def next_plugins(self) -> list[str] | None:
        """The plugins that HTCondor asks about tokens that vomap declines. None if the line does not ask vomap."""
        found = _ASKS_VOMAP.fullmatch(self.name)
        return None if found is None else re.findall(r"\w+", found[1])


def read_map_line(file: Path, number: int, text: str) -> MapLine | None:
    """Return a line that may map tokens. Return None for lines of other methods, and lines that HTCondor ignores."""
    method, rest, _ = _split_field(text)
    if method.upper() != "SCITOKENS":
        return None
    is_expression = rest.lstrip(_BLANKS).startswith("/")
    principal, rest, options = _split_field(rest, may_be_expression=True)
    name, _, _ = _split_field(rest)
    if not principal or not name:
        return None
    expression = _read_expression(principal, "i" in options) if is_expression else _read_literal(principal)
    return MapLine(file, number, text.strip(), expression, name)


def include_target(text: str) -> str | None:
    """Return the path of an `@include` line. Return None for each other line."""
    word, rest, _ = _split_field(text)
    return _split_field(rest)[0] if word == "@include" else None


def first_word(text: str) -> str:
    """Return the first word of a line, "" for a comment."""
    word, _, _ = _split_field(text)
    return "" if word.startswith("#") else word


def _split_field(text: str, *, may_be_expression: bool = False) -> tuple[str, str, str]:
    """Return the first field of a line, the text behind it, and the options of an expression (`i` and `U`)."""
    text = text.lstrip(_BLANKS)
    end = text[:1]
    if end != '"' and not (end == "/" and may_be_expression):
        at = next((at for at, mark in enumerate(text) if mark in _BLANKS), len(text))
        return text[:at], text[at:], ""
    field = []
    at = 1
    while at < len(text) and text[at] != end:
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
            field.append(text[at] if text[at] in (end, "\\") else f"\\{text[at]}")
        else:
            field.append(text[at])
        at += 1
    rest = text[at + 1 :]
    options = rest[: len(rest) - len(rest.lstrip("iU"))] if end == "/" else ""
    return "".join(field), rest[len(options) :], options


def _read_literal(text: str) -> Expression:
    """Return the expression of a text without slashes around it, which HTCondor compares as it is."""
    return Expression(() if BROKEN in text else tuple(text), complete=BROKEN not in text, ends=BROKEN not in text)


def _read_expression(text: str, ignores_case: bool) -> Expression:
    begin: list[str | None] = []
    at = 1
    if text in (".*", "(.*)", ".+"):
        return ANY_TOKEN
    if not text.startswith("^") or BROKEN in text:
        return Expression(ignores_case=ignores_case)
    while at < len(text):
        mark, width = _next_mark(text, at)
        if width == 0 or text[at + width : at + width + 1] in tuple(_QUANTIFIERS):
            break
        begin.append(mark)
        at += width
    rest = text[at:]
    if "|" in rest:
        # One of several expressions, of which another need not begin like this.
        return Expression(ignores_case=ignores_case)
    complete = rest in ("", "$", ".*", ".*$", "(.*)", "(.*)$")
    return Expression(tuple(begin), complete, rest == "$", ignores_case)


def _next_mark(text: str, at: int) -> tuple[str | None, int]:
    """Return the literal character at a place of an expression, None for any, and its width. 0 if it is neither."""
    mark = text[at]
    if mark == "\\":
        escaped = text[at + 1 : at + 2]
        return (escaped, 0) if not escaped or (escaped.isascii() and escaped.isalnum()) else (escaped, 2)
    return (None, 1) if mark == "." else (mark, 0 if mark in _NOT_LITERAL else 1)
