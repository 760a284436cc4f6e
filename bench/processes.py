"""Processes that are started, waited for and measured from outside."""

from __future__ import annotations

import os
import pickle
import pwd
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from policies import ACCOUNT
from progress import tell
from samples import Samples

# All that a measured process has, beside what a CE gives it. Without a locale of UTF-8 an interpreter starts slower.
ENVIRONMENT = {b"PATH": b"/usr/bin:/bin", b"LANG": b"C.UTF-8"}

KeyT = TypeVar("KeyT", bound=Hashable)
ResultT = TypeVar("ResultT")


class BenchError(Exception):
    """The run cannot be made, or what it measures gives a wrong answer."""


@dataclass(frozen=True)
class Call:
    """One process: its words, what it reads, and what it must print and exit with."""

    words: tuple[str, ...]
    printed: bytes = b""
    given: Path = Path(os.devnull)
    variables: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def environment(self) -> dict[bytes, bytes]:
        """The process's whole environment."""
        return {**ENVIRONMENT, **self.variables}


def check(call: Call) -> None:
    """Start a process once. Raises BenchError if it exits with another code than 0, or prints anything else."""
    with call.given.open("rb") as given:
        done = subprocess.run(call.words, stdin=given, capture_output=True, check=False, env=call.environment)
    if done.returncode != 0 or done.stdout != call.printed:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise BenchError(
            f"{' '.join(call.words)}: exit {done.returncode}, printed {done.stdout!r}; "
            f"expected exit 0, {call.printed!r}; it said: {said}"
        )


def interleaved(calls: Mapping[KeyT, Call], rounds: int) -> dict[KeyT, Samples]:
    """Start every process once in each round, each round in another order, and return the times in seconds."""
    seconds: dict[KeyT, list[float]] = {key: [] for key in calls}
    # The same orders in every run: what differs between two runs is not the shuffling.
    shuffler = random.Random(0)
    order = list(calls)
    for number in range(rounds):
        if number % 20 == 0:
            tell(f"round {number} of {rounds}, {len(order)} processes in each")
        shuffler.shuffle(order)
        for key in order:
            seconds[key].append(_seconds(calls[key]))
    return {key: Samples(tuple(values)) for key, values in seconds.items()}


def checked_times(calls: Mapping[KeyT, Call], rounds: int) -> dict[KeyT, Samples]:
    """Check every answer once, then measure all processes in the same rounds, as an ordinary user starts them."""

    def measured() -> dict[KeyT, Samples]:
        for call in calls.values():
            check(call)
        return interleaved(calls, rounds)

    return unprivileged(measured)


def peaks(calls: Mapping[KeyT, Call], rounds: int) -> dict[KeyT, Samples]:
    """Return the peak resident memory of processes, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        return _peaks(calls, rounds, Path(folder) / "peak")


def unprivileged(measure: Callable[[], ResultT]) -> ResultT:
    """Return what a measurement returns that is made by an ordinary user, even if root asks for it.

    If root starts a callout of ARC, it becomes the user vomap, if there is one.
    """
    if os.geteuid() != 0:
        return measure()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            user = pwd.getpwnam(ACCOUNT)
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            with os.fdopen(writing, "wb") as stream:
                pickle.dump(measure(), stream)
            status = 0
        except Exception as error:  # noqa: BLE001 - the parent must notice it
            print(f"bench: {error}", file=sys.stderr)
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        content = stream.read()
    if os.waitpid(child, 0)[1] != 0:
        raise BenchError("the measurement by an ordinary user failed")
    result: ResultT = pickle.loads(content)  # noqa: S301 - from our own child
    return result


def _peaks(calls: Mapping[KeyT, Call], rounds: int, report: Path) -> dict[KeyT, Samples]:
    mebibytes: dict[KeyT, list[float]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            with call.given.open("rb") as given:
                subprocess.run(
                    measured(call.words, report),
                    stdin=given,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=True,
                    env=call.environment,
                )
            mebibytes[key].append(read_measured(report)[1])
    return {key: Samples(tuple(values)) for key, values in mebibytes.items()}


def measured(words: tuple[str, ...], report: Path) -> tuple[str, ...]:
    """Return the words that start a process under GNU time, which writes its time and peak memory to a file.

    A child begins its life as a copy of its parent, and the kernel counts the parent's memory as the child's peak
    (ru_maxrss). GNU time is a small parent. This process is not.
    """
    program = shutil.which("time")
    if program is None:
        raise BenchError("GNU time is missing; on Debian: apt-get install time")
    return (program, "--format", "%e %M", "--output", str(report), *words)


def read_measured(report: Path) -> tuple[float, float]:
    """Return the seconds and the peak in MiB that GNU time wrote."""
    seconds, kibibytes = report.read_text("ascii").split()
    return float(seconds), int(kibibytes) / 1024


def _seconds(call: Call) -> float:
    """Start a process, wait for its end, and return how long that took."""
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, str(call.given), os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    environment = call.environment
    start = time.monotonic_ns()
    process = os.posix_spawn(call.words[0], call.words, environment, file_actions=streams)
    _, status = os.waitpid(process, 0)
    end = time.monotonic_ns()
    if status != 0:
        raise BenchError(f"{' '.join(call.words)}: wait status {status} in a measured round")
    return (end - start) / 1e9
