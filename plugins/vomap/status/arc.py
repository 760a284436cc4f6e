"""Find how ARC's configuration passes tokens to vomap, and the lines by which tokens bypass vomap."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from vomap.ces.arc import CALLOUT, FRAGMENT_FILE, LAST_FILE
from vomap.ces.arc_files import RESTART, ArcLine, fragment_of, join_lines, read_arc_lines
from vomap.ces.arc_lost_bans import find_lost_arc_bans
from vomap.ces.authgroups import AuthGroups
from vomap.ces.kinds import ArcCe
from vomap.ces.wiring import LIBEXEC
from vomap.compile.advice import Advice
from vomap.status import GREEN, RED, YELLOW, StatusLine

_MOST_SHOWN = 5
_VOMAP_RULE = re.compile(r"map_with_plugin=vomap \d+ /\S*/vomap-arc map( (?!.*--observe)|$)")


def arc_bypass_lines(ce: ArcCe, issuers: Collection[str], advice: Advice) -> Iterator[StatusLine]:
    """Report rules before and behind vomap's, lines of others in its authgroup, lost bans, and the user of A-REX.

    `issuers` are those whose tokens ARC passes to vomap.
    """
    lines, options = read_arc_lines(ce), ce.options(None)
    faults = []
    if early := [] if options.observe else _find_early_rules(lines):
        later = f"move them, with their policy lines, {_to_later_file(ce)}"
        if not options.more_rules:
            later += f". To let them map there what vomap declines, run `{_render(ce, advice)}` first"
        faults.append(f"these rules map tokens before vomap is asked: {join_lines(early)}; {later}. Then run {RESTART}")
    if more := [line for line in lines if line.block == "authgroup:vomap" and line.file != fragment_of(ce)]:
        faults.append(f"these lines pass other tokens to vomap: {join_lines(more)}; remove them. Then run {RESTART}")
    faults += [] if options.observe else find_lost_arc_bans(ce, issuers)
    if faults:
        yield StatusLine(RED, "past vomap", "; ".join(faults))
    elif not options.observe:
        yield StatusLine(GREEN, "past vomap", "no rule comes before vomap's")
    if dead := [] if options.observe else _find_dead_rules(ce, lines, issuers):
        yield StatusLine(YELLOW, "rules behind vomap's", _dead_text(ce, dead, advice))
    users = [line for line in lines if line.block == "arex" and line.text.startswith("user=")]
    user = users[-1].text.partition("=")[2].partition(":")[0] if users else "root"
    if options.more_rules and user != "root":
        text = f"a rule that matches a token and finds no account for it maps it to {user}, as without vomap"
        advised = (
            f"let such rules match only tokens that they map, or remove this line: {users[-1]}. Then run {RESTART}"
        )
        yield StatusLine(YELLOW, "A-REX", f"{text}; {advised}")


def arc_observe_lines(ce: ArcCe, advice: Advice) -> Iterator[StatusLine]:
    """Report that vomap only observes, and how to end that. Yield nothing if vomap answers."""
    if not ce.options(None).observe:
        return
    text = f"vomap only logs its decisions ({fragment_of(ce)})"
    rules = [line for line in read_arc_lines(ce) if _is_vomap_rule(line)]
    if rules:
        yield StatusLine(
            RED,
            "observing",
            f"{text}, but these rules let it answer: {join_lines(rules)}; remove them, then run {RESTART}",
        )
        return
    end = (
        f"to end this, move all lines of [mapping] {_to_later_file(ce)}, and run `{_render(ce, advice)}`, "
        f"then {RESTART}"
    )
    yield StatusLine(YELLOW, "observing", f"{text}; ARC's own rules map all tokens; {end}")


def _find_early_rules(lines: list[ArcLine]) -> list[ArcLine]:
    """Return the mapping rules before vomap's first. Without a rule of vomap's these are all rules."""
    rules = [line for line in lines if line.block == "mapping" and line.text.startswith("map_")]
    first = next((place for place, line in enumerate(rules) if _is_vomap_rule(line)), len(rules))
    return rules[:first]


def _find_dead_rules(ce: ArcCe, lines: list[ArcLine], issuers: Collection[str]) -> list[ArcLine]:
    """Return the rules after vomap's last, if tokens of these issuers would match them.

    ARC ends at vomap's last rule for each token of its group.
    """
    rules = [line for line in lines if line.block == "mapping" and line.key.startswith("map_")]
    last = max((place for place, line in enumerate(rules) if _is_vomap_rule(line)), default=len(rules))
    groups = AuthGroups(lines, ce.root)
    return [line for line in rules[last + 1 :] if any(groups.may_have(name, issuers) for name in line.words[:1])]


def _dead_text(ce: ArcCe, dead: list[ArcLine], advice: Advice) -> str:
    """Return that rules are never used, and what to do."""
    more = f" and {len(dead) - _MOST_SHOWN} more" if len(dead) > _MOST_SHOWN else ""
    told = (
        "never used for tokens of the declared issuers, because vomap's rule for the same tokens comes first: "
        f"{join_lines(dead[:_MOST_SHOWN])}{more}"
    )
    if ce.options(None).more_rules:
        way = f"to let them map what vomap declines, move them to a file that sorts before {LAST_FILE}"
    else:
        way = f"to let them map what vomap declines, run `{_render(ce, advice)}`"
    return (
        f"{told}; {way}. If not, write the mappings that you still need as rules of a mapfile. Then delete these "
        f"rules, or name only other issuers in their authgroups. Then run {RESTART}"
    )


def _is_vomap_rule(line: ArcLine) -> bool:
    return line.block == "mapping" and bool(_VOMAP_RULE.match(line.text))


def _to_later_file(ce: ArcCe) -> str:
    return f"to a file of {ce.at(ce.FRAGMENTS)} that sorts after {FRAGMENT_FILE}, such as 60-site.conf"


def _render(ce: ArcCe, advice: Advice) -> str:
    """Return the command that wires vomap to answer before other rules. It keeps the callout and the groups of VOs."""
    found = ce.options(None)
    if advice.callouts is None and found.callout not in (None, str(LIBEXEC / CALLOUT)):
        advice = replace(advice, callouts=Path(str(found.callout)).parent)
    vos = [word for vo in found.vos for word in ("--vo", vo)]
    return advice.command("render", "arc", "--more-rules", *vos, "--output", str(ce.at(ce.FRAGMENTS)))
