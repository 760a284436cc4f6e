"""One target under atheris: `one.py TARGET ARGUMENTS...`, with the arguments of libFuzzer."""

from __future__ import annotations

import sys

import atheris

from fuzz.targets import check_of


def main() -> None:
    """Fuzz until libFuzzer's limits, or the first mistake."""
    program, target, *arguments = sys.argv
    with atheris.instrument_imports(include=["vomap"]):
        check = check_of(target)
    atheris.Setup([program, *arguments], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
