"""`vomap-htcondor`: HTCondor's mapping plugin. It reads the payload on standard input, and not the environment.

SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor [--policy FILE] [--bans FILE] [--observe]
"""

from __future__ import annotations

import sys

from vomap.callouts import (
    EXIT_CODES,
    HTCONDOR,
    OBSERVE,
    decide_token,
    read_input,
    read_options,
    respond,
    run_guarded,
)
from vomap.claims.htcondor_payload import read_payload
from vomap.policy import DECLINED, ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vomap.callouts import TimeLimit


def main() -> int:
    """Answer HTCondor and return the exit code. plugins/bin turns every exception into exit code 3.

    With `--observe` the exit code is always 1, also after a failure, and HTCondor asks the next plugin.
    """
    return run_guarded(HTCONDOR, _answer, failed=EXIT_CODES[HTCONDOR][DECLINED if OBSERVE in sys.argv[1:] else ERROR])


def _answer(limit: TimeLimit) -> int:
    options = read_options(sys.argv[1:], ("--policy", "--bans"), switches=(OBSERVE,))
    answer = decide_token(options, lambda _: read_payload(read_input()))
    return respond(HTCONDOR, answer, limit, observe=OBSERVE in options)
