"""Lock a file, so that only one process at a time reads its sources and writes it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from vomap import printable
from vomap.files import FileError

_PAUSE = 0.1
# Seconds. A build of a few mapfiles takes less.
_SILENCE = 1.0
_LOCKS = Path("/proc/locks")
_LONGEST_COMMAND = 200


@contextlib.contextmanager
def locked(path: str, patience: float | None = None) -> Iterator[None]:
    """Lock a file from the read of its sources to its write, against other processes that would write it.

    `patience` is the longest wait in seconds, None for no limit. After one second, standard error shows the process
    that has the lock. The lock is an empty file PATH.lock. Only root and the owner of the folder can open it, because
    any other user could keep the lock for ever. Raises FileError if the lock is not free in time.
    """
    try:
        descriptor = open_lock(f"{path}.lock")
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None
    silence = _SILENCE if patience is None else min(_SILENCE, patience)
    try:
        if not take_within(descriptor, silence):
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"vomap: waiting for the lock of {path}: {holder_of(descriptor)} has it\n")
                sys.stderr.flush()
            if patience is None:
                # The kernel serves waiting processes in their order.
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            elif not take_within(descriptor, patience - silence):
                raise FileError(f"{path}: {holder_of(descriptor)} has its lock; try again when that process has ended")
        yield
    finally:
        os.close(descriptor)


def open_lock(path: str) -> int:
    """Open a lock file, new or not, and return its descriptor. The file belongs to the owner of its folder."""
    # Open for writing as well: NFS locks only such files.
    flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags)
    owner = os.stat(os.path.dirname(path) or ".").st_uid
    if os.geteuid() == 0 != owner:
        # The owner of the folder must be able to open the lock later.
        os.fchown(descriptor, owner, -1)
    return descriptor


def take_within(descriptor: int, seconds: float) -> bool:
    """Take a lock. Return False if it is not free within this time, in seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def holder_of(descriptor: int) -> str:
    """Return the process that has the lock of an open file, and its command, in printable ASCII.

    Source: proc_locks(5). The kernel does not show processes of other machines or of other PID namespaces.
    """
    status = os.fstat(descriptor)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    holders: dict[str, int] = {}
    for line in _text(_LOCKS).splitlines():
        # A line with an arrow describes a process that waits.
        _, kind, *rest = [*line.split(), ""]
        if kind == "FLOCK" and rest[2].isdigit() and rest[2] != "0":
            place, _, inode = rest[3].rpartition(":")
            if inode == str(status.st_ino):
                holders[place] = int(rest[2])
    # Some file systems show another device here than in stat(2).
    process = holders.get(device) or next(iter(holders.values()), None)
    if process is None:
        return "a process that /proc/locks does not show (on another machine, or in a container)"
    return f"process {process} ({_command(process)})"


def _command(process: int) -> str:
    words = _text(Path(f"/proc/{process}/cmdline")).rstrip("\0").split("\0")
    # One by one: the quotes of the shell stay as they are.
    command = "".join(map(printable, shlex.join(words))) if words != [""] else "its command is not known"
    return command if len(command) <= _LONGEST_COMMAND else f"{command[:_LONGEST_COMMAND]}..."


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
