"""Tokens through vomap's engine and through the oracle, side by side.

As a command (`python oracle_compare.py COUNT`, with vomap on PYTHONPATH) it compares COUNT tokens. It prints the path
of that vomap and the first difference, and ends with 1 if there is a difference. test_seeded_bugs.py runs it with a bug
in place.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from proof import oracle
from proof.tokens import Described, Token, described, tokens

FULL, REDUCED = 5_000_000, 60_000
CHUNK = 1_000
ENOUGH = 3  # differences of a chunk


@dataclass
class Report:
    """What was found in some chunks: how many tokens, of which kinds, what decided them, and where both differ."""

    tokens: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    reached: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Add another report to this one."""
        self.tokens += other.tokens
        self.outcomes += other.outcomes
        self.words += other.words
        self.reached += other.reached
        self.differences += other.differences


@dataclass
class Engine:
    """vomap's engine with a policy and bans, and the text of a ban that decided."""

    policy: Any
    bans: Any

    def decide(self, payload: bytes, now: float) -> tuple[oracle.Answer, str]:
        """Take a token the way that the HTCondor callout does, up to the look at the account itself."""
        from vomap.claims import TokenError
        from vomap.claims.htcondor_payload import read_payload
        from vomap.policy import failed
        from vomap.policy.decide import decide

        try:
            claims = read_payload(payload)
        except TokenError as error:
            decision = failed(str(error))
        else:
            try:
                decision = decide(self.policy, self.bans, claims, now)
            except Exception as error:  # noqa: BLE001 - a crash is an answer, and always a wrong one
                decision = failed(f"crash {error!r}")
        word, _, reason = decision.reason.partition(": ")
        answer = oracle.Answer(
            decision.outcome, decision.account, decision.pool, decision.vo, decision.rule, word.partition(":")[0]
        )
        return answer, reason


@cache
def engines(name: str) -> tuple[Engine, Engine]:
    """Return the engine with a policy that is held in memory, and with one that is read from a built file."""
    from vomap.mapfile.bans import compose_bans
    from vomap.mapfile.compose import compose
    from vomap.mapfile.files import Mapfile
    from vomap.mapfile.findings import Findings
    from vomap.policy.index import bans_of, policy_of
    from vomap.store import BANS, POLICY, read_bans, read_policy
    from vomap.store.writer import write_compiled

    policy, findings = described()[name], Findings()
    mapfiles = [Mapfile(f"{name}-{at}.yaml", text) for at, text in enumerate(policy.mapfiles)]
    document = compose(mapfiles, findings).document
    bans = compose_bans([Mapfile(f"{name}-bans.yaml", policy.bans)], findings)
    findings.raise_errors()
    with tempfile.TemporaryDirectory() as folder:
        # The built files stay open after the folder is gone.
        files = [str(Path(folder, kind)) for kind in (POLICY, BANS)]
        write_compiled(files[0], POLICY, document, sources={}, built="now")
        write_compiled(files[1], BANS, bans, sources={}, built="now")
        built = Engine(read_policy(files[0]), read_bans(files[1]))
    return Engine(policy_of(document, "digest"), bans_of(bans, "digest")), built


@cache
def second_opinion(name: str) -> oracle.Policy:
    """Return a policy as the oracle reads it."""
    policy = described()[name]
    return oracle.read(policy.mapfiles, [policy.bans])


def compare(seed: int) -> Report:
    """Compare a chunk of tokens: the seed says for which policy, made how, and by which way the engine has it."""
    names = sorted(described())
    name = names[seed % len(names)]
    policy = described()[name]
    engine, opinion = engines(name)[seed // len(names) % 2], second_opinion(name)
    report = Report()
    for token in tokens(policy, seed, CHUNK):
        answer, reason = engine.decide(token.payload, token.now)
        expected = oracle.decide(opinion, token.payload, token.now)
        report.outcomes[expected.outcome] += 1
        report.words[expected.because] += 1
        if answer.because == "ban":
            report.reached[name, "bans", reason] += 1
        elif answer.rule is not None:
            report.reached[name, "rules", answer.rule] += 1
        report.tokens += 1
        if answer != expected:
            report.differences.append(_told(seed, policy, token, engine, opinion))
            if len(report.differences) == ENOUGH:
                break
    return report


def _told(seed: int, policy: Described, token: Token, engine: Engine, opinion: oracle.Policy) -> str:
    """Tell a difference, with as little of the token as still shows one."""

    def differs(payload: bytes) -> bool:
        return engine.decide(payload, token.now)[0] != oracle.decide(opinion, payload, token.now)

    payload = shrunk(token.payload, differs)
    return (
        f"seed {seed}, policy {policy.name}, at {token.now}\n  token  {token.payload!r}\n  shrunk {payload!r}\n"
        f"  engine {engine.decide(payload, token.now)}\n  oracle {oracle.decide(opinion, payload, token.now)}"
    )


def shrunk(payload: bytes, differs: Callable[[bytes], bool]) -> bytes:
    """Return a smaller payload that still differs: without claims, members of lists and words that do not matter."""
    try:
        claims = json.loads(payload)
    except ValueError:
        return payload
    if not isinstance(claims, dict) or not differs(_payload(claims)):
        return payload
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(claims):
            if differs(_payload(candidate)):
                claims, smaller = candidate, True
                break
    return _payload(claims)


def _smaller(claims: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, value in claims.items():
        found.append({other: claims[other] for other in claims if other != name})
        if isinstance(value, list):
            found += [{**claims, name: value[:at] + value[at + 1 :]} for at in range(len(value))]
        elif isinstance(value, str) and " " in value:
            words = value.split(" ")
            found += [{**claims, name: " ".join(words[:at] + words[at + 1 :])} for at in range(len(words))]
    return found


def _payload(claims: dict[str, Any]) -> bytes:
    return json.dumps(claims).encode()


def compare_all(count: int, processes: int | None = None, *, until_different: bool = False) -> Report:
    """Compare so many tokens, in as many processes as there are processors."""
    report = Report()
    seeds = range(-(-count // CHUNK))
    if processes == 1:
        for seed in seeds:
            report.add(compare(seed))
            if until_different and report.differences:
                break
        return report
    with multiprocessing.get_context("spawn").Pool(processes or os.cpu_count()) as pool:
        for part in pool.imap_unordered(compare, seeds):
            report.add(part)
            if until_different and report.differences:
                break
    return report


if __name__ == "__main__":
    import vomap

    FOUND = compare_all(int(sys.argv[1]), 1, until_different=True)
    TOLD = FOUND.differences[0] if FOUND.differences else f"no difference in {FOUND.tokens} tokens"
    print(f"{Path(vomap.__file__).parent}: {TOLD}")
    raise SystemExit(1 if FOUND.differences else 0)
