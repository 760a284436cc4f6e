"""Errors and warnings about mapfiles, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from vomap import Error, printable

ERROR, WARNING = "error", "warning"
# The words that hints of one kind are searched among, in all searches together.
_MOST_SEARCHED = 100_000


@dataclass(frozen=True, order=True)
class Place:
    """A place in a mapfile. Lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return `file:line:column` as compilers write it, or the file alone where the line is 0 (unknown)."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @classmethod
    def of_source(cls, source: str) -> Place:
        """Return the place of a rule or a ban from the `source` of its document, `FILE:LINE`."""
        file, _, line = source.rpartition(":")
        return cls(file, int(line), 1)


@dataclass(frozen=True)
class Finding:
    """One error or warning. `code` is the code of a warning of the linter (analysis/lint/__init__.py)."""

    place: Place
    message: str
    severity: str = ERROR
    code: str | None = None

    def __str__(self) -> str:
        """Return the finding on one line."""
        mark = "" if self.severity == ERROR else f"{self.severity}: "
        code = "" if self.code is None else f" [{self.code}]"
        return f"{self.place}: {mark}{self.message}{code}"

    def as_json(self) -> dict[str, object]:
        """Return the members for JSON output."""
        return {**asdict(self.place), "severity": self.severity, "code": self.code, "message": self.message}


class Findings:
    """Collect all findings of a run: one pass reports errors from every depth of the files and continues."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def error(self, place: Place, message: str) -> None:
        """Add an error."""
        self.all.append(Finding(place, message))

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add findings."""
        self.all += findings

    def warn(self, place: Place, message: str, code: str | None = None) -> None:
        """Add a warning. A warning of the linter has a code."""
        self.all.append(Finding(place, message, WARNING, code))

    @property
    def in_order(self) -> list[Finding]:
        """All findings, in the order of the files, and in each file in the order of the lines."""
        files = {file: at for at, file in enumerate(dict.fromkeys(finding.place.file for finding in self.all))}
        return sorted(self.all, key=lambda each: (files[each.place.file], each.place.line, each.place.column))

    @property
    def errors(self) -> list[Finding]:
        """Only the errors, in the same order."""
        return [finding for finding in self.in_order if finding.severity == ERROR]

    @property
    def as_warnings(self) -> list[Finding]:
        """One warning for each file: the first reason why a build would refuse it, and the number of others."""
        by_file: dict[str, list[Finding]] = {}
        for finding in self.in_order:
            by_file.setdefault(finding.place.file, []).append(finding)
        warnings = []
        for first, *others in by_file.values():
            more = f" (for this, and {len(others)} more)" if others else ""
            message = f"`vomap build` would refuse this file{more}: {first.message}"
            warnings.append(replace(first, severity=WARNING, message=message))
        return warnings

    def raise_errors(self) -> None:
        """Raise MapfileError if there is any error."""
        if self.errors:
            raise MapfileError(self.errors)


class MapfileError(Error):
    """The mapfiles have errors. `findings` has all of them."""

    def __init__(self, findings: list[Finding]) -> None:
        # The name of a file could contain a line break.
        super().__init__("\n".join(printable(str(finding)) for finding in findings))
        self.findings = findings


def did_you_mean(word: str, legal: Iterable[str]) -> str:
    """Return a hint with the most similar legal word, or "" if no word is similar."""
    near = nearest(word, legal)
    return f"; did you mean `{near}`?" if near else ""


class SimilarWords:
    """Many legal words, and hints for words that are none of them.

    A search takes as long as there are legal words, so that only the first searches are made: later words get no hint.
    """

    def __init__(self, legal: Iterable[str]) -> None:
        self._legal = list(legal)
        self._left = _MOST_SEARCHED

    def hint(self, word: str) -> str:
        """Return a hint with the most similar legal word, or ""."""
        if self._left < len(self._legal):
            return ""
        self._left -= len(self._legal)
        return did_you_mean(word, self._legal)


def nearest(word: str, legal: Iterable[str]) -> str | None:
    """Return the most similar legal word, or None if no word is similar."""
    return next(iter(difflib.get_close_matches(word, list(legal), n=1)), None)
