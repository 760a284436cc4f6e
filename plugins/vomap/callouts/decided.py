"""From claims to a decision that a CE may act on: the built policy, the bans, the clock and the name service."""

from __future__ import annotations

import time

from vomap.accounts.names import confirm
from vomap.built.store import read_bans, read_policy
from vomap.claims.claims import TokenRefused
from vomap.errors import Error
from vomap.policy.decide import decide
from vomap.policy.decision import DENIED, Decision, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vomap.claims.claims import Claims


def decided(policy_file: str, bans_file: str, read_token: Callable[[], Claims]) -> Decision:
    """Return the decision for the token that `read_token` reads; what fails becomes an error, never a mapping."""
    try:
        policy, bans = read_policy(policy_file), read_bans(bans_file)
        decision = decide(policy, bans, read_token(), time.time())
        return confirm(decision, policy.site.accounts)
    except TokenRefused as error:
        return Decision(None, None).settle(DENIED, str(error))
    except Error as error:
        return failed(str(error))
