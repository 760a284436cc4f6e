"""A process that waits for the lock of a build sees which process has the lock."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vomap.files import FileError, lock
from vomap.files.lock import holder_of, locked

Capture = pytest.CaptureFixture[str]
HOLD = """\
import sys, time
from vomap.files.lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def _held(path: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start another process that takes a lock."""
    command = [sys.executable, "-c", HOLD, str(path), *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def test_who_waits_sees_the_holder(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a short wait, vomap prints the process that has the lock and its command in ASCII, and waits on."""
    monkeypatch.setattr(lock, "_SILENCE", 0.2)
    monkeypatch.setattr(lock, "_LONGEST_COMMAND", 5000)
    path = tmp_path / "bans"
    with _held(path, "a b", "\x1b[2J\u202e") as process:
        waiting = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            stderr=subprocess.PIPE,
        )
        time.sleep(2.5)
        assert waiting.poll() is None
        with pytest.raises(FileError, match=f"process {process.pid}"), locked(str(path), patience=0.5):
            pass
    out, errors = waiting.communicate(timeout=60)
    assert out == "held\n"
    assert errors.startswith(f"vomap: waiting for the lock of {path}: process {process.pid} (")
    assert errors.endswith(") has it\n")
    assert errors[:-1].isprintable()
    assert errors.isascii()
    told = capsys.readouterr().err
    assert f"vomap: waiting for the lock of {path}: process {process.pid} (" in told
    assert f"{shlex.quote(str(path))} 'a b' '\\x1b[2J\\u202e') has it\n" in told


def test_who_waits_gets_the_lock(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that waits takes the lock when the other process ends."""
    monkeypatch.setattr(lock, "_SILENCE", 0.1)
    path = tmp_path / "bans"
    with _held(path) as process:
        assert process.stdin is not None
        ender = threading.Timer(1, process.stdin.close)
        ender.start()
        with locked(str(path)):
            assert process.wait(timeout=60) == 0
        ender.join()
    assert f"process {process.pid} (" in capsys.readouterr().err


def test_who_waits_a_moment_sees_nothing(tmp_path: Path, capsys: Capture) -> None:
    """The wait prints nothing if the lock is free or becomes free soon."""
    path = tmp_path / "bans"
    with _held(path) as process:
        assert process.stdin is not None
        with subprocess.Popen(["sleep", "0.3"]):
            pass
        process.stdin.close()
        with locked(str(path)):
            pass
    assert capsys.readouterr().err == ""


def _locks(folder: Path, text: str) -> Path:
    path = folder / "locks"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("device", ["{0:02x}:{1:02x}", "00:1f"])
def test_the_holder_by_the_kernels_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    """`holder_of` ignores other kinds of lock, other files and waiting processes, and accepts another device number."""
    path = tmp_path / "f"
    path.touch()
    status = path.stat()
    device = device.format(os.major(status.st_dev), os.minor(status.st_dev))
    text = (
        f"1: POSIX  ADVISORY  WRITE 11 {device}:{status.st_ino} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 12 {device}:{status.st_ino}1 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE {os.getpid()} {device}:{status.st_ino} 0 EOF\n"
        f"3: -> FLOCK  ADVISORY  WRITE 13 {device}:{status.st_ino} 0 EOF\n"
    )
    monkeypatch.setattr(lock, "_LOCKS", _locks(tmp_path, text))
    with path.open() as file:
        assert holder_of(file.fileno()).startswith(f"process {os.getpid()} (")


@pytest.mark.parametrize("process", ["0", "-1", None])
def test_a_holder_that_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: str | None) -> None:
    """If the process has no number on this machine, or if /proc is missing, `holder_of` reports that."""
    path = tmp_path / "f"
    path.touch()
    text = f"1: FLOCK  ADVISORY  WRITE {process} 00:1f:{path.stat().st_ino} 0 EOF\n"
    monkeypatch.setattr(lock, "_LOCKS", tmp_path / "none" if process is None else _locks(tmp_path, text))
    with path.open() as file:
        assert "does not show" in holder_of(file.fileno())


def test_a_holder_whose_command_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ended process and a kernel thread have no command. vomap shortens a long command."""
    path = tmp_path / "f"
    path.touch()
    text = f"1: FLOCK  ADVISORY  WRITE 2 00:1f:{path.stat().st_ino} 0 EOF\n"
    monkeypatch.setattr(lock, "_LOCKS", _locks(tmp_path, text))
    monkeypatch.setattr(lock, "_LONGEST_COMMAND", 3)
    commands = {"/proc/2/cmdline": ""}
    real = lock._text
    monkeypatch.setattr(lock, "_text", lambda each: commands.get(str(each), real(each)))
    with path.open() as file:
        assert holder_of(file.fileno()) == "process 2 (its...)"
        monkeypatch.setattr(lock, "_LONGEST_COMMAND", 200)
        assert holder_of(file.fileno()) == "process 2 (its command is not known)"


def test_where_nobody_reads_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process waits for the lock even if its standard error is closed."""
    monkeypatch.setattr(lock, "_SILENCE", 0.0)
    path = tmp_path / "bans"
    with _held(path) as process, path.with_name("bans.lock").open() as file:
        assert process.stdin is not None
        with monkeypatch.context() as patch, (tmp_path / "errors").open("w") as errors:
            patch.setattr(sys, "stderr", errors)
            errors.close()
            with pytest.raises(FileError), locked(str(path), patience=0.1):
                pass
        process.stdin.close()
        fcntl.flock(file.fileno(), fcntl.LOCK_SH)
