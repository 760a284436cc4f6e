"""Tokens of 1,000 groups or VOs under policies with thousands of rules or VOs that may fit any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from building import build
from callouts import Case, calls_for
from layouts import ARC, HTCONDOR, RPM, lay_out
from policies import write_mapfile
from processes import checked_times
from samples import milliseconds
from tables import Settings, Table
from tokens import MANY, of_groups

ISSUER = "https://iam.example.org/"
WIDE = 3_000


class Load(NamedTuple):
    """A token, the rules of a wide policy, and those of a small one that maps it alike."""

    token: dict[str, Any]
    wide: list[dict[str, Any]]
    small: list[dict[str, Any]]


def measure(work: Path, settings: Settings) -> list[Table]:
    """Check every answer once, then measure each token with its wide and its small policy in the same rounds."""
    layouts = lay_out(work, settings)
    calls = {}
    for name, load in loads().items():
        for kind, rules in (("wide", load.wide), ("small", load.small)):
            case = Case(RPM, "", f"{kind}, {name}")
            word = case.name.replace(" ", "-")
            mapfile = write_mapfile(work / f"{word}.yaml", ISSUER, rules)
            policy = build(work, layouts, f"policy-{word}", [mapfile]).policy
            calls.update(calls_for(work, layouts, case, policy=policy, token=load.token))
    times = checked_times(calls, settings.rounds)
    rows = []
    for callout in (HTCONDOR, ARC):
        for name in loads():
            small, wide = (times[Case(RPM, callout, f"{kind}, {name}")] for kind in ("small", "wide"))
            rows.append((callout, name, *milliseconds(small), *milliseconds(wide), f"{wide.median / small.median:.3f}"))
    text = f"""\
Policies that may fit every group or VO of a token, each beside one that has just the rule that matches. Tokens of
{MANY:,} groups: all of one VO, or of a VO each. The rule that matches is the last, and matches by the last group.
Measured, {settings.rounds} rounds; each starts every process of this table once, in a shuffled order. Median and
interquartile range (IQR). RPM layout; started by an ordinary user."""
    columns = ("process", "policy", "small", "IQR", "wide", "IQR", "ratio")
    return [Table("Wide policies", text, columns, tuple(rows))]


def loads() -> dict[str, Load]:
    """Return the policies by what is wide in them."""
    one_vo = [f"/vo.example.org/unit{at:04d}" for at in range(MANY)]
    one_each = [f"/vo{at:04d}.example.org/unit" for at in range(MANY)]
    vos = [f"vo{at:04d}.example.org" for at in range(WIDE)]
    last = {"issuer": ISSUER, "group": f"/*/unit{MANY - 1:04d}"}
    rules = [{"issuer": ISSUER, "group": f"/*/other{at:04d}"} for at in range(WIDE - 1)]
    return {
        f"{WIDE:,} rules by group of any VO": Load(of_groups(ISSUER, one_vo), [*rules, last], [last]),
        f"1 rule for {WIDE:,} VOs": Load(
            of_groups(ISSUER, [*one_each[:-1], f"{one_each[-1]}/last"]),
            [{"vo": vos, "group": "/*/unit/last"}],
            [{"vo": vos[MANY - 1], "group": "/*/unit/last"}],
        ),
    }
