"""`vomap ban`: ban users at once, list the bans, and lift them."""

from __future__ import annotations

import argparse

from vomap.bans.ban_file import NAME
from vomap.cli.arguments import BANS_FOLDER, add_json, add_policy, add_token, add_web
from vomap.cli.ban_change import add, add_conditions, lift
from vomap.cli.ban_fetch import fetch
from vomap.cli.ban_list import list_bans
from vomap.cli.parser import Action, add_actions
from vomap.log import KEY_FILE

HELP = "add, list, lift and fetch bans, and build them at once"

EXAMPLES = f"""\
examples:
  vomap ban add --vo CMS --subject 0d15ea5e-0000-4000-8000-00000000beef --reason 'leaked key (T-123)' --until 2026-12-31
  vomap ban add --jti e2a3 --reason 'stolen (T-124)' --token - < token
  vomap ban add --vo CMS --reason 'T-125' --log /var/log/vomap/decisions.log
  vomap ban list
  vomap ban lift --vo CMS --subject 0d15ea5e-0000-4000-8000-00000000beef
  vomap ban fetch https://bans.example.org/grid.yaml

`add` and `lift` edit {NAME} in the folder of bans and build the bans. They do not touch the policy.
`vomap ban ACTION --help` shows the options and examples of each.

exit codes: 0 done; 1 not done, refused, or still not denied (`add`), still denied (`lift`); 2 usage; 3 an error
"""
_ADD = """\
`add` tries the ban with an example token, or with the one that you give, and decides as the CE will. Where it can, it
takes a token that was mapped before. It warns about tokens that the ban misses, and prints a ban that denies them. It
also prints the commands that end running sessions and jobs.

A CE calls vomap for the tokens of an undeclared issuer only after you wire it again: `vomap init --replace`, or
`vomap render`. With --log, `add` shows which decisions of a decision log the ban would have denied.
"""
_LIST = """\
`list` shows each ban with its place, and whether it is built and in force. It shows the age of each published list.
If a file has errors, it shows the bans of the others, and the bans that are in force from the last build.
"""
_LIFT = """\
`lift` needs all conditions of the ban, and no others. It reports a ban that still denies the same tokens.
"""
_FETCH = """\
`fetch` takes a list of bans from https. The list says when it was `issued`, and it never replaces a newer one. If it
cannot be fetched or read, the last one stays in force, and `fetch` shows how old that is.

Each ban must name subjects, tokens or clients by their whole names, unless you give --allow-wide. A ban by group, scope
or claim must do so always. An issuer must be an https URL. If the site does not declare it, the ban is not in force.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's actions."""
    add_actions(
        parser,
        {
            "add": Action("add a ban, prove it, and show what it misses", _configure_add, add, _ADD),
            "list": Action("show the bans", _add_places, list_bans, _LIST),
            "lift": Action("lift a ban", _configure_lift, lift, _LIFT),
            "fetch": Action("fetch a published list of bans", _configure_fetch, fetch, _FETCH),
        },
    )


def _configure_add(parser: argparse.ArgumentParser) -> None:
    add_conditions(parser)
    parser.add_argument("--reason", metavar="TEXT", help="why, on one line; the banned user does not see it; required")
    parser.add_argument("--until", metavar="TIME", help="the last day (2026-12-31) or second of the ban, UTC")
    add_token(parser, required=False)
    parser.add_argument("--log", nargs="+", metavar="LOG", help="decision logs, to show whom the ban would have denied")
    parser.add_argument(
        "--key", metavar="FILE", help=f"with --log: the key of the pseudonyms in the logs (default: {KEY_FILE})"
    )
    _add_places(parser)


def _configure_lift(parser: argparse.ArgumentParser) -> None:
    add_conditions(parser)
    _add_places(parser)


def _configure_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="where the list is published, by https")
    parser.add_argument("--name", metavar="NAME", help="what the list is called (default: the URL's host)")
    parser.add_argument(
        "--allow-wide", action="store_true", help="also take bans of whole VOs and issuers, at most 100"
    )
    parser.add_argument("--dry-run", action="store_true", help="change nothing, and show what would change")
    add_web(parser)
    _add_places(parser)


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bans", default=BANS_FOLDER, metavar="FOLDER", help=f"the bans (default: {BANS_FOLDER})")
    add_policy(parser, "the compiled policy whose bans are built")
    add_json(parser)
