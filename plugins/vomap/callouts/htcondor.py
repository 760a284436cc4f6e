"""`vomap-htcondor`: HTCondor's mapping plugin. The payload on standard input is the truth; the environment is not read.

SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor [--policy FILE] [--bans FILE]
"""

from __future__ import annotations

import sys

from vomap.callouts import (
    HTCONDOR,
    answered,
    built_files,
    decided,
    give,
    read_input,
    read_options,
)
from vomap.claims.payload import read_payload


def main() -> int:
    """Answer HTCondor and return the exit code. Whatever is raised is an error (exit 3) to whoever calls this."""
    return answered(HTCONDOR, _answer)


def _answer() -> int:
    policy, bans = built_files(read_options(sys.argv[1:], ("--policy", "--bans")))
    return give(HTCONDOR, decided(policy, bans, lambda _: read_payload(read_input())))
