"""The README's installation by pip, typed word by word, then all the advice that vomap prints, until the CE is green.

The CE is a folder with the configuration of HTCondor-CE, and a ban of the site. Of the machine only the accounts are
imitated: those of the mapfile that ships, and the user condor, who is the user of this process. pip takes the libraries
of this environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PREFIX = "/opt/vomap"
TOKEN = {
    "iss": "https://cms-auth.web.cern.ch/",
    "sub": "bad55f4e-602c-4e8d-a5c5-bd8ffb762113",
    "aud": "ce01.example.org:9619",
    "scope": "compute.create",
}
BANNED = {**TOKEN, "sub": "robot-1"}
# As the package of HTCondor-CE has them, and a ban in the place that OSG's package has for those of a site.
CE = {
    "condor_mapfile": "@include /etc/condor-ce/mapfiles.d/\n@include /usr/share/condor-ce/mapfiles.d/\n",
    "mapfiles.d/10-scitokens.conf": "# SCITOKENS /^https:\\/\\/issuer,subject$/ account\n",
    "mapfiles.d/90-ban.conf": "SCITOKENS /^https:\\/\\/cms-auth\\.web\\.cern\\.ch\\/,robot-1$/ x@banned.htcondor.org\n",
    "config.d/01-ce-auth.conf": "# DAEMON.CERTIFICATE_MAPFILE = /etc/condor-ce/condor_mapfile\n",
}
_MOST_ROUNDS = 8
_AGREED, _QUESTION = b"[y/N] ", (b"[y/N] ", b": ")
_ACCOUNTS = """\
import pwd
_known = pwd.getpwnam
_me = pwd.getpwuid({uid})
def getpwnam(name):
    try:
        return _known(name)
    except KeyError:
        return _me if name == "condor" else pwd.struct_passwd((name, "x", 2000, 2000, "", "/", "/bin/false"))
pwd.getpwnam = getpwnam
"""


class Machine:
    """A machine with HTCondor-CE below a folder, and a clone of the repository."""

    def __init__(self, folder: Path) -> None:
        """Write the CE's configuration, and clone."""
        self.root, self.prefix, self.clone = folder / "root", folder / "opt" / "vomap", folder / "clone"
        # The tool that has the CE read its configuration.
        self.tools = folder / "tools"
        self.tools.mkdir()
        (self.tools / "condor_ce_reconfig").write_text(f"#!/bin/sh\necho >> {folder}/reconfigured\n", "utf-8")
        (self.tools / "condor_ce_reconfig").chmod(0o755)
        for name, text in CE.items():
            file = self.root / "etc" / "condor-ce" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(listed, text=True).split("\0"):
            if (ROOT / name).is_file() and not name.startswith("tests/"):
                (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.clone / name)

    def type(self, command: str) -> tuple[int, str]:
        """Run a command at a terminal, where the administrator agrees to all. Return its exit code and its output."""
        ours, terminal = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-euc", command],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.clone,
            env={
                "PATH": f"{self.prefix}/bin:{self.tools}:{sys.base_prefix}/bin:/usr/bin:/bin",
                "HOME": str(self.clone.parent),
                # pip works without the network, and builds with the setuptools of this environment.
                "PIP_NO_INDEX": "1",
                "PIP_NO_BUILD_ISOLATION": "0",
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            },
        )
        with process, contextlib.closing(os.fdopen(ours, "wb", 0)) as keys:
            assert process.stdout is not None
            output = b""
            while piece := os.read(process.stdout.fileno(), 65536):
                output += piece
                if output.endswith(_QUESTION):
                    keys.write(b"y\n" if output.endswith(_AGREED) else b"\n")
        os.close(terminal)
        return process.returncode, output.decode()

    def put_libraries(self) -> None:
        """Link the libraries of this environment into the new one, and make the accounts."""
        (site,) = self.prefix.glob("lib/python*/site-packages")
        for entry in (Path(path) for path in sys.path if path.endswith("site-packages")):
            for library in entry.iterdir():
                if "vomap" not in library.name and library.suffix != ".pth" and not (site / library.name).exists():
                    (site / library.name).symlink_to(library)
        (site / "sitecustomize.py").write_text(_ACCOUNTS.format(uid=os.geteuid()), "utf-8")

    def placed(self, command: str) -> str:
        """Return a command of the README for this machine: its prefix, and the root of its CE."""
        command = command.replace(PREFIX, str(self.prefix))
        return re.sub(r"^vomap (init|status)\b", rf"vomap \1 --root {self.root}", command)


def _commands() -> list[str]:
    """Return the commands of the README's installation."""
    ((block,),) = [re.findall(r"^## On a CE\n\n[^\n]*\n\n((?:    [^\n]*\n)+)", README, re.MULTILINE)]
    return [command for line in block.splitlines() for command in line.strip().split(" && ")]


def _advice(output: str) -> list[str]:
    """Return the commands that vomap prints, without the map lines that it shows."""
    return re.findall(r"`([a-z_]+ [^`]+)`", output)


def _bad_lines(report: str) -> list[str]:
    """Return the lines of `vomap status` that are not green. Only root can try the callout as the CE's user."""
    lines = [line for line in report.splitlines() if not line.startswith("green")]
    return [line for line in lines if os.geteuid() == 0 or "answers as you" not in line]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Return a machine on which the administrator has typed the commands of the README."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    for command in _commands():
        code, output = machine.type(machine.placed(command))
        if command.startswith("vomap init"):
            # The site has a ban of its own, which vomap's lines would disable.
            assert "90-ban.conf:1: " in output
            code, output = machine.type(_advice(output)[0])
        assert code == 0 or command.startswith("vomap status"), output
        if " -m venv " in command:
            machine.put_libraries()
    return machine


def test_the_readme_has_these_commands() -> None:
    """A scan that finds nothing proves nothing."""
    assert [command.split()[0] for command in _commands()] == [
        "python3",
        f"{PREFIX}/bin/pip",
        "export",
        "vomap",
        "condor_ce_reconfig",
        "vomap",
    ]


def test_all_advice_leads_to_green(machine: Machine) -> None:
    """Each command that `status` prints, typed, leads to a green CE, and each round has another report."""
    status = machine.placed(_commands()[-1])
    seen: list[str] = []
    while True:
        _, report = machine.type(status)
        bad = _bad_lines(report)
        if not bad:
            break
        assert report not in seen, report
        assert len(seen) < _MOST_ROUNDS
        seen.append(report)
        for command in _advice("\n".join(bad)):
            code, output = machine.type(command)
            assert code in (0, 1), f"{command}\n{output}"


def test_a_token_is_mapped(machine: Machine) -> None:
    """The callout that the CE's configuration names maps a token of the VO that the site serves, and no other.

    The ban that was taken over is in force.
    """
    settings = (machine.root / "etc/condor-ce/config.d/55-vomap-policy.conf").read_text("utf-8")
    (callout,) = re.findall(r"^SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = (\S+)$", settings, re.MULTILINE)
    policy = machine.root / "var/lib/vomap/policy"
    answers = {}
    tokens = {"mapped": TOKEN, "banned": BANNED, "of another VO": {**TOKEN, "iss": "https://scitokens.org/ligo"}}
    for what, token in tokens.items():
        words = [callout, "--policy", str(policy)]
        done = subprocess.run(
            words, input=json.dumps(token), capture_output=True, text=True, check=False, env={}, cwd="/"
        )
        answers[what] = (done.returncode, done.stdout)
    assert answers == {"mapped": (0, "cmspilot\n"), "banned": (2, ""), "of another VO": (1, "")}
