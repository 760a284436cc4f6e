"""`vomap build` as a process: how long it takes, and how much memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layouts import Layouts, lay_out
from policies import BIG_ISSUERS, SHIPPED, write_big, write_site
from processes import ENVIRONMENT, BenchError, measured, read_measured
from progress import tell
from samples import NO_BAR, Bar
from tables import Settings, Table

# Seconds and MiB, by the number of rules.
BARS = {
    100_000: (Bar(30, " s"), Bar(400, " MiB")),
    1_000_000: (Bar(360, " s"), Bar(2048, " MiB")),
}


@dataclass(frozen=True)
class CompiledDocument:
    """A policy that was built, and what that took."""

    policy: Path
    seconds: float
    mebibytes: float


def measure(work: Path, settings: Settings) -> list[Table]:
    """Build a policy of a tenth of the big number of rules and one of all of them, once each."""
    layouts = lay_out(work, settings)
    rows = [_row(rules, build_big(work, layouts, rules)) for rules in (settings.big // 10, settings.big)]
    text = f"""\
`vomap build` as a process: one mapfile of rules of {BIG_ISSUERS} issuers, no bans. Measured once each: the time from
start to end, and the peak resident memory, as GNU time reports them."""
    columns = ("rules", "time", "bar", "verdict", "peak memory", "bar", "verdict")
    return [Table("Building a policy", text, columns, tuple(rows))]


def build_shipped(work: Path, layouts: Layouts, accounts: Iterable[str]) -> Path:
    """Build the policy of a site for OSG, EGI and Fermilab, with ACCOUNT for some accounts; return its path."""
    site = write_site(work / "site.yaml", accounts)
    return build(work, layouts, "shipped", [site, *SHIPPED]).policy


def build_big(work: Path, layouts: Layouts, rules: int, issuers: int = BIG_ISSUERS) -> CompiledDocument:
    """Build a policy of so many rules, unless this run has done so already."""
    name = f"rules-{rules}"
    mapfile = work / f"{name}.yaml"
    if not mapfile.exists():
        write_big(mapfile, rules, issuers)
    return build(work, layouts, name, [mapfile])


def build(work: Path, layouts: Layouts, name: str, mapfiles: list[Path], bans: Path | None = None) -> CompiledDocument:
    """Build a policy of mapfiles, and beside it the bans of a folder (None: no bans), unless this run has done so."""
    policy, report = work / name, work / f"{name}.measured"
    bans = bans or work / "no-bans"
    bans.mkdir(exist_ok=True)
    if not policy.exists():
        tell(f"vomap build: {name}")
        words = (layouts.vomap, "build", "--bans", str(bans), "--output", str(policy), "--mapfiles")
        command = measured((*words, *map(str, mapfiles)), report)
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
        if done.returncode != 0:
            raise BenchError(f"vomap build, {name}: exit {done.returncode}: {done.stderr[-2000:].strip()}")
    return CompiledDocument(policy, *read_measured(report))


def _row(rules: int, built: CompiledDocument) -> tuple[str, ...]:
    time_cells = memory_cells = NO_BAR
    if rules in BARS:
        time_bar, memory_bar = BARS[rules]
        time_cells, memory_cells = time_bar.cells(built.seconds), memory_bar.cells(built.mebibytes)
    return (f"{rules:,}", f"{built.seconds:.2f} s", *time_cells, f"{built.mebibytes:.0f} MiB", *memory_cells)
