"""Progress appears only at a terminal."""

from __future__ import annotations

import io
import sys
import time

import pytest

from vomap.cli.console import progress_bar


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("terminal", "seconds", "expected"), [(True, 3, True), (True, 0, False), (False, 3, False)])
def test_who_is_told(monkeypatch: pytest.MonkeyPatch, terminal: bool, seconds: int, expected: bool) -> None:
    """Progress appears on a terminal after a second, and its line is blank again at the end."""
    stream = _Terminal() if terminal else io.StringIO()
    clock = [100.0]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with progress_bar("rules read") as told:
        clock[0] += seconds
        for number in range(1, 3001):
            told(number)
    assert ("rules read: 1,000" in stream.getvalue()) is expected
    assert stream.getvalue().endswith("\r\033[K") is expected
    if expected:
        # Not at each report: that would cost more than the work.
        assert stream.getvalue().count("rules read") == 1
