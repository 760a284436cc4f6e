"""For any hang, a callout ends by itself in exit 3 within five seconds: no CE may wait for it for ever.

`pytest -s tests/proof/test_hangs.py` prints the length of each hang. As root, with /dev/fuse and a C compiler.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ces import htcondor_payload
from proof.callout_site import (
    ACCOUNT,
    ARC_AUTHORIZE,
    ARC_MAP,
    CALLOUTS,
    HTCONDOR,
    POLICY,
    TOKEN,
    Answer,
    CalloutSite,
    compiled,
)
from proof.stalled_fuse import STALLS
from threads import pipe_from

SECONDS = 5.0
WORDS = [pytest.param(words, id="-".join(words)) for words in CALLOUTS]


@pytest.fixture
def site(tmp_path: Path) -> CalloutSite:
    """Return a site whose callouts answer."""
    site = CalloutSite(tmp_path / "site")
    told = site.run(HTCONDOR)
    assert told.account == ACCOUNT.encode(), told
    return site


def assert_ended(what: str, words: Sequence[str], answer: Answer, says: str = "") -> None:
    """The promise: exit 3 (for an authgroup of ARC 1 is as good), nothing printed, one line, in time."""
    print(
        f"{what:<44} {' '.join(words):<20} exit {answer.code} after {answer.seconds:.2f} s: {answer.err.decode()}",
        end="",
    )
    answer.assert_error(words, says)
    assert answer.seconds < SECONDS, (what, words)


def drip(descriptor: int) -> None:
    """Write a blank every now and then, for ever."""
    while os.write(descriptor, b" "):
        time.sleep(0.05)


def flood(descriptor: int) -> None:
    """Write blanks as fast as they are read, for ever."""
    while os.write(descriptor, b" " * 65536):
        pass


def payload_and_silence(descriptor: int) -> None:
    """Write a whole token, and never end."""
    os.write(descriptor, htcondor_payload(TOKEN))


@pytest.mark.parametrize(
    ("writer", "says"),
    [(None, "no answer after"), (payload_and_silence, "no answer after"), (drip, "no answer after"), (flood, "bytes")],
)
def test_standard_input_that_never_ends(site: CalloutSite, writer: Callable[[int], None] | None, says: str) -> None:
    """A CE that does not close the pipe, whatever it writes."""
    with pipe_from(writer) as reading:
        answer = site.run(HTCONDOR, stdin=reading)
    assert_ended(f"stdin: {writer.__name__ if writer else 'silence'}", HTCONDOR, answer, says)


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("which", ["policy", "bans"])
def test_a_fifo_in_the_place_of_a_file(site: CalloutSite, words: Sequence[str], which: str) -> None:
    """A process that opens a FIFO waits for its other end. The callout does not."""
    path: Path = getattr(site, which)
    path.unlink()
    os.mkfifo(path, 0o644)
    assert_ended(f"{which}: a FIFO", words, site.run(words), f"{path}: not a regular file")


@pytest.mark.parametrize("words", WORDS)
def test_a_name_service_that_never_answers(site: CalloutSite, words: Sequence[str], tmp_path: Path) -> None:
    """`getpwnam` never returns: a directory service that is gone, and a C library that waits for it."""
    answer = site.run(words, shim=compiled(tmp_path, "names", "-DHANGS"))
    assert_ended("getpwnam never returns", words, answer, "no answer after")


def test_nobody_reads_standard_output(site: CalloutSite) -> None:
    """A full pipe without a reader does not block the callout."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        os.set_blocking(writing, True)
        assert_ended("nobody reads stdout", HTCONDOR, site.run(HTCONDOR, stdout=writing), "no answer after")
    finally:
        os.close(reading)
        os.close(writing)


@contextmanager
def mounted(folder: Path, size: int, stall: str) -> Iterator[None]:
    """Mount a file system whose server stalls, and take it away in the end."""
    folder.mkdir(mode=0o755)
    command = [sys.executable, str(Path(__file__).with_name("stalled_fuse.py")), str(folder), str(size), stall]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == b"mounted\n"
            yield
        finally:
            server.stdin.close()


@pytest.mark.parametrize("which", ["policy", "bans"])
@pytest.mark.parametrize("stall", STALLS)
def test_a_stalled_file_system(site: CalloutSite, stall: str, which: str, tmp_path: Path) -> None:
    """A file is on a FUSE file system, and its server takes a request and does not answer it, or takes none.

    Nothing ends a process that waits for a taken request, not even SIGKILL. So the callout must not be that process.
    """
    with mounted(tmp_path / "fuse", getattr(site, which).stat().st_size, stall):
        setattr(site, which, tmp_path / "fuse" / "file")
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(site.run, CALLOUTS))
    for words, answer in zip(CALLOUTS, answers):
        assert_ended(f"{which} on FUSE, stalled: {stall}", words, answer, "no answer after")


def test_answers_beside_a_stalled_file_system(site: CalloutSite, tmp_path: Path) -> None:
    """If such a file system is mounted anywhere, a child answers. The answers are the same, byte for byte."""
    tokens = [{}, {"sub": "banned"}, {"sub": "unknown"}, {"iss": "https://who.example"}, {"iss": "\x01"}]
    asked = [(words, {**TOKEN, **token}) for words in CALLOUTS for token in tokens]
    plain = [site.run(words, token) for words, token in asked]
    with mounted(tmp_path / "fuse", 1, "everything"):
        aside = [site.run(words, token) for words, token in asked]
        with open("/dev/full", "wb") as full:
            for words in (HTCONDOR, ARC_MAP):
                site.run(words, stdout=full).assert_error(words, "No space left")
        site.policy.unlink()
        for words in CALLOUTS:
            site.run(words).assert_error(words, "No such file")
    assert [(a.code, a.out, a.err) for a in aside] == [(a.code, a.out, a.err) for a in plain]
    assert {a.code for a in plain} == {0, 1, 2, 3}


@pytest.mark.parametrize("stall", STALLS)
def test_a_log_on_a_stalled_file_system(stall: str, tmp_path: Path) -> None:
    """The log is on a FUSE file system whose server does not answer. The answer is given, with a warning.

    The process that answers may not end before that file system does. The CE need not wait for that.
    """
    log = tmp_path / "fuse" / "file"
    site = CalloutSite(tmp_path / "site", POLICY.replace("[ANY], ", f"[ANY], log: {{to: {log}}}, "))
    tokens = {"known": (0, 0, 0), "unknown": (2, 2, 1), "banned": (2, 2, 1), "other": (1, 2, 1)}
    asked = [(words, subject, codes[at]) for at, words in enumerate(CALLOUTS) for subject, codes in tokens.items()]
    with mounted(tmp_path / "fuse", 1, stall), ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda each: site.run(each[0], {**TOKEN, "sub": each[1]}), asked))
    # The callout reads nothing. The server does not see the written data.
    says = f"{log}: Function not implemented" if stall == "read" else "the decision log does not answer"
    for (words, subject, code), answer in zip(asked, answers):
        told = answer.err.decode("ascii")
        print(f"log on FUSE, stalled: {stall:<12} exit {answer.code} after {answer.seconds:.2f} s: {told}", end="")
        account = ACCOUNT.encode() if subject == "known" and words != ARC_AUTHORIZE else b""
        assert (answer.code, answer.account) == (code, account)
        assert told.endswith(f"; not logged: {says}\n")
        assert told.count("\n") == 1
        assert answer.seconds < SECONDS
