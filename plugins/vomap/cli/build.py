"""`vomap build`: check, test, and compile the policy and the bans to the files that the callouts read."""

from __future__ import annotations

import argparse

from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, UsageError, add_json, add_sources
from vomap.cli.compile_output import print_steps
from vomap.cli.console import NO, YES, print_json, progress_bar
from vomap.compile.build import build_in_rounds
from vomap.compile.rollback import roll_back
from vomap.store import POLICY_FILE

HELP = "check, test, and compile the policy and the bans"

EXAMPLES = """\
examples:
  vomap build                                       build /etc/vomap for the CE
  vomap build --mapfiles m.d --bans b.d --output p  build elsewhere: writes p and p.bans
  vomap build --rollback                            put the previous policy back. Bans do not change
  vomap build --automatic                           as units and packages do: a rollback stays until the mapfiles
                                                    change, or until you run `vomap build`

vomap builds the bans first: an error in a mapfile or a failing test does not delay a ban.

Mapfiles and bans must belong to root or to you, and other users must not be able to write them. A mapfile of one other
user may contain only issuers, rules with plain accounts and `alone` tests: see docs/reference/files.md."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_sources(parser)
    parser.add_argument(
        "--output", default=POLICY_FILE, metavar="FILE", help=f"where to write the policy (default: {POLICY_FILE})"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--rollback", action="store_true", help="put the previous policy back. A second rollback undoes the first"
    )
    how.add_argument(
        "--automatic",
        action="store_true",
        help="build the bans, but do not build a policy that was rolled back until its mapfiles change",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Build bans and policy. Return NO if vomap refuses one of them."""
    if args.rollback and (args.mapfiles or args.bans):
        raise UsageError("build: --rollback takes neither --mapfiles nor --bans")
    if args.mapfiles and not args.bans and not args.rollback:
        raise UsageError("build: --mapfiles also needs --bans PATH. For no bans, name an empty folder")
    if args.rollback:
        digest = roll_back(args.output)
        if args.json:
            print_json({"policy": {"file": args.output, "digest": digest}})
        else:
            print(f"policy: {args.output} is the previous one again ({digest[:12]}). The bans did not change")
        return YES
    mapfiles, bans = args.mapfiles or [MAPFILES_FOLDER], args.bans or [BANS_FOLDER]
    steps = build_in_rounds(mapfiles, bans, args.output, progress_bar, is_automatic=args.automatic)
    return YES if print_steps(steps, as_json=args.json) else NO
