"""What a person's terminal may see: texts that others have written could hold anything."""

from __future__ import annotations


def plain(text: str) -> str:
    """Return a text as a terminal may see it, each line in plain characters, as a callout says its reason.

    Who publishes bans or mapfiles writes their texts, and could turn the letters around or show others than there are.
    """
    return "\n".join(ascii(line)[1:-1] if not _is_plain(line) else line for line in text.split("\n"))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 ban, 2 bans."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _is_plain(line: str) -> bool:
    return line.isascii() and line.isprintable()
