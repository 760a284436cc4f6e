"""Find how ARC's configuration passes tokens to vomap, and the lines by which tokens bypass vomap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vomap.ces.arc import FRAGMENT_FILE
from vomap.ces.kinds import ArcCe
from vomap.ces.wiring import effective_lines, read_configuration, unspaced
from vomap.compile.advice import Advice
from vomap.status import GREEN, RED, YELLOW, StatusLine

_VOMAP_RULE = re.compile(r"map_with_plugin=vomap \d+ /\S*/vomap-arc map( (?!.*--observe)|$)")
# A-REX reads its configuration when it starts.
_RESTART = "`systemctl restart arc-arex-ws`"


class ArcLine(NamedTuple):
    """A line of ARC's configuration, without blanks around its first `=`."""

    file: Path
    block: str
    text: str

    def __str__(self) -> str:
        """Return the line with its place."""
        return f"{self.file}: [{self.block}] {self.text}"


def arc_bypass_lines(ce: ArcCe, advice: Advice) -> Iterator[StatusLine]:
    """Report rules that ARC reads before vomap's, lines of others in vomap's authgroup, and the user of A-REX."""
    lines, options = _read_lines(ce), ce.options(None)
    faults = []
    if early := [] if options.observe else _find_early_rules(lines):
        later = f"move them, with their policy lines, {_to_later_file(ce)}"
        if not options.more_rules:
            later += f". To let them map there what vomap declines, run `{_render(ce, advice)}` first"
        faults.append(f"these rules map tokens before vomap is asked: {_join(early)}; {later}. Then run {_RESTART}")
    if more := [line for line in lines if line.block == "authgroup:vomap" and line.file != _fragment(ce)]:
        faults.append(f"these lines pass other tokens to vomap: {_join(more)}; remove them. Then run {_RESTART}")
    if late := find_late_denials(ce):
        faults.append(late)
    if faults:
        yield StatusLine(RED, "past vomap", "; ".join(faults))
    elif not options.observe:
        yield StatusLine(GREEN, "past vomap", "no rule comes before vomap's")
    users = [line for line in lines if line.block == "arex" and line.text.startswith("user=")]
    user = users[-1].text.partition("=")[2].partition(":")[0] if users else "root"
    if options.more_rules and user != "root":
        text = f"a rule that matches a token and finds no account for it maps it to {user}, as without vomap"
        advised = (
            f"let such rules match only tokens that they map, or remove this line: {users[-1]}. Then run {_RESTART}"
        )
        yield StatusLine(YELLOW, "A-REX", f"{text}; {advised}")


def arc_observe_lines(ce: ArcCe, advice: Advice) -> Iterator[StatusLine]:
    """Report that vomap only observes, and how to end that. Yield nothing if vomap answers."""
    if not ce.options(None).observe:
        return
    text = f"vomap only logs its decisions ({_fragment(ce)})"
    rules = [line for line in _read_lines(ce) if _is_vomap_rule(line)]
    if rules:
        yield StatusLine(
            RED, "observing", f"{text}, but these rules let it answer: {_join(rules)}; remove them, then run {_RESTART}"
        )
        return
    end = (
        f"to end this, move all lines of [mapping] {_to_later_file(ce)}, and run `{_render(ce, advice)}`, "
        f"then {_RESTART}"
    )
    yield StatusLine(YELLOW, "observing", f"{text}; ARC's own rules map all tokens; {end}")


def _find_early_rules(lines: list[ArcLine]) -> list[ArcLine]:
    """Return the mapping rules before vomap's first. Without a rule of vomap's these are all rules."""
    rules = [line for line in lines if line.block == "mapping" and line.text.startswith("map_")]
    first = next((place for place, line in enumerate(rules) if _is_vomap_rule(line)), len(rules))
    return rules[:first]


def find_late_denials(ce: ArcCe) -> str | None:
    """Return what is wrong with lines that deny groups access after vomap's fragment, and what to do; or None.

    ARC stops at the first line of the block that matches a token.
    """
    late = [
        line
        for line in _read_lines(ce)
        if line.file.parent == ce.at(ce.FRAGMENTS) and line.file.name > FRAGMENT_FILE
        if line.block == "arex/ws/jobs" and line.text.startswith("denyaccess=")
    ]
    if not late:
        return None
    move = f"move them to {ce.at(ce.CONFIG)}, or to a file that sorts before {FRAGMENT_FILE}, then run {_RESTART}"
    return f"these lines come after vomap's `allowaccess` and deny no token: {_join(late)}; {move}"


def _is_vomap_rule(line: ArcLine) -> bool:
    return line.block == "mapping" and bool(_VOMAP_RULE.match(line.text))


def _read_lines(ce: ArcCe) -> list[ArcLine]:
    """Return the lines of all files in the order in which ARC reads them."""
    found = []
    for file in (ce.at(ce.CONFIG), *sorted(ce.at(ce.FRAGMENTS).glob("*.conf"))):
        block = ""
        for text in effective_lines(read_configuration(file)) if file.is_file() else ():
            if text.startswith("["):
                # ARC ignores blanks after the colon.
                block = re.sub(r":\s*", ":", text.strip("[] \t"), count=1)
            else:
                found.append(ArcLine(file, block, unspaced(text)))
    return found


def _fragment(ce: ArcCe) -> Path:
    return ce.at(f"{ce.FRAGMENTS}/{FRAGMENT_FILE}")


def _to_later_file(ce: ArcCe) -> str:
    return f"to a file of {ce.at(ce.FRAGMENTS)} that sorts after {FRAGMENT_FILE}, such as 60-site.conf"


def _render(ce: ArcCe, advice: Advice) -> str:
    """Return the command that wires vomap to answer before other rules. It keeps the groups of VOs."""
    vos = [word for vo in ce.options(None).vos for word in ("--vo", vo)]
    return advice.command("render", "arc", "--more-rules", *vos, "--output", str(ce.at(ce.FRAGMENTS)))


def _join(lines: list[ArcLine]) -> str:
    return ", ".join(map(str, lines))
