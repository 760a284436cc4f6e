"""The decision in process; started by `deciding` with the interpreter and the library that are measured.

python decide_loop.py ROUNDS RULES TOKENS BATCH

ROUNDS batches of BATCH decisions for each policy, the OSG's and one of RULES rules, about TOKENS tokens in turn.
Prints one JSON object: for each policy the decisions per second of every batch.

Not pyperf: it starts a new process for every few values and one benchmark after the other, so that each of its twenty
workers would make the policy of a million rules, and the two policies would not be measured side by side.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from policies import BIG_ISSUERS, OSG, account_of, big_document, write_site
from tokens import ANY_CE, ISSUED, of_big_rule, payload, wlcg

from vomap.claims.htcondor_payload import read_payload
from vomap.mapfile.compose import Composition, compose
from vomap.mapfile.entries import DEFAULT_SITE
from vomap.mapfile.files import read_files
from vomap.mapfile.findings import Findings
from vomap.policy.decide import decide
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS, Policy

NOW = float(ISSUED + 60)


class Load(NamedTuple):
    """A policy, and the payloads that it is asked about."""

    policy: Policy
    payloads: list[bytes]


def main() -> None:
    """Measure both policies, interleaved, and print the rates."""
    rounds, rules, tokens, batch = map(int, sys.argv[1:])
    loads = {"osg": _osg(tokens), "big": _big(rules, tokens)}
    # What is there now stays: looking through a million rules for garbage would be no part of a decision.
    gc.collect()
    gc.freeze()
    rates: dict[str, list[float]] = {name: [] for name in loads}
    for number in range(rounds):
        start = number * batch % tokens
        for name, load in loads.items():
            rates[name].append(_rate(load.policy, load.payloads[start : start + batch]))
    print(json.dumps(rates))


def _rate(policy: Policy, payloads: Sequence[bytes]) -> float:
    """Decide about every payload, from its bytes on, and return how many that are in a second."""
    start = time.perf_counter_ns()
    for each in payloads:
        decide(policy, NO_BANS, read_payload(each), NOW)
    return len(payloads) * 1e9 / (time.perf_counter_ns() - start)


def _osg(count: int) -> Load:
    """Return the OSG policy, with tokens for each of its rules in turn."""
    composition = _osg_composition()
    policy = policy_of(composition.document)
    tokens = {case.expect["rule"]: case for case in reversed(composition.tests) if "rule" in case.expect}
    missing = {rule["name"] for rule in composition.document["rules"]} - set(tokens)
    if missing:
        raise SystemExit(f"no test of the OSG mapfile is for the rules {sorted(missing)}")
    cases = [tokens[rule["name"]] for rule in composition.document["rules"]]
    payloads = []
    for number in range(count):
        case = cases[number % len(cases)]
        each = payload(wlcg(case.token["iss"], case.token["sub"], number))
        _require(policy, each, case.expect["account"])
        payloads.append(each)
    return Load(policy, payloads)


def _osg_composition() -> Composition:
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(Path(folder) / "site.yaml", ())
        findings = Findings()
        composition = compose(read_files([str(site), str(OSG)]), findings)
    if findings.errors:
        raise SystemExit(f"the OSG mapfile has errors: {findings.errors}")
    return composition


def _big(rules: int, count: int) -> Load:
    """Return the big policy, with tokens of rules that are spread evenly over all of them, in a shuffled order."""
    policy = policy_of(big_document(rules, BIG_ISSUERS, {**DEFAULT_SITE, "audience": [ANY_CE]}))
    numbers = [at * rules // count for at in range(count)]
    random.Random(0).shuffle(numbers)
    payloads = []
    for at, number in enumerate(numbers):
        each = payload(of_big_rule(number, rules, BIG_ISSUERS, jti=at))
        _require(policy, each, account_of(number))
        payloads.append(each)
    return Load(policy, payloads)


def _require(policy: Policy, each: bytes, account: str) -> None:
    decision = decide(policy, NO_BANS, read_payload(each), NOW)
    if decision.account != account:
        raise SystemExit(f"{each!r}: {decision.outcome} {decision.account}: {decision.reason}; expected {account}")


if __name__ == "__main__":
    main()
