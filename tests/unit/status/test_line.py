"""A line of `vomap status`."""

from __future__ import annotations

import os

import pytest

from vomap.status import RED, YELLOW, StatusLine, run_guarded


def test_the_members_for_programs() -> None:
    """The members of a line are an interface for the monitoring of a site."""
    line = StatusLine(RED, "policy", "missing")
    assert line.as_json() == {"colour": "red", "what": "policy", "told": "missing"}


@pytest.mark.parametrize(("uid", "colour"), [(0, RED), (1000, YELLOW)])
def test_a_file_that_the_user_may_not_read(monkeypatch: pytest.MonkeyPatch, uid: int, colour: str) -> None:
    """For a user other than root the line is yellow: the CE has no fault."""

    def check() -> list[StatusLine]:
        raise PermissionError(13, "Permission denied", "/run/x")

    monkeypatch.setattr(os, "geteuid", lambda: uid)
    (line,) = run_guarded("x", check, "vomap status")
    assert line == StatusLine(colour, "x", "this check failed: /run/x: Permission denied; run `vomap status` as root")
