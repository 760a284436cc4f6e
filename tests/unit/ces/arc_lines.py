"""How ARC reads the lines of arc.conf: the blocks, the options, and the words of an `authtokens` line.

Sources: ARC's src/utils/python/arc/utils/config.py, which writes the file that the daemons read, and get_token() in
src/hed/libs/common/StringConv.cpp with the delimiters of src/hed/shc/legacy/auth_otokens.cpp.
"""

from __future__ import annotations

import io
import re

_BLOCK = re.compile(r"^\s*\[(?P<block>[^:\[\]]+(?P<name>:[^\[\]]+)?)\]\s*$")
_SKIPPED = re.compile(r"^(?:#.*|\s*)$")
_OPTION = re.compile(r"^\s*(?P<option>[^=\[\]\n\s]+)\s*(?:=|(?=\s*$))\s*(?P<value>.*)\s*$")


def read_arc_conf(text: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the options of each block. A line that ARC cannot read fails: vomap writes none."""
    blocks: list[tuple[str, list[tuple[str, str]]]] = []
    # As text files: with `\\r` and `\\r\\n` as ends of lines, too.
    for line in io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogatepass")), "utf-8", "surrogatepass"):
        if _SKIPPED.match(line):
            continue
        if block := _BLOCK.match(line):
            blocks.append((block["block"], []))
            continue
        option = _OPTION.match(line)
        assert option is not None, line
        blocks[-1][1].append((option["option"], option["value"].strip()))
    return blocks


def words_of(value: str) -> list[str]:
    """Return the words of a value: texts between blanks. A word that begins with a quote ends at the next quote."""
    words = []
    at = 0
    while (rest := value[at:].lstrip(" ")) != "":
        at = len(value) - len(rest)
        end = value.find('"', at + 1) if rest[0] == '"' else value.find(" ", at)
        end = len(value) if end < 0 else end
        words.append(value[at + (rest[0] == '"') : end])
        at = end + 1
    return words
