"""Report the lines of HTCondor-CE's map files that vomap's lines disable: bans that are lost, and lines without use."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from vomap.bans.commands import add_options
from vomap.ces.htcondor_files import read_map_files
from vomap.ces.kinds import HtcondorCe
from vomap.ces.lost_bans import FEW_ISSUERS, DeniedNames, LostBan, OwnBans, find_shadow, read_denials
from vomap.ces.map_lines import MapLine
from vomap.ces.wiring import wired_issuers
from vomap.compile.advice import Advice
from vomap.status import RED, YELLOW, StatusLine
from vomap.status.htcondor import find_observing_file
from vomap.store.writer import CompiledBans, CompiledPolicy

_MOST_SHOWN = 5


def map_file_lines(
    ce: HtcondorCe, policy: CompiledPolicy, bans: CompiledBans, advice: Advice, unreadable: Collection[Path]
) -> Iterator[StatusLine]:
    """Report files that vomap cannot read, each ban that is lost, and the other lines that are never used.

    HTCondor-CE cannot read the `unreadable` files and folders.
    """
    files, settings = read_map_files(ce, unreadable=unreadable), read_denials(ce)
    for fault in (*files.faults, *settings.faults):
        again = f"after the repair, run `{advice.command('status')}`"
        yield StatusLine(RED, "map files and settings", f"{fault}; {again}")
    observes = find_observing_file(ce) is not None
    own = None if observes else OwnBans(bans.document["bans"], policy.document["issuers"])
    shadow = find_shadow(files, DeniedNames(settings), own, wired_issuers(policy.document, bans.document))
    can_take_over = all(lost.bans for lost in shadow.lost)
    for lost in shadow.lost:
        yield _lost_line(ce, lost, advice, can_take_over=can_take_over)
    if shadow.rest:
        yield _rest_line(shadow.rest)
    if dead := shadow.dead_of_site(ce):
        yield _dead_line(dead)


def _lost_line(ce: HtcondorCe, lost: LostBan, advice: Advice, *, can_take_over: bool) -> StatusLine:
    if can_take_over and len(lost.issuers) > FEW_ISSUERS:
        # A command with all issuers would have a thousand characters.
        cure = f"run `{advice.command('init', '--take-over-bans')}`, which takes over each ban that is lost"
    elif lost.bans:
        commands = " && ".join(advice.command("ban", "add", *add_options(ban)) for ban in lost.bans)
        cure = f"run `{commands}`"
    else:
        cure = lost.way_to_keep(ce, advice)
    void = "If the ban is void, delete the line"
    told = f"{lost.describe()}, but vomap's line comes first, so the ban is lost; {cure}. {void}"
    return StatusLine(RED, "lost ban", told)


def _rest_line(rest: Sequence[MapLine]) -> StatusLine:
    lines = ", ".join(f"{line.place}: `{line.text}`" for line in rest)
    told = (
        "bans the rest: tokens of issuers that vomap does not know. vomap decides about the tokens of its own issuers"
    )
    return StatusLine(YELLOW, "ban of the rest", f"{lines} {told}; leave it in its place")


def _dead_line(dead: Sequence[MapLine]) -> StatusLine:
    places = [line.place for line in dead]
    more = f" and {len(places) - _MOST_SHOWN} more" if len(places) > _MOST_SHOWN else ""
    told = f"never used, because vomap's lines for the same issuers come first: {', '.join(places[:_MOST_SHOWN])}{more}"
    cure = (
        "write the mappings that you still need as rules of a mapfile. Then delete these lines in the files of the "
        "site, and run `condor_ce_reconfig`"
    )
    return StatusLine(YELLOW, "lines behind vomap's", f"{told}; {cure}")
