"""Bugs put into the engine on purpose: the proof finds each, within the count of CI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from proof import oracle_compare, ownership
from proof.counts import count
from proof.seeded_bugs import ENGINE_BUGS, OWNER_BUGS
from proof.seeded_bugs.replacement import UNUSED, Call, Constant, Replacement, TargetError, install

HERE = Path(__file__).parent
PLUGINS = HERE.parents[1] / "plugins"
TIMEOUT = 900


class Proof(NamedTuple):
    """A proof that runs as a command: its script, its count in CI, its count without a bug, and its answer then."""

    script: str
    reduced: int
    quick: int
    nothing: str


ORACLE = Proof("oracle_compare.py", oracle_compare.REDUCED, 12_000, "no difference in 12000 tokens")
OWNERSHIP = Proof("ownership.py", ownership.REDUCED, 100, "no violation in 100 sites")
PROOFS = {**dict.fromkeys(ENGINE_BUGS, ORACLE), **dict.fromkeys(OWNER_BUGS, OWNERSHIP)}


def _python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the product and the tests on its path."""
    path = os.pathsep.join((str(PLUGINS), str(HERE.parent)))
    return subprocess.run(
        [sys.executable, *words],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def _prove(proof: Proof, much: int, *bug: str) -> subprocess.CompletedProcess[str]:
    """Run a proof, with a bug in place or with none, in a process of its own."""
    run = _python("-m", "proof.seeded_bugs", str(HERE / proof.script), str(much), *bug)
    assert run.stdout.startswith(f"{PLUGINS / 'vomap'}: "), run.stdout + run.stderr
    return run


@pytest.mark.parametrize("bug", list(PROOFS)[:: count(full=1, reduced=3)])
def test_the_proof_finds(bug: str) -> None:
    """The proof reports a token that vomap decides wrongly, or a change that another user made."""
    proof = PROOFS[bug]
    run = _prove(proof, proof.reduced, bug)
    assert run.returncode == 1, run.stdout + run.stderr
    assert ": seed " in run.stdout, run.stdout + run.stderr
    assert "crash " not in run.stdout, "an engine that crashes is no proof that the wrong decision is found"
    print(f"\n{bug}: {run.stdout}")


@pytest.mark.parametrize("proof", [ORACLE, OWNERSHIP], ids=lambda proof: proof.script)
def test_the_proof_finds_nothing_without_a_bug(proof: Proof) -> None:
    """The same command without a bug finds no difference: what it finds with a bug is the bug."""
    run = _prove(proof, proof.quick)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith(f": {proof.nothing}\n")


@pytest.mark.parametrize(
    "replacement",
    [
        Call("vomap.nowhere:decide", print),
        Call("vomap.policy.decide:nowhere", print),
        Call("vomap.policy.decide:_Question.nowhere", print),
        Call("vomap.policy.decide:SKEW", print),
        Call("vomap.policy.model:Policy", print),
        Constant("vomap.policy.decide:decide", repr),
        Constant("vomap.policy.decide:SKEW", int),
    ],
    ids=lambda replacement: f"{type(replacement).__name__} {replacement.target}",
)
def test_a_wrong_target_is_an_error(replacement: Replacement) -> None:
    """A replacement that replaces nothing is an error: it could pass for a bug that the proof misses."""
    with pytest.raises(TargetError):
        install([replacement])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "raise SystemExit(run(SCRIPT, ['1'], [Call('vomap.log:DecisionLog.nothing', print)]))",
            "TargetError: vomap.log:DecisionLog.nothing does not exist",
        ),
        (
            "from vomap.policy.decide import decide; install([Call('vomap.policy.decide:decide', print)])",
            "these still hold it",
        ),
    ],
    ids=["no such method", "held by another module"],
)
def test_an_installation_that_fails_ends_the_run(code: str, said: str) -> None:
    """A target that is gone, or to which a reference remains, ends the run with an error."""
    run = _python("-c", f"from proof.seeded_bugs.replacement import *; SCRIPT = ''; {code}")
    assert run.returncode != 0
    assert said in run.stderr


def test_an_unused_replacement_ends_the_run() -> None:
    """A proof that never calls a replaced function cannot have found its bug."""
    words: Sequence[str] = (
        "from proof.seeded_bugs.replacement import *",
        f"raise SystemExit(run({str(HERE / OWNERSHIP.script)!r}, ['1'], [Call('vomap.policy.decide:decide', print)]))",
    )
    run = _python("-c", "; ".join(words))
    assert run.returncode == UNUSED, run.stdout + run.stderr
    assert "never called vomap.policy.decide:decide" in run.stderr
