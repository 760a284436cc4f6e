"""The arguments that several verbs share, and what they name: sources, policy, downloads, a token and logs."""

from __future__ import annotations

import argparse
import base64
import binascii
import sys
from pathlib import Path

from vomap import Error
from vomap.cli.console import progress_bar
from vomap.compile import advice
from vomap.compile.check import SiteCheck, check_bans, check_mapfiles
from vomap.log import KEY_FILE
from vomap.log.pseudonyms import KeyFileError, PseudonymError, read_key, resolve_pseudonym
from vomap.log.record import Resolve
from vomap.osg.plan import DEFAULT_MULTI_VO
from vomap.policy.model import Bans, Policy
from vomap.store import POLICY_FILE, bans_beside, read_bans, read_policy
from vomap.web import Web

MAPFILES_FOLDER, BANS_FOLDER = advice.MAPFILES_FOLDER, advice.BANS_FOLDER
# `vomap refresh` writes it. A site links it into the folder of its mapfiles.
OSG_MAPFILE = "/var/lib/vomap/mapfiles/osg.yaml"


class UsageError(Error):
    """A command line with options that exclude each other, or with one that is missing."""

    exit_code = 2


def add_mapfiles(parser: argparse.ArgumentParser) -> None:
    """Add `--mapfiles`."""
    parser.add_argument(
        "--mapfiles",
        nargs="+",
        metavar="PATH",
        help=f"mapfiles, or folders of mapfiles, in this order (default: {MAPFILES_FOLDER})",
    )


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add `--mapfiles` and `--bans`."""
    add_mapfiles(parser)
    parser.add_argument(
        "--bans",
        nargs="+",
        metavar="PATH",
        help=f"files of bans, or folders of such files (default: {BANS_FOLDER}, or none with --mapfiles)",
    )


def add_policy(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add `--policy`."""
    parser.add_argument("--policy", default=POLICY_FILE, metavar="FILE", help=f"{help_text} (default: {POLICY_FILE})")


def add_topology_vos(parser: argparse.ArgumentParser) -> None:
    """Add `--vo` and `--multi-vo`, which choose VOs of the OSG topology."""
    parser.add_argument("--vo", action="append", default=[], metavar="NAME", help="only this VO (may be repeated)")
    parser.add_argument(
        "--multi-vo",
        action="append",
        default=[],
        metavar="NAME",
        help=f"a VO whose issuer speaks for its child VOs too (may be repeated; default: {DEFAULT_MULTI_VO})",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON on standard output, for programs")


def add_thorough(parser: argparse.ArgumentParser) -> None:
    """Add `--thorough`."""
    parser.add_argument(
        "--thorough", action="store_true", help="do all of the work: minutes or more for thousands of rules"
    )


def advice_of(args: argparse.Namespace) -> advice.Advice:
    """Return the writer of commands that keeps the places of a command line."""
    # `vomap ban` takes one folder. Other verbs than `build` write something else with --output.
    bans = getattr(args, "bans", None)
    policy = getattr(args, "output" if args.verb == "build" else "policy", None)
    return advice.Advice(
        root=getattr(args, "root", Path("/")),
        callouts=getattr(args, "callouts", None),
        policy=policy,
        mapfiles=getattr(args, "mapfiles", None),
        bans=[bans] if isinstance(bans, str) else bans,
    )


def check_sources(args: argparse.Namespace) -> SiteCheck:
    """Read and compose the files that a command line names. Raises UnreadableFileError."""
    bans = args.bans or ([] if args.mapfiles else [BANS_FOLDER])
    return SiteCheck(check_mapfiles(args.mapfiles or [MAPFILES_FOLDER], progress_bar), check_bans(bans))


def asked_policy(args: argparse.Namespace, verb: str) -> tuple[Policy, Bans]:
    """Return the policy and the bans of `--mapfiles` and `--bans`, or the compiled ones.

    Raises UsageError for options that exclude each other, and Error for a file that vomap cannot read.
    """
    if args.mapfiles:
        if args.policy != POLICY_FILE:
            raise UsageError(f"{verb}: --policy or --mapfiles, not both")
        check = check_sources(args)
        return check.policy.policy, check.bans.bans
    if args.bans and len(args.bans) > 1:
        raise UsageError(f"{verb}: without --mapfiles, --bans takes one file of compiled bans")
    return read_policy(args.policy), read_bans(args.bans[0] if args.bans else bans_beside(args.policy))


def add_web(parser: argparse.ArgumentParser) -> None:
    """Add `--cache` and `--ca`."""
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="the cache of downloads. vomap downloads again only changed files (default: ~/.cache/vomap)",
    )
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificates to trust for https, instead of the system's (PEM)"
    )


def web_of(args: argparse.Namespace) -> Web:
    """Return the downloader for the options `--cache` and `--ca`."""
    return Web(cache=args.cache, authorities=args.ca)


def add_token(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add `--claims` and `--token`."""
    what = parser.add_mutually_exclusive_group(required=required)
    what.add_argument("--claims", metavar="JSON|-", help="the token's payload. - reads it from standard input")
    what.add_argument("--token", metavar="JWT|-", help="an encoded token. - reads it from standard input")


def given_token(args: argparse.Namespace) -> bytes:
    """Return what a command line gives: JSON claims, or an encoded token."""
    given: str = args.claims if args.claims is not None else args.token
    return sys.stdin.buffer.read() if given == "-" else given.encode("utf-8", "surrogateescape")


def payload_of(args: argparse.Namespace, content: bytes) -> bytes:
    """Return the payload of what a command line gives. Raises UsageError if it is not an encoded token."""
    if args.claims is not None:
        return content
    parts = content.strip().split(b".")
    if len(parts) != len(("header", "payload", "signature")):
        raise UsageError(f"{args.verb}: --token: expected an encoded token, three parts with dots between them")
    try:
        return base64.b64decode(parts[1] + b"=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"{args.verb}: the token's payload is not base64url") from None


def resolver(key_file: str | None) -> Resolve | None:
    """Return a function that finds the subject of a pseudonym, by the key in a file.

    Without a file the key is that of the callouts, and the result is None if vomap cannot read it. Raises KeyFileError.
    """
    try:
        key = read_key(KEY_FILE if key_file is None else key_file)
    except KeyFileError:
        if key_file is None:
            return None
        raise

    def resolve(issuer: str, pseudonym: str) -> str | None:
        try:
            return resolve_pseudonym(key, issuer, pseudonym)
        except PseudonymError:
            return None

    return resolve
