"""Text that is safe for a terminal."""

from __future__ import annotations

import shlex

import pytest

from vomap import printable


@pytest.mark.parametrize("word", ["$(touch /tmp/x)", 'a"b', "it's", "a\\b", "caf\u00e9\"'$(x)", "\x1b[2J'"])
def test_a_command_for_a_shell_stays_quoted(word: str) -> None:
    """Escapes of other characters change no quotes: a command that is printed is one that can be pasted."""
    command = printable(f"run `vomap ban add --subject {shlex.quote(word)}`")
    assert shlex.split(command.strip("`"))[-1].rstrip("`") == printable(word)


def test_what_a_terminal_could_obey_is_escaped() -> None:
    """Control codes, line breaks and letters of other scripts are written out."""
    assert printable("a\x1b\nb\u202ec\u00e9") == r"a\x1b\nb\u202ec\xe9"
