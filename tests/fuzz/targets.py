"""The targets of fuzzing, and the files that each is tried with, always."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = ("payload", "environment", "memberships", "patterns", "mapfile", "built")
CORPUS = Path(__file__).parent / "corpus"


def check_of(target: str) -> Callable[[bytes], None]:
    """Return what tries a target with data, and raises what is wrong."""
    check: Callable[[bytes], None] = import_module(f"fuzz.{target}").check
    return check


def corpus_of(target: str) -> list[Path]:
    """Return the files of a target's corpus: what tokens and mapfiles look like, and whatever was once a mistake."""
    return sorted(path for path in (CORPUS / target).iterdir() if path.is_file())
