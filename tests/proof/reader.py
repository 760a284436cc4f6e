"""Read a policy, bans and a mapfile over and over, and note each answer that is neither old nor new.

reader.py HOW POLICY BANS MAPFILE SHA256...: HOW is `inside` (this process reads and decides) or the first words of a
callout. It ends when standard input does, and prints the number of answers and the errors, as JSON. The policy answers
with an account `vN`. N is never less than before, and neither is the number of bans in the answer to the bans' own
token. The mapfile has one of the checksums.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ces import arc_environment, htcondor_payload
from proof.callout_site import TOKEN, executable
from vomap import Error
from vomap.claims.htcondor_payload import read_payload
from vomap.policy.decide import decide
from vomap.store import read_bans, read_policy

_PAUSE = 0.005


def main() -> None:
    """Read until standard input ends."""
    how, policy, bans, mapfile, *checksums = sys.argv[1:]
    over = threading.Event()
    threading.Thread(target=wait_for_the_end, args=(over,), daemon=True).start()
    versions: set[int] = set()
    wrong: list[str] = []
    answers = last = 0
    while not over.is_set():
        try:
            account, known = inside(policy, bans) if how == "inside" else asked(how.split(), policy, bans)
            version = int(account[1:]) if account[:1] == "v" else -1
            if version < last or not known:
                wrong.append(f"{account} after v{last}; the first ban {'holds' if known else 'is gone'}")
            last = version
            versions.add(version)
            checksum = hashlib.sha256(Path(mapfile).read_bytes()).hexdigest()
            if checksum not in checksums:
                wrong.append(f"{mapfile}: {checksum}")
            answers += 1
        except (Error, OSError, ValueError) as error:
            wrong.append(repr(error))
        time.sleep(_PAUSE)
    print(json.dumps({"answers": answers, "versions": len(versions), "wrong": wrong[:10]}))


def wait_for_the_end(over: threading.Event) -> None:
    """Say so when standard input ends."""
    sys.stdin.read()
    over.set()


def inside(policy_file: str, bans_file: str) -> tuple[str, bool]:
    """Return the account of a good token, and whether the ban of another holds, as this process finds it."""
    policy, bans = read_policy(policy_file), read_bans(bans_file)
    decisions = [
        decide(policy, bans, read_payload(htcondor_payload({**TOKEN, **token})), time.time())
        for token in ({}, {"sub": "banned"})
    ]
    return str(decisions[0].account), decisions[1].outcome == "denied"


def asked(words: list[str], policy_file: str, bans_file: str) -> tuple[str, bool]:
    """Return the same as a callout answers it."""
    good, banned = (_answer(words, policy_file, bans_file, {**TOKEN, **token}) for token in ({}, {"sub": "banned"}))
    return good.stdout.decode().strip(), banned.returncode == 2 and not banned.stdout


def _answer(words: list[str], policy: str, bans: str, token: dict[str, Any]) -> subprocess.CompletedProcess[bytes]:
    is_arc = words[0] == "vomap-arc"
    command = [executable(words[0]), *words[1:], "--policy", policy, "--bans", bans]
    done = subprocess.run(
        command,
        input=b"" if is_arc else htcondor_payload(token),
        env=arc_environment(token) if is_arc else {},
        capture_output=True,
        check=False,
    )
    if done.returncode not in (0, 2):
        raise ValueError(done.stderr.decode())
    return done


if __name__ == "__main__":
    main()
