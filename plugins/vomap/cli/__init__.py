"""The `vomap` command: one verb a module, each with HELP, configure() and run(); this is the only place that exits."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from vomap import __version__
from vomap.errors import Error

VERBS = ("init", "generate", "check", "test", "build", "explain", "ban", "render", "status")
YES, NO, USAGE, FAILED = 0, 1, 2, 3
_EXIT_CODES = "exit codes: 0 yes, 1 no, 2 wrong usage, 3 an error"


def main() -> int:
    """Run the command that the process was started with and return its exit code."""
    return run(sys.argv[1:])


def run(words: Sequence[str]) -> int:
    """Run a command line, without the command's name, and return its exit code."""
    modules = {verb: import_module(f"vomap.cli.{verb}") for verb in VERBS}
    try:
        arguments = make_parser(modules).parse_args(words)
    except SystemExit as error:
        return USAGE if error.code else YES
    try:
        code: int = modules[arguments.verb].run(arguments)
        sys.stdout.flush()
    except Error as error:
        print(f"vomap: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Nobody reads on; without this, Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        print(f"vomap: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return code


def make_parser(modules: dict[str, ModuleType]) -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = argparse.ArgumentParser(
        prog="vomap", description="Decide which local account a token runs as.", epilog=_EXIT_CODES
    )
    parser.add_argument("--version", action="version", version=f"vomap {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, module in modules.items():
        verb_parser = verbs.add_parser(
            verb,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(verb_parser)
        if _EXIT_CODES[:10] not in (verb_parser.epilog or ""):
            verb_parser.epilog = f"{(verb_parser.epilog or '').rstrip()}\n\n{_EXIT_CODES}"
    return parser
