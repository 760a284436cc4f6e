"""Find the lines of ARC's configuration by which tokens bypass vomap."""

from __future__ import annotations

import re

from vomap.ces.arc import FRAGMENT_FILE
from vomap.ces.kinds import ArcCe
from vomap.ces.wiring import effective_lines, read_configuration, unspaced

_VOMAP_RULE = re.compile(r"map_with_plugin=vomap \d+ /\S*/vomap-arc map( |$)")


def find_arc_bypasses(ce: ArcCe) -> list[str]:
    """Return the rules that ARC reads before vomap's, and additions to vomap's authgroup, each with file and block."""
    found = []
    is_after_vomap = False
    for file in (ce.at(ce.CONFIG), *sorted(ce.at(ce.FRAGMENTS).glob("*.conf"))):
        is_fragment = file == ce.at(f"{ce.FRAGMENTS}/{FRAGMENT_FILE}")
        block = ""
        for text in effective_lines(read_configuration(file)) if file.is_file() else ():
            if text.startswith("["):
                block = text.strip("[]")
                continue
            line = unspaced(text)
            is_rule = block == "mapping" and line.startswith("map_")
            is_after_vomap = is_after_vomap or (is_rule and bool(_VOMAP_RULE.match(line)))
            if (is_rule and not is_after_vomap) or (block == "authgroup:vomap" and not is_fragment):
                found.append(f"{file}: [{block}] {line}")
    return found
