"""`vomap render`: write the CE configuration for a policy."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vomap import Error
from vomap.ces.arc import LAST_FILE, render_arc
from vomap.ces.arc_lost_bans import find_lost_arc_bans
from vomap.ces.htcondor import MAP_FILE, render_htcondor
from vomap.ces.kinds import ArcCe, HtcondorCe, known_ces
from vomap.ces.lost_bans import OwnBans, shadow_after_wiring
from vomap.ces.wiring import WRITTEN, wired_issuers
from vomap.cli.arguments import UsageError, add_json, add_policy, add_sources, check_sources
from vomap.cli.console import print_copy, print_json
from vomap.cli.parser import Action, add_actions
from vomap.compile.advice import Advice
from vomap.files.atomic import keep_foreign, make_folder, replace_file
from vomap.files.shell import join_words
from vomap.status.htcondor import find_observing_file
from vomap.store import BANS, POLICY, POLICY_FILE, bans_beside
from vomap.store.writer import read_compiled

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument, PolicyDocument

HELP = "write the CE configuration for the policy"

EXAMPLES = """\
examples:
  vomap render htcondor                            print the map file and the settings
  vomap render htcondor --output DIR               write them to a folder
  vomap render htcondor --then EGI                 pass tokens that vomap declines to the plugin EGI
  vomap render arc --vo Nova                       print blocks of arc.conf, with an authgroup for Nova
  vomap render arc --observe                       print blocks with which vomap only logs its decisions"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_actions(
        parser,
        {
            "htcondor": Action("write the map file and the settings of HTCondor-CE", _configure_htcondor, _htcondor),
            "arc": Action("write the blocks of arc.conf", _configure_arc, _arc),
        },
    )


def _configure_htcondor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--then",
        action="append",
        default=[],
        metavar="PLUGIN",
        help="a plugin that gets declined tokens next (may be repeated, in this order)",
    )
    _add_policy(parser)


def _configure_arc(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vo", action="append", default=[], metavar="VO", help="make an authgroup for this VO")
    parser.add_argument("--more-rules", action="store_true", help="let later rules of arc.conf map declined tokens")
    parser.add_argument("--observe", action="store_true", help="only log decisions: ARC goes on as without vomap")
    _add_policy(parser)


def _add_policy(parser: argparse.ArgumentParser) -> None:
    add_policy(parser, "the compiled policy to wire")
    add_sources(parser)
    parser.add_argument("--callout", metavar="PATH", help="the callout (default: that of the packages)")
    parser.add_argument("--output", metavar="FOLDER", help="the folder to write the files to (default: print them)")
    add_json(parser)


def _htcondor(args: argparse.Namespace) -> int:
    policy, bans = _documents(args)
    fragments = render_htcondor(policy, bans, then=args.then, callout=args.callout)
    for root in _roots_of(args.output, HtcondorCe.MAPFILES[0]):
        _refuse_lost_bans(args, root, fragments, policy, bans)
    return _write(args, fragments)


def _refuse_lost_bans(
    args: argparse.Namespace, root: Path, fragments: Mapping[str, str], policy: PolicyDocument, bans: BansDocument
) -> None:
    """Raise Error if the map file would disable bans of the CE whose root is given."""
    ce = next(each for each in known_ces(root) if isinstance(each, HtcondorCe))
    planned = {ce.at(f"{ce.MAPFILES[0]}/{MAP_FILE}"): fragments[MAP_FILE]}
    own = OwnBans(bans["bans"], policy["issuers"]) if find_observing_file(ce) is None else None
    if lost := shadow_after_wiring(ce, planned, own, wired_issuers(policy, bans)).lost:
        lines = "\n".join(f"  {each.describe()}" for each in lost)
        status = Advice(root, policy=args.policy).command("status")
        how = f"`{status}` shows how to keep them"
        raise Error(f"render htcondor: vomap's lines would disable these bans; {how}:\n{lines}\nnothing was written")


def _arc(args: argparse.Namespace) -> int:
    last = Path(args.output or "", LAST_FILE)
    if args.observe and args.output and last.exists():
        remove = join_words(["rm", str(last)])
        raise UsageError(f"render arc: --observe: the rule in {last} would still refuse tokens; run `{remove}` first")
    policy, bans = _documents(args)
    options = {"more_rules": args.more_rules, "observe": args.observe}
    fragments = render_arc(policy, bans, vos=args.vo, callout=args.callout, **options)
    if args.output and not args.observe:
        _refuse_lost_arc_bans(args, wired_issuers(policy, bans))
    return _write(args, fragments)


def _refuse_lost_arc_bans(args: argparse.Namespace, issuers: Sequence[str]) -> None:
    """Raise Error if the blocks would disable bans of the CE whose folder of fragments is given."""
    for root in _roots_of(args.output, ArcCe.FRAGMENTS):
        ce = next(each for each in known_ces(root) if isinstance(each, ArcCe))
        if text := "; ".join(find_lost_arc_bans(ce, issuers)):
            raise Error(f"render arc: {text}. Then run `{_arc_command(args)}`\nnothing was written")


def _arc_command(args: argparse.Namespace) -> str:
    """Return this command."""
    words = [*(["--more-rules"] if args.more_rules else []), *(word for vo in args.vo for word in ("--vo", vo))]
    policy = [] if args.policy == POLICY_FILE else [args.policy]
    places = {"--policy": policy, "--callout": [args.callout] if args.callout else [], "--output": [args.output]}
    places |= {"--mapfiles": args.mapfiles or [], "--bans": args.bans or []}
    words += [word for option, values in places.items() if values for word in (option, *values)]
    return join_words(["vomap", "render", "arc", *words])


def _roots_of(output: str | None, place: str) -> list[Path]:
    """Return the roots below which a folder for output is this place of a CE, by its name or by its links."""
    folders = dict.fromkeys((os.path.abspath(output), os.path.realpath(output))) if output else ()
    return [Path(folder.removesuffix(place) or "/") for folder in folders if folder.endswith(place)]


def _write(args: argparse.Namespace, fragments: Mapping[str, str]) -> int:
    """Write the fragments to the folder, or print them."""
    if args.output:
        make_folder(Path(args.output))
        for name, text in fragments.items():
            path = str(Path(args.output, name))
            print_copy(path, keep_foreign(path, lambda text: WRITTEN in text))
            replace_file(path, text.encode())
            if not args.json:
                print(path)
    if args.json:
        print_json(fragments)
    elif not args.output:
        print("\n".join(f"# ---- {name}\n{text}" for name, text in fragments.items()), end="")
    return 0


def _documents(args: argparse.Namespace) -> tuple[PolicyDocument, BansDocument]:
    if args.bans and not args.mapfiles:
        raise UsageError(f"render {args.action}: --bans needs --mapfiles. The bans of a compiled policy are beside it")
    if args.mapfiles and args.policy != POLICY_FILE:
        raise UsageError(f"render {args.action}: --policy or --mapfiles, not both")
    if not args.mapfiles:
        return read_compiled(args.policy, POLICY).document, read_compiled(bans_beside(args.policy), BANS).document
    site = check_sources(args)
    site.policy.findings.raise_errors()
    site.bans.findings.raise_errors()
    if not site.policy.composition.has_audience:
        raise UsageError("render: no mapfile has `site: {audience: ...}`; `vomap build` would refuse this policy")
    return site.policy.composition.document, site.bans.document
