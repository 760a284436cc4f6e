"""`vomap log`: resolve pseudonyms of the decision log, for users who can read its key."""

from __future__ import annotations

import argparse
from functools import partial

from vomap import printable
from vomap.cli.arguments import UsageError, add_json
from vomap.cli.console import YES, print_json
from vomap.cli.parser import Action, add_actions
from vomap.log import KEY_FILE
from vomap.log.pseudonyms import make_pseudonym, read_key, resolve_pseudonym

HELP = "show the subject of a pseudonym of the decision log, or the pseudonym of a subject"

EXAMPLES = f"""\
examples:
  vomap log resolve ~pBk3lq... --issuer https://cms-auth.web.cern.ch/      the subject of this pseudonym
  vomap log hide 0d15ea5e-0000-4000-8000-00000000beef --issuer https://cms-auth.web.cern.ch/
                                                                             the pseudonym of this subject

Both need the key of the pseudonyms, {KEY_FILE}.

exit codes: 0 found, 1 not a pseudonym of this key and issuer, 2 wrong usage, 3 an error"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's actions."""
    pseudonym = partial(_configure, "PSEUDONYM", "the pseudonym, as in the log")
    subject = partial(_configure, "SUBJECT", "the subject")
    add_actions(
        parser,
        {
            "resolve": Action("show the subject of a pseudonym", pseudonym, run),
            "hide": Action("show the pseudonym of a subject", subject, run),
        },
    )


def _configure(name: str, what: str, parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar=name, help=what)
    parser.add_argument("--issuer", required=True, metavar="ISSUER", help="the issuer, as in the log")
    parser.add_argument("--key", default=KEY_FILE, metavar="FILE", help=f"the key (default: {KEY_FILE})")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the subject of a pseudonym, or the pseudonym of a subject."""
    if not args.text:
        raise UsageError(f"log {args.action}: the first argument is empty")
    name, convert = ("subject", resolve_pseudonym) if args.action == "resolve" else ("pseudonym", make_pseudonym)
    text = convert(read_key(args.key), args.issuer, args.text)
    if args.json:
        print_json({name: text})
    else:
        print(printable(text))
    return YES
