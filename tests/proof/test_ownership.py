"""Another user's mapfile can add issuers and plain accounts to a policy, and nothing else."""

from __future__ import annotations

from proof.counts import count
from proof.ownership import FULL, REDUCED, look_at


def test_only_what_is_on_the_list_counts() -> None:
    """Each accepted file is one that at most one other user can write, and adds only what that user may add.

    A file that may be compiled is compiled: a build that refuses everything does not pass.
    """
    found = look_at(count(full=FULL, reduced=REDUCED))
    print(f"\n{found.sites} sites: {dict(found.kinds)}")
    assert not found.violations, "\n".join(found.violations[:3])
    assert all(found.kinds[kind] > found.sites / 10 for kind in ("of another user's", "built", "refused", "bans built"))
