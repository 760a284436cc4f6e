"""Write the blocks of arc.conf: the issuers of vomap's authgroup, the mapping rule, and authgroups of VOs for queues.

Source: ARC's arc.conf.reference, blocks [authgroup], [mapping] and [arex/ws/jobs]. Measured on ARC 7.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vomap.ces.wiring import (
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
# Longer than any callout runs: it ends itself after four seconds.
CALLOUT_SECONDS = 10
_CALLOUT = "vomap-arc"
# The mapping rule, or the plugin of a group that only observes.
_MAP_LINE = re.compile(r"(?:map_with_plugin=vomap|plugin=) ?\d+ (\S+) map( .*)?")
_VO_LINE = re.compile(r"plugin=\d+ \S+ authorize --vo ([\w.-]*[^\W_][\w.-]*)")


def render_arc(
    document: PolicyDocument, bans: BansDocument, *, vos: Sequence[str], more_rules: bool, callout: str | None
) -> dict[str, str]:
    """Return the blocks of arc.conf for a policy, by the name of their file.

    Each of `vos` gets an authgroup, for queues: ARC then starts the plugin once more at each connection. With
    `more_rules`, the mapping rules after vomap's may map declined tokens. `callout` is the path of the callout
    (default: that of the packages). Raises WiringError for a VO whose name cannot be part of the name of a group.
    """
    program = callout_path(callout or str(LIBEXEC / _CALLOUT))
    # ARC compares the issuers exactly.
    issuers = [f"authtokens = * {issuer} * * *\n" for issuer in wired_issuers(document, bans)]
    blocks = [
        heading("arc", "/etc/arc.conf.d. Other mapping rules go into a file after this one")
        + "".join(["[authgroup:vomap]\n", *issuers]),
        *(_vo_group(vo, program) for vo in {vo.lower(): vo for vo in vos}.values()),
        _mapping(program, more_rules=more_rules),
        "[arex/ws/jobs]\nallowaccess = vomap\n",
    ]
    return {FRAGMENT_FILE: "\n".join(blocks)}


def _vo_group(vo: str, program: str) -> str:
    """Return the group of tokens that the policy maps for one VO. It may allow, but must never be used to deny.

    To ARC, a plugin that fails means "not a member". So a failing callout would admit the users that the group denies.
    """
    if not vo.replace("-", "").replace(".", "").replace("_", "").isalnum():
        raise WiringError(f"render arc: --vo: {vo!a} is not a valid name of a VO: expected letters, digits and ._-")
    return f"[authgroup:vomap-{vo.lower()}]\nplugin = {CALLOUT_SECONDS} {program} authorize --vo {vo}\n"


def _mapping(program: str, *, more_rules: bool) -> str:
    """Return the mapping rule, with its own policy lines: those that ARC has read before could be others."""
    policy = "policy_on_map = stop\npolicy_on_nogroup = continue\n"
    if not more_rules:
        return f"[mapping]\n{policy}policy_on_nomap = stop\nmap_with_plugin = vomap {CALLOUT_SECONDS} {program} map\n"
    return (
        f"[mapping]\n{policy}# Later rules may map the tokens that vomap declines, but not those that it denies.\n"
        f"policy_on_nomap = continue\nmap_with_plugin = vomap {CALLOUT_SECONDS} {program} map --decline continue\n"
    )


def read_options(text: str) -> WiringOptions:
    """Return the options that the blocks of render_arc() were written with."""
    blocks = read_blocks(text)
    rules = [match for _, lines in blocks for match in map(_MAP_LINE.fullmatch, lines) if match]
    groups = [match for _, lines in blocks for match in map(_VO_LINE.fullmatch, lines) if match]
    words = (rules[0][2] or "").split() if rules else []
    return WiringOptions(
        callout=found_callout(rules[0][1], _CALLOUT) if rules else None,
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
            blocks[-1][1].append(re.sub(r"\s+", " ", unspaced(line)))
    return [(name, sorted({*lines}) if name == "authgroup:vomap" else lines) for name, lines in blocks]
