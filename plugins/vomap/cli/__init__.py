"""The `vomap` command. Each verb is a module with HELP, EXAMPLES, configure() and run(). Only this module exits."""

from __future__ import annotations

import sys

try:
    import argparse
    import contextlib
    import os
    from collections.abc import Sequence
    from importlib import import_module
    from types import ModuleType

    from vomap import Error, __version__, require_descriptors
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
        require_descriptors()
    except Error as error:
        return _fail(str(error))
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        # Discard the rest of the buffer. Otherwise Python would report the same error again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return code if code == FAILED else _fail(f"output: {error.strerror}")
    return code


def run(words: Sequence[str]) -> int:
    """Run a command line, without the command's name, and return its exit code. No error ends in a traceback."""
    try:
        modules = {verb: import_module(f"vomap.cli.{verb}") for verb in VERBS}
        arguments = make_parser(modules).parse_args(words)
        code: int = arguments.run(arguments)
    except SystemExit as error:
        return USAGE if error.code else YES
    except Error as error:
        return _fail(str(error), error.exit_code)
    except OSError as error:
        return _fail(f"{error.filename or 'output'}: {error.strerror}")
    except KeyboardInterrupt:
        return _fail("interrupted")
    except Exception as error:  # noqa: BLE001 - a mistake in vomap is an error like any other
        return _fail(f"{type(error).__name__}: {error}")
    return code


def _fail(message: str, code: int = FAILED) -> int:
    """Print an error on standard error, if it is open, and return the exit code."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"vomap: {plain(message)}\n")
    return code


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
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # A verb with actions may have none: the actions set their own.
        verb_parser.set_defaults(run=getattr(module, "run", None))
        module.configure(verb_parser)
        if _EXIT_CODES[:10] not in module.EXAMPLES:
            verb_parser.epilog = f"{module.EXAMPLES}\n\n{_EXIT_CODES}"
    return parser
