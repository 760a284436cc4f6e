"""Build bans and policy, and build again if a source changes during the build."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Union

from vomap.compile.build import BansBuild, PolicyBuild, build_bans, build_policy
from vomap.compile.check import ProgressBar, no_progress_bar, source_digests

# A program, not an administrator, changes a source more often than this during a build. The next build takes the rest.
_MOST_ROUNDS = 5


class BuildRequest(NamedTuple):
    """The paths of mapfiles and bans to build, and the path of the compiled policy.

    An automatic build does not build a policy that the administrator rolled back.
    """

    mapfiles: Sequence[str]
    bans: Sequence[str]
    policy: str
    is_automatic: bool = False


class ChangedSources(NamedTuple):
    """The sha256 of each source, by its path, after a source changed during a build."""

    sources: dict[str, str]


BuildStep = Union[BansBuild, PolicyBuild, ChangedSources]


def build_in_rounds(request: BuildRequest, progress_bar: ProgressBar = no_progress_bar) -> Iterator[BuildStep]:
    """Build the bans, then the policy, and yield each result. Build again while the sources change during the build.

    Bans come first: neither an error in a mapfile nor a failed test delays a ban. Raises what build_bans and
    build_policy raise.
    """
    for _ in range(_MOST_ROUNDS):
        now = time.time()
        # Each takes its own lock: a ban that an administrator adds meanwhile does not wait for a large policy.
        bans = build_bans(request.bans, request.policy, now)
        yield bans
        policy = build_policy(
            request.mapfiles, request.policy, bans.bans, now, progress_bar, is_automatic=request.is_automatic
        )
        yield policy
        sources = source_digests(request.mapfiles, request.bans)
        if sources == {**bans.sources, **policy.sources}:
            return
        yield ChangedSources(sources)
