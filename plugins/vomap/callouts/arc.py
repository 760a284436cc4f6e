"""`vomap-arc map|authorize`: ARC's mapping and authgroup plugins. They read the environment: ARC's stdin never ends.

map_with_plugin = GROUP 10 /usr/libexec/vomap/vomap-arc map [--decline continue | --observe]
plugin = 10 /usr/libexec/vomap/vomap-arc authorize [--vo VO] [--account ACCOUNT]
"""

from __future__ import annotations

import posix
import sys

from vomap.callouts import (
    ARC_AUTHORIZE,
    ARC_MAP,
    DECLINE_CONTINUES,
    FAILED,
    OBSERVE,
    USER,
    OptionError,
    become_user,
    decide_token,
    read_options,
    respond,
    run_guarded,
)
from vomap.claims.arc_environment import read_environment
from vomap.policy import DENIED, MAPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vomap.callouts import TimeLimit, TokenDecision


def main() -> int:
    """Answer ARC and return the exit code. plugins/bin turns every exception into exit code 3.

    With `--observe` the exit code is always 1, also after a failure: "no mapping" to a rule, "not a member" to a group.
    """
    return run_guarded("vomap-arc", _answer, failed=DECLINE_CONTINUES if OBSERVE in sys.argv[1:] else FAILED)


def _answer(limit: TimeLimit) -> int:
    become_user(USER)
    verb, words = sys.argv[1:2], sys.argv[2:]
    if verb == ["map"]:
        return _map(words, limit)
    if verb == ["authorize"]:
        return _authorize(words, limit)
    raise OptionError("the first word is `map` or `authorize`")


def _map(words: Sequence[str], limit: TimeLimit) -> int:
    options = read_options(words, ("--policy", "--bans", "--decline"), switches=(OBSERVE,))
    decline = options.get("--decline")
    if decline not in (None, "continue"):
        raise OptionError("--decline takes `continue`, or is left out")
    observe = OBSERVE in options
    code = DECLINE_CONTINUES if decline or observe else None
    return respond(ARC_MAP, _decide(options), limit, decline=code, observe=observe)


def _authorize(words: Sequence[str], limit: TimeLimit) -> int:
    """Answer whether the token maps to this VO and account. Print no account, and lease none."""
    options = read_options(words, ("--policy", "--bans", "--vo", "--account"))
    answer = _decide(options)
    decision = answer.decision
    vo, account = options.get("--vo"), options.get("--account")
    if decision.outcome == MAPPED:
        if vo is not None and (decision.vo or "").lower() != vo.lower():
            decision.settle(DENIED, f"vo: the token is not for {vo}")
        elif account is not None and decision.account != account:
            decision.settle(DENIED, f"account: the token is not for {account}")
    return respond(ARC_AUTHORIZE, answer, limit)


def _decide(options: dict[str, str]) -> TokenDecision:
    return decide_token(options, lambda _: read_environment(posix.environ))
