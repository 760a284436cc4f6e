"""HTCondor's and HTCondor-CE's wiring: a map file that sends tokens to the plugin, and the settings that go with it.

Sources: HTCondor's src/condor_utils/MapFile.cpp and condor_scitokens.cpp; HTCondor-CE's config/condor_mapfile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vomap.ces.wiring import (
    Fragment,
    WiringError,
    audiences,
    callout_path,
    foreign_issuers,
    heading,
    issuers_to_ask_for,
)

# Before 10-scitokens.conf, which is HTCondor-CE's own: the first line that matches decides.
MAP_FILE = "05-vomap.conf"
# After 50-vomap.conf, which ships: the later setting holds.
SETTINGS_FILE = "55-vomap-policy.conf"
PLUGIN = "VOMAP"
COMMAND = f"SEC_SCITOKENS_PLUGIN_{PLUGIN}_COMMAND"

# What needs no backslash in a regular expression between slashes.
_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_-"
# A comma ends a member of a list, $( ) is expanded, a backslash at the end takes the next line in.
_NOT_IN_A_LIST = ",$\\"


def render_htcondor(
    document: Mapping[str, Any], bans: Mapping[str, Any], *, then: str | None, callout: str | None
) -> list[Fragment]:
    """Return the map file and the settings for a policy.

    `then` names the plugin that is asked about tokens that vomap declines; `callout` is the callout's path if it is not
    where the packages put it. Raises WiringError if `then` is no name of a plugin.
    """
    if then is not None and not then.replace("_", "").isalnum():
        raise WiringError(f"render htcondor: --then: {then!a} is no name of a plugin")
    plugins = PLUGIN if then is None else f"{PLUGIN},{then}"
    lines = [map_line(issuer, plugins) for issuer in issuers_to_ask_for(document, bans)]
    map_file = Fragment(MAP_FILE, heading("htcondor", "into mapfiles.d") + "".join(lines))
    return [map_file, Fragment(SETTINGS_FILE, _settings(document, callout))]


def map_line(issuer: str, plugins: str) -> str:
    """Return the line that sends one issuer's tokens, and nobody else's, to plugins.

    HTCondor matches it with `<issuer>,<subject>`, so it is anchored, and the comma ends the issuer. Of two backslashes
    it takes one away before the expression is compiled.
    """
    escaped = "".join(mark if mark in _PLAIN else "\\" * 4 if mark == "\\" else f"\\{mark}" for mark in issuer)
    return f"SCITOKENS /^{escaped},/ PLUGIN:{plugins}\n"


def _settings(document: Mapping[str, Any], callout: str | None) -> str:
    foreign = foreign_issuers(document)
    accepted = audiences(document)
    for text in (*accepted, *foreign):
        if any(mark in text for mark in _NOT_IN_A_LIST):
            raise WiringError(f"render htcondor: {text!a} cannot stand in a list of HTCondor's settings: , $ and \\")
    lines = [heading("htcondor", "into config.d, beside 50-vomap.conf, which ships with vomap")]
    if callout is not None:
        lines.append(f"{COMMAND} = {callout_path(callout)}\n")
    lines += [
        "# HTCondor's own check of the audience; vomap checks it again, and alone for the issuers below.\n",
        f"SCITOKENS_SERVER_AUDIENCE = {', '.join(accepted)}\n",
        "# Whose tokens are neither WLCG tokens nor SciTokens, or may come without the audience that those need.\n",
        f"SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES = {'true' if foreign else 'false'}\n",
        f"SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = {', '.join(foreign)}\n",
    ]
    return "".join(lines)
