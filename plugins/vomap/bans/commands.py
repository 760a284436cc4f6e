"""The command that adds a ban, as it can be pasted into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.times import format_utc


def add_command(ban: Mapping[str, Any], *more: str) -> str:
    """Return the command that adds a ban, given as its document, with more words at its end.

    It is plain ASCII: other characters are written as bash, zsh and ksh read them, so that no terminal shows another
    command than the one that runs.
    """
    return " ".join(["vomap ban add", *map(_quoted, [*_words(ban), *more])])


def _words(ban: Mapping[str, Any]) -> Iterator[str]:
    for key in CONDITIONS:
        if key == "claim":
            claims = ban.get(key, {}).items()
            yield from (word for name, texts in claims for text in texts for word in _option(key, f"{name}={text}"))
        else:
            yield from (word for text in ban.get(key, ()) for word in _option(key, text))
    yield from _option("reason", ban["reason"])
    if "until" in ban:
        yield from _option("until", format_utc(ban["until"]))


def _option(key: str, value: str) -> list[str]:
    return [f"--{key}={value}"] if value.startswith("-") else [f"--{key}", value]


def _quoted(word: str) -> str:
    if word.isascii() and word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word.encode().decode('latin-1')))}'"


def _escaped(mark: str) -> str:
    return mark if mark.isascii() and mark.isprintable() and mark not in "'\\" else f"\\{ord(mark):03o}"
