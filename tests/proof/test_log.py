"""Many processes log to one file: no line is lost or torn, whichever process creates the file, and at any rotation.

`pytest -s tests/proof/test_log.py` prints the time that it took. As root: the processes are those of several users.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from proof.counts import count
from vomap.claims import read_claims
from vomap.log import DecisionLog
from vomap.log.reader import read_log
from vomap.log.record import Record
from vomap.policy import MAPPED, Decision

PROCESSES = 64
NOW = 1795348800
# The processes are of the folder's group, as condor and vomap are. Each has a user and a mask of its own.
GROUP, USERS, MASKS = 1, (1, 65534), (0o022, 0o077)
# One line in so many is longer than a pipe or a page holds at once.
LONG_ONE = 50
LONG = "storage.read:/" + "x" * 100_000


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder like /var/log/vomap, which its group can get to."""
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 0, GROUP)
        Path(name).chmod(0o2770)
        yield Path(name)


def forked(work: Callable[[], None]) -> int:
    """Do some work in a child, and return its number."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        os.write(2, f"{error!r}\n".encode())
    finally:
        os._exit(1)


def write(log: Path, process: int, lines: int) -> None:
    """Log so many decisions, each with a `jti` of its own, as one of several users."""
    os.umask(MASKS[process // 2 % len(MASKS)])
    os.setgroups([])
    os.setgid(GROUP)
    os.setuid(USERS[process % len(USERS)])
    decision_log = DecisionLog({"to": str(log)})
    for line in range(lines):
        scope = LONG if line % LONG_ONE == 0 else "compute.create"
        claims = read_claims({"iss": "https://i/", "sub": "s", "jti": f"{process}-{line}", "scope": scope})
        decision = Decision(claims, None, MAPPED, "rule: r")
        decision.account = "jo"
        decision_log.write(decision, callout="vomap-htcondor", ce="htcondor", now=NOW)


def rename(log: Path, number: int) -> None:
    """Rotate as logrotate does with `nocreate`: the next who logs creates the file."""
    log.rename(log.with_name(f"{log.name}.{number}"))


def rename_and_create(log: Path, number: int) -> None:
    """Rotate as logrotate does with `create`: it creates the file, if no callout did so first."""
    rename(log, number)
    try:
        descriptor = os.open(log, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return
    # Not yet as it is to be: there is a moment in which others cannot write, and logrotate has it, too.
    os.fchown(descriptor, 0, GROUP)
    os.fchmod(descriptor, 0o660)
    os.close(descriptor)


def assert_ended(children: Sequence[int]) -> None:
    """Each ended well."""
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * len(children)


@pytest.mark.parametrize("rotate", [None, rename])
def test_many_processes_lose_no_line(folder: Path, rotate: Callable[[Path, int], None] | None) -> None:
    """Each line is there once, and whole, in the one file or in those that it was rotated to."""
    log = folder / "decisions.log"
    lines = count(full=100_000, reduced=5_000) // PROCESSES + 1
    waiting, gate = os.pipe()

    def wait_and_write(process: int) -> None:
        # None begins before all are there.
        os.close(gate)
        os.read(waiting, 1)
        write(log, process, lines)

    writers = [forked(lambda process=process: wait_and_write(process)) for process in range(PROCESSES)]  # type: ignore[misc]
    begun = time.monotonic()
    os.close(gate)
    os.close(waiting)
    running, rotations = set(writers), 0
    while running:
        ended = {child: status for child in running for child, status in (os.waitpid(child, os.WNOHANG),) if child}
        assert set(ended.values()) <= {0}
        running -= set(ended)
        if rotate is not None and log.exists():
            rotations += 1
            rotate(log, rotations)
        time.sleep(0.005)
    seconds = time.monotonic() - begun
    print(f"\n{PROCESSES} processes, {lines * PROCESSES:,} lines, {rotations} rotations: {seconds:.1f} s")
    found = Counter(jti for path in folder.iterdir() for jti in _jtis(path))
    assert found == {f"{process}-{line}": 1 for process in range(PROCESSES) for line in range(lines)}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o660}
    assert {path.stat().st_gid for path in folder.iterdir()} == {GROUP}
    if rotate is not None:
        assert rotations > 1


def _jtis(path: Path) -> Iterator[str]:
    for found in read_log(str(path)):
        assert isinstance(found, Record), (path, found)
        yield found.members["jti"] or ""


def test_a_file_that_another_creates_is_written_to(folder: Path) -> None:
    """With logrotate's `create`, the group may write to the new file, and no line is lost with it."""
    log = folder / "decisions.log"
    for number in range(1, 4):
        assert_ended([forked(lambda number=number: write(log, number, 2))])  # type: ignore[misc]
        rename_and_create(log, number)
    assert_ended([forked(lambda: write(log, 0, 2))])
    found = sorted(jti for path in folder.iterdir() for jti in _jtis(path))
    assert found == sorted(f"{process}-{line}" for process in range(4) for line in range(2))


def test_users_who_are_not_of_the_group_get_nowhere(folder: Path) -> None:
    """No other user reads the log, or writes to it."""
    log = folder / "decisions.log"
    assert_ended([forked(lambda: write(log, 0, 1))])

    def peep() -> None:
        os.setgroups([])
        os.setgid(12345)
        os.setuid(12345)
        for flags in (os.O_RDONLY, os.O_WRONLY | os.O_APPEND):
            with pytest.raises(PermissionError):
                os.open(log, flags)

    assert_ended([forked(peep)])
