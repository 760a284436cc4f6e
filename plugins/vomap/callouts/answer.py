"""The answer of a callout: the account on standard output, the reason on standard error, and the exit code.

HTCondor reads 0 as accepted, 1 as "ask the next plugin" and all else as refused (src/condor_io/condor_auth_ssl.cpp);
ARC reads 0 as mapped, 1 as "no mapping", and all else as refused (src/hed/shc/legacy/unixmap.cpp). In an authgroup ARC
reads 0 as a member and all else as none (src/hed/shc/legacy/auth_plugin.cpp).
"""

from __future__ import annotations

import posix

from vomap.policy.decision import DECLINED, DENIED, ERROR, MAPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vomap.policy.decision import Decision

HTCONDOR, ARC_MAP, ARC_AUTHORIZE = "vomap-htcondor", "vomap-arc map", "vomap-arc authorize"

EXIT_CODES = {
    HTCONDOR: {MAPPED: 0, DECLINED: 1, DENIED: 2, ERROR: 3},
    ARC_MAP: {MAPPED: 0, DECLINED: 2, DENIED: 2, ERROR: 3},
    ARC_AUTHORIZE: {MAPPED: 0, DECLINED: 1, DENIED: 1, ERROR: 1},
}
# `vomap-arc map --decline continue`: rules that follow in ARC's own list may map the token.
DECLINE_CONTINUES = 1
# One byte more than the account's name, and ARC finds no such account; HTCondor ends the name at the newline.
_PRINTED = {HTCONDOR: "%s\n", ARC_MAP: "%s", ARC_AUTHORIZE: ""}
_LONGEST_REASON = 1000


def give(callout: str, decision: Decision, *, decline: int | None = None) -> int:
    """Print the answer to a CE and return the exit code; `decline` is the code of a declined token if it is another.

    Raises OSError if the account cannot be printed whole.
    """
    if decision.outcome == MAPPED and decision.account is not None and _PRINTED[callout]:
        _print(_PRINTED[callout] % decision.account)
    say(callout, _sentence(decision))
    if decision.outcome == DECLINED and decline is not None:
        return decline
    return EXIT_CODES[callout][decision.outcome]


def say(callout: str, sentence: str) -> None:
    """Say why on standard error, on one line of plain characters; a CE that does not listen changes nothing."""
    line = ascii(sentence)[1:-1] if not (sentence.isascii() and sentence.isprintable()) else sentence
    try:
        posix.write(2, f"{callout}: {line[:_LONGEST_REASON]}\n".encode("ascii"))
    except OSError:
        pass


def _print(text: str) -> None:
    content = text.encode("ascii")
    if posix.write(1, content) != len(content):
        raise OSError("standard output took only a part of the account's name")


def _sentence(decision: Decision) -> str:
    """Write a decision as one sentence, the outcome first."""
    told = [f"{decision.outcome}"]
    if decision.account:
        told.append(f" to {decision.account}")
    if decision.vo:
        told.append(f" for {decision.vo}")
    told.append(f": {decision.reason}")
    if decision.source:
        told.append(f" ({decision.source})")
    return "".join(told)
