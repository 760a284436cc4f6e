"""Measure vomap: callouts as processes, also under many bans and wide policies; decisions; building; tools; CEs.

PYTHONPATH=tests:bench .venv/bin/python bench/run.py [--quick] [--only NAME] [--ces] [--output FILE]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import ban_shapes
import building
import callouts
import deciding
import entries
import wide_policies
from layouts import version_of
from processes import BenchError
from report import report
from tables import Settings, Table


def _measure_ces(work: Path, settings: Settings) -> list[Table]:
    # Only on demand: real CEs need programs that most machines do not have.
    import real_ces

    return real_ces.measure(work, settings)


SYSTEM_PYTHON = "/usr/bin/python3"
MEASURES: dict[str, Callable[[Path, Settings], list[Table]]] = {
    "callouts": callouts.measure,
    "bans": ban_shapes.measure,
    "wide": wide_policies.measure,
    "decide": deciding.measure,
    "build": building.measure,
    "shapes": entries.measure,
    "ces": _measure_ces,
}


def main() -> int:
    """Measure, print the report, and write it if there is --output. Return 3 if a measurement fails."""
    args = _arguments()
    settings = Settings(python=args.python)
    if args.quick:
        settings = Settings(python=args.python, rounds=10, big=20_000, quick=True)
    names = [args.only] if args.only else [name for name in MEASURES if name != "ces" or args.ces]
    try:
        text = report(_command(args), version_of(args.python), _measured(names, settings))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 3
    print(text, end="")
    if args.output:
        args.output.write_text(text, "utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds and a big policy of 20,000 rules, for CI")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there, too")
    parser.add_argument(
        "--python",
        default=SYSTEM_PYTHON if Path(SYSTEM_PYTHON).exists() else sys.executable,
        help="the interpreter to measure (default: the system's, which a CE runs the callouts with)",
    )
    parser.add_argument("--ces", action="store_true", help="measure real CEs as well: as root, on Debian")
    parser.add_argument("--only", choices=MEASURES, help="measure nothing else")
    return parser.parse_args()


def _measured(names: list[str], settings: Settings) -> list[Table]:
    """Return the tables of the named measurements, which share a folder for the time of the run."""
    with tempfile.TemporaryDirectory(prefix="vomap-bench-") as folder:
        work = Path(folder).resolve()
        # A callout that was started as root becomes the user vomap, where there is one, and must get here.
        work.chmod(0o755)
        return [table for name in names for table in MEASURES[name](work, settings)]


def _command(args: argparse.Namespace) -> str:
    """Return what makes this report again, without the places of files: they are a machine's own."""
    words = [f"--{name}" for name in ("quick", "ces") if getattr(args, name)]
    words += ["--only", args.only] if args.only else []
    words += ["--python", Path(args.python).name] if args.python != SYSTEM_PYTHON else []
    return f'make bench BENCH="{" ".join(words)}"' if words else "make bench"


if __name__ == "__main__":
    sys.exit(main())
