"""Settings of all tests."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from threads import end

# Files that only their owner can write, as mapfiles must be, whatever the umask was.
os.umask(0o022)


@pytest.fixture(autouse=True)
def _no_thread_outlives_its_test() -> Iterator[None]:
    """Fail a test that starts a thread and leaves it behind: it would work on what the next test opens."""
    before = set(threading.enumerate())
    yield
    end(*(thread for thread in threading.enumerate() if thread not in before))
