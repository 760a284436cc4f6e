"""The decision in process: about how many tokens one core decides in a second."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from layouts import lay_out
from policies import BIG_ISSUERS
from processes import ENVIRONMENT, BenchError
from progress import tell
from samples import Bar, Samples
from tables import Settings, Table

TOKENS, BATCH = 10_000, 1_000
OSG_BAR = Bar(100_000, "/s", at_least=True)
BIG_BAR = Bar(0.5, at_least=True)
_LOOP = Path(__file__).resolve().parent / "decide_loop.py"


def measure(work: Path, settings: Settings) -> list[Table]:
    """Measure decisions with the OSG policy and with the big one, interleaved in one process."""
    layouts = lay_out(work, settings)
    tell("decisions in process")
    words = (layouts.python, str(_LOOP), *map(str, (settings.rounds, settings.big, TOKENS, BATCH)))
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    if done.returncode != 0:
        raise BenchError(f"{_LOOP.name}: exit {done.returncode}: {done.stderr[-2000:].strip()}")
    rates = {name: Samples(tuple(values)) for name, values in json.loads(done.stdout).items()}
    osg, big = rates["osg"], rates["big"]
    ratio = big.median / osg.median
    rows = (
        ("OSG", *_per_second(osg), "1.000", *OSG_BAR.cells(osg.median)),
        (f"{settings.big:,} rules", *_per_second(big), f"{ratio:.3f}", *BIG_BAR.cells(ratio)),
    )
    text = f"""\
From the bytes of a payload to the decision, in one process and one thread, so on one core. Measured in
{settings.rounds} rounds. Each takes {BATCH:,} decisions with the one policy, then as many with the other. Median and
interquartile range (IQR). No bans. Policies and payloads are made before the clock starts.

Tokens of the WLCG profile, {TOKENS:,} different ones for each policy. Those of the OSG policy match its rules in turn.
Those of the policy of {settings.big:,} rules and {BIG_ISSUERS} issuers match rules that are spread evenly over all
issuers and both kinds (half by subject, half by group), in a shuffled order."""
    columns = ("policy", "decisions per second, median", "IQR", "ratio to OSG", "bar", "verdict")
    return [Table("Decisions in process", text, columns, rows)]


def _per_second(samples: Samples) -> tuple[str, str]:
    return f"{samples.median:,.0f}", f"{samples.spread:,.0f}"
