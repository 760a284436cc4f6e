"""`vomap journal`: what the decision log hides, for whoever has its key."""

from __future__ import annotations

import argparse

from vomap.cli.exits import YES
from vomap.cli.loading import UsageError, add_json, print_json
from vomap.journal import KEY_FILE
from vomap.journal.pseudonyms import pseudonym, read_key, subject_behind

HELP = "tell whose a pseudonym of the decision log is, or which is whose"

_EXAMPLES = f"""\
examples:
  vomap journal resolve ~pBk3lq... --issuer https://cms-auth.web.cern.ch/      whose pseudonym this is
  vomap journal hide 0d15ea5e-0000-4000-8000-00000000beef --issuer https://cms-auth.web.cern.ch/
                                                                             which pseudonym to look for

Both need the key of the pseudonyms, {KEY_FILE}.

exit codes: 0 told, 1 it is no pseudonym of this key and issuer, 2 wrong usage, 3 an error"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument("action", choices=("resolve", "hide"), help="what to do")
    parser.add_argument("text", metavar="PSEUDONYM|SUBJECT", help="a pseudonym to resolve, or a subject to hide")
    parser.add_argument("--issuer", required=True, metavar="ISSUER", help="the issuer, as the log has it")
    parser.add_argument("--key", default=KEY_FILE, metavar="FILE", help=f"the key (default: {KEY_FILE})")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Resolve or hide."""
    if not args.text:
        raise UsageError(f"journal {args.action}: name what to {args.action}")
    key = read_key(args.key)
    told = (subject_behind if args.action == "resolve" else pseudonym)(key, args.issuer, args.text)
    if args.json:
        print_json({"subject" if args.action == "resolve" else "pseudonym": told})
    else:
        print(ascii(told)[1:-1] if not told.isprintable() else told)
    return YES
