"""Write the configuration of HTCondor-CE: a map file that passes tokens to vomap, and settings of the token checks.

Sources: HTCondor's src/condor_utils/MapFile.cpp and condor_scitokens.cpp, and HTCondor-CE's config/condor_mapfile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vomap.ces.wiring import (
    WiringError,
    accepted_audiences,
    callout_path,
    foreign_issuers,
    heading,
    wired_issuers,
)

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument, PolicyDocument

# Before HTCondor-CE's own 10-scitokens.conf: the first line that matches decides.
MAP_FILE = "05-vomap.conf"
# After 50-vomap.conf, which ships with vomap: of two settings, HTCondor uses the later one.
SETTINGS_FILE = "55-vomap-policy.conf"
PLUGIN = "VOMAP"
COMMAND = f"SEC_SCITOKENS_PLUGIN_{PLUGIN}_COMMAND"

# These need no backslash in a regular expression between slashes.
_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_-"
# A comma ends an item of a list, HTCondor expands $( ), and a backslash at the end of a line joins the next line.
_NOT_IN_A_LIST = ",$\\"


def render_htcondor(
    document: PolicyDocument, bans: BansDocument, *, then: str | None, callout: str | None
) -> dict[str, str]:
    """Return the map file and the settings for a policy, each text by the name of its file.

    `then` is the name of the plugin that HTCondor asks about tokens that vomap declines. `callout` is the path of the
    callout (default: that of the packages). Raises WiringError if `then` is not a valid name of a plugin.
    """
    if then is not None and not then.replace("_", "").isalnum():
        raise WiringError(
            f"render htcondor: --then: {then!a} is not a valid name of a plugin: expected letters, digits and _"
        )
    plugins = PLUGIN if then is None else f"{PLUGIN},{then}"
    lines = [map_line(issuer, plugins) for issuer in wired_issuers(document, bans)]
    map_file = heading("htcondor", "mapfiles.d") + "".join(lines)
    return {MAP_FILE: map_file, SETTINGS_FILE: _settings(document, callout)}


def map_line(issuer: str, plugins: str) -> str:
    """Return the line that passes the tokens of one issuer, and no other tokens, to plugins.

    HTCondor matches the expression with `<issuer>,<subject>`. So the expression is anchored, and the comma ends the
    issuer. Before HTCondor compiles the expression, it replaces two backslashes by one.
    """
    escaped = "".join(mark if mark in _PLAIN else "\\" * 4 if mark == "\\" else f"\\{mark}" for mark in issuer)
    return f"SCITOKENS /^{escaped},/ PLUGIN:{plugins}\n"


def _settings(document: PolicyDocument, callout: str | None) -> str:
    foreign = foreign_issuers(document)
    accepted = accepted_audiences(document)
    for text in (*accepted, *foreign):
        if any(mark in text for mark in _NOT_IN_A_LIST):
            raise WiringError(
                f"render htcondor: {text!a} cannot be in a list of HTCondor's settings: it contains , $ or \\"
            )
    command = "" if callout is None else f"{COMMAND} = {callout_path(callout)}\n"
    return (
        f"{heading('htcondor', 'config.d, beside 50-vomap.conf, which ships with vomap')}{command}"
        "# HTCondor's own check of the audience. For the issuers below, only vomap checks it.\n"
        f"SCITOKENS_SERVER_AUDIENCE = {', '.join(accepted)}\n"
        "# Issuers whose tokens are neither WLCG tokens nor SciTokens, or may have no audience.\n"
        f"SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES = {'true' if foreign else 'false'}\n"
        f"SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = {', '.join(foreign)}\n"
    )
