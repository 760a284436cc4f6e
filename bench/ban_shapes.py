"""A token of 1,000 groups under thousands of bans that do not name it, beside the same token without bans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from building import build
from callouts import Case, calls_for
from layouts import ARC, HTCONDOR, RPM, lay_out
from policies import write_bans, write_mapfile
from processes import checked_times
from samples import NO_BAR, Bar, milliseconds
from tables import Settings, Table
from tokens import MANY, of_groups

ISSUER, VO = "https://iam.example.org/", "vo.example.org"
NO_BANS = "no bans"
BAR = Bar(1.5)
# As many as one ban of a published list could hold if only the size of the list had a limit.
PATTERNS = 4_990


def measure(work: Path, settings: Settings) -> list[Table]:
    """Check every answer once, then measure the token under every shape of bans in the same rounds."""
    layouts = lay_out(work, settings)
    mapfile = write_mapfile(work / "bans.yaml", ISSUER, [{"vo": VO, "group": f"/{VO}/{unit(MANY - 1)}"}])
    calls = {}
    for name, bans in shapes().items():
        folder = write_bans(work / f"bans-{_word(name)}", bans) if bans else None
        policy = build(work, layouts, f"policy-{_word(name)}", [mapfile], folder).policy
        calls.update(calls_for(work, layouts, Case(RPM, "", name), policy=policy, token=token()))
    times = checked_times(calls, settings.rounds)
    rows = []
    for callout in (HTCONDOR, ARC):
        plain = times[Case(RPM, callout, NO_BANS)]
        for name in shapes():
            samples = times[Case(RPM, callout, name)]
            ratio = samples.median / plain.median
            cells = NO_BAR if name == NO_BANS else BAR.cells(ratio)
            rows.append((callout, name, *milliseconds(samples), f"{ratio:.3f}", *cells))
    text = f"""\
A token of {MANY:,} groups, and bans that do not name it; the ratio is that to the same token without bans. Measured,
{settings.rounds} rounds; each starts every process of this table once, in a shuffled order. Median and interquartile
range (IQR). RPM layout; started by an ordinary user."""
    return [Table("Bans", text, ("process", "bans", "median", "IQR", "ratio", "bar", "verdict"), tuple(rows))]


def token() -> dict[str, Any]:
    """Return the token: all of its groups are of one VO."""
    return of_groups(ISSUER, [f"/{VO}/{unit(at)}" for at in range(MANY)])


def unit(number: int) -> str:
    """Return the last part of one of the token's groups."""
    return f"unit{number:04d}"


def shapes() -> dict[str, list[dict[str, Any]]]:
    """Return the bans by what they ask for. None of them names the token, but many name a part of it."""
    patterns = [f"/{VO}/other{at}/**" for at in range(PATTERNS)]
    shown = token()
    return {
        NO_BANS: [],
        "10,000 by token": [{"jti": f"0d15ea5e-0000-4000-8000-{at:012x}"} for at in range(10_000)],
        "10,000 by client": [{"client": f"client-{at}"} for at in range(10_000)],
        "5,000 by subject at the token's issuer": [{"issuer": ISSUER, "subject": _person(at)} for at in range(5_000)],
        "5,000 by subject in the token's groups": [
            {"subject": _person(at), "group": f"/{VO}/{unit(at % MANY)}"} for at in range(5_000)
        ],
        "5,000 by the token's subject in other groups": [
            {"subject": shown["sub"], "group": f"/{VO}/other{at}"} for at in range(5_000)
        ],
        "1,000 by another subject, each in a group of another shape": [
            {"subject": _person(0), "group": _shape(at)} for at in range(1_000)
        ],
        f"1 by client with {PATTERNS:,} groups": [{"client": "another-client", "group": patterns}],
        f"1 by the token's client with {PATTERNS:,} groups": [{"client": shown["client_id"], "group": patterns}],
        "10,000 by group": [{"group": f"/{VO}/other{at}"} for at in range(10_000)],
        "10,000 by VO": [{"vo": f"vo{at}.example.org"} for at in range(10_000)],
        "1,000 by group of any VO": [{"group": f"/*/other{at}"} for at in range(1_000)],
        "1,000 by the beginning of the subject": [{"subject": f"robot-{at}*"} for at in range(1_000)],
    }


def _person(number: int) -> str:
    return f"person-{number}@example.org"


def _shape(number: int) -> str:
    """Return a pattern whose literal parts are at other places than those of any other number."""
    return "/" + "/".join("other" if number >> at & 1 else "*" for at in range(10)) + "/other"


def _word(name: str) -> str:
    return name.replace(" ", "-")
