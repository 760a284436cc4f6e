"""A small `condor_config_val` for tests, which prints what the real one of HTCondor 23.9.6 prints for a few settings.

tests/e2e/test_status.py asks the real one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vomap.ces import config_val

SHIPPED = "/usr/share/condor-ce/config.d/01-ce-auth-defaults.conf"
OURS = "/etc/condor-ce/config.d/50-vomap.conf"
ADDED = "/etc/condor-ce/config.d/97-added.conf, line 1"
REFUSED = "anonymous@*, *@unmapped, *@banned.htcondor.org"
# The settings of a CE that asks vomap: their values, and the files that set them.
WIRED = {
    "ALLOW_READ": ("*", SHIPPED),
    "SCHEDD.ALLOW_WRITE": ("*@users.htcondor.org, condor@users.htcondor.org/ce.example", SHIPPED),
    "DENY_READ": (REFUSED, OURS),
    "DENY_WRITE": (REFUSED, SHIPPED),
    "UID_DOMAIN": ("users.htcondor.org", SHIPPED),
    "CERTIFICATE_MAPFILE": ("/etc/condor-ce/condor_mapfile", SHIPPED),
    "CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS": ("True", SHIPPED),
    "SEC_READ_AUTHENTICATION": ("REQUIRED", OURS),
    "SEC_DEFAULT_AUTHENTICATION_METHODS": ("FS", SHIPPED),
    "SEC_READ_AUTHENTICATION_METHODS": ("FS, TOKEN, SCITOKENS", SHIPPED),
    "SEC_WRITE_AUTHENTICATION_METHODS": ("FS, TOKEN, SCITOKENS", SHIPPED),
    "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND": ("/usr/libexec/vomap/vomap-htcondor", OURS),
    "SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES": ("true", "<Default>"),
    "SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS": ("https://foreign.example/", "/etc/condor-ce/config.d/55-vomap-policy.conf"),
    "SCITOKENS_SERVER_AUDIENCE": ("ce.example:9619, ANY", "/etc/condor-ce/config.d/55-vomap-policy.conf"),
    "SEC_SCITOKENS_CACHE": ("/var/run/condor-ce/cache", "<Default>"),
}
_TOOL = """\
#!{python}
import sys
words = sys.argv[1:]
settings, running = {settings!r}, {running!r}
if words[0] in ("-schedd", "-collector"):
    daemon = words[0][1:].upper()
    if daemon not in running:
        sys.exit("Can't find address of the daemon")
    value, _ = settings.get(daemon + "." + words[1]) or settings.get(words[1]) or ("", "")
    print(running[daemon].get(words[1], value) or "Not defined")
    sys.exit(0)
assert words[:2] == ["-verbose", "-subsystem"], words
for name in words[3:]:
    setting = settings.get(words[2] + "." + name) or settings.get(name)
    full = words[2] + "." + name if words[2] + "." + name in settings else name
    if setting is None or not setting[0]:
        sys.stderr.write("Not defined: " + full + "\\n")
    if setting is not None:
        if setting[0]:
            print(full, "=", setting[0])
        print(" # at: " + setting[1] + ("" if setting[1].startswith("<") or "line" in setting[1] else ", line 7"))
        print(" # raw:", full, "=", setting[0])
    print()
sys.exit(1)
"""


class FakeCondor:
    """A `condor_config_val` in a folder, which vomap asks instead of that of the machine."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the tool of a CE that asks vomap into the folder."""
        self.tool = folder / "condor_config_val"
        monkeypatch.setattr(config_val, "TOOL", str(self.tool))
        # Each running daemon, with its settings that differ from those in its files.
        self.running: dict[str, dict[str, str]] = {}
        self.set()

    def set(self, *added: str) -> None:
        """Have the CE use these settings, NAME = VALUE, besides those of a CE that asks vomap."""
        pairs = (setting.partition(" =") for setting in added)
        settings = {**WIRED, **{name: (value.strip(), ADDED) for name, _, value in pairs}}
        self.write(_TOOL.format(python=sys.executable, settings=settings, running=self.running))

    def write(self, text: str) -> None:
        """Have the tool be another script."""
        self.tool.write_text(text, "utf-8")
        self.tool.chmod(0o755)
