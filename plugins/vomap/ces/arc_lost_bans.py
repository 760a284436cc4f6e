"""Find the bans of ARC's configuration that vomap's own authgroup disables.

ARC stops at the first `allowaccess` or `denyaccess` of a block that matches a token. A site bans by `denyaccess`, or by
a rule that keeps tokens out of the groups that it lets in or maps. vomap's group lets in all tokens of its issuers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from vomap.ces.arc import FRAGMENT_FILE
from vomap.ces.arc_files import JOBS, RESTART, ArcLine, fragment_of, join_lines, read_arc_lines
from vomap.ces.authgroups import AuthGroups, Exclusion
from vomap.ces.kinds import ArcCe

_ALLOW, _DENY = "allowaccess", "denyaccess"


class LostExclusion(NamedTuple):
    """An exclusion without effect, and the place where a `denyaccess` keeps its tokens out."""

    exclusion: Exclusion
    place: str


class _Access(NamedTuple):
    """The lines of a block that let tokens in: those that ARC reads before vomap's, and the others."""

    block: str
    before: list[ArcLine]
    after: list[ArcLine]


def find_lost_arc_bans(ce: ArcCe, issuers: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with lines that ban tokens of these issuers, and what to do, if vomap answers."""
    lines = read_arc_lines(ce)
    blocks = list(_find_access(ce, lines))
    for access in blocks:
        if late := [line for line in access.after if line.key == _DENY]:
            first = _own_line(ce, access)
            # A second block of this name in one file would replace the first.
            block = f"to the block [{access.block}] of {ce.at(ce.CONFIG)}"
            early = first or f"{block}, or to a file that sorts before {FRAGMENT_FILE}"
            text = f"these lines come after vomap's `allowaccess` and deny no token: {join_lines(late)}"
            yield f"{text}; move them {early}, then run {RESTART}"
    groups = AuthGroups(lines, ce.root)
    lost = [
        each
        for access in blocks
        for each in _find_lost_exclusions(ce, groups, access, lines)
        if groups.may_match(each.exclusion.condition, issuers)
    ]
    if lost:
        rules = join_lines(dict.fromkeys(each.exclusion.line for each in lost))
        ways = "; ".join(dict.fromkeys(map(_way_to_keep, lost)))
        text = f"these rules exclude tokens, but vomap's group lets the same tokens in, so the bans are lost: {rules}"
        yield f"{text}; to keep them, {ways}, then run {RESTART}"


def _find_access(ce: ArcCe, lines: Sequence[ArcLine]) -> Iterator[_Access]:
    """Yield each block that lets tokens in because of a group of vomap: [arex/ws/jobs], and queues of its groups."""
    for block in dict.fromkeys([JOBS, *(line.block for line in lines)]):
        access = [line for line in lines if line.block == block and line.key in (_ALLOW, _DENY)]
        first = next((place for place, line in enumerate(access) if _lets_vomap_in(line)), None)
        if block == JOBS:
            # vomap's file may be missing yet.
            place = next((place for place, line in enumerate(access) if _comes_after(ce, line)), len(access))
            first = place if first is None else min(first, place)
        if first is not None:
            yield _Access(block, access[:first], access[first:])


def _own_line(ce: ArcCe, access: _Access) -> str | None:
    """Return the place before the line by which the site itself lets vomap's group in, if there is such a line."""
    first = access.after[0] if access.after else None
    is_own = first is not None and _lets_vomap_in(first) and first.file != fragment_of(ce)
    return f"before this line: {first}" if is_own else None


def _end_of(ce: ArcCe, access: _Access) -> str:
    """Return the last place of a block before vomap's group."""
    last = access.before[-1].file if access.before else ce.at(ce.CONFIG)
    return _own_line(ce, access) or f"at the end of [{access.block}] in {last}"


def _lets_vomap_in(line: ArcLine) -> bool:
    return line.key == _ALLOW and any(map(_is_vomaps, line.words))


def _is_vomaps(group: str) -> bool:
    """Return True for a group of vomap's file."""
    return group == "vomap" or group.startswith("vomap-")


def _comes_after(ce: ArcCe, line: ArcLine) -> bool:
    """Return True if ARC reads a line after vomap's file."""
    return line.file.parent == ce.at(ce.FRAGMENTS) and line.file.name > FRAGMENT_FILE


def _find_lost_exclusions(
    ce: ArcCe, groups: AuthGroups, access: _Access, lines: Sequence[ArcLine]
) -> Iterator[LostExclusion]:
    """Yield the exclusions of the groups that a block lets in, and of those that [mapping] maps."""
    before = list(access.before)
    if access.block != JOBS:
        # A client that [arex/ws/jobs] denies reaches no queue.
        before += [each for each in lines if each.block == JOBS and each.key == _DENY and not _comes_after(ce, each)]
    for exclusion in _excluded(groups, _allowed((*access.before, *access.after))):
        if not any(_covers(groups, line, exclusion) for line in before):
            yield LostExclusion(exclusion, _end_of(ce, access))
    mapped = [line.words[0] for line in lines if line.block == "mapping" and line.key.startswith("map_") and line.words]
    mapped = [name for name in mapped if access.block == JOBS and not _is_vomaps(name)]
    for exclusion in _excluded(groups, mapped):
        deciding = next((line for line in before if _decides(groups, line, exclusion, mapped)), None)
        is_mapped = any(groups.covers(name, exclusion.condition) for name in mapped)
        if not is_mapped and (deciding is None or deciding.key == _ALLOW):
            place = _end_of(ce, access) if deciding is None else f"before this line: {deciding}"
            yield LostExclusion(exclusion, place)


def _excluded(groups: AuthGroups, names: Sequence[str]) -> list[Exclusion]:
    """Return the exclusions of groups, but not those by which a group of the site leaves tokens to vomap."""
    found = dict.fromkeys(each for name in names for each in groups.exclusions(name))
    return [each for each in found if not (each.condition.is_group and all(map(_is_vomaps, each.condition.words)))]


def _allowed(lines: Sequence[ArcLine]) -> list[str]:
    """Return the groups of the site that lines let in."""
    return [name for line in lines if line.key == _ALLOW for name in line.words if not _is_vomaps(name)]


def _covers(groups: AuthGroups, line: ArcLine, exclusion: Exclusion) -> bool:
    """Return True if a line allows or denies all tokens of an exclusion."""
    return any(groups.covers(name, exclusion.condition) for name in line.words)


def _decides(groups: AuthGroups, line: ArcLine, exclusion: Exclusion, mapped: Sequence[str]) -> bool:
    """Return True if a line denies the tokens of an exclusion, or lets them in without a rule of the site for them."""
    if line.key == _DENY:
        return _covers(groups, line, exclusion)
    return any(name not in mapped and exclusion not in groups.exclusions(name) for name in line.words)


def _way_to_keep(lost: LostExclusion) -> str:
    """Return the line that denies the tokens of an exclusion, with a group for them if they have none."""
    line, condition = lost.exclusion
    if condition.is_group:
        return f"write `{_DENY} = {' '.join(condition.words)}` {lost.place}"
    name = f"excluded-from-{line.block.partition(':')[2]}"
    group = f"write `{condition}` into a block [authgroup:{name}] behind [{line.block}] in {line.file}"
    return f"{group}, and `{_DENY} = {name}` {lost.place}"
