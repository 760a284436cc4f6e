"""`vomap build`: check, test, and compile the policy and the bans to the files that the callouts read."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from vomap import Error
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, UsageError, add_json, add_sources, advice_of
from vomap.cli.compile_output import print_steps
from vomap.cli.console import NO, YES, print_json, progress_bar
from vomap.compile.advice import Advice
from vomap.compile.build import build_in_rounds
from vomap.compile.rollback import NoOlderPolicyError, describe, roll_back
from vomap.files.shell import join_words
from vomap.mapfile.files import folders_of
from vomap.policy.index import SOURCES
from vomap.store import BANS, POLICY_FILE, bans_beside
from vomap.store.writer import read_compiled

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
        "--rollback", action="store_true", help="put the previous policy back, once: there is no older one"
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
        return _roll_back(args)
    mapfiles, bans = args.mapfiles or [MAPFILES_FOLDER], args.bans or [BANS_FOLDER]
    steps = build_in_rounds(mapfiles, bans, args.output, progress_bar, is_automatic=args.automatic)
    return YES if print_steps(steps, advice_of(args), as_json=args.json) else NO


def _roll_back(args: argparse.Namespace) -> int:
    """Put the previous policy back, and print what the next build does."""
    try:
        done = roll_back(args.output)
    except NoOlderPolicyError as error:
        sources = error.now.find(SOURCES)
        raise Error(f"{error}. To go forward, correct the mapfiles, then {_build_again(args, sources)}") from None
    if args.json:
        undone = done.undone.digest if done.undone else None
        print_json({"policy": {"file": args.output, "digest": done.now.digest, "rolled-back": undone}})
        return YES
    print(f"policy: {args.output} is the previous one again: {describe(done.now)}. The bans did not change")
    if done.undone and done.is_in_mapfiles:
        print(f"the mapfiles still contain the policy that was rolled back: {describe(done.undone)}")
        print(f"the next build brings it back, so correct the mapfiles first, then {_build_again(args, done.sources)}")
    else:
        why = "the mapfiles changed after that build" if done.sources else "the policy that was rolled back is damaged"
        print(f"{why}. The next build, also an automatic one, puts the mapfiles in force")
    return YES


def _build_again(args: argparse.Namespace, files: Mapping[str, str]) -> str:
    """Return how to build the policy again from these mapfiles, with the bans beside it."""
    try:
        bans = folders_of(read_compiled(bans_beside(args.output), BANS).sources)
    except Error:
        bans = []
    is_default = all(os.path.dirname(file) == MAPFILES_FOLDER for file in files)
    if not (is_default or bans):
        # The folder of no bans is not known.
        return f"build as before, with `--output {join_words([args.output])}`"
    mapfiles = [] if is_default else folders_of(files)
    advice = Advice(policy=args.output, mapfiles=mapfiles, bans=[] if is_default else bans)
    return f"type `{advice.command('build')}`"
