"""ARC's wiring: whose tokens come to the mapping plugin, the plugin, and groups of VOs for queues.

Source: ARC's arc.conf.reference, blocks [authgroup], [mapping] and [arex/ws/jobs]; measured on ARC 7.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vomap.ces.wiring import LIBEXEC, Fragment, WiringError, callout_path, heading, issuers_to_ask_for

# ARC reads arc.conf first, and then these by their names; mapping rules of others belong into files after this one.
FRAGMENT_FILE = "50-vomap.conf"
# Longer than a callout takes at the most: it ends itself after four seconds.
SECONDS = 10


def render_arc(
    document: Mapping[str, Any],
    bans: Mapping[str, Any],
    *,
    vos: Sequence[str],
    more_rules: bool,
    callout: str | None,
) -> list[Fragment]:
    """Return the blocks of arc.conf for a policy.

    `vos` get an authgroup each, for queues; every such group costs a start of the plugin at each connection.
    `more_rules` leaves declined tokens to mapping rules that follow. `callout` is the callout's path if it is not where
    the packages put it. Raises WiringError for a VO that no group can be named after.
    """
    program = callout_path(callout or str(LIBEXEC / "vomap-arc"))
    blocks = [
        heading("arc", "into /etc/arc.conf.d; mapping rules of others go into a file after this one")
        + _tokens(issuers_to_ask_for(document, bans)),
        *(_vo_group(vo, program) for vo in {vo.lower(): vo for vo in vos}.values()),
        _mapping(program, more_rules=more_rules),
        "[arex/ws/jobs]\nallowaccess = vomap\n",
    ]
    return [Fragment(FRAGMENT_FILE, "\n".join(blocks))]


def _tokens(issuers: Sequence[str]) -> str:
    """Return the group of all whose tokens vomap may be asked about; ARC itself compares the issuers, exactly."""
    return "[authgroup:vomap]\n" + "".join(f"authtokens = * {issuer} * * *\n" for issuer in issuers)


def _vo_group(vo: str, program: str) -> str:
    """Return the group of those whom the policy would map for one VO. It may allow, but must never be used to deny.

    ARC takes a plugin that fails for "no member", so that a ban by such a group would let in whom it should keep out.
    """
    if not vo.replace("-", "").replace(".", "").replace("_", "").isalnum():
        raise WiringError(f"render arc: --vo: {vo!a} is no name of a VO")
    return f"[authgroup:vomap-{vo.lower()}]\nplugin = {SECONDS} {program} authorize --vo {vo}\n"


def _mapping(program: str, *, more_rules: bool) -> str:
    """Return the mapping rule. The policy lines before it hold for it, whatever ARC has read until then."""
    policy = "policy_on_map = stop\npolicy_on_nogroup = continue\n"
    if not more_rules:
        return f"[mapping]\n{policy}policy_on_nomap = stop\nmap_with_plugin = vomap {SECONDS} {program} map\n"
    return (
        f"[mapping]\n{policy}# What vomap declines, the rules after this one may map; what it denies, none of them.\n"
        f"policy_on_nomap = continue\nmap_with_plugin = vomap {SECONDS} {program} map --decline continue\n"
    )
