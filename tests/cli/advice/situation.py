"""Put a machine into a situation, print its message, run the command in it, and look again.

A situation is an entry of a file in tests/cli/advice/situations:

    name      what is wrong, in a few words
    in        the file of the message, below plugins
    command   the command, as tests/cli/advice/scan.py shows it; `…` stands for what the program fills in
    says      a part of the message, if the file has several messages with this command
    ce        htcondor, arc or none (default: htcondor)
    here      true for a machine whose places are the defaults of vomap, so that no option names them
    made      false for a machine without any file of vomap (default: `vomap init` has made it)
    files     files to write, by their paths
    make      commands that bring about the situation, run in a shell, or here if it is one command of vomap
    print     the command whose output has the message
    keep      texts to put in place of names with a dollar in `print`: a command, and the expression that finds the text
    fill      words to put in place of words of the printed command that say what to choose
    also      other commands of the message, to run afterwards
    missing   accounts that do not exist
    fix       what the message says to do first, as a command
    take      which of the printed commands to run, if there are several (default: the first; -1 is the last)
    then      what holds afterwards: commands, each with its exit code (default: 0), with texts that it prints, and with
              texts that it never prints
    fault     why the command does not help yet
    code      the exit code of the suggested command (default: 0)
    once      true if the command of `print` changes the machine, and must not run again
    stays     true if the message comes again, because the command only shows something

$ROOT is the root of the CE's system, $BIN the folder of vomap and its callouts, $TMP an empty folder. $MAPFILES, $BANS
and $POLICY are the places below $ROOT. $BUILD and $STATUS are the commands with these places. The rules of the machine
are those of tests/unit/ces/ce_system.py.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import pwd
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.advice.scan import Command, find_commands
from owners import ROOT as IS_ROOT
from owners import Owners
from unit.ces.ce_system import CALLOUTS, CeSystem
from vomap.ces.kinds import known_ces
from vomap.cli import run, status
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER
from vomap.files.shipped import shipped_file
from vomap.status import checks
from vomap.store import BANS_FILE, POLICY_FILE

HERE = Path(__file__).resolve().parent
_DEFAULTS = (MAPFILES_FOLDER, BANS_FOLDER, POLICY_FILE, BANS_FILE)
_SHELL = re.compile(r"[|&;<>$`]|\*")


@dataclass(frozen=True)
class Situation:
    """A machine that prints a command, and what the command must bring about."""

    name: str
    place: str
    command: str
    print: str
    says: str = ""
    ce: str = "htcondor"
    here: bool = False
    made: bool = True
    files: dict[str, str] = field(default_factory=dict)
    make: list[str] = field(default_factory=list)
    keep: dict[str, tuple[str, str]] = field(default_factory=dict)
    fill: dict[str, str] = field(default_factory=dict)
    also: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    fix: str = ""
    take: int = 0
    then: list[dict[str, Any]] = field(default_factory=list)
    once: bool = False
    stays: bool = False
    code: int = 0
    fault: str = ""


def read_situations() -> list[Situation]:
    """Return all situations, from every file."""
    entries = [each for file in sorted(HERE.glob("situations/*.yaml")) for each in yaml.safe_load(file.read_text())]
    return [Situation(place=each.pop("in"), **each) for each in entries]


@dataclass(frozen=True)
class Printed:
    """The exit code of a command, and all that it printed."""

    code: int
    text: str


class Machine:
    """A system with a CE below a folder, on which vomap runs as the administrator types it."""

    def __init__(self, folder: Path, ce: str, owners: Owners, monkeypatch: pytest.MonkeyPatch) -> None:
        """Install the CE. All accounts exist, and the CE runs its callout as the user of this process."""
        self._system = CeSystem(folder / "root", htcondor=ce == "htcondor", arc=ce == "arc")
        self._owners = owners
        self._monkeypatch = monkeypatch
        (folder / "tmp").mkdir()
        self._places = {
            "BUILD": "vomap build --mapfiles $MAPFILES --bans $BANS --output $POLICY",
            "STATUS": "vomap status --root $ROOT --callouts $BIN",
            "MAPFILES": str(self._system.at(MAPFILES_FOLDER)),
            "BANS": str(self._system.at(BANS_FOLDER)),
            "POLICY": str(self._system.policy),
            "ROOT": str(self._system.root),
            "BIN": str(CALLOUTS),
            "TMP": str(folder / "tmp"),
        }
        self._inside = (str(folder), str(CALLOUTS), str(shipped_file("mapfiles", "egi.yaml").parent), "/dev/")
        me = pwd.getpwuid(os.geteuid()).pw_name
        self._missing: list[str] = []
        monkeypatch.setattr(checks, "find_uid", lambda account: None if account in self._missing else 1000)
        monkeypatch.setattr(status, "known_ces", lambda root: [replace(ce, user=me) for ce in known_ces(root)])
        monkeypatch.setattr(sys, "stdin", _Terminal())
        monkeypatch.setattr(builtins, "input", lambda question="": "y" if "[y/N]" in question else "")
        monkeypatch.chdir(folder / "tmp")

    def filled(self, text: str) -> str:
        """Return a text of a situation with the places of this machine."""
        for name, path in self._places.items():
            text = text.replace(f"${name}", path)
        return text

    def filled_in(self, value: Any) -> Any:
        """Return a value of an expectation with the places of this machine in its texts."""
        if isinstance(value, list):
            return list(map(self.filled_in, value))
        return self.filled(value) if isinstance(value, str) else value

    def write(self, path: str, text: str) -> None:
        """Write a file of a situation."""
        file = Path(self.filled(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.filled(text), "utf-8")

    def type(self, command: str) -> Printed:
        """Run a command as a shell does. One command of vomap runs in this process."""
        words = shlex.split(command)
        if words[0] == "vomap" and not _SHELL.search(re.sub(r"'[^']*'", "", command)):
            with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
                code = run(words[1:])
            return Printed(code, printed.getvalue())
        if words[0] == "chown" and not IS_ROOT:
            # vomap sees the new owner, the kernel does not.
            *_, owner = (word for word in words[1:] if word.isdigit() or word == "root")
            for path in words[words.index(owner) + 1 :]:
                self._owners.give(path, 0 if owner == "root" else int(owner))
            return Printed(0, "")
        path = f"{CALLOUTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        done = subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Printed(done.returncode, done.stdout)

    def follow(self, command: str) -> Printed:
        """Run a command that was printed, unless it is about another machine than this one."""
        outside = [word for word in shlex.split(command) if word.startswith("/") and not word.startswith(self._inside)]
        assert not outside, f"this command names another machine: {command}"
        return self.type(command)

    def _move_defaults(self) -> None:
        """Let the default places of vomap be those of this machine."""
        run(["--version"])
        for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "vomap"]:
            for name, value in list(vars(module).items()):
                if isinstance(value, str) and value in _DEFAULTS:
                    self._monkeypatch.setattr(module, name, str(self._system.at(value)))

    def prepare(self, situation: Situation) -> None:
        """Bring about a situation."""
        self._missing += situation.missing
        if situation.made:
            self._system.made()
        if situation.here:
            self._move_defaults()
        for path, text in situation.files.items():
            self.write(path, text)
        for command in situation.make:
            self.type(self.filled(command))
        for name, (command, expression) in situation.keep.items():
            found = re.search(expression, self.type(self.filled(command)).text)
            assert found is not None, command
            self._places[name] = found[1]


class _Terminal(io.StringIO):
    """Standard input of the administrator. Questions are answered elsewhere."""

    def isatty(self) -> bool:
        return True


def commands_of(situation: Situation) -> list[Command]:
    """Return the commands that a situation is about, all of one message. Raises LookupError."""
    name = situation.command.rstrip(" …")
    same = [each for each in find_commands() if each.file == situation.place and each.name == name]
    if not situation.says:
        # A command that a message gets from elsewhere is its own message.
        same = [each for each in same if each.message == each.text] or same
    found = list({each.message: each for each in same if situation.says in each.message}.values())
    if len(found) != 1:
        seen = "\n".join(map(str, found)) or "nothing"
        raise LookupError(f"{situation.name}: expected one command of the source, found {seen}")
    others = {each.name: each for each in find_commands() if each.message == found[0].message}
    return [found[0], *(others[name] for name in situation.also)]


def colours(printed: str) -> dict[str, str]:
    """Return the colour of each line of `vomap status`, by what it is about."""
    lines = re.findall(r"^(green|yellow|red)\s+(.*?): ", printed, re.MULTILINE)
    return {what: colour for colour, what in lines}


def faults_of(expectation: dict[str, Any], printed: Printed) -> list[str]:
    """Return what an expectation misses in what a command printed."""
    faults = []
    if printed.code != expectation.get("code", 0):
        faults.append(f"exit code {printed.code}, expected {expectation.get('code', 0)}")
    faults += [f"does not print {each!r}" for each in _texts(expectation, "prints") if each not in printed.text]
    faults += [f"prints {each!r}" for each in _texts(expectation, "never") if each in printed.text]
    return [f"{expectation['run']}: {each}:\n{printed.text}" for each in faults]


def _texts(expectation: dict[str, Any], key: str) -> list[str]:
    texts = expectation.get(key, [])
    return [texts] if isinstance(texts, str) else texts
