"""`vomap build`: check, test, and put the policy and the bans where the callouts read them."""

from __future__ import annotations

import argparse

from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, UsageError, add_bans, add_json, add_mapfiles
from vomap.cli.compile_output import print_steps
from vomap.cli.console import NO, YES, print_json, progress_bar
from vomap.compile.rollback import roll_back
from vomap.compile.rounds import BuildRequest, build_in_rounds
from vomap.store import POLICY_FILE

HELP = "check, test, and write the built policy and the built bans"

_EXAMPLES = """\
examples:
  vomap build                                       build what is in /etc/vomap for the CE
  vomap build --mapfiles m.d --bans b.d --output p  build elsewhere: writes p and p.bans
  vomap build --rollback                            put the policy before the last one back; bans stay as they are
  vomap build --automatic                           as units and packages do: what was rolled back stays so until the
                                                    mapfiles change, or somebody builds

The bans are built first and apart: no error in a mapfile and no failing test holds a ban back.

Mapfiles and bans must belong to root or to you, and other users must not be able to write them. A mapfile of one other
user may contain only issuers, rules with plain accounts and `alone` tests: see docs/reference/files.md."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    add_mapfiles(parser)
    add_bans(parser)
    parser.add_argument(
        "--output", default=POLICY_FILE, metavar="FILE", help=f"where to write the policy (default: {POLICY_FILE})"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--rollback", action="store_true", help="put the policy before the last one back; twice: as it was"
    )
    how.add_argument(
        "--automatic",
        action="store_true",
        help="leave a policy that was rolled back as it is while the mapfiles are the same; bans are built",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Build both; 1 if either is refused."""
    if args.rollback and (args.mapfiles or args.bans):
        raise UsageError("build: --rollback builds nothing, so it takes no --mapfiles and no --bans")
    if args.mapfiles and not args.bans and not args.rollback:
        raise UsageError("build: name the bans too (--bans PATH; an empty folder is no bans)")
    if args.rollback:
        return _roll_back(args)
    request = BuildRequest(
        args.mapfiles or [MAPFILES_FOLDER], args.bans or [BANS_FOLDER], args.output, is_automatic=args.automatic
    )
    return YES if print_steps(build_in_rounds(request, progress_bar), as_json=args.json) else NO


def _roll_back(args: argparse.Namespace) -> int:
    digest = roll_back(args.output)
    if args.json:
        print_json({"policy": {"file": args.output, "digest": digest}})
    else:
        print(f"policy: {args.output} is the one before again ({digest[:12]}); bans are as they were")
    return YES
