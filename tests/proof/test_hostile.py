"""Hostile inputs through the callouts as processes: exit 0 to 3, never a traceback, stdout empty unless mapped."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proof.counts import count
from proof.hostile import Hostile
from proof.site import TOKENS, bans_document, build, composed
from vomap import Error
from vomap.accounts import confirm
from vomap.callouts import ARC_AUTHORIZE, ARC_MAP, EXIT_CODES, HTCONDOR, LONGEST_INPUT
from vomap.claims import Claims, TokenRefused
from vomap.claims.arc_environment import read_environment
from vomap.claims.htcondor_payload import read_payload
from vomap.policy import DENIED, MAPPED, Decision, failed
from vomap.policy.decide import decide
from vomap.policy.index import bans_of, policy_of
from vomap.policy.matching import is_account

PROCESSES = 2
# This test finds hangs in this way, and no slow machine.
SECONDS = 60
LONGEST_LINE = 1100
_DIGITS = re.compile(rb"[0-9]+")

Answer = tuple[int, bytes, bytes]


@dataclass(frozen=True)
class Input:
    """The input of a callout: standard input of HTCondor's, the environment of ARC's."""

    callout: str
    payload: bytes
    environment: dict[bytes, bytes]

    def read(self) -> Claims:
        """Read the token from it, as the callout does. Raises what that raises."""
        if self.callout != HTCONDOR:
            return read_environment({**_PLAIN, **self.environment})
        if len(self.payload) > LONGEST_INPUT:
            raise Error(f"standard input holds more than {LONGEST_INPUT} bytes")
        return read_payload(self.payload)


_PLAIN = {b"PATH": b"/usr/bin:/bin"}


class Site:
    """The callouts with a built policy and bans, and the engine with the same, in this process."""

    def __init__(self, folder: Path) -> None:
        """Build."""
        self._policy_file, _ = build(folder)
        self._policy, self._bans = policy_of(composed().document), bans_of(bans_document())

    def run(self, given: Input) -> Answer:
        """Return what a callout says, as a process."""
        program, *words = given.callout.split(" ")
        command = [str(Path(sys.executable).parent / program), *words, "--policy", str(self._policy_file)]
        stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL}
        if given.callout == HTCONDOR:
            stdin = {"input": given.payload}
        environment = {**given.environment, **_PLAIN}
        done = subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS, check=False, **stdin)
        return done.returncode, done.stdout, done.stderr

    def decision(self, given: Input) -> Decision:
        """Return what the engine decides."""
        try:
            return confirm(decide(self._policy, self._bans, given.read(), time.time()), self._policy.site.accounts)
        except TokenRefused as error:
            return Decision(None, None, DENIED, str(error))
        except Error as error:
            return failed(str(error))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return the site of the proofs."""
    return Site(tmp_path_factory.mktemp("built"))


def _inputs(seed: int, number: int) -> list[Input]:
    """Return hostile inputs: half of them payloads, the others environments, for both of ARC's plugins."""
    source = Hostile(seed, TOKENS)
    chosen: list[Input] = []
    for at in range(number):
        if at % 2:
            chosen.append(Input((ARC_MAP, ARC_MAP, ARC_AUTHORIZE)[at % 3], b"", source.environment()))
        else:
            chosen.append(Input(HTCONDOR, source.payload(), {}))
    return chosen


def _mistake(given: Input, answer: Answer, decision: Decision) -> str | None:
    """Return what is wrong with an answer, or None."""
    code, out, err = answer
    if code not in range(4):
        return f"exit {code}"
    account = out.decode("latin-1").removesuffix("\n" if given.callout == HTCONDOR else "")
    if given.callout != ARC_AUTHORIZE and (code == 0) != bool(out):
        return "exit 0 is an account on stdout, and nothing else is"
    if out and not (
        is_account(account) and out == (b"%b\n" if given.callout == HTCONDOR else b"%b") % account.encode()
    ):
        return "stdout is no legal account"
    if code != EXIT_CODES[given.callout][decision.outcome]:
        return f"the engine says {decision.outcome}: {decision.reason}"
    if out and account != decision.account:
        return f"the engine says {decision.account}"
    if (code == 0) != (decision.outcome == MAPPED):
        return "exit 0 that is no mapping"
    return _mistake_in_line(err, given, decision)


def _mistake_in_line(err: bytes, given: Input, decision: Decision) -> str | None:
    if err.count(b"\n") != 1 or not err.endswith(b"\n") or len(err) > LONGEST_LINE:
        return "stderr is not one short line"
    if not all(0x20 <= byte < 0x7F for byte in err[:-1]):
        return "stderr is not plain"
    # The reason of a crash would be another one. Numbers may be times, quoted text is escaped, and the interpreter
    # words the errors of JSON.
    reason = ": ".join(decision.reason.split(": ")[:2]).partition("'")[0]
    said = f"{given.callout}: {decision.outcome}".encode()
    if not err.startswith(said) or _DIGITS.sub(b"", reason.encode("ascii", "replace")) not in _DIGITS.sub(b"", err):
        return f"stderr does not say why, which is {decision.reason[:60]!a}"
    return None


def _try_all(inputs: list[Input], site: Site) -> tuple[Counter[str], list[str]]:
    """Run the callouts, some at a time. Return the number of each outcome, and the errors."""
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    with ThreadPoolExecutor(PROCESSES) as pool:
        for given, answer in zip(inputs, pool.map(site.run, inputs)):
            decision = site.decision(given)
            outcomes[f"{given.callout} {decision.outcome}"] += 1
            mistake = _mistake(given, answer, decision)
            if mistake is not None:
                wrong.append(f"{mistake}: {answer} for {str(given)[:2000]}")
    return outcomes, wrong


def test_hostile_inputs(site: Site) -> None:
    """For any input, a callout answers with one of four outcomes, and as the policy's engine does in this process."""
    begun = time.monotonic()
    number = count(full=20_000, reduced=2_000)
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    # In parts, so that the largest inputs are not all in memory at once.
    for part in range(number // 500):
        came, mistakes = _try_all(_inputs(part, 500), site)
        outcomes += came
        wrong += mistakes
    print(f"\nhostile: {number} inputs, {dict(sorted(outcomes.items()))}, {len(wrong)} wrong, "
          f"{time.monotonic() - begun:.0f} s")  # fmt: skip
    assert wrong[:10] == [], f"{len(wrong)} in all"
    assert sum(outcomes.values()) == number
    # Inputs that all fail alike would prove little.
    assert {name for name in outcomes if name.startswith((HTCONDOR, ARC_MAP))} == {
        f"{callout} {outcome}" for callout in (HTCONDOR, ARC_MAP) for outcome in EXIT_CODES[callout]
    }
