"""The `vomap` command: one verb a module, each with HELP, configure() and run(); this is the only place that exits."""

from __future__ import annotations

import sys

try:
    import argparse
    import contextlib
    import os
    from collections.abc import Sequence
    from importlib import import_module
    from types import ModuleType

    from vomap import Error, __version__
    from vomap.cli.console import FAILED, USAGE, YES, plain
    from vomap.cli.parser import Parser
except Exception as error:  # noqa: BLE001 - pip's wrapper, which imports this, would show a traceback and exit with 1
    sys.stderr.write(f"vomap: {type(error).__name__}: {error}\n")
    raise SystemExit(3) from None

VERBS = (
    "init",
    "generate",
    "check",
    "test",
    "build",
    "explain",
    "diff",
    "replay",
    "log",
    "ban",
    "render",
    "refresh",
    "status",
)
_EXIT_CODES = "exit codes: 0 yes, 1 no, 2 wrong usage, 3 an error"


def main() -> int:
    """Run the command that the process was started with and return its exit code."""
    try:
        _require_descriptors()
    except Error as error:
        return _fail(str(error))
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer goes nowhere; without this, Python would complain of it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return code if code == FAILED else _fail(f"output: {error.strerror}")
    return code


def run(words: Sequence[str]) -> int:
    """Run a command line, without the command's name, and return its exit code; nothing ends in a traceback."""
    try:
        modules = {verb: import_module(f"vomap.cli.{verb}") for verb in VERBS}
        arguments = make_parser(modules).parse_args(words)
        code: int = modules[arguments.verb].run(arguments)
    except SystemExit as error:
        return USAGE if error.code else YES
    except Error as error:
        return _fail(str(error), error.exit_code)
    except OSError as error:
        return _fail(f"{error.filename or 'output'}: {error.strerror}")
    except KeyboardInterrupt:
        return _fail("interrupted")
    except Exception as error:  # noqa: BLE001 - what is not foreseen is an error like any other
        return _fail(f"{type(error).__name__}: {error}")
    return code


def _fail(message: str, code: int = FAILED) -> int:
    """Tell what went wrong, if there is anybody to tell, and return the exit code."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"vomap: {plain(message)}\n")
    return code


def _require_descriptors() -> None:
    """Raise Error if standard input, output or error is closed: a file opened later would take its place."""
    for descriptor, name in enumerate(("input", "output", "error")):
        try:
            os.fstat(descriptor)
        except OSError:
            raise Error(f"standard {name} is closed") from None


def make_parser(modules: dict[str, ModuleType]) -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = Parser(prog="vomap", description="Decide which local account a token runs as.", epilog=_EXIT_CODES)
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
