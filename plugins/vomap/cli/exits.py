"""The exit codes of `vomap`, the same for every verb."""

from __future__ import annotations

YES, NO, USAGE, FAILED = 0, 1, 2, 3
