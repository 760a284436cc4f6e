"""A line of `vomap status`."""

from __future__ import annotations

from vomap.status import RED, StatusLine


def test_the_members_for_programs() -> None:
    """The members of a line are an interface for the monitoring of a site."""
    line = StatusLine(RED, "policy", "missing")
    assert line.as_json() == {"colour": "red", "what": "policy", "told": "missing"}
