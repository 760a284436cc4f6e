"""Roll the compiled policy back to the one before it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from vomap import Error
from vomap.files.atomic import discard, read_trusted, replace_file
from vomap.files.lock import locked
from vomap.files.signals import defer_signals
from vomap.store import POLICY, CompiledFile

_PREVIOUS = ".previous"
# Beside a policy that was rolled back: the digests of the mapfiles that the policy before the rollback was built from.
_ROLLED_BACK = ".rolled-back"


def roll_back(path: str) -> str:
    """Exchange the compiled policy and the one before it. Return the digest of the policy that is now in force.

    Bans are not rolled back. Raises FileError or CompiledFileError if there is no sound policy to roll back to.
    """
    with locked(path):
        previous = _sound(path + _PREVIOUS)
        before, now = read_trusted(path + _PREVIOUS), read_trusted(path)
        # First, so that an automatic build after a crash does not build the policy again that is being rolled back.
        try:
            marker = _as_written(CompiledFile(path, POLICY).find("sources"))
        except Error:
            # The policy is damaged, so an automatic build may replace it.
            marker = b""
        with defer_signals(f"{path} is the policy before again"):
            replace_file(path + _ROLLED_BACK, marker)
            replace_file(path, before)
            replace_file(path + _PREVIOUS, now)
    return previous.digest


def is_rolled_back(path: str, digests: Mapping[str, str]) -> bool:
    """Return True if the administrator rolled back the policy of the mapfiles with these digests."""
    marker = path + _ROLLED_BACK
    return os.path.lexists(marker) and read_trusted(marker) == _as_written(digests)


def forget_rollback(path: str) -> None:
    """Let automatic builds build the policy at this path again."""
    discard(path + _ROLLED_BACK)


def keep_previous(path: str, digest: str) -> None:
    """Copy the policy for a later rollback, if it is sound and has another digest than the one that replaces it."""
    if os.path.exists(path):
        try:
            before = _sound(path)
        except Error:
            return
        if before.digest != digest:
            replace_file(path + _PREVIOUS, read_trusted(path))


def _sound(path: str) -> CompiledFile:
    """Open a compiled policy and read all of it. Raises FileError or CompiledFileError if a part is damaged."""
    file = CompiledFile(path, POLICY)
    for _ in file.entries():
        pass
    return file


def _as_written(digests: Mapping[str, str]) -> bytes:
    return json.dumps(digests, sort_keys=True).encode()
