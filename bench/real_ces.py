"""Real HTCondor and real ARC: what they do per second with their own map line, a static plugin, and vomap."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ces_arc import running_arc
from ces_htcondor import running_htcondor
from ces_variants import CLIENTS, Variant, make_parts, make_variants
from processes import BenchError
from progress import tell
from tables import Settings, Table

from e2e.chroot import ChrootError

ROUNDS = 5
# The requests of each client in a round. ARC answers more in the same time.
HTCONDOR_EACH, ARC_EACH, QUICK_EACH = 25, 50, 5
COLUMNS = ("who maps", "HTCondor, per s", "range", "ratio", "ARC, per s", "range", "ratio")


class CE(Protocol):
    """A CE that runs."""

    name: str

    def wire(self, variant: Variant) -> None:
        """Let a variant map from now on."""

    def rate(self, variant: Variant, each: int) -> float:
        """Let each of the variant's bearers ask so often, all at once, and return the answers per second."""


def measure(work: Path, settings: Settings) -> list[Table]:
    """Measure both CEs, one after the other, and return one table. Raises BenchError if an answer is wrong."""
    variants = make_variants(settings.big)
    rounds = 1 if settings.quick else ROUNDS
    try:
        parts = make_parts(work, settings)
        with running_htcondor(variants, parts) as htcondor:
            pings = _rates(htcondor, variants, rounds, QUICK_EACH if settings.quick else HTCONDOR_EACH)
        with running_arc(variants, parts) as arc:
            requests = _rates(arc, variants, rounds, QUICK_EACH if settings.quick else ARC_EACH)
    except ChrootError as error:
        raise BenchError(f"a CE: {error}") from error
    rows = zip(variants, _cells(pings), _cells(requests))
    text = _text(rounds, len(variants))
    return [Table("Real CEs", text, COLUMNS, tuple((variant.name, *left, *right) for variant, left, right in rows))]


def _rates(ce: CE, variants: Sequence[Variant], rounds: int, each: int) -> list[list[float]]:
    """Return the rates of each variant, one of each round. A round takes the variants one after the other."""
    rates: list[list[float]] = [[] for _ in variants]
    for number in range(rounds):
        for variant, so_far in zip(variants, rates):
            tell(f"{ce.name}, round {number + 1} of {rounds}: {variant.name}")
            ce.wire(variant)
            so_far.append(ce.rate(variant, each))
    return rates


def _cells(rates: Sequence[Sequence[float]]) -> list[tuple[str, str, str]]:
    """Return for each variant the median rate, the range, and the ratio of the median to the first variant's."""
    own = statistics.median(rates[0])
    return [
        (f"{statistics.median(of):.0f}", f"{min(of):.0f} to {max(of):.0f}", f"{statistics.median(of) / own:.2f}")
        for of in rates
    ]


def _text(rounds: int, variants: int) -> str:
    return f"""\
Authentications per second of one HTCondor schedd, and requests per second of ARC's REST interface: {CLIENTS} clients
at a time. Each authentication is a new session, and each request a new TLS connection, so that the CE maps each anew.
Rounds: {rounds}. In each round the {variants} ways to map take turns. Median, range, and ratio to the CE's own map
line. Daemons, clients and plugins share this machine's cores. The run fails unless the CE's log says that each client
got the right account, and HTCondor's log that the plugin was started once for each."""
