"""What another user writes can do to a policy: add issuers and plain accounts, and nothing else."""

from __future__ import annotations

from proof.counts import count
from proof.ownership import FULL, REDUCED, look_at


def test_only_what_is_on_the_list_counts() -> None:
    """Whatever a build accepts is in a place that one other user can write at most, and changes nothing but that.

    And what may be built is built: to refuse everything would be no rule.
    """
    found = look_at(count(full=FULL, reduced=REDUCED))
    print(f"\n{found.sites} sites: {dict(found.kinds)}")
    assert not found.violations, "\n".join(found.violations[:3])
    assert all(found.kinds[kind] > found.sites / 10 for kind in ("of another user's", "built", "refused", "bans built"))
