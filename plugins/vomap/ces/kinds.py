"""The kinds of CE: the places of their configuration, and the user that runs the callout.

Sources: HTCondor-CE's config/condor_mapfile and htcondor-ce.spec, and ARC's arc.conf.reference.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vomap.ces import arc, htcondor
from vomap.ces.htcondor import MAP_FILE, SETTINGS_FILE
from vomap.ces.wiring import LIBEXEC, WiringOptions, read_configuration
from vomap.files.shipped import shipped_file

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument, PolicyDocument

DEFAULTS_FILE = "50-vomap.conf"


@dataclass(frozen=True)
class Ce:
    """One kind of CE, below the folder `root`.

    `user` runs the callout. The CE is installed if the path `marker` exists. `reread` is the command by which it reads
    its configuration again.
    """

    name: str
    root: Path
    user: str
    marker: str
    reread: str

    @property
    def is_installed(self) -> bool:
        """True if this CE is installed."""
        return self.at(self.marker).exists()

    def at(self, path: str) -> Path:
        """Return the path below our own root of a path on the CE's system."""
        return self.root / path.lstrip("/")

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of the fragments, on the CE's system."""
        raise NotImplementedError

    def options(self, callouts: Path | None) -> WiringOptions:
        """Return the options of the fragments that the CE has. `callouts` replaces the folder of the callout."""
        found = self._found_options()
        return found if callouts is None else replace(found, callout=str(callouts / self.callout_name))

    @property
    def callout_name(self) -> str:
        """The name of the callout that the CE runs."""
        return f"vomap-{self.name}"

    def callout(self, callouts: Path | None) -> str:
        """Return the path of the callout: in `callouts`, or else the one of the fragments or of the packages."""
        return self.options(callouts).callout or str(LIBEXEC / self.callout_name)

    def callouts_of_vomap(self) -> Path | None:
        """Return the folder of the vomap that runs, if the callout is in it."""
        folders = (Path(program).absolute().parent for program in (sys.argv[0], sys.executable))
        return next((folder for folder in folders if is_program(folder / self.callout_name)), None)

    def fragments(self, document: PolicyDocument, bans: BansDocument, options: WiringOptions) -> dict[str, str]:
        """Return the text of each fragment that the CE needs for a policy, by its path on the CE's system."""
        raise NotImplementedError

    def is_same(self, path: str, text: str) -> bool:
        """Return True if the fragment at a path means the same as a text, to this CE."""
        return self.at(path).is_file() and self._meaning(path, self._text(path)) == self._meaning(path, text)

    def _found_options(self) -> WiringOptions:
        raise NotImplementedError

    def _meaning(self, path: str, text: str) -> object:
        """Return what a fragment means: equal values mean the same."""
        raise NotImplementedError

    def _text(self, path: str) -> str:
        """Return the text of a file on the CE's system, empty if it is missing."""
        return read_configuration(self.at(path)) if self.at(path).is_file() else ""


class HtcondorCe(Ce):
    """HTCondor-CE: folders of map files and of settings, which it reads in the order of their names."""

    MAPFILE = "/etc/condor-ce/condor_mapfile"
    MAPFILES = ("/etc/condor-ce/mapfiles.d", "/usr/share/condor-ce/mapfiles.d")
    SETTINGS = "/etc/condor-ce/config.d"

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of settings and of the site's map files."""
        return self.SETTINGS, self.MAPFILES[0]

    def fragments(self, document: PolicyDocument, bans: BansDocument, options: WiringOptions) -> dict[str, str]:
        """Return both files of settings, and last the map file, which depends on them."""
        defaults = shipped_file("packaging/htcondor", DEFAULTS_FILE).read_text("utf-8")
        rendered = htcondor.render_htcondor(
            document, bans, then=options.then or (), callout=options.callout, observe=options.observe
        )
        files = {DEFAULTS_FILE: defaults, **rendered}
        map_file = files.pop(MAP_FILE)
        settings = {f"{self.SETTINGS}/{name}": text for name, text in files.items()}
        return {**settings, f"{self.MAPFILES[0]}/{MAP_FILE}": map_file}

    def _found_options(self) -> WiringOptions:
        folder = self.at(self.SETTINGS)
        others = [
            read_configuration(file)
            for file in (sorted(folder.iterdir()) if folder.is_dir() else ())
            if file.is_file() and htcondor.is_read(file.name) and file.name not in (DEFAULTS_FILE, SETTINGS_FILE)
        ]
        map_file, settings = f"{self.MAPFILES[0]}/{MAP_FILE}", f"{self.SETTINGS}/{SETTINGS_FILE}"
        return htcondor.read_options(self._text(map_file), self._text(settings), others)

    def _meaning(self, path: str, text: str) -> object:
        return htcondor.map_lines(text) if path.endswith(MAP_FILE) else htcondor.values_of(text)


class ArcCe(Ce):
    """ARC CE: one file, and a folder of fragments, which it reads after the file in the order of their names."""

    CONFIG = "/etc/arc.conf"
    FRAGMENTS = "/etc/arc.conf.d"

    @property
    def folders(self) -> tuple[str, ...]:
        """The folder of fragments."""
        return (self.FRAGMENTS,)

    def fragments(self, document: PolicyDocument, bans: BansDocument, options: WiringOptions) -> dict[str, str]:
        """Return the blocks of arc.conf."""
        rendered = arc.render_arc(
            document,
            bans,
            vos=options.vos,
            more_rules=options.more_rules,
            callout=options.callout,
            observe=options.observe,
        )
        return {f"{self.FRAGMENTS}/{name}": text for name, text in rendered.items()}

    def _found_options(self) -> WiringOptions:
        return arc.read_options(self._text(f"{self.FRAGMENTS}/{arc.FRAGMENT_FILE}"))

    def _meaning(self, _: str, text: str) -> object:
        return arc.read_blocks(text)


def is_program(path: Path) -> bool:
    """Return True for an executable file."""
    return path.is_file() and os.access(path, os.X_OK)


def known_ces(root: Path) -> list[Ce]:
    """Return all kinds of CE that vomap knows, on the system below `root`."""
    return [
        HtcondorCe("htcondor", root, "condor", "/etc/condor-ce", "condor_ce_reconfig"),
        ArcCe("arc", root, "root", ArcCe.CONFIG, "systemctl restart arc-arex-ws"),
    ]
