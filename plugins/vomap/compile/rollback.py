"""Roll the compiled policy back to the one before it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from vomap import Error
from vomap.compile.check import source_digests
from vomap.files.atomic import discard, read_trusted, replace_file
from vomap.files.lock import locked
from vomap.files.signals import defer_signals
from vomap.store import POLICY, CompiledFile

_PREVIOUS = ".previous"
# Beside a policy that was rolled back: the digests of the mapfiles that the policy before the rollback was built from.
_ROLLED_BACK = ".rolled-back"


@dataclass(frozen=True)
class Rollback:
    """A rollback: the policy that is in force now, and the one that was before.

    `undone` is None if that one is damaged. `sources` has the sha256 of each mapfile that it was built from.
    """

    now: CompiledFile
    undone: CompiledFile | None
    sources: Mapping[str, str]

    @property
    def is_in_mapfiles(self) -> bool:
        """Whether the mapfiles are still those of the policy that was rolled back."""
        try:
            return bool(self.sources) and source_digests([*self.sources]) == self.sources
        except Error:
            return False


class NoOlderPolicyError(Error):
    """There is no policy to roll back to. `now` is the one in force."""

    def __init__(self, now: CompiledFile, why: str = "there is no older policy") -> None:
        """Take the policy in force, and the reason."""
        super().__init__(f"build --rollback: {why}. In force is {now.path}: {describe(now)}")
        self.now = now


def describe(file: CompiledFile) -> str:
    """Return the beginning of a policy's digest, and when it was built."""
    return f"{file.digest[:12]}, built {file.built}"


def roll_back(path: str) -> Rollback:
    """Replace the compiled policy by the one before it, which then has no older one. Bans are not rolled back.

    The policy that is rolled back is not kept: its mapfiles are still there. Raises NoOlderPolicyError, and FileError
    or CompiledFileError for a damaged policy.
    """
    with locked(path):
        if not os.path.lexists(path + _PREVIOUS):
            raise NoOlderPolicyError(_sound(path))
        try:
            previous, content = _sound(path + _PREVIOUS), read_trusted(path + _PREVIOUS)
        except Error as error:
            # Not its advice: a build does not repair the older policy.
            why = f"vomap cannot use the older policy: {str(error).partition(';')[0]}"
            raise NoOlderPolicyError(_sound(path), why) from None
        if content == read_trusted(path):
            # A rollback was killed before its last step.
            discard(path + _PREVIOUS)
            raise NoOlderPolicyError(_sound(path))
        undone, sources, marker = None, {}, b""
        try:
            undone = CompiledFile(path, POLICY)
            sources = undone.find("sources")
            marker = _as_written(sources)
        except Error:
            # The policy is damaged, so an automatic build may replace it.
            pass
        with defer_signals(f"{path} is the policy before again"):
            # First, so that an automatic build after a crash does not build the policy again that is being rolled back.
            replace_file(path + _ROLLED_BACK, marker)
            replace_file(path, content)
            discard(path + _PREVIOUS)
        return Rollback(previous, undone, sources)


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
