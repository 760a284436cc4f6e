"""A fault of the decision log changes neither answer nor exit code nor time, and the callout reports the fault."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import vomap
from ces import htcondor_payload
from unit.policy.composed import bans_document, policy_document
from vomap import store
from vomap.log.reader import BrokenLine, read_log
from vomap.log.record import Record
from vomap.store import writer

ISSUER = "https://i.example/"
# An account of every machine, and the user that root becomes where the folder must not be writable.
ACCOUNT, SOMEBODY = "daemon", 65534
POLICY = f"""\
mapfile: 1
site:
  audience: ANY
  accounts: {{minimum-uid: 1}}
  log: {{LOG}}
issuers:
  {ISSUER}: {{vo: One}}
rules:
  - {{name: bad, vo: One, subject: bad, deny: bad people}}
  - {{name: jo, vo: One, subject: jo, account: {ACCOUNT}}}
"""
# The subjects of the tokens, each with the exit code and the output.
ANSWERS = {"jo": (0, f"{ACCOUNT}\n".encode()), "bad": (2, b""), "other": (1, b"")}
SECONDS = 5.0
_DRIVER = """\
import posix, sys
sys.path.append({library!r})
import vomap.callouts.htcondor as callout
import vomap.log
import vomap.log.pseudonyms
vomap.log._SOCKET, vomap.log.KEY_FILE = {socket!r}, {key!r}
if {become!r}:
    posix.setgroups([])
    posix.setgid({become!r})
    posix.setuid({become!r})
code = callout.main()
posix._exit(code)
"""


class Site:
    """A site with a decision log in a place of the test's choice, its own log socket and its own key."""

    def __init__(self, folder: Path) -> None:
        """Use a folder that all users may enter."""
        self.folder, self.log = folder, folder / "logs" / "decisions.log"
        self.log.parent.mkdir()
        self.socket, self.key = folder / "log.socket", folder / "key"
        self.key.write_bytes(bytes(range(32)))
        self.become = 0

    def ask(self, subject: str = "jo", *, log: str | None = None, **how: Any) -> str:
        """Map a token, check the answer and its time, and return the text on standard error."""
        policy = POLICY.replace("{LOG}", log if log is not None else f"{{to: {self.log}}}")
        path = self.folder / "policy"
        writer.write_compiled(str(path), store.POLICY, policy_document(policy), sources={}, built="now")
        writer.write_compiled(f"{path}.bans", store.BANS, bans_document(None), sources={}, built="now")
        driver = _DRIVER.format(
            library=str(Path(vomap.__file__).parents[1]),
            socket=str(self.socket),
            key=str(self.key),
            become=self.become,
        )
        token = {"iss": ISSUER, "sub": subject, "aud": "ANY", "scope": "compute.create"}
        command = [sys.executable, "-I", "-c", driver, "--policy", str(path)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        begun = time.monotonic()
        done = subprocess.run(command, input=htcondor_payload(token), check=False, timeout=60, env={}, **pipes)
        assert (done.returncode, done.stdout) == ANSWERS[subject], done
        assert time.monotonic() - begun < SECONDS
        told: str = (done.stderr or b"").decode("ascii")
        assert told.count("\n") == (1 if pipes["stderr"] == subprocess.PIPE else 0)
        return told

    def found(self) -> list[Record | BrokenLine]:
        """Return the records and the broken lines of the log."""
        return list(read_log(str(self.log)))


@pytest.fixture
def site() -> Iterator[Site]:
    """Return a site whose log works. It uses its own folder, because pytest closes its folders to other users."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Site(Path(name).resolve())


def _missing_folder(site: Site) -> None:
    site.log.parent.rmdir()


def _closed_folder(site: Site) -> None:
    site.log.parent.chmod(0o555)
    site.become = SOMEBODY if os.geteuid() == 0 else 0


def _closed_file(site: Site) -> None:
    site.log.touch(0o444)
    site.become = SOMEBODY if os.geteuid() == 0 else 0


def _fifo(site: Site) -> None:
    os.mkfifo(site.log)


def _folder(site: Site) -> None:
    site.log.mkdir()


def _link(site: Site) -> None:
    site.log.symlink_to(site.folder / "elsewhere")


def _file_as_folder(site: Site) -> None:
    site.log.parent.rmdir()
    site.log.parent.touch()


@pytest.mark.parametrize("subject", ANSWERS)
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_missing_folder, "No such file or directory"),
        (_closed_folder, "Permission denied"),
        (_closed_file, "Permission denied"),
        (_fifo, "No such device or address"),
        (_folder, "Is a directory"),
        (_link, "Too many levels of symbolic links"),
        (_file_as_folder, "Not a directory"),
    ],
)
def test_a_log_that_cannot_be_written(site: Site, spoil: Callable[[Site], None], told: str, subject: str) -> None:
    """The callout gives its answer and exit code, and reports why it did not log the decision."""
    assert "logged" not in site.ask(subject)
    site.log.unlink()
    spoil(site)
    assert site.ask(subject).endswith(f"; not logged: {site.log}: {told}\n")
    assert not (site.folder / "elsewhere").exists()


def test_a_fifo_with_a_reader(site: Site) -> None:
    """A callout does not write to a FIFO, even with a reader, because the reader could make it wait."""
    os.mkfifo(site.log)
    reader = os.open(site.log, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert "not a regular file" in site.ask()
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


@pytest.mark.parametrize("room", [0, 20])
def test_a_full_disk(site: Site, room: int) -> None:
    """A full disk and SIGXFSZ do not end the callout. vomap logs again when the disk has space."""
    site.ask()
    size = site.log.stat().st_size + room
    said = site.ask(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
    assert f"; not logged: {site.log}: File too large" in said
    assert "logged" not in site.ask()
    records = [each for each in site.found() if isinstance(each, Record)]
    assert len(records) == 2
    assert len(site.found()) == (2 if room == 0 else 3)


def test_nobody_listens_to_the_trouble(site: Site) -> None:
    """SIGPIPE does not end the callout if standard error has no reader."""
    site.log.parent.rmdir()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        site.ask(stderr=writing)
    finally:
        os.close(writing)


@pytest.mark.parametrize("subject", ANSWERS)
@pytest.mark.parametrize("log", ["{subject: pseudonym}", "{to: syslog, subject: pseudonym}", None])
def test_a_key_that_never_comes(site: Site, log: str | None, subject: str) -> None:
    """A FIFO in place of the key stops the log record, but not the answer, for each kind of log."""
    site.key.unlink()
    os.mkfifo(site.key)
    log = log or f"{{to: {site.log}, subject: pseudonym}}"
    assert site.ask(subject, log=log).endswith("; not logged: the decision log does not answer\n")
    assert not site.log.exists()


def test_a_missing_key_costs_the_subject_alone(site: Site) -> None:
    """Without the key, vomap logs the decision without its subject, and reports that."""
    site.key.unlink()
    told = site.ask(log=f"{{to: {site.log}, subject: pseudonym}}")
    assert f"; logged without its subject: {site.key}: No such file or directory" in told
    (record,) = site.found()
    assert isinstance(record, Record)
    assert (record.members["subject"], record.members["account"]) == (None, ACCOUNT)


@contextmanager
def _full(path: Path) -> Iterator[None]:
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        listening.bind(str(path))
        sending = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        sending.setblocking(False)
        sending.connect(str(path))
        with suppress(BlockingIOError):
            while True:
                sending.send(b"x")
        yield


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
    yield


@contextmanager
def _of_another_kind(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        yield


@contextmanager
def _absent(_path: Path) -> Iterator[None]:
    yield


@pytest.mark.parametrize("subject", ANSWERS)
@pytest.mark.parametrize(
    ("daemon", "told"),
    [
        (_full, "Resource temporarily unavailable"),
        (_refusing, "Connection refused"),
        (_of_another_kind, "Protocol wrong type for socket"),
        (_absent, "No such file or directory"),
    ],
)
def test_a_log_daemon_that_does_not_listen(site: Site, daemon: Any, told: str, subject: str) -> None:
    """A callout does not wait for a log daemon that does not read, and reports the fault."""
    with daemon(site.socket):
        assert site.ask(subject, log="{to: syslog}").endswith(f"; not logged: {site.socket}: {told}\n")


def test_no_log_daemon_at_all(site: Site) -> None:
    """A callout does not report a missing log daemon if the site configures none, as in many containers."""
    assert "logged" not in site.ask(log="{subject: plain}")


def test_a_log_daemon_that_listens(site: Site) -> None:
    """A log daemon that listens receives the record."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(site.socket))
        assert "logged" not in site.ask(log="{to: syslog}")
        message = listening.recv(1 << 16).decode("ascii")
    assert json.loads(message.partition(": ")[2])["account"] == ACCOUNT
