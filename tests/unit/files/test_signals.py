"""Signals that wait for writes that belong together."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from vomap import Error
from vomap.files.signals import defer_signals

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Have SIGINT do what it does at a terminal: a shell has its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _write(write: Callable[[str], object], text: str) -> None:
    """Write with a signal that comes before the write."""
    with defer_signals("both are written"):
        signal.raise_signal(signal.SIGINT)
        write(text)


def _fail(why: str) -> None:
    raise Error(why)


def test_a_signal_comes_after_the_writes(capsys: Capture) -> None:
    """SIGINT is delivered once all is done, and what was done is shown before."""
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _write(done.append, "the second write")
    assert done == ["the second write"]
    assert capsys.readouterr().err == "vomap: SIGINT came, and waited: both are written\n"


def test_no_signal(capsys: Capture) -> None:
    """Without a signal nothing is said, and afterwards signals come at once."""
    before = signal.getsignal(signal.SIGINT)
    with defer_signals("both are written"):
        pass
    assert capsys.readouterr().err == ""
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_write_that_fails(capsys: Capture) -> None:
    """The error is shown before the signal is delivered; without a signal it is only raised."""
    with pytest.raises(KeyboardInterrupt):
        _write(_fail, "no space")
    assert capsys.readouterr().err == "vomap: SIGINT came, and waited: no space\n"
    with pytest.raises(Error, match="no space"), defer_signals("both are written"):
        _fail("no space")
    assert capsys.readouterr().err == ""


def test_a_signal_that_is_ignored(capsys: Capture) -> None:
    """Under `nohup` SIGHUP does nothing, and nothing is said of it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with defer_signals("both are written"):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert capsys.readouterr().err == ""
