"""How often a proof is tried: in full by `make proof`, at a reduced count by `make proof PROOF=reduced`, as CI does."""

from __future__ import annotations

import os


def count(*, full: int, reduced: int) -> int:
    """Return the number of tries. Without a request for the full number it is reduced."""
    return full if os.environ.get("VOMAP_PROOF") == "full" else reduced
