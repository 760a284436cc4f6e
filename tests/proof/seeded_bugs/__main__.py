"""Run a proof with a seeded bug in place."""

from __future__ import annotations

import sys

from proof.seeded_bugs import ENGINE_BUGS, OWNER_BUGS
from proof.seeded_bugs.replacement import run

if __name__ == "__main__":
    SCRIPT, COUNT, *NAMES = sys.argv[1:]
    BUGS = {**ENGINE_BUGS, **OWNER_BUGS}
    raise SystemExit(run(SCRIPT, [COUNT], [each for name in NAMES for each in BUGS[name]]))
