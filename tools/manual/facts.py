"""Facts of several pages: exit codes, and files with their modes, from the constants of the code."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tools.manual.model import Paragraph, Section, Table, Terms

from vomap.bans.ban_file import NAME
from vomap.callouts import ARC_MAP, DECLINE_CONTINUES, EXIT_CODES
from vomap.callouts.token import CACHE_FOLDER
from vomap.ces.arc import FRAGMENT_FILE, LAST_FILE
from vomap.ces.htcondor import MAP_FILE, SETTINGS_FILE
from vomap.ces.kinds import DEFAULTS_FILE, ArcCe, HtcondorCe
from vomap.ces.wiring import LIBEXEC
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, OSG_MAPFILE
from vomap.cli.console import FAILED, NO, USAGE, YES
from vomap.log import KEY_FILE
from vomap.policy import OUTCOMES
from vomap.store import BANS_FILE, POLICY_FILE


@dataclass(frozen=True)
class KeptFile:
    """A file or folder of vomap's: its path, its mode, who writes it, and what it is."""

    path: str
    mode: int
    written_by: str
    what: str


FILES = (
    KeptFile(f"{MAPFILES_FOLDER}/", 0o755, "`vomap init`, the administrator", "the mapfiles, `*.yaml`, in order"),
    KeptFile(f"{MAPFILES_FOLDER}/10-site.yaml", 0o644, "`vomap init`, the administrator", "the site's own mapfile"),
    KeptFile(f"{BANS_FOLDER}/", 0o755, "`vomap init`, the administrator", "the bans, `*.yaml`"),
    KeptFile(f"{BANS_FOLDER}/{NAME}", 0o644, "`vomap ban`", "the bans that `vomap ban` keeps, one a line"),
    KeptFile(f"{BANS_FOLDER}/published-NAME.yaml", 0o644, "`vomap ban fetch`", "a published list of bans"),
    KeptFile(POLICY_FILE, 0o644, "`vomap build`", "the compiled policy, which the callouts read"),
    KeptFile(
        f"{POLICY_FILE}.previous", 0o644, "`vomap build`", "the previous policy, until a `vomap build --rollback`"
    ),
    KeptFile(
        f"{POLICY_FILE}.rolled-back",
        0o644,
        "`vomap build --rollback`",
        "the digests of the mapfiles that `vomap build --automatic` leaves unbuilt",
    ),
    KeptFile(f"{POLICY_FILE}.lock", 0o600, "`vomap build`", "the lock of `vomap build` for the policy (empty)"),
    KeptFile(
        f"{os.path.dirname(OSG_MAPFILE)}/",
        0o755,
        "`vomap init`",
        "the mapfile that `vomap refresh` writes (the packages give the folder to `vomap-refresh`)",
    ),
    KeptFile(BANS_FILE, 0o644, "`vomap build`, `vomap ban`", "the compiled bans, which the callouts read"),
    KeptFile(f"{BANS_FILE}.lock", 0o600, "`vomap build`, `vomap ban`", "the lock for the bans (empty)"),
    KeptFile(
        f"{HtcondorCe.MAPFILES[0]}/{MAP_FILE}",
        0o644,
        "`vomap init`",
        "HTCondor-CE: the issuers whose tokens go to vomap",
    ),
    KeptFile(f"{HtcondorCe.SETTINGS}/{DEFAULTS_FILE}", 0o644, "`vomap init`", "HTCondor-CE: settings for any policy"),
    KeptFile(f"{HtcondorCe.SETTINGS}/{SETTINGS_FILE}", 0o644, "`vomap init`", "HTCondor-CE: settings for this policy"),
    KeptFile(f"{ArcCe.FRAGMENTS}/{FRAGMENT_FILE}", 0o644, "`vomap init`", "ARC: the authgroup and the mapping rule"),
    KeptFile(
        f"{ArcCe.FRAGMENTS}/{LAST_FILE}",
        0o644,
        "`vomap render arc`",
        "ARC, with `--more-rules`: the rule that refuses the tokens that no rule has mapped",
    ),
)
SHIPPED = (
    (
        "PREFIX/share/vomap/mapfiles/",
        "mapfiles: `osg.yaml` to link, `egi.yaml` and `fermilab.yaml` to copy",
    ),
    ("PREFIX/share/vomap/schemas/", "the schema of mapfiles (editors can use it), and the schema of decisions"),
    ("PREFIX/share/vomap/packaging/", "the configuration that `vomap init` copies to a CE"),
    ("/var/log/vomap/", "the folder of decision logs (the packages create it with mode 2770 for the user `vomap`)"),
    (KEY_FILE, "the key of the pseudonyms in the log (the administrator creates it with mode 0640, root:vomap)"),
    (
        f"{CACHE_FOLDER}/",
        "the keys of issuers, for `vomap-token` (the packages create it with mode 0750 for the user `vomap`)",
    ),
    (f"{LIBEXEC}/", "the callouts from packages (pip installs them into PREFIX/bin)"),
)


def exit_codes() -> Terms:
    """Return the exit codes of `vomap`."""
    meanings = {
        YES: "yes: done, no errors, green, or mapped",
        NO: "no: refused, failed, red, declined or denied",
        USAGE: "the command line is wrong",
        FAILED: "an error: the command failed, and standard error has the reason",
    }
    return Terms([(str(code), text) for code, text in meanings.items()])


def callout_exit_codes() -> Table:
    """Return the exit code of each callout for each outcome."""
    rows = []
    for outcome in OUTCOMES:
        cells = [f"{codes[outcome]}" for codes in EXIT_CODES.values()]
        at = list(EXIT_CODES).index(ARC_MAP)
        if outcome == "declined":
            cells[at] += f" ({DECLINE_CONTINUES} with `--decline continue`)"
        rows.append([outcome, *cells])
    return Table(["outcome", *(f"`{callout}`" for callout in EXIT_CODES)], rows)


def files_section() -> Section:
    """Return the files, for man pages."""
    return Section(
        "Files",
        [Terms([(each.path, f"{each.what} (written by {each.written_by})") for each in FILES]), Terms(SHIPPED)],
    )


def files_table() -> Table:
    """Return the files with their modes, for the reference."""
    rows = [[f"`{each.path}`", f"{each.mode:04o}", each.written_by, each.what] for each in FILES]
    return Table(["path", "mode", "written by", "content"], rows)


def trust_of_files() -> Paragraph:
    """Return the demands of a callout on the files that it reads."""
    return Paragraph(
        "A callout reads the compiled policy and the compiled bans only if they are regular files that belong to root "
        "or to the user of the callout. No other user may be able to write them, or any folder or link on the way to "
        "them. Otherwise the decision is an error, and the callout maps no token. Only the user who builds needs to "
        "read the mapfiles."
    )


def trust_of_sources() -> Paragraph:
    """Return the demands of a build on the mapfiles and the bans."""
    return Paragraph(
        "`vomap build`, `vomap ban` and `vomap refresh` refuse a file that its group or all users can write, and a "
        "file in such a folder without the sticky bit. Files, folders and links on the way must belong to root or "
        "to the user who builds. There is one exception: a mapfile and its own folder may belong to one other "
        "user, such as `vomap-refresh`. That mapfile may contain only issuers with `vo`, `vo-from`, `vos`, "
        "`default-vo` and `entitlements` (without `in-scope`), rules with a plain `account` and without `claim` "
        "and `audience`, and tests with `alone: yes`. It may not declare an issuer that a later file of root "
        "declares otherwise. `vomap check` and `vomap test` only warn, and `vomap status` is red."
    )
