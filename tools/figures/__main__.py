"""Print figures about the product code of a checkout, or of two checkouts side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tools.figures.identifiers import identifier_figures
from tools.figures.imports import import_figures
from tools.figures.rooms import read_rooms
from tools.figures.sizes import size_figures
from tools.figures.source import Figure, read_modules

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Print the table. With `--list`, print the places behind each figure as well."""
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description=__doc__)
    parser.add_argument("before", nargs="?", type=Path, default=ROOT, help="a checkout (default: this one)")
    parser.add_argument("after", nargs="?", type=Path, help="a second checkout, to compare with the first")
    parser.add_argument("--list", action="store_true", help="print the places behind each figure as file:line")
    arguments = parser.parse_args()
    checkouts = [arguments.before, *([arguments.after] if arguments.after else [])]
    for checkout in checkouts:
        if not (checkout / "plugins" / "vomap").is_dir():
            parser.error(f"{checkout}: not a checkout of vomap: it has no folder plugins/vomap")
    columns = [figures(checkout) for checkout in checkouts]
    print_table(columns)
    if arguments.list:
        for checkout, column in zip(checkouts, columns):
            print_offenders(checkout, column)
    return 0


def figures(checkout: Path, design: Path = ROOT) -> list[Figure]:
    """Return all figures of a checkout. The order of its rooms is that of the checkout `design`."""
    modules = read_modules(checkout)
    return [*size_figures(modules), *import_figures(modules, read_rooms(design)), *identifier_figures(modules)]


def print_table(columns: Sequence[Sequence[Figure]]) -> None:
    """Print one row for each figure and one column for each checkout."""
    width = max(len(figure.label) for figure in columns[0])
    if len(columns) > 1:
        print(f"{'':<{width}}{'before':>10}{'after':>10}")
    for row in zip(*columns):
        print(f"{row[0].label:<{width}}" + "".join(f"{figure.value:>10}" for figure in row))


def print_offenders(checkout: Path, column: Sequence[Figure]) -> None:
    """Print the places behind each figure that has some."""
    for figure in column:
        if figure.offenders:
            print(f"\n{figure.label}, {checkout}:")
            for line in figure.offenders:
                print(f"  {line}")


if __name__ == "__main__":
    raise SystemExit(main())
