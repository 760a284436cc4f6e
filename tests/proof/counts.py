"""How often a proof is tried: in full by `make proof`, at a reduced count by `make proof PROOF=reduced`, as CI does."""

from __future__ import annotations

import os


def count(*, full: int, reduced: int) -> int:
    """Return how often to try; what is not asked for in full is reduced."""
    return full if os.environ.get("VOMAP_PROOF") == "full" else reduced
