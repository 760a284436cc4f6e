"""Names of files of bans, and the text of the file that `vomap ban add` and `vomap ban lift` edit.

That file has one ban on each line, so that each change adds or removes whole lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

NAME = "vomap-ban.yaml"
PUBLISHED = "published-"
_HEAD = "# Kept by `vomap ban add` and `vomap ban lift`: one ban a line.\nmapfile: 1\nbans:\n"
_LINE = "  - "
_NO_YAML = "\x85\u2028\u2029\ufeff"
# The key `bans`, the key with an empty list, and the key with a list on the next lines. A comment may end the line.
_KEY = r"^(?P<key>(?P<quote>[\"']?)bans(?P=quote)[ \t]*:)"
_REST = r"(?P<rest>[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z))"
_BANS = re.compile(_KEY, re.MULTILINE)
_EMPTY_LIST = re.compile(rf"{_KEY}\s*\[\s*\]{_REST}", re.MULTILINE)
_BANS_BELOW = re.compile(_KEY + _REST, re.MULTILINE)


def is_published(path: str) -> bool:
    """Return True if the name of a file of bans is that of a published list."""
    return path.rpartition("/")[2].startswith(PUBLISHED)


def without_keys(document: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return the members of a ban, a rule or a token without some of them."""
    return {key: value for key, value in document.items() if key not in keys}


def ban_line(ban: Mapping[str, Any]) -> str:
    """Return a ban as a line of this file. `ban` maps its keys to a text, a list of texts or a mapping.

    JSON is YAML, except for a few characters that YAML reads as line breaks, or not at all.
    """
    line = json.dumps(dict(ban), ensure_ascii=False)
    return _LINE + "".join(f"\\u{ord(mark):04x}" if mark in _NO_YAML else mark for mark in line) + "\n"


def with_ban(text: str | None, ban: Mapping[str, Any]) -> str:
    """Return the file's text with one more ban. `text` is None if there is no file yet."""
    if text is None or not text.strip():
        return _HEAD + ban_line(ban)
    empty = _EMPTY_LIST.search(text)
    if empty is not None:
        # At the end, where the next ban is added as well.
        others = text[: empty.start()] + text[empty.end() :]
        return _ended(others) + _ended(empty["key"] + empty["rest"]) + ban_line(ban)
    if _BANS.search(text) is None:
        has_keys = any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())
        text = _ended(text) + ("bans:\n" if has_keys else "mapfile: 1\nbans:\n")
    return _ended(text) + ban_line(ban)


def with_bans(text: str | None, bans: Sequence[Mapping[str, Any]]) -> str:
    """Return the file's text with more bans, at least one."""
    return with_ban(text, bans[0]) + "".join(map(ban_line, bans[1:]))


def without_lines(text: str, lines: set[int]) -> str | None:
    """Return the file's text without some lines, counted from 1, or None if no text of the site is left."""
    left = "\n".join(line for number, line in enumerate(text.split("\n"), 1) if number not in lines)
    if any(line.startswith(_LINE) for line in left.split("\n")):
        return left
    emptied = _BANS_BELOW.sub(r"\g<key> []\g<rest>", left, count=1)
    return None if left in (_HEAD, emptied) else emptied


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
