"""`vomap refresh`: install the mapfile of the OSG topology, unless the administrator must check it first."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
import time
from typing import TYPE_CHECKING

from vomap import Error, printable
from vomap.cli.arguments import (
    MAPFILES_FOLDER,
    OSG_MAPFILE,
    UsageError,
    add_json,
    add_mapfiles,
    add_topology_vos,
    add_web,
    web_of,
)
from vomap.cli.console import NO, YES, plain, print_copy, print_json
from vomap.files.atomic import keep_foreign, replace_file
from vomap.files.lock import locked
from vomap.files.shell import join_words
from vomap.mapfile.files import Mapfile
from vomap.osg.files import TopologyError
from vomap.osg.generate import generate
from vomap.osg.mapfile_text import is_as_generated
from vomap.osg.topology import open_source
from vomap.refresh.alarms import Alarm, ChangeLimits, Limit, read_limit
from vomap.refresh.kept import read_in_force
from vomap.refresh.review import Review, read_mapfile_in_force, review_candidate
from vomap.web import can_be_changed_on_the_way

if TYPE_CHECKING:
    from vomap.osg.generate import Generation

HELP = "fetch the OSG topology and install its mapfile, unless you must check it first"

_LINK = "50-osg.yaml"
# A file in its place gets another name.
_LN = "ln -sT --backup=numbered"
_SOURCE = "https://github.com/opensciencegrid/topology/archive/HEAD.tar.gz"
_DROPPED = Limit(3, 10)
_REPOINTED = _ADDED = Limit(0)
# Seconds. Another refresh takes less.
_PATIENCE = 60.0
_NO_SHELL = ("/nologin", "/false")
_INSTALLED, _UNCHANGED, _REFUSED = "installed", "unchanged", "refused"

EXAMPLES = f"""\
examples:
  vomap refresh                                    fetch, test, compare, and install {OSG_MAPFILE}
  vomap refresh --dry-run                          the same, but do not install
  vomap refresh --vo CMS --vo ATLAS --max-dropped 1
  vomap refresh --accept DIGEST                    install a refused mapfile that you checked

A site links the mapfile, once: {_LN} {OSG_MAPFILE} {MAPFILES_FOLDER}/{_LINK}

In these cases, vomap refuses a mapfile until you check and accept it:
- it is the first mapfile
- more identities are dropped, re-pointed or added than the limits allow
- a VO is gone, or another VO or a new issuer maps to an account that others use
- an issuer that listed its subjects now accepts any subject
- the topology is older than the installed one, or the installed mapfile was edited by hand
- a VO or an account of the site's own rules gains an issuer, or the declaration of an issuer changes

A VO whose file in the topology is broken keeps what it has in force, and vomap updates the other VOs. `vomap status`
shows such VOs. With --skip-broken vomap removes them, after your check.

vomap never installs a mapfile that fails its check or its tests, that names root or an account of `accounts: never`, or
that makes the site's own policy fail. You cannot accept it.

exit codes: 0 installed, or no change, 1 refused until you check it, or another digest, 2 wrong usage, 3 an error
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "--source", default=_SOURCE, metavar="DIR|FILE|URL", help="as for `vomap generate` (default: the topology)"
    )
    add_topology_vos(parser)
    parser.add_argument("--output", default=OSG_MAPFILE, metavar="FILE", help=f"the mapfile (default: {OSG_MAPFILE})")
    add_mapfiles(parser)
    for name, default, what in (
        ("--max-dropped", _DROPPED, "lose their account"),
        ("--max-repointed", _REPOINTED, "come to mean another"),
        ("--max-added", _ADDED, "be added"),
    ):
        parser.add_argument(
            name,
            type=read_limit,
            default=default,
            metavar="LIMIT",
            help=f"how many identities and names of VOs may {what} without your check: a number, a share, or the "
            f"smaller of both: 3, 10%%, 3,10%% (default: {str(default).replace('%', '%%')})",
        )
    parser.add_argument(
        "--skip-broken",
        action="store_true",
        help="remove VOs whose files are broken (default: they keep what they have in force)",
    )
    parser.add_argument("--accept", metavar="DIGEST", help="install the mapfile with this digest, which you checked")
    parser.add_argument("--dry-run", action="store_true", help="show the changes, and do not install")
    add_web(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Fetch, test, compare and install. Return NO if the administrator must check first. Nothing then changes."""
    if can_be_changed_on_the_way(args.source):
        raise UsageError(f"refresh: {args.source}: an attacker on the network can change http downloads. Use https")
    folder = os.path.dirname(os.path.abspath(args.output))
    if not os.path.isdir(folder):
        command = join_words(["install", "-d", "-m", "0755", folder])
        raise Error(f"refresh: there is no folder {folder}. To make it, type `{command}`")
    with locked(args.output, _PATIENCE):
        files = open_source(args.source, web_of(args))
        try:
            generated = generate(
                files,
                args.source,
                only=args.vo,
                multi_vos=args.multi_vo,
                skip_broken=args.skip_broken,
                in_force=read_in_force(read_mapfile_in_force(args.output)),
            )
        except TopologyError as error:
            faults = tuple(Alarm("source", text) for text in error.problems)
            _print_result(args, None, Review("", faults=faults), _REFUSED)
            return NO
        limits = ChangeLimits(args.max_dropped, args.max_repointed, args.max_added)
        candidate = Mapfile(args.output, generated.text)
        review = review_candidate(candidate, args.mapfiles or [MAPFILES_FOLDER], limits, time.time())
        outcome = _UNCHANGED if review.is_same else _INSTALLED
        is_accepted = args.accept == review.digest
        if review.faults or (not review.is_same and not is_accepted and (review.alarms or args.accept is not None)):
            outcome = _REFUSED
        if outcome == _INSTALLED and not args.dry_run:
            print_copy(args.output, keep_foreign(args.output, is_as_generated))
            replace_file(args.output, generated.text.encode())
        _print_result(args, generated, review, outcome)
    return NO if outcome == _REFUSED or args.accept not in (None, review.digest) else YES


def _acceptance(args: argparse.Namespace, digest: str) -> list[str]:
    """Return the command that accepts the mapfile that this command refused."""
    said = [*_options(args), *(["--skip-broken"] if args.skip_broken else [])]
    return [*_user_of_folder(args), "vomap", "refresh", *said, "--accept", digest]


def _removal(args: argparse.Namespace) -> list[str]:
    """Return the command that removes VOs whose files are broken, instead of keeping what they have."""
    return [*_user_of_folder(args), "vomap", "refresh", *_options(args), "--skip-broken"]


def _options(args: argparse.Namespace) -> list[str]:
    """Return the options of this command, except those that decide about one candidate."""
    said: list[str] = []
    for option, value, default in (
        ("--source", args.source, _SOURCE),
        ("--output", args.output, OSG_MAPFILE),
        ("--max-dropped", args.max_dropped, _DROPPED),
        ("--max-repointed", args.max_repointed, _REPOINTED),
        ("--max-added", args.max_added, _ADDED),
        ("--cache", args.cache, None),
        ("--ca", args.ca, None),
    ):
        said += [] if value == default else [option, str(value)]
    for option, values in (("--vo", args.vo), ("--multi-vo", args.multi_vo)):
        said += [word for value in values for word in (option, value)]
    return [*said, "--mapfiles", *args.mapfiles] if args.mapfiles else said


def _user_of_folder(args: argparse.Namespace) -> list[str]:
    owner = os.stat(os.path.dirname(args.output) or ".").st_uid
    return _words_to_become(owner, os.geteuid())


def _words_to_become(owner: int, we: int) -> list[str]:
    """Return the words that let root run a command as the user of the service, who owns folder and cache.

    The service logs the command, too. The administrator cannot log in as that user.
    """
    try:
        entry = pwd.getpwuid(owner)
    except KeyError:
        return []
    is_service = owner != 0 and (we == 0 or entry.pw_shell.endswith(_NO_SHELL))
    return ["runuser", "-u", entry.pw_name, "--"] if is_service else []


def _print_result(args: argparse.Namespace, generated: Generation | None, review: Review, outcome: str) -> None:
    """Print the JSON output, or the warnings, the changes and the outcome. Without a mapfile it is a refusal."""
    if args.json:
        print_json(_report(args, outcome, generated, review))
        return
    if generated:
        _print_warnings(args, generated)
    for change in review.changes:
        # Flush, so that a log shows it before the later lines on standard error.
        print(printable(str(change)), flush=True)
    if generated is None or outcome == _REFUSED:
        for alarm in (*review.faults, *review.alarms):
            print(printable(f"vomap: check this: {alarm.text}"), file=sys.stderr)
        print(f"{args.output}: refused. The installed mapfile did not change")
        if not review.faults:
            print(f"to install it after your check: {join_words(_acceptance(args, review.digest))}")
        _print_other_digest(args, review)
        return
    if outcome == _UNCHANGED:
        print(f"{args.output}: no change")
        _print_other_digest(args, review)
    else:
        print(f"{args.output}: {'would be installed' if args.dry_run else _INSTALLED}: {generated.summary}")
    if not review.is_read and os.path.exists(args.output):
        print(plain(f"the site does not read it yet. {_advice_to_read(args)}"), file=sys.stderr)


def _print_other_digest(args: argparse.Namespace, review: Review) -> None:
    """Print on standard error that `--accept` has the digest of another mapfile. Faults cannot be accepted."""
    if not review.faults and args.accept not in (None, review.digest):
        why = ": no mapfile waits for your check" if review.is_same else " is not the digest of this mapfile"
        print(plain(f"--accept {args.accept}{why}"), file=sys.stderr)


def _print_warnings(args: argparse.Namespace, generated: Generation) -> None:
    for warning in generated.warnings:
        print(printable(f"vomap: warning: {warning}"), file=sys.stderr)
    if generated.mapfile.kept:
        kept = ", ".join(generated.mapfile.kept)
        print(printable(f"vomap: to remove {kept} after your check: {join_words(_removal(args))}"), file=sys.stderr)


def _advice_to_read(args: argparse.Namespace) -> str:
    """Return how to have the site read the installed mapfile: the command for a link, whatever is in its place."""
    folders = [path for path in args.mapfiles or [MAPFILES_FOLDER] if os.path.isdir(path)]
    target = os.path.abspath(args.output)
    if not folders:
        return f"Add {target} to the mapfiles that you build"
    link = os.path.join(os.path.abspath(folders[-1]), _LINK)
    return f"Link it: {join_words([*_LN.split(), target, link])}"


def _report(args: argparse.Namespace, outcome: str, generated: Generation | None, review: Review) -> dict[str, object]:
    return {
        "outcome": outcome,
        "dry-run": args.dry_run,
        "source": args.source,
        "output": args.output,
        "first": review.is_first,
        "read-by-site": review.is_read,
        "digest": review.digest,
        "differences": [change.as_json() for change in review.changes],
        "alarms": [alarm._asdict() for alarm in review.alarms],
        "faults": [fault._asdict() for fault in review.faults],
        "generated": generated.report() if generated else None,
    }
