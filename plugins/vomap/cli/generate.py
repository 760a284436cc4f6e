"""`vomap generate`: write a mapfile from the OSG topology."""

from __future__ import annotations

import argparse
import sys

from vomap import Error, printable
from vomap.cli.arguments import add_json, add_topology_vos, add_web, web_of
from vomap.cli.console import print_copy, print_json
from vomap.cli.parser import Action, add_actions
from vomap.files.atomic import keep_foreign, replace_file
from vomap.files.shell import join_words
from vomap.mapfile.files import Mapfile, read_files
from vomap.osg.generate import BrokenFilesError, ContestedFilesError, generate
from vomap.osg.mapfile_text import is_as_generated
from vomap.osg.topology import open_source
from vomap.refresh.meaning import find_changes, read_meaning
from vomap.web import can_be_changed_on_the_way

HELP = "write a mapfile from the VO files of the OSG topology"

_CONTESTED = "--skip-broken does not choose between VO files. Correct them, or name VOs of other files with --vo"

EXAMPLES = """\
examples:
  vomap generate osg --source topology/                          print the mapfile of a topology checkout
  vomap generate osg --source topology.tar.gz --output osg.yaml  replace a file, all or nothing
  vomap generate osg --source topology/ --vo CMS --vo ATLAS      only these VOs
  vomap generate osg --source topology/ --check osg.yaml         show the changes of meaning
  vomap generate osg --source https://github.com/opensciencegrid/topology/archive/HEAD.tar.gz
                                                                 the topology of today, downloaded if it changed

exit codes: 0 done, or --check found no change, 1 --check found changes, 2 wrong usage, 3 an error
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_actions(parser, {"osg": Action("write a mapfile of the VO files of the OSG topology", _configure_osg, _osg)})


def _configure_osg(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        required=True,
        metavar="DIR|FILE|URL",
        help="a checkout of opensciencegrid/topology, its folder virtual-organizations, a tar or tar.gz of it, "
        "or one VO file. The last two may be http or https URLs",
    )
    add_topology_vos(parser)
    into = parser.add_mutually_exclusive_group()
    into.add_argument("--output", metavar="FILE", help="the mapfile to write (default: print it)")
    into.add_argument("--check", metavar="FILE", help="write no file, and show how the meaning of this mapfile differs")
    parser.add_argument(
        "--skip-broken",
        action="store_true",
        help="skip each broken VO file with a warning (default: those that name no issuer, and those of other VOs)",
    )
    add_web(parser)
    add_json(parser)


def _osg(args: argparse.Namespace) -> int:
    """Generate, and print, write or compare. Returns 1 if `--check` found differences."""
    files = open_source(args.source, web_of(args))
    try:
        generated = generate(files, args.source, only=args.vo, multi_vos=args.multi_vo, skip_broken=args.skip_broken)
    except BrokenFilesError as error:
        raise Error(f"{error}\nvomap: to go on without these files: {join_words(_skipping(args))}") from None
    except ContestedFilesError as error:
        raise Error(f"{error}\nvomap: {_CONTESTED}") from None
    if can_be_changed_on_the_way(args.source):
        print(
            f"vomap: warning: {args.source}: an attacker on the network can change http downloads. Use https",
            file=sys.stderr,
        )
    for warning in generated.warnings:
        print(printable(f"vomap: warning: {warning}"), file=sys.stderr)
    if args.check is not None:
        return _check(args, generated.text)
    if args.output is not None:
        print_copy(args.output, keep_foreign(args.output, is_as_generated))
        replace_file(args.output, generated.text.encode())
    if args.json:
        report = {**generated.report(), "output": args.output}
        print_json(report if args.output is not None else {**report, "mapfile": generated.text})
    elif args.output is None:
        print(generated.text, end="")
    else:
        print(f"{args.output}: {generated.summary}")
    return 0


def _skipping(args: argparse.Namespace) -> list[str]:
    """Return this command with `--skip-broken`."""
    said = ["--source", args.source]
    for option, value in (
        ("--output", args.output),
        ("--check", args.check),
        ("--cache", args.cache),
        ("--ca", args.ca),
    ):
        said += [] if value is None else [option, str(value)]
    said += [word for vo in args.multi_vo for word in ("--multi-vo", vo)]
    said += ["--json"] if args.json else []
    return ["vomap", "generate", "osg", *said, "--skip-broken"]


def _check(args: argparse.Namespace, text: str) -> int:
    differences = find_changes(read_meaning(read_files([args.check])), read_meaning([Mapfile("generated", text)]))
    if args.json:
        print_json({"same": not differences, "differences": [difference.as_json() for difference in differences]})
    else:
        for difference in differences:
            print(printable(str(difference)))
    return 1 if differences else 0
