"""Write words for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def join_words(words: Iterable[str]) -> str:
    """Return a command line for a shell. It is plain ASCII: other characters are escaped for bash, zsh and ksh.

    So no terminal can show another command than the one that runs.
    """
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if word.isascii() and word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word.encode('utf-8', 'surrogateescape').decode('latin-1')))}'"


def _escaped(mark: str) -> str:
    return mark if mark.isascii() and mark.isprintable() and mark not in "'\\" else f"\\{ord(mark):03o}"
