"""The callouts as whole processes: time from start to end, and peak memory, beside a bare interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from building import build_big, build_shipped
from layouts import ARC, HTCONDOR, PIP, RPM, Layouts, lay_out
from policies import ACCOUNT, BIG_ISSUERS, SMALL_ISSUERS, SMALL_RULES, measured_numbers
from processes import Call, check, interleaved, peaks, unprivileged
from samples import NO_BAR, Bar, Samples, milliseconds
from tables import Settings, Table
from tokens import MANY, egi, of_big_rule, padded, payload, wlcg

from ces import arc_environment

CMS, CMS_PILOTS, CMS_ACCOUNT = "https://cms-auth.web.cern.ch/", "bad55f4e-602c-4e8d-a5c5-bd8ffb762113", "cmspilot"
EGI_ACCOUNT = "egi-vo.example.org"
MEMORY_ROUNDS = 11

PLAIN, PADDED = "plain", "payload of 16 kB"
EGI_PLAIN = "EGI, one entitlement"
EGI_GROUPS, EGI_ENTITLEMENTS = f"EGI, {MANY:,} groups", f"EGI, {MANY:,} entitlements"
EGI_BOTH = f"EGI, {MANY:,} groups and {MANY:,} entitlements"
KINDS = ("subject", "group")

PROCESS_BARS = {
    (PIP, HTCONDOR): Bar(1.3, goal=1.15),
    (RPM, HTCONDOR): Bar(1.1, goal=0.95),
    (PIP, ARC): Bar(1.25),
    (RPM, ARC): Bar(1.05),
}
BIG_BAR = Bar(1.1)
TOKEN_BARS: tuple[tuple[str, str, Bar | None], ...] = (
    (PLAIN, PLAIN, None),
    (EGI_PLAIN, EGI_PLAIN, None),
    (PADDED, PLAIN, Bar(1.3)),
    (EGI_GROUPS, EGI_PLAIN, Bar(1.5)),
    (EGI_ENTITLEMENTS, EGI_PLAIN, Bar(1.5)),
    (EGI_BOTH, EGI_PLAIN, Bar(1.5)),
)
MEMORY_BAR, BIG_MEMORY_BAR = Bar(3, " MiB"), Bar(4, " MiB")


class Case(NamedTuple):
    """One measurement: a callout of a layout, with the policy and the token that `name` means."""

    layout: str
    callout: str
    name: str


BARE = Case("", "bare", "")


def measure(work: Path, settings: Settings) -> list[Table]:
    """Check every answer once, then measure all cases in the same rounds."""
    layouts = lay_out(work, settings)
    calls = {BARE: Call((layouts.bare, "-I", "-c", "pass"))}
    calls.update(_shipped_calls(work, layouts))
    calls.update(_big_calls(work, layouts, SMALL_RULES, SMALL_ISSUERS))
    calls.update(_big_calls(work, layouts, settings.big, BIG_ISSUERS))
    memory_rounds = min(MEMORY_ROUNDS, settings.rounds)

    def measured() -> tuple[dict[Case, Samples], dict[Case, Samples]]:
        for call in calls.values():
            check(call)
        return interleaved(calls, settings.rounds), peaks(_of_memory(calls, settings.big), memory_rounds)

    times, memory = unprivileged(measured)
    return [
        _process_table(times, settings, layouts),
        _big_table(times, settings),
        _token_table(times),
        _memory_table(memory, memory_rounds, settings.big),
    ]


def _shipped_calls(work: Path, layouts: Layouts) -> dict[Case, Call]:
    """Return the calls with the policy of OSG, EGI and Fermilab."""
    policy = build_shipped(work, layouts, (CMS_ACCOUNT, EGI_ACCOUNT))
    plain = wlcg(CMS, CMS_PILOTS)
    tokens = {
        PLAIN: plain,
        PADDED: padded(plain),
        EGI_PLAIN: egi(0, 1),
        EGI_GROUPS: egi(MANY, 1),
        EGI_ENTITLEMENTS: egi(0, MANY),
        EGI_BOTH: egi(MANY, MANY),
    }
    calls = {}
    for name, token in tokens.items():
        for layout in (PIP, RPM) if name == PLAIN else (RPM,):
            case = Case(layout, "", name)
            calls.update(calls_for(work, layouts, case, policy=policy, token=token))
    return calls


def _big_calls(work: Path, layouts: Layouts, rules: int, issuers: int) -> dict[Case, Call]:
    """Return the calls with a policy of so many rules: tokens of the last rule by subject and of the last by group."""
    policy = build_big(work, layouts, rules, issuers).policy
    calls = {}
    for kind, number in zip(KINDS, measured_numbers(rules)):
        case, token = Case(RPM, "", _big_name(rules, kind)), of_big_rule(number, rules, issuers)
        calls.update(calls_for(work, layouts, case, policy=policy, token=token))
    return calls


def calls_for(work: Path, layouts: Layouts, case: Case, *, policy: Path, token: dict[str, Any]) -> dict[Case, Call]:
    """Return the call of each callout for one token, shown as each CE shows it."""
    given = work / f"{case.name.replace(' ', '-')}.json"
    given.write_bytes(payload(token))
    options = ("--policy", str(policy))
    return {
        case._replace(callout=HTCONDOR): Call(
            (layouts.callouts[case.layout, HTCONDOR], *options), f"{ACCOUNT}\n".encode(), given=given
        ),
        case._replace(callout=ARC): Call(
            (layouts.callouts[case.layout, ARC], "map", *options), ACCOUNT.encode(), variables=arc_environment(token)
        ),
    }


def _big_name(rules: int, kind: str) -> str:
    return f"{rules:,} rules, by {kind}"


def _process_table(times: dict[Case, Samples], settings: Settings, layouts: Layouts) -> Table:
    bare = times[BARE]
    rows = [("bare interpreter", "", *milliseconds(bare), "1.000", *NO_BAR)]
    for (layout, callout), bar in PROCESS_BARS.items():
        samples = times[Case(layout, callout, PLAIN)]
        ratio = samples.median / bare.median
        rows.append((callout, layout, *milliseconds(samples), f"{ratio:.3f}", *bar.cells(ratio)))
    startup = ", ".join(layouts.bare_startup_files) or "none"
    text = f"""\
A callout from its start to its end, policy of OSG, EGI and Fermilab, a token of CMS pilots. Measured,
{settings.rounds} rounds; each round starts every process of this table and of the next two once, in a shuffled order.
Median and interquartile range (IQR); the ratio is that of the medians to the bare interpreter's. All are started by an
ordinary user. Each answer logs its decision to a file, as do those of the tables below.

- bare interpreter: `python3 -I -c pass` in a fresh virtual environment of the same interpreter. Its .pth files:
  {startup}.
- pip: `pip install` of the wheel into another such virtual environment; the scripts as pip writes them.
- RPM: what a package for Enterprise Linux installs, laid out by hand: the library in `site-packages` of the
  interpreter's prefix, compiled; the callouts in a folder of programs, first line `-IS`. The interpreter is a copy of
  the same program, with links to the same standard library, below a folder of its own."""
    columns = ("process", "layout", "median", "IQR", "ratio to bare", "bar", "verdict")
    return Table("The callouts as processes", text, columns, tuple(rows))


def _big_table(times: dict[Case, Samples], settings: Settings) -> Table:
    rows = []
    for callout in (HTCONDOR, ARC):
        for kind in KINDS:
            small = times[Case(RPM, callout, _big_name(SMALL_RULES, kind))]
            big = times[Case(RPM, callout, _big_name(settings.big, kind))]
            ratio = big.median / small.median
            times_cells = (*milliseconds(small), *milliseconds(big))
            rows.append((callout, f"by {kind}", *times_cells, f"{ratio:.3f}", *BIG_BAR.cells(ratio)))
    text = f"""\
{settings.big:,} rules of {BIG_ISSUERS} issuers, beside {SMALL_RULES} rules of {SMALL_ISSUERS} issuers. Half of the
issuers speak for one VO, and their rules name subjects (UUIDs); the others have `vo-from: [group]`, and their rules
name groups. The tokens are those of the last rule of each kind. RPM layout; the same rounds as above."""
    big_heads = f"{settings.big:,} rules", "IQR"
    columns = ("process", "token", f"{SMALL_RULES} rules", "IQR", *big_heads, "ratio", "bar", "verdict")
    return Table("Many rules", text, columns, tuple(rows))


def _token_table(times: dict[Case, Samples]) -> Table:
    rows = []
    for callout in (HTCONDOR, ARC):
        for name, plain, bar in TOKEN_BARS:
            samples = times[Case(RPM, callout, name)]
            ratio = samples.median / times[Case(RPM, callout, plain)].median
            cells = bar.cells(ratio) if bar else NO_BAR
            rows.append((callout, name, *milliseconds(samples), f"{ratio:.3f}", *cells))
    text = """\
The policy of OSG, EGI and Fermilab; the ratio of the token of 16 kB is that to the plain token of CMS pilots, the
ratio of EGI's tokens that to EGI's plain one. RPM layout; the same rounds as above."""
    return Table("Large tokens", text, ("process", "token", "median", "IQR", "ratio", "bar", "verdict"), tuple(rows))


def _of_memory(calls: dict[Case, Call], big: int) -> dict[Case, Call]:
    names = {"", PLAIN, *(_big_name(big, kind) for kind in KINDS)}
    return {case: call for case, call in calls.items() if case.name in names}


def _memory_table(memory: dict[Case, Samples], rounds: int, big: int) -> Table:
    bare = memory[BARE].median
    rows = [("bare interpreter", "", "", *_mebibytes(memory[BARE]), "", *NO_BAR)]
    for case, samples in memory.items():
        if case != BARE:
            more = samples.median - bare
            bar = MEMORY_BAR if case.name == PLAIN else BIG_MEMORY_BAR
            figures = (*_mebibytes(samples), f"{more:+.1f} MiB")
            rows.append((case.callout, case.layout, case.name, *figures, *bar.cells(more)))
    text = f"""\
Peak resident memory of the whole process, as GNU time reports it; measured, {rounds} rounds. "plain" is the policy of
OSG, EGI and Fermilab with the plain token, the others are the policy of {big:,} rules."""
    columns = ("process", "layout", "policy and token", "median", "IQR", "over bare", "bar", "verdict")
    return Table("Memory of the callouts", text, columns, tuple(rows))


def _mebibytes(samples: Samples) -> tuple[str, str]:
    return f"{samples.median:.1f} MiB", f"{samples.spread:.2f} MiB"
