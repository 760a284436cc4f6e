"""`vomap log`: what the decision log hides, for whoever has its key."""

from __future__ import annotations

import argparse

from vomap.cli.arguments import UsageError, add_json
from vomap.cli.console import YES, print_json
from vomap.cli.parser import Action, add_actions
from vomap.log import KEY_FILE
from vomap.log.pseudonyms import pseudonym, read_key, subject_behind

HELP = "tell whose a pseudonym of the decision log is, or which is whose"

_EXAMPLES = f"""\
examples:
  vomap log resolve ~pBk3lq... --issuer https://cms-auth.web.cern.ch/      whose pseudonym this is
  vomap log hide 0d15ea5e-0000-4000-8000-00000000beef --issuer https://cms-auth.web.cern.ch/
                                                                             which pseudonym to look for

Both need the key of the pseudonyms, {KEY_FILE}.

exit codes: 0 told, 1 it is no pseudonym of this key and issuer, 2 wrong usage, 3 an error"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    add_actions(
        parser,
        {
            "resolve": Action("show whose a pseudonym is", _configure_resolve, _resolve),
            "hide": Action("show the pseudonym of a subject", _configure_hide, _hide),
        },
    )


def run(args: argparse.Namespace) -> int:
    """Resolve or hide."""
    code: int = args.run(args)
    return code


def _configure_resolve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="PSEUDONYM", help="the pseudonym, as the log has it")
    _add_key(parser)


def _configure_hide(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="SUBJECT", help="the subject")
    _add_key(parser)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--issuer", required=True, metavar="ISSUER", help="the issuer, as the log has it")
    parser.add_argument("--key", default=KEY_FILE, metavar="FILE", help=f"the key (default: {KEY_FILE})")
    add_json(parser)


def _resolve(args: argparse.Namespace) -> int:
    return _report(args, "subject", subject_behind(_key(args), args.issuer, args.text))


def _hide(args: argparse.Namespace) -> int:
    return _report(args, "pseudonym", pseudonym(_key(args), args.issuer, args.text))


def _key(args: argparse.Namespace) -> bytes:
    if not args.text:
        raise UsageError(f"log {args.action}: name what to {args.action}")
    return read_key(args.key)


def _report(args: argparse.Namespace, what: str, told: str) -> int:
    if args.json:
        print_json({what: told})
    else:
        print(ascii(told)[1:-1] if not told.isprintable() else told)
    return YES
