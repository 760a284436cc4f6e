"""Read the configuration files of a CE for `vomap status`."""

from __future__ import annotations

from pathlib import Path


def read_configuration(file: Path) -> str:
    """Return the text of a file. Bytes that are not UTF-8 are replaced: one such file must not end all checks."""
    return file.read_text("utf-8", "replace")


def effective_lines(text: str) -> list[str]:
    """Return the lines that have an effect, without blanks around them: no comments and no empty lines."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
