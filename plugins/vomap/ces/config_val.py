"""Ask HTCondor-CE for the settings in its files, which needs no daemon and no root, and for those of a running daemon.

Source: HTCondor's src/condor_tools/config_val.cpp. Measured on HTCondor 23.9.6 and 25.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from resource import RLIMIT_FSIZE, prlimit
from typing import IO

from vomap import Error

TOOL = "/usr/bin/condor_config_val"
CONFIG = "/etc/condor-ce/condor_config"
_SECONDS = 10
_MOST_BYTES = 1 << 20
_PLACE, _RAW = "\n # at: ", " # raw:"


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
    settings = {setting.name.upper().rpartition(".")[2]: setting for setting in _settings_in(output)}
    if not any(setting.value for setting in settings.values()):
        told = " ".join((errors or output).split())[:200]
        raise NotAskedError(f"`{TOOL}` prints no settings of {CONFIG}: {told or 'no output'}")
    return Answers(daemon, settings)


def ask_running_daemon(daemon: str, name: str) -> str | None:
    """Return the value of a setting in a running daemon, "" if it has none. Return None if no daemon answers.

    A daemon has the settings of the time when it last read its files.
    """
    try:
        output, _ = _run([TOOL, f"-{daemon.lower()}", name])
    except NotAskedError:
        return None
    value = output.strip()
    return None if not value else "" if value.startswith("Not defined") else value


def _settings_in(output: str) -> Iterator[Setting]:
    """Yield each setting in the output of `-verbose`, in linear time.

    A setting is `NAME = VALUE`, or a text of several lines (`NAME @=END`), and then lines that begin with ` #`: its
    place and the raw line. A setting that is set to nothing has only these.
    """
    heads = f"\n{output}".split(_PLACE)
    for head, rest in zip(heads, heads[1:]):
        lines = head.split("\n")[1:]
        while lines and (lines[0].startswith(" #") or not lines[0].strip()):
            lines.pop(0)
        place, _, comments = rest.partition("\n")
        raw = comments.partition("\n")[0].removeprefix(_RAW).partition("=")[0]
        name, value = raw.strip(), ""
        if lines:
            name, _, first = lines[0].partition(" ")
            value = "\n".join([first.removeprefix("=").strip() if first.startswith("=") else "", *lines[1:]]).strip()
        if name:
            yield Setting(name, value, place.strip())


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
    content = file.read(_MOST_BYTES)
    if len(content) == _MOST_BYTES:
        raise NotAskedError(f"`{TOOL}` prints more than {_MOST_BYTES >> 10} KiB")
    return content.decode("utf-8", "replace")
