"""The kinds of CE: the places of their configuration, and the user that runs the callout.

Sources: HTCondor-CE's config/condor_mapfile and htcondor-ce.spec, and ARC's arc.conf.reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vomap.ces.arc import render_arc
from vomap.ces.htcondor import MAP_FILE, render_htcondor
from vomap.files.shipped import shipped_file

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument, PolicyDocument

DEFAULTS_FILE = "50-vomap.conf"


@dataclass(frozen=True)
class Ce:
    """One kind of CE, below the folder `root`. `user` runs the callout. It is installed if the path `marker` exists."""

    name: str
    root: Path
    user: str
    marker: str

    @property
    def is_installed(self) -> bool:
        """True if this CE is installed."""
        return self.at(self.marker).exists()

    def at(self, path: str) -> Path:
        """Return the path below our own root of a path on the CE's system."""
        return self.root / path.lstrip("/")

    def fragments(self, document: PolicyDocument, bans: BansDocument, callouts: Path | None) -> dict[str, str]:
        """Return the text of each fragment that the CE needs for a policy, by its path on the CE's system.

        `callouts` is the folder of the callouts (default: that of the packages).
        """
        raise NotImplementedError


class HtcondorCe(Ce):
    """HTCondor-CE: folders of map files and of settings, which it reads in the order of their names."""

    MAPFILE = "/etc/condor-ce/condor_mapfile"
    MAPFILES = ("/etc/condor-ce/mapfiles.d", "/usr/share/condor-ce/mapfiles.d")
    SETTINGS = "/etc/condor-ce/config.d"

    def fragments(self, document: PolicyDocument, bans: BansDocument, callouts: Path | None) -> dict[str, str]:
        """Return both files of settings, and last the map file, which depends on them."""
        callout = None if callouts is None else str(callouts / "vomap-htcondor")
        defaults = shipped_file("packaging/htcondor", DEFAULTS_FILE).read_text("utf-8")
        files = {DEFAULTS_FILE: defaults, **render_htcondor(document, bans, then=None, callout=callout)}
        map_file = files.pop(MAP_FILE)
        settings = {f"{self.SETTINGS}/{name}": text for name, text in files.items()}
        return {**settings, f"{self.MAPFILES[0]}/{MAP_FILE}": map_file}


class ArcCe(Ce):
    """ARC CE: one file, and a folder of fragments, which it reads after the file in the order of their names."""

    CONFIG = "/etc/arc.conf"
    FRAGMENTS = "/etc/arc.conf.d"

    def fragments(self, document: PolicyDocument, bans: BansDocument, callouts: Path | None) -> dict[str, str]:
        """Return the blocks of arc.conf."""
        callout = None if callouts is None else str(callouts / "vomap-arc")
        rendered = render_arc(document, bans, vos=(), more_rules=False, callout=callout)
        return {f"{self.FRAGMENTS}/{name}": text for name, text in rendered.items()}


def known_ces(root: Path) -> list[Ce]:
    """Return all kinds of CE that vomap knows, on the system below `root`."""
    return [HtcondorCe("htcondor", root, "condor", "/etc/condor-ce"), ArcCe("arc", root, "root", ArcCe.CONFIG)]
