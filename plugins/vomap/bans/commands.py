"""Write the commands that add and build bans, ready to paste into a shell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vomap import Error
from vomap.bans.folder import BanChange
from vomap.compile.advice import Advice
from vomap.files.shell import join_words
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.times import format_utc
from vomap.policy.index import SOURCES
from vomap.store import POLICY, POLICY_FILE, CompiledFile


def add_command(ban: Mapping[str, Any], *more: str) -> str:
    """Return the command that adds a ban, with more words at its end."""
    return join_words(["vomap", "ban", "add", *add_options(ban), *more])


def add_options(ban: Mapping[str, Any]) -> list[str]:
    """Return the options of `vomap ban add` for a ban."""
    options = {key: ban.get(key, ()) for key in CONDITIONS}
    options["claim"] = [f"{name}={text}" for name, texts in ban.get("claim", {}).items() for text in texts]
    options["reason"] = [ban["reason"]]
    options["until"] = [format_utc(ban["until"])] if "until" in ban else []
    words = []
    for key, values in options.items():
        for value in values:
            words += [f"--{key}={value}"] if value.startswith("-") else [f"--{key}", value]
    return words


def advice_of(change: BanChange, bans_folder: str, policy: str) -> str:
    """Return the advice after a change of bans, or ""."""
    if not change.needs_build:
        return change.advice
    return f"{change.advice}\nfix the other file, then run `{build_command(bans_folder, policy)}`"


def build_command(bans_folder: str, policy: str) -> str:
    """Return the command that builds a folder of bans and a policy, from the mapfiles of that policy."""
    root = _root_of(policy)
    mapfiles: list[str] = []
    if root is None:
        with suppress(Error):
            mapfiles = list(CompiledFile(policy, POLICY).find(SOURCES))
    return Advice(root or Path("/"), policy=policy, mapfiles=mapfiles, bans=[bans_folder]).command("build")


def wire_command(policy: str) -> str | None:
    """Return the command that wires the CE of a policy again, or None if no CE reads a policy at this place."""
    root = _root_of(policy)
    return None if root is None else Advice(root).command("init", "--replace")


def _root_of(policy: str) -> Path | None:
    """Return the root of the system whose CE reads a policy, or None for a policy at any other place."""
    root, place, rest = os.path.abspath(policy).rpartition(POLICY_FILE)
    return Path(root or "/") if place and not rest else None
