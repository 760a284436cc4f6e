"""What is found in mapfiles: errors and warnings, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from vomap import Error

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, order=True)
class Place:
    """A place in a mapfile; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return `file:line:column` as compilers write it, or the file alone where the line is 0 (unknown)."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @classmethod
    def of_source(cls, source: str) -> Place:
        """Return where a rule or a ban begins whose document has this `source`, a file and a line."""
        file, _, line = source.rpartition(":")
        return cls(file, int(line), 1)


@dataclass(frozen=True)
class Finding:
    """One error or warning; `code` is the linter's word for what it warns of (analysis/lint/__init__.py)."""

    place: Place
    message: str
    severity: str = ERROR
    code: str | None = None

    def __str__(self) -> str:
        """Write the finding on one line."""
        mark = "" if self.severity == ERROR else f"{self.severity}: "
        code = "" if self.code is None else f" [{self.code}]"
        return f"{self.place}: {mark}{self.message}{code}"

    def as_json(self) -> dict[str, object]:
        """Return the finding's members."""
        return {**asdict(self.place), "severity": self.severity, "code": self.code, "message": self.message}


class Findings:
    """All findings of a run."""

    def __init__(self) -> None:
        """Start with none."""
        self.all: list[Finding] = []

    def error(self, place: Place, message: str) -> None:
        """Add an error."""
        self.all.append(Finding(place, message))

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add findings."""
        self.all += findings

    def warn(self, place: Place, message: str, code: str | None = None) -> None:
        """Add a warning, with the linter's code if it is the linter's."""
        self.all.append(Finding(place, message, WARNING, code))

    @property
    def in_order(self) -> list[Finding]:
        """All findings, file by file as they were read, each file from its first line to its last."""
        files = list(dict.fromkeys(finding.place.file for finding in self.all))
        return sorted(self.all, key=lambda each: (files.index(each.place.file), each.place.line, each.place.column))

    @property
    def errors(self) -> list[Finding]:
        """The errors alone, in the same order."""
        return [finding for finding in self.in_order if finding.severity == ERROR]

    @property
    def as_warnings(self) -> list[Finding]:
        """The first finding of each file, as a warning that `vomap build` would refuse the file for it."""
        firsts: dict[str, list[Finding]] = {}
        for finding in self.in_order:
            firsts.setdefault(finding.place.file, []).append(finding)
        return [
            replace(
                each[0],
                severity=WARNING,
                message=f"`vomap build` would refuse this file{_more(len(each))}: {each[0].message}",
            )
            for each in firsts.values()
        ]

    def raise_errors(self) -> None:
        """Raise MapfileError if there is any error."""
        if self.errors:
            raise MapfileError(self.errors)


class MapfileError(Error):
    """Mapfiles that cannot be a policy; `findings` holds every error."""

    def __init__(self, findings: list[Finding]) -> None:
        """Take the errors."""
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


def _more(findings: int) -> str:
    return f" (for this, and {findings - 1} more)" if findings > 1 else ""


def did_you_mean(word: str, legal: Iterable[str]) -> str:
    """Return a hint that names the nearest legal word, or nothing if none is near."""
    near = nearest(word, legal)
    return f"; did you mean `{near}`?" if near else ""


def nearest(word: str, legal: Iterable[str]) -> str | None:
    """Return the legal word that is nearest to a word, or None if none is near."""
    near = difflib.get_close_matches(word, list(legal), n=1)
    return near[0] if near else None
