"""A helper thread ends before the test closes its descriptors, because the next file may get their numbers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from threads import end, helping, pipe_from


def drip(descriptor: int) -> None:
    """Write every 0.02 seconds until the write fails."""
    while os.write(descriptor, b" "):
        threading.Event().wait(0.02)


def flood(descriptor: int) -> None:
    """Write without a pause until the write fails. The pipe is full, so the write waits."""
    while os.write(descriptor, b" " * 65536):
        pass


def once(descriptor: int) -> None:
    """Write once and end."""
    os.write(descriptor, b" ")


@pytest.mark.parametrize("write", [drip, flood, once])
def test_a_writer_never_outlives_its_pipe(write: Callable[[int], None], tmp_path: Path) -> None:
    """No writer writes into the file that gets the descriptor number of the pipe next."""
    numbers: list[int] = []

    def noted(descriptor: int) -> None:
        numbers.append(descriptor)
        write(descriptor)

    before = threading.active_count()
    with pipe_from(noted) as reading:
        assert os.read(reading, 1) == b" "
    assert threading.active_count() == before
    path = tmp_path / "policy"
    path.touch()
    opened = [os.open(path, os.O_RDWR) for _ in range(2)]
    try:
        assert numbers[0] in opened
        threading.Event().wait(0.1)
        assert path.read_bytes() == b""
    finally:
        for descriptor in opened:
            os.close(descriptor)


def test_a_writer_that_does_not_end_fails_the_test_and_keeps_its_descriptor() -> None:
    """A descriptor that a thread still uses stays open, because otherwise the number could get a second owner."""
    waiting: list[tuple[threading.Thread, int]] = []
    begun, over = threading.Event(), threading.Event()

    def wait(descriptor: int) -> None:
        waiting.append((threading.current_thread(), descriptor))
        begun.set()
        over.wait()

    with pytest.raises(AssertionError, match="still run after"), pipe_from(wait, seconds=0.05):
        begun.wait()
    ((writer, descriptor),) = waiting
    os.fstat(descriptor)
    over.set()
    end(writer)
    os.close(descriptor)


def test_a_pipe_without_a_writer_is_silent() -> None:
    """Without a writer the pipe is empty, but not at its end."""
    with pipe_from(None) as reading:
        os.set_blocking(reading, False)
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)


def test_helpers_end_with_their_block() -> None:
    """A helper thread ends with its block, also if the block fails."""
    slow = threading.Timer(0.1, lambda: None)

    def fail() -> None:
        with helping(slow):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        fail()
    assert not slow.is_alive()


def test_a_thread_that_is_left_behind_is_named() -> None:
    """A running thread fails the check that tests/conftest.py makes after each test, and the failure names it."""
    over = threading.Event()
    left = threading.Thread(target=over.wait, name="left-behind", daemon=True)
    left.start()
    with pytest.raises(AssertionError, match="left-behind"):
        end(left, seconds=0.05)
    over.set()
    end(left)
