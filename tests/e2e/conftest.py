"""The end-to-end tests begin with nothing that an earlier run left to be mistaken for theirs."""

from __future__ import annotations

from e2e.chroot import FOLDER


def pytest_sessionstart() -> None:
    """Take away the results of an earlier run."""
    for stale in FOLDER.glob("*.json"):
        stale.unlink()
