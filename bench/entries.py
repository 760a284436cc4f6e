"""The tools of the administrator, with thousands of entries of many shapes: check, diff and explain."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from building import build
from layouts import Layouts, lay_out
from policies import write_mapfile
from processes import ENVIRONMENT, BenchError
from progress import tell
from samples import NO_BAR, Bar
from shapes import ISSUER, SHAPES, VO, Shape
from tables import Settings, Table
from tokens import MANY, of_groups

FEWER = 4
BAR, EXPLAIN_BAR = Bar(10, " s"), Bar(5, " s")
# Where the verb says that it did not do all of the work.
_NOT_ALL = (b"not checked", b"did not try", b"near misses: vomap")


def measure(work: Path, settings: Settings) -> list[Table]:
    """Measure `vomap check` and `vomap diff` with each shape, and `vomap explain` with large policies, once each."""
    layouts = lay_out(work, settings)
    most = 12 if settings.quick else 4_000
    rows = [row for name in SHAPES for row in _rows(work, layouts, name, most, is_quick=settings.quick)]
    text = f"""\
`vomap check` with {most // FEWER:,} and with {most:,} entries of each shape, and `vomap diff` between the same mapfiles
and those with another account in each rule. Time of the processor, user and system, measured once each. On an idle
machine it is the time from start to end, for each verb is one thread. "Not all": the verb printed what it left out."""
    columns = ("verb", "entries", f"{most // FEWER:,}", f"{most:,}", "growth", "work", "bar", "verdict")
    explained = tuple(_explained(work, layouts, settings.big // 10))
    about = """\
`vomap explain` as a process, by a compiled policy with rules by group for one VO. Measured as above. The groups of the
token are those of no rule, or the groups above those of the rules, which ask for a scope as well."""
    of_explain = ("rules", "token", "time", "work", "bar", "verdict")
    return [
        Table("Checks and comparisons of many entries", text, columns, tuple(rows)),
        Table("Explanations by large policies", about, of_explain, explained),
    ]


def _rows(work: Path, layouts: Layouts, name: str, most: int, *, is_quick: bool) -> Iterator[tuple[str, ...]]:
    make = SHAPES[name]
    sizes = (most // FEWER, most)
    for verb in ("check", "diff"):
        if verb == "diff" and make(1).bans:
            # Bans are not a part of a comparison.
            continue
        done = [_run(layouts, verb, _written(work, verb, make(size))) for size in sizes]
        (fewer, _), (seconds, left) = done
        cells = NO_BAR if is_quick else BAR.cells(seconds)
        growth = f"{seconds / fewer:.1f}"
        yield verb, name, f"{fewer:.2f} s", f"{seconds:.2f} s", growth, "not all" if left else "all", *cells


def _explained(work: Path, layouts: Layouts, most: int) -> Iterator[tuple[str, ...]]:
    above = [{"vo": VO, "group": f"/{VO}/x{at % MANY}/y{at}", "scope": "storage.read:/none"} for at in range(most)]
    other = of_groups(ISSUER, [f"/{VO}/other{at}" for at in range(MANY)])
    near = of_groups(ISSUER, [f"/{VO}/x{at}" for at in range(MANY)])
    few = of_groups(ISSUER, [f"/{VO}/other"])
    for rules in (most // 10, most):
        mapfile = write_mapfile(work / f"above-{rules}.yaml", ISSUER, above[:rules])
        policy = build(work, layouts, f"above-{rules}-policy", [mapfile]).policy
        for name, token in (
            ("1 group", few),
            (f"{MANY:,} other groups", other),
            (f"{MANY:,} groups above those of rules", near),
        ):
            words = ("explain", "--policy", str(policy), "--claims", "-")
            seconds, left = _processor_time((layouts.vomap, *words), json.dumps(token).encode())
            yield f"{rules:,}", name, f"{seconds:.2f} s", "not all" if left else "all", *EXPLAIN_BAR.cells(seconds)


def _written(work: Path, verb: str, shape: Shape) -> tuple[str, ...]:
    """Write the files of a shape, and return the words that name them."""
    folder = work / "shapes"
    for name, mapfiles in (("old", shape.mapfiles), ("new", [_changed(each) for each in shape.mapfiles])):
        _write(folder / name, mapfiles)
    _write(folder / "bans", [{"mapfile": 1, "bans": shape.bans}])
    if verb == "diff":
        return str(folder / "old"), str(folder / "new")
    return "--mapfiles", str(folder / "old"), "--bans", str(folder / "bans")


def _write(folder: Path, documents: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for at, document in enumerate(documents):
        (folder / f"{at:05d}.yaml").write_text(json.dumps(document, indent=1), "utf-8")


def _changed(mapfile: dict[str, Any]) -> dict[str, Any]:
    """Return a mapfile with another account in each rule that gives one."""
    changed = dict(mapfile)
    if "rules" in mapfile:
        changed["rules"] = [{**rule, **_other_account(rule)} for rule in mapfile["rules"]]
    return changed


def _other_account(rule: dict[str, Any]) -> dict[str, str]:
    return {"account": f"n{rule['account']}"} if "account" in rule else {}


def _run(layouts: Layouts, verb: str, words: tuple[str, ...]) -> tuple[float, bool]:
    tell(f"vomap {verb}")
    return _processor_time((layouts.vomap, verb, *words))


def _processor_time(words: tuple[str, ...], given: bytes = b"") -> tuple[float, bool]:
    """Return the processor time of a process in seconds, and whether it left work out. Exit 0 and 1 are answers."""
    before = os.times()
    done = subprocess.run(words, input=given, capture_output=True, check=False, env=ENVIRONMENT)
    after = os.times()
    if done.returncode not in (0, 1):
        raise BenchError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr[-2000:].decode('utf-8', 'replace')}")
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, any(words in done.stdout + done.stderr for words in _NOT_ALL)
