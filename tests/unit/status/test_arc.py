"""`vomap status` reports the lines of ARC's configuration by which tokens bypass vomap."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.ces.ce_system import ARC_CONF, ARC_FILE, CeSystem
from vomap.ces.kinds import ArcCe, known_ces
from vomap.status.arc import find_arc_bypasses

OURS = "[mapping]\nmap_with_plugin = vomap 10 /usr/libexec/vomap/vomap-arc map\n"


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        (ARC_CONF, "[mapping]\nmap_to_user = all nobody\n", ["[mapping] map_to_user=all nobody"]),
        (ARC_CONF, "[mapping]\npolicy_on_nomap = stop\n", []),
        (ARC_CONF, "[queue:fork]\nmap_to_user = all nobody\n", []),
        (ARC_CONF, "# [mapping]\n# map_to_user = all nobody\n", []),
        (ARC_CONF, f"{OURS}map_to_user = all nobody\n", []),
        ("/etc/arc.conf.d/60-site.conf", "[mapping]\nmap_to_user = all nobody\n", []),
        ("/etc/arc.conf.d/60-site.conf", "[authgroup:vomap]\nall = yes\n", ["[authgroup:vomap] all=yes"]),
        (ARC_FILE, f"[authgroup:vomap]\nauthtokens = * https://a/ * * *\n{OURS}", []),
    ],
)
def test_lines_that_bypass_vomap(tmp_path: Path, file: str, text: str, found: list[str]) -> None:
    """Mapping rules before vomap's, and lines that other files add to vomap's group, are reported with their place."""
    system = CeSystem(tmp_path, arc=True)
    system.write(ARC_FILE, OURS)
    system.write(file, text)
    (ce,) = (each for each in known_ces(tmp_path) if isinstance(each, ArcCe))
    assert find_arc_bypasses(ce) == [f"{system.at(file)}: {line}" for line in found]
