"""Write the command that adds a ban, ready to paste into a shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vomap.compile.advice import join_words
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.times import format_utc


def add_command(ban: Mapping[str, Any], *more: str) -> str:
    """Return the command that adds a ban, with more words at its end."""
    options = {key: ban.get(key, ()) for key in CONDITIONS}
    options["claim"] = [f"{name}={text}" for name, texts in ban.get("claim", {}).items() for text in texts]
    options["reason"] = [ban["reason"]]
    options["until"] = [format_utc(ban["until"])] if "until" in ban else []
    words = ["vomap", "ban", "add"]
    for key, values in options.items():
        for value in values:
            words += [f"--{key}={value}"] if value.startswith("-") else [f"--{key}", value]
    return join_words([*words, *more])
