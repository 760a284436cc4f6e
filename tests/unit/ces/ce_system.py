"""A system with a CE on it, in a folder: what `vomap init` writes to and `vomap status` looks at."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Optional

from vomap.cli import run
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER
from vomap.store import BANS_FILE, POLICY_FILE

CALLOUTS = Path(sys.executable).parent
MAP_FILE = "/etc/condor-ce/mapfiles.d/05-vomap.conf"
SETTINGS_FILE = "/etc/condor-ce/config.d/55-vomap-policy.conf"
DEFAULTS_FILE = "/etc/condor-ce/config.d/50-vomap.conf"
# In the order in which they are written: the map file needs the settings.
HTCONDOR_FILES = (DEFAULTS_FILE, SETTINGS_FILE, MAP_FILE)
ARC_FILE, ARC_CONF = "/etc/arc.conf.d/50-vomap.conf", "/etc/arc.conf"
ARC_LAST = "/etc/arc.conf.d/99-vomap.conf"
SITE_FILE, RULES_FILE = f"{MAPFILES_FOLDER}/10-site.yaml", f"{MAPFILES_FOLDER}/20-rules.yaml"
ONE, TWO, GONE = "https://one.example/", "https://two.example/realms/x", "https://gone.example/"
RULES = f"""\
mapfile: 1
issuers:
  {ONE}: {{vo: One}}
  {TWO}:
    vo-from: [group]
    entitlements: {{namespace: urn:x:y}}
  {GONE}: none
rules:
  - {{name: one, vo: One, subject: alice, account: acct1}}
  - {{name: two, issuer: {TWO}, account: acct2}}
tests:
  - token: {{iss: {ONE}, sub: alice, aud: "ce.example:9619", scope: compute.read}}
    expect: {{account: acct1}}
"""
# The target of a link or the content of a file, and its mode, inode and time of change.
State = dict[str, tuple[Optional[str], bytes, int, int, int]]


class CeSystem:
    """The system whose root is a folder."""

    def __init__(self, root: Path, *, htcondor: bool = False, arc: bool = False) -> None:
        """Install one CE, or both, or none."""
        self.root = root
        root.mkdir(exist_ok=True)
        if htcondor:
            self.write("/etc/condor-ce/mapfiles.d/10-scitokens.conf", "SCITOKENS /.*/ nobody\n")
        if arc:
            self.write(ARC_CONF, "[common]\nhostname = ce.example\n")

    def at(self, path: str) -> Path:
        """Return where a path of the system lies."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return self.at(path).read_text("utf-8")

    def write(self, path: str, text: str) -> Path:
        """Write a file, and make the folders that it needs."""
        file = self.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def state(self) -> State:
        """Return all there is, so that any change is seen."""
        found: State = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            link = os.readlink(path) if path.is_symlink() else None
            content = path.read_bytes() if link is None and path.is_file() else b""
            changed = 0 if path.is_dir() else status.st_mtime_ns
            found[str(path)] = (link, content, status.st_mode, status.st_ino, changed)
        return found

    def init(self, *words: str, callouts: str = str(CALLOUTS)) -> int:
        """Run `vomap init` on this system."""
        return run(["init", "--root", str(self.root), "--callouts", callouts, *words])

    def made(self, *words: str) -> CeSystem:
        """Write rules for two issuers, and make the rest as an administrator would."""
        self.write(RULES_FILE, RULES)
        assert self.init("--audience", "ce.example:9619", "--yes", *words) == 0
        return self

    def status(self, *words: str, callouts: Path = CALLOUTS) -> int:
        """Run `vomap status` on this system."""
        files = ["--policy", str(self.at(POLICY_FILE)), "--mapfiles", str(self.at(MAPFILES_FOLDER))]
        files += ["--bans", str(self.at(BANS_FOLDER)), "--callouts", str(callouts)]
        return run(["status", "--root", str(self.root), *files, *words])

    def build(self) -> int:
        """Run `vomap build` on this system."""
        folders = ["--mapfiles", str(self.at(MAPFILES_FOLDER)), "--bans", str(self.at(BANS_FOLDER))]
        return run(["build", *folders, "--output", str(self.at(POLICY_FILE))])

    @property
    def policy(self) -> Path:
        """Where the built policy lies."""
        return self.at(POLICY_FILE)

    @property
    def bans(self) -> Path:
        """Where the built bans lie."""
        return self.at(BANS_FILE)

    def ban(self, *bans: dict[str, Any]) -> Path:
        """Write a file of bans."""
        return self.write(f"{BANS_FOLDER}/hand.yaml", json.dumps({"mapfile": "1", "bans": list(bans)}))
