"""Write the blocks of arc.conf: the issuers of vomap's authgroup, the mapping rule, and authgroups of VOs for queues.

Source: ARC's arc.conf.reference, blocks [authgroup], [mapping] and [arex/ws/jobs]. Measured on ARC 7.0.0. ARC joins the
blocks of one name from all files. So a policy line holds for the rules of later files, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vomap.ces.wiring import (
    CORRECT_ISSUER,
    LIBEXEC,
    WiringError,
    WiringOptions,
    callout_path,
    effective_lines,
    found_callout,
    heading,
    unspaced,
    wired_issuers,
)

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument, PolicyDocument

# ARC reads arc.conf first, then the fragments in the order of their names. Other mapping rules go after this file.
FRAGMENT_FILE = "50-vomap.conf"
# Where other rules may map, this file comes after them, with the rule that refuses the rest.
LAST_FILE = "99-vomap.conf"
# Longer than any callout runs: it ends itself after four seconds.
CALLOUT_SECONDS = 10
CALLOUT = "vomap-arc"
# Words of a line that ARC takes as they are: it splits at blanks, and unquotes a word that begins with a quote. In an
# `authtokens` line, `*` is any text.
_WORD = re.compile(r"[A-Za-z0-9._~%:/?@!&()+,;=-]+", re.ASCII)
_VO_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
# The mapping rule, or the plugin of a group that only observes.
_MAP_LINE = re.compile(r"(?:map_with_plugin=vomap|plugin=) ?\d+ (\S+) map( .*)?", re.ASCII)
_VO_LINE = re.compile(rf"plugin=\d+ \S+ authorize --vo ({_VO_NAME})", re.ASCII)


def render_arc(
    document: PolicyDocument,
    bans: BansDocument,
    *,
    vos: Sequence[str],
    more_rules: bool,
    callout: str | None,
    observe: bool = False,
) -> dict[str, str]:
    """Return the blocks of arc.conf for a policy, by the name of their file.

    Each of `vos` gets an authgroup, for queues: ARC then starts the plugin once more at each connection. With
    `more_rules`, the mapping rules after vomap's may map declined tokens, and a last file refuses the rest. `callout`
    is the path of the callout (default: that of the packages). With `observe`, vomap only logs its decisions,
    whatever `more_rules` is. Raises WiringError for a VO whose name cannot be part of the name of a group, for any VO
    with `observe`, and for an issuer that a line cannot contain.
    """
    program = callout_path(callout or str(LIBEXEC / CALLOUT))
    tokens = "".join(["[authgroup:vomap]\n", *map(tokens_line, wired_issuers(document, bans))])
    if observe:
        if vos:
            raise WiringError("render arc: --observe or --vo, not both. While vomap observes, queues keep their groups")
        return {FRAGMENT_FILE: f"{heading('arc', '/etc/arc.conf.d')}{tokens}\n{_observing_group(program)}"}
    others = f"between this one and {LAST_FILE}" if more_rules else "after this one"
    blocks = [
        f"{heading('arc', f'/etc/arc.conf.d. Other mapping rules go into a file {others}')}{tokens}",
        *(_vo_group(vo, program) for vo in {vo.lower(): vo for vo in vos}.values()),
        _mapping(program, more_rules=more_rules),
        "[arex/ws/jobs]\nallowaccess = vomap\n",
    ]
    files = {FRAGMENT_FILE: "\n".join(blocks)}
    if more_rules:
        files[LAST_FILE] = heading("arc", "/etc/arc.conf.d. Other mapping rules go into a file before this one") + (
            "# No rule has mapped the token. Without this rule, ARC maps it to the user that A-REX runs as.\n"
            f"[mapping]\nmap_with_plugin = vomap {CALLOUT_SECONDS} {program} map\n"
        )
    return files


def tokens_line(issuer: str) -> str:
    """Return the line of an authgroup for the tokens of one issuer, which ARC compares byte for byte.

    Raises WiringError for an issuer that ARC would read otherwise.
    """
    if not _WORD.fullmatch(issuer):
        why = "expected only letters, digits and ._~%:/?@!&()+,;=-"
        raise WiringError(f"render arc: arc.conf cannot contain the issuer {issuer!a}: {why}. {CORRECT_ISSUER}")
    return f"authtokens = * {issuer} * * *\n"


def _observing_group(program: str) -> str:
    """Return a group that has no members. ARC asks its plugin about each token of vomap's group, once a connection.

    A mapping rule that fails would refuse the token, and its policy lines would change later rules. To ARC, a plugin of
    a group that fails means "not a member".
    """
    return (
        "# vomap logs its decision about each token of the group above. This group has no members, and ARC goes on as\n"
        "# without vomap, also if vomap fails.\n"
        f"[authgroup:vomap-observe]\n-!authgroup = vomap\nplugin = {CALLOUT_SECONDS} {program} map --observe\n"
    )


def _vo_group(vo: str, program: str) -> str:
    """Return the group of tokens that the policy maps for one VO. It may allow, but must never be used to deny.

    To ARC, a plugin that fails means "not a member". So a failing callout would admit the users that the group denies.
    """
    if not re.fullmatch(_VO_NAME, vo):
        expected = "expected letters, digits and ._-, and none of . and - at the beginning"
        raise WiringError(f"render arc: --vo: {vo!a} is not a valid name of a VO: {expected}")
    return f"[authgroup:vomap-{vo.lower()}]\nplugin = {CALLOUT_SECONDS} {program} authorize --vo {vo}\n"


def _mapping(program: str, *, more_rules: bool) -> str:
    """Return the mapping rule, with its own policy lines: those that ARC has read before could be others."""
    policy = "policy_on_map = stop\npolicy_on_nogroup = continue\n"
    if not more_rules:
        return f"[mapping]\n{policy}policy_on_nomap = stop\nmap_with_plugin = vomap {CALLOUT_SECONDS} {program} map\n"
    return (
        f"[mapping]\n{policy}# Later rules may map the tokens that vomap declines, but not those that it denies.\n"
        f"policy_on_nomap = continue\nmap_with_plugin = vomap {CALLOUT_SECONDS} {program} map --decline continue\n"
        "# ARC's default, for the later rules.\npolicy_on_nomap = stop\n"
    )


def read_options(text: str) -> WiringOptions:
    """Return the options that the blocks of render_arc() were written with."""
    blocks = read_blocks(text)
    rules = [match for _, lines in blocks for match in map(_MAP_LINE.fullmatch, lines) if match]
    groups = [match for _, lines in blocks for match in map(_VO_LINE.fullmatch, lines) if match]
    words = (rules[0][2] or "").split() if rules else []
    return WiringOptions(
        callout=found_callout(rules[0][1], CALLOUT) if rules else None,
        observe="--observe" in words,
        vos=tuple(match[1] for match in groups),
        more_rules="--decline" in words,
    )


def read_blocks(text: str) -> list[tuple[str, list[str]]]:
    """Return the name and the lines of each block. The lines of vomap's own group are sorted: each is an issuer."""
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in effective_lines(text):
        if line.startswith("["):
            blocks.append((line.strip("[]"), []))
        else:
            blocks[-1][1].append(re.sub(" +", " ", unspaced(line)))
    return [(name, sorted({*lines}) if name == "authgroup:vomap" else lines) for name, lines in blocks]
