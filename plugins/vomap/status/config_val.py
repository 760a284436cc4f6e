"""Ask HTCondor-CE for the settings that are in force. That needs no daemon and no root.

Source: HTCondor's src/condor_tools/config_val.cpp. Measured on HTCondor 23.9.6 and 25.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from resource import RLIMIT_FSIZE, prlimit
from typing import IO

from vomap import Error

TOOL = "/usr/bin/condor_config_val"
CONFIG = "/etc/condor-ce/condor_config"
_SECONDS = 10
_MOST_BYTES = 1 << 20
# A setting in the output of `-verbose`: `NAME = VALUE`, or a text of several lines, and then its place. A setting
# that is set to nothing has only the place and the raw line.
_SETTING = re.compile(
    r"^(?:(?P<name>[\w.]+) (?:=[ ]?|@=\w+\n)(?P<value>(?:(?!^ # at: ).)*))?"
    r"^ # at: (?P<place>[^\n]*)\n # raw:(?P<raw>[^=\n]*)",
    re.MULTILINE | re.DOTALL,
)


class NotAskedError(Error):
    """HTCondor-CE cannot be asked for its settings. The text gives the reason."""


@dataclass(frozen=True)
class Setting:
    """A setting in force: its name, perhaps with that of the daemon before it, its value, and the place that sets it.

    `place` is `FILE, line N`, or <Default>, or "" if nothing sets it.
    """

    name: str
    value: str = ""
    place: str = ""


@dataclass(frozen=True)
class Answers:
    """The settings that are in force for one daemon, by their names without the daemon's."""

    daemon: str
    settings: Mapping[str, Setting]

    def get(self, *names: str) -> Setting:
        """Return the first of these settings that has a value. To HTCondor, an empty value is none.

        If none of them has a value, return the first that a file sets to nothing, or else the first.
        """
        found = [self.settings.get(name, Setting(name)) for name in names]
        return next((each for each in found if each.value), next((each for each in found if each.place), found[0]))


def ask_daemon(daemon: str, names: Sequence[str]) -> Answers:
    """Return the settings of these names for a daemon. Raises NotAskedError.

    One of the names must always have a value: without any value, the question has failed.
    """
    output, errors = _run([TOOL, "-verbose", "-subsystem", daemon, *names])
    settings = {}
    for match in _SETTING.finditer(output):
        name = (match["name"] or match["raw"]).strip()
        # A raw text of several lines has no name in the first.
        if name:
            setting = Setting(name, (match["value"] or "").strip(), match["place"].strip())
            settings[name.upper().rpartition(".")[2]] = setting
    if not any(setting.value for setting in settings.values()):
        told = " ".join((errors or output).split())[:200]
        raise NotAskedError(f"`{TOOL}` prints no settings of {CONFIG}: {told or 'no output'}")
    return Answers(daemon, settings)


def _run(command: Sequence[str]) -> tuple[str, str]:
    """Run a command with a fixed environment, and return its output and its errors. Time and size have limits."""
    environment = {"CONDOR_CONFIG": CONFIG, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = _start(command, environment, output, errors)
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            # Settings can run commands, which are in the same group.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise NotAskedError(f"`{command[0]}` gave no answer within {_SECONDS} seconds") from None
        if process.returncode < 0:
            raise NotAskedError(f"`{command[0]}` ended by signal {-process.returncode}")
        return _read(output), _read(errors)


def _start(
    command: Sequence[str], environment: Mapping[str, str], output: IO[bytes], errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed path, and no shell  # nosec B603
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise NotAskedError(f"`{command[0]}` cannot be run: {error.strerror}") from None
    if process.poll() is None:
        prlimit(process.pid, RLIMIT_FSIZE, (_MOST_BYTES, _MOST_BYTES))
    return process


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST_BYTES).decode("utf-8", "replace")
