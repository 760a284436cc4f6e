"""Write the configuration of HTCondor-CE: a map file that passes tokens to vomap, and settings of the token checks.

Sources: HTCondor's src/condor_utils/MapFile.cpp and condor_scitokens.cpp, and HTCondor-CE's config/condor_mapfile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vomap.ces.wiring import (
    CORRECT_ISSUER,
    LIBEXEC,
    WiringError,
    WiringOptions,
    accepted_audiences,
    callout_path,
    effective_lines,
    foreign_issuers,
    found_callout,
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
OBSERVE = "--observe"
# A map line with vomap as the first plugin, and perhaps others after it.
VOMAP_LINE = re.compile(rf"(SCITOKENS\s+/(?:\\.|[^\\/])*/\w*\s+PLUGIN:{PLUGIN})((?:,\w+)*)", re.ASCII)
_CALLOUT = "vomap-htcondor"
# HTCondor reads its files with isspace() of C.
_BLANKS = " \t\r\v\f"
# HTCondor's default of LOCAL_CONFIG_DIR_EXCLUDE_REGEXP: the files that it leaves out of included folders.
_NOT_READ = re.compile(r"\..*|.*~|#.*|.*\.rpmsave|.*\.rpmnew", re.DOTALL)

# These need no backslash in a regular expression between slashes.
_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_-"
# The issuers that a map line can contain. A comma ends the issuer: with one in it, the line would be for other issuers.
_ISSUER = re.compile(r"[!-+\--~]+", re.ASCII)
_PLUGIN_NAME = re.compile(r"[A-Za-z0-9_]*[A-Za-z0-9][A-Za-z0-9_]*", re.ASCII)
# A comma ends an item of a list, HTCondor expands $( ), and a backslash at the end of a line joins the next line.
_NOT_IN_A_LIST = ",$\\"


def render_htcondor(
    document: PolicyDocument,
    bans: BansDocument,
    *,
    then: Sequence[str],
    callout: str | None,
    observe: bool = False,
) -> dict[str, str]:
    """Return the map file and the settings for a policy, each text by the name of its file.

    `then` has the names of the plugins that HTCondor asks, in this order, about tokens that vomap declines. `callout`
    is the path of the callout (default: that of the packages). With `observe` it only logs its decisions. Raises
    WiringError for a name that is not valid.
    """
    for name in then:
        if not _PLUGIN_NAME.fullmatch(name):
            raise WiringError(
                f"render htcondor: --then: {name!a} is not a valid name of a plugin: expected letters, digits and _"
            )
    plugins = ",".join([PLUGIN, *then])
    lines = [map_line(issuer, plugins) for issuer in wired_issuers(document, bans)]
    map_file = heading("htcondor", "mapfiles.d") + "".join(lines)
    return {MAP_FILE: map_file, SETTINGS_FILE: _settings(document, callout, observe=observe)}


def map_line(issuer: str, plugins: str) -> str:
    """Return the line that passes the tokens of one issuer, and no other tokens, to plugins.

    HTCondor matches the expression with `<issuer>,<subject>`. So the expression is anchored, and the comma ends the
    issuer. Before HTCondor compiles the expression, it replaces two backslashes by one.
    Raises WiringError for an issuer with a comma, or with other characters than printable ASCII.
    """
    if not _ISSUER.fullmatch(issuer):
        why = "expected printable characters of ASCII, without blanks and commas"
        raise WiringError(f"render htcondor: a map file cannot contain the issuer {issuer!a}: {why}. {CORRECT_ISSUER}")
    escaped = "".join(mark if mark in _PLAIN else "\\" * 4 if mark == "\\" else f"\\{mark}" for mark in issuer)
    return f"SCITOKENS /^{escaped},/ PLUGIN:{plugins}\n"


def read_options(map_file: str, settings: str, others: Sequence[str]) -> WiringOptions:
    """Return the options that the map file and the settings of render_htcondor() were written with.

    `others` are the texts of the site's other settings, in the order in which HTCondor reads them. The path of the
    callout is theirs if vomap's own settings have none: they may be missing while vomap only observes.
    """
    lines = (VOMAP_LINE.fullmatch(line) for line in effective_lines(map_file, _BLANKS))
    plugins = {tuple(match[2].split(",")[1:]) for match in lines if match}
    callout, observe = _command(settings)
    theirs = [path for path, _ in map(_command, others) if path]
    then = None if len(plugins) > 1 else next(iter(plugins), ())
    return WiringOptions(callout=callout or (theirs[-1] if theirs else None), observe=observe, then=then)


def _command(settings: str) -> tuple[str | None, bool]:
    """Return the path of vomap's callout in settings, None without a valid one, and whether it only observes."""
    path, *options = [*values_of(settings).get(COMMAND, "").split(), ""]
    return found_callout(path, _CALLOUT), OBSERVE in options


def values_of(settings: str) -> Mapping[str, str]:
    """Return the value of each setting, by its name in capitals. The last one counts."""
    pairs = (line.partition("=") for line in effective_lines(settings, _BLANKS))
    return {
        name.strip(_BLANKS).upper(): re.sub(r"[ \t]*,[ \t]*", ", ", value.strip(_BLANKS)) for name, _, value in pairs
    }


def map_lines(map_file: str) -> set[str]:
    """Return the lines of vomap's map file without the plugins after vomap. No token matches two of them."""
    return {match[1] if (match := VOMAP_LINE.fullmatch(line)) else line for line in effective_lines(map_file, _BLANKS)}


def is_read(name: str) -> bool:
    """Return True if HTCondor reads a file with this name in a folder of settings or map files."""
    return not _NOT_READ.fullmatch(name)


def _settings(document: PolicyDocument, callout: str | None, *, observe: bool) -> str:
    foreign = foreign_issuers(document)
    path = callout_path(str(LIBEXEC / _CALLOUT) if callout is None else callout)
    words = f"{path} {OBSERVE}" if observe else path
    command = f"{COMMAND} = {words}\n" if callout is not None or observe else ""
    return (
        f"{heading('htcondor', 'config.d, beside 50-vomap.conf, which ships with vomap')}{command}"
        "# HTCondor's own check of the audience. For the issuers below, only vomap checks it.\n"
        f"SCITOKENS_SERVER_AUDIENCE = {_list_value(accepted_audiences(document))}\n"
        "# Issuers whose tokens are neither WLCG tokens nor SciTokens, or may have no audience.\n"
        f"SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES = {'true' if foreign else 'false'}\n"
        f"SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = {_list_value(foreign)}\n"
    )


def _list_value(items: Sequence[str]) -> str:
    """Return the value of a setting that is a list. Raises WiringError for an item that HTCondor would misread."""
    for text in items:
        if not text or not text.isprintable() or any(mark.isspace() or mark in _NOT_IN_A_LIST for mark in text):
            why = "it is empty, or contains a blank, a control character, or one of , $ \\"
            raise WiringError(f"render htcondor: {text!a} cannot be in a list of HTCondor's settings: {why}")
    return ", ".join(items)
