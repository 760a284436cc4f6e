"""The arguments that name mapfiles and bans, the same for every verb, and what is read from them."""

from __future__ import annotations

import argparse
from pathlib import Path

from vomap import Error
from vomap.cli.console import progress_bar
from vomap.compile.check import SiteCheck, check_site
from vomap.policy.model import Bans, Policy
from vomap.store import POLICY_FILE, bans_beside, read_bans, read_policy
from vomap.web import Web

MAPFILES_FOLDER = "/etc/vomap/mapfiles.d"
BANS_FOLDER = "/etc/vomap/bans.d"


class UsageError(Error):
    """A command line whose words do not go together."""

    exit_code = 2


def add_mapfiles(parser: argparse.ArgumentParser) -> None:
    """Add `--mapfiles`."""
    parser.add_argument(
        "--mapfiles",
        nargs="+",
        metavar="PATH",
        help=f"mapfiles, or folders of them, in their order (default: {MAPFILES_FOLDER})",
    )


def add_bans(parser: argparse.ArgumentParser) -> None:
    """Add `--bans`."""
    parser.add_argument(
        "--bans",
        nargs="+",
        metavar="PATH",
        help=f"files of bans, or folders of them (default: {BANS_FOLDER}, or none if --mapfiles is given)",
    )


def add_policy(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add `--policy`."""
    parser.add_argument("--policy", default=POLICY_FILE, metavar="FILE", help=f"{help_text} (default: {POLICY_FILE})")


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add what a verb takes that reads mapfiles and bans, and answers."""
    add_mapfiles(parser)
    add_bans(parser)
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument(
        "--json", action="store_true", help="print the answer as JSON, for programs; errors go to standard error"
    )


def check_sources(args: argparse.Namespace) -> SiteCheck:
    """Read and compose the files that a command line names. Raises UnreadableFileError."""
    bans = args.bans or ([] if args.mapfiles else [BANS_FOLDER])
    return check_site(args.mapfiles or [MAPFILES_FOLDER], bans, progress_bar)


def asked_policy(args: argparse.Namespace, verb: str) -> tuple[Policy, Bans]:
    """Return the policy and the bans to ask: those of `--mapfiles`, or else the built ones.

    Raises UsageError for words that do not go together, and MapfileError or CompiledFileError for what cannot be read.
    """
    if args.mapfiles:
        if args.policy != POLICY_FILE:
            raise UsageError(f"{verb}: --policy or --mapfiles, not both")
        check = check_sources(args)
        return check.policy.policy, check.bans.bans
    if args.bans and len(args.bans) > 1:
        raise UsageError(f"{verb}: without --mapfiles, --bans names one file of built bans")
    return read_policy(args.policy), read_bans(args.bans[0] if args.bans else bans_beside(args.policy))


def add_web(parser: argparse.ArgumentParser) -> None:
    """Add what a verb takes that fetches from a URL."""
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="where what a URL gave is kept, so that it comes again only if it changed (default: ~/.cache/vomap)",
    )
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificates to trust for https, in place of the system's (PEM)"
    )


def web_of(args: argparse.Namespace) -> Web:
    """Return how a command line asks for URLs to be fetched."""
    return Web(cache=args.cache, authorities=args.ca)
