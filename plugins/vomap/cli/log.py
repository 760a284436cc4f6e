"""`vomap log`: encrypt and decrypt the subjects of the decision log."""

from __future__ import annotations

import argparse

from vomap.cli.arguments import UsageError, add_json
from vomap.cli.console import YES, print_json
from vomap.cli.parser import Action, add_actions
from vomap.log import KEY_FILE
from vomap.log.pseudonyms import make_pseudonym, read_key, resolve_pseudonym

HELP = "decrypt a pseudonym of the decision log, or show the pseudonym of a subject"

_EXAMPLES = f"""\
examples:
  vomap log resolve ~pBk3lq... --issuer https://cms-auth.web.cern.ch/      show the subject of a pseudonym
  vomap log hide 0d15ea5e-0000-4000-8000-00000000beef --issuer https://cms-auth.web.cern.ch/
                                                                             show the pseudonym of a subject

Both need the key of the pseudonyms, {KEY_FILE}.

exit codes: 0 shown, 1 not a pseudonym of this key and issuer, 2 wrong usage, 3 an error"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    add_actions(
        parser,
        {
            "resolve": Action("show the subject of a pseudonym", _configure_resolve, _resolve),
            "hide": Action("show the pseudonym of a subject", _configure_hide, _hide),
        },
    )


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    code: int = args.run(args)
    return code


def _configure_resolve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="PSEUDONYM", help="the pseudonym, as in the log")
    _add_key(parser)


def _configure_hide(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="SUBJECT", help="the subject")
    _add_key(parser)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--issuer", required=True, metavar="ISSUER", help="the issuer, as in the log")
    parser.add_argument("--key", default=KEY_FILE, metavar="FILE", help=f"the key (default: {KEY_FILE})")
    add_json(parser)


def _resolve(args: argparse.Namespace) -> int:
    return _report(args, "subject", resolve_pseudonym(_key(args), args.issuer, args.text))


def _hide(args: argparse.Namespace) -> int:
    return _report(args, "pseudonym", make_pseudonym(_key(args), args.issuer, args.text))


def _key(args: argparse.Namespace) -> bytes:
    if not args.text:
        raise UsageError(f"log {args.action}: the first argument is empty")
    return read_key(args.key)


def _report(args: argparse.Namespace, what: str, text: str) -> int:
    if args.json:
        print_json({what: text})
    else:
        print(text if text.isprintable() else ascii(text)[1:-1])
    return YES
