"""`vomap-htcondor`: HTCondor's mapping plugin. The payload on standard input is the truth; the environment is not read.

SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor [--policy FILE] [--bans FILE] [--observe]
"""

from __future__ import annotations

import sys

from vomap.callouts import (
    EXIT_CODES,
    HTCONDOR,
    answered,
    built_files,
    decided,
    give,
    read_input,
    read_options,
    say,
)
from vomap.claims.payload import read_payload
from vomap.policy import DECLINED

# Decide and log, and let the next plugin answer.
OBSERVE = "--observe"


def main() -> int:
    """Answer HTCondor and return the exit code. Whatever is raised is an error (exit 3) to whoever calls this.

    With `--observe` vomap has no say yet: whatever happens, the next plugin is asked.
    """
    if OBSERVE not in sys.argv[1:]:
        return answered(HTCONDOR, _answer)
    ask_on = EXIT_CODES[HTCONDOR][DECLINED]
    try:
        return answered(HTCONDOR, _answer, failed=ask_on)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not refuse what another plugin maps
        say(HTCONDOR, f"observed: error: {error}")
        return ask_on


def _answer() -> int:
    options = read_options(sys.argv[1:], ("--policy", "--bans"), switches=(OBSERVE,))
    policy, bans = built_files(options)
    answer = decided(policy, bans, lambda _: read_payload(read_input()))
    return give(HTCONDOR, answer, observe=OBSERVE in options)
