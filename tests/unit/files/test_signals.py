"""Signals wait until writes that belong together are done."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from vomap import Error
from vomap.files.signals import defer_signals

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Give SIGINT its effect at a terminal, because a shell makes its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _write(write: Callable[[str], object], text: str) -> None:
    """Send a signal just before a write, and write."""
    with defer_signals("both are written"):
        signal.raise_signal(signal.SIGINT)
        write(text)


def _fail(why: str) -> None:
    raise Error(why)


def test_a_signal_comes_after_the_writes(capsys: Capture) -> None:
    """SIGINT arrives after the writes, and vomap first prints which writes it did."""
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _write(done.append, "the second write")
    assert done == ["the second write"]
    assert capsys.readouterr().err == "vomap: SIGINT arrived during a write: both are written\n"


def test_no_signal(capsys: Capture) -> None:
    """Without a signal vomap prints nothing, and later signals arrive at once."""
    before = signal.getsignal(signal.SIGINT)
    with defer_signals("both are written"):
        pass
    assert capsys.readouterr().err == ""
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_write_that_fails(capsys: Capture) -> None:
    """If a write fails, vomap prints the error before the signal arrives. Without a signal it only raises the error."""
    with pytest.raises(KeyboardInterrupt):
        _write(_fail, "no space")
    assert capsys.readouterr().err == "vomap: SIGINT arrived during a write: no space\n"
    with pytest.raises(Error, match="no space"), defer_signals("both are written"):
        _fail("no space")
    assert capsys.readouterr().err == ""


def test_a_signal_that_is_ignored(capsys: Capture) -> None:
    """Under `nohup`, SIGHUP has no effect, and vomap prints nothing about it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with defer_signals("both are written"):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert capsys.readouterr().err == ""
