"""Build bans and policy, and build again if a source changes during the build."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Optional, Union

from vomap.compile.build import BansBuild, PolicyBuild, build_bans, build_policy
from vomap.compile.check import ProgressBar, no_progress_bar, source_digests

# A program, not an administrator, changes a source more often than this during a build. The next build takes the rest.
_MOST_ROUNDS = 5


# None: a source changed during the build, so the next round begins.
BuildStep = Optional[Union[BansBuild, PolicyBuild]]


def build_in_rounds(
    mapfiles: Sequence[str],
    bans: Sequence[str],
    policy: str,
    progress_bar: ProgressBar = no_progress_bar,
    *,
    is_automatic: bool = False,
) -> Iterator[BuildStep]:
    """Build the bans, then the policy at a path, and yield each result. Build again while the sources change.

    Bans come first: neither an error in a mapfile nor a failed test delays a ban. An automatic build does not build a
    policy that the administrator rolled back. Raises what build_bans and build_policy raise.
    """
    for _ in range(_MOST_ROUNDS):
        now = time.time()
        # Each takes its own lock: a ban that an administrator adds meanwhile does not wait for a large policy.
        of_bans = build_bans(bans, policy, now)
        yield of_bans
        of_policy = build_policy(mapfiles, policy, of_bans.bans, now, progress_bar, is_automatic=is_automatic)
        yield of_policy
        if source_digests(mapfiles, bans) == {**of_bans.sources, **of_policy.sources}:
            return
        yield None
