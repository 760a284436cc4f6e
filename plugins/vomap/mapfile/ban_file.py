"""The file of bans that `vomap ban` keeps: one ban a line, so that a line added or taken away is the whole change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NAME = "vomap-ban.yaml"
_HEAD = "# Kept by `vomap ban add` and `vomap ban lift`: one ban a line.\nmapfile: 1\nbans:\n"
_LINE = "  - "
_NO_YAML = "\x85\u2028\u2029\ufeff"


def ban_line(ban: Mapping[str, Any]) -> str:
    """Return a ban as the line that this file holds; `ban` maps its keys to a text, a list of texts or a mapping.

    JSON is YAML, but for a few characters that YAML takes for the end of a line, or for none at all.
    """
    line = json.dumps(dict(ban), ensure_ascii=False)
    return _LINE + "".join(f"\\u{ord(mark):04x}" if mark in _NO_YAML else mark for mark in line) + "\n"


def with_ban(text: str | None, ban: Mapping[str, Any]) -> str:
    """Return the file's text with one ban more; `text` is None if there is no file yet."""
    head = _HEAD if text is None or not text.strip() else text
    if not head.endswith("\n"):
        head += "\n"
    return head + ban_line(ban)


def without_lines(text: str, lines: set[int]) -> str | None:
    """Return the file's text without some lines, counted from 1; None if no ban is left in it."""
    kept = [line for number, line in enumerate(text.split("\n"), 1) if number not in lines]
    return "\n".join(kept) if any(line.startswith(_LINE) for line in kept) else None
