"""Check docstrings, comments, messages and Markdown against the rules of plain technical English."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from tools.prose.code_names import names_in
from tools.prose.passages import passages
from tools.prose.rules import (
    GUIDE_LIMIT,
    LIMIT,
    Fault,
    heading_faults,
    name_faults,
    phrase_faults,
    read_phrases,
    sentence_faults,
)

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ("plugins", "tests", "tools", "bench", "demo", "docs", "README.md", "CONTRIBUTING.md")
_SKIPPED = ("__pycache__", "build")


def main(argv: Sequence[str] | None = None) -> int:
    """Print each finding as file:line, then the count of each top folder. Return 1 if there are findings."""
    parser = argparse.ArgumentParser(prog="python -m tools.prose", description=__doc__)
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="files or folders (default: all prose of this checkout)"
    )
    arguments = parser.parse_args(argv)
    counts: Counter[str] = Counter()
    for path in [Path(each).resolve() for each in arguments.paths] or [ROOT / each for each in DEFAULT]:
        if not path.exists():
            parser.error(f"{path}: no such file or folder")
        for file in _files(path):
            for line, fault in sorted(faults(file)):
                print(f"{os.path.relpath(file)}:{line}: {fault}")
                counts[_top(file)] += 1
    print(", ".join(f"{top}: {count}" for top, count in [*counts.items(), ("prose findings", sum(counts.values()))]))
    return 1 if counts else 0


def faults(path: Path, root: Path = ROOT) -> Iterator[Fault]:
    """Yield the faults of one file, with their lines. Tests are data as well, so only their help counts as messages."""
    place = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    is_guide = place.startswith("docs/howto/")
    limit = GUIDE_LIMIT if is_guide or place in ("README.md", "docs/tutorial.md") else LIMIT
    phrases = _phrases()
    is_known = _lookup(root, _top(path))
    for passage in passages(path, messages=not place.startswith("tests/")):
        yield from phrase_faults(passage, phrases)
        yield from sentence_faults(passage, limit)
        yield from name_faults(passage, is_known)
        if is_guide:
            yield from heading_faults(passage)


_phrases = cache(read_phrases)


@cache
def _lookup(root: Path, top: str) -> Callable[[str], bool]:
    """Return what says whether the product, or the folder itself, has a name."""
    folders = {root / "plugins", root / top}
    files = [file for folder in folders if folder.is_dir() for file in _files(folder) if file.suffix != ".md"]
    return frozenset(names_in(files)).__contains__


def _files(path: Path) -> list[Path]:
    """Return the files of Python and Markdown in a folder, or the file itself."""
    if path.is_file():
        return [path]
    found = [each for each in sorted(path.rglob("*")) if each.is_file() and not set(each.parts) & set(_SKIPPED)]
    return [each for each in found if each.suffix in (".py", ".md") or _is_script(each)]


def _is_script(path: Path) -> bool:
    """Return True if a file without an ending begins as a script of Python does."""
    if path.suffix:
        return False
    with path.open("rb") as file:
        first = file.readline()
    return first.startswith(b"#!") and b"python" in first


def _top(path: Path) -> str:
    return path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else path.parent.name


if __name__ == "__main__":
    raise SystemExit(main())
