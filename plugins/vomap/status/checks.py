"""Check the compiled files, the CE configuration, the callout, the accounts, issuers, and the key of the log."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vomap import Error
from vomap.accounts import NameServiceError, find_uid
from vomap.bans.issuer_wiring import unwired_sentence
from vomap.ces.htcondor import SETTINGS_FILE
from vomap.ces.kinds import ArcCe, Ce, HtcondorCe
from vomap.ces.wiring import LIBEXEC, wired_issuers
from vomap.compile.advice import Advice
from vomap.log import KEY_FILE, NOWHERE, DecisionLog
from vomap.log.pseudonyms import KeyFileError, read_key
from vomap.mapfile.compose import find_refusals
from vomap.mapfile.files import read_files
from vomap.mapfile.owners import ban_file_refusals, folder_refusals
from vomap.policy.authority import Authority
from vomap.policy.index import named_accounts
from vomap.policy.model import Site
from vomap.status import GREEN, RED, YELLOW, StatusLine, effective_lines, read_configuration
from vomap.status.arc import find_arc_bypasses
from vomap.status.htcondor import drop_next_plugins, find_htcondor_bypasses, find_next_plugins, find_observing_file
from vomap.store.writer import CompiledBans, CompiledDocument, CompiledPolicy, read_compiled

# No policy declares this issuer, so a callout that works declines its token.
_PROBE_ISSUER = "https://vomap.invalid/"
# The packages make this group. The callouts read the key of the decision log as members of it.
_GROUP = "vomap"
_DECLINED = {"vomap-htcondor": 1, "vomap-arc": 2}
_CALLOUT_SECONDS = 10


def built_line(what: str, path: str, kind: str) -> tuple[StatusLine, CompiledDocument[Any] | None]:
    """Read a compiled policy or compiled bans, and return the line for it with what was read, None if that failed."""
    try:
        built = read_compiled(path, kind)
    except Error as error:
        return StatusLine(RED, what, str(error)), None
    files = f"{len(built.sources)} {'file' if len(built.sources) == 1 else 'files'}"
    return StatusLine(GREEN, what, f"{built.digest[:12]}, built {built.built} from {files}"), built


def freshness_line(
    built: CompiledDocument[Any], paths: Sequence[str], advice: Advice, *, bans: bool, builder: int | None = None
) -> StatusLine:
    """Compare the mapfiles, or the files of bans, at `paths` with those that were compiled.

    The line is red for files that a build would refuse for their owner or mode, whatever was compiled. `builder` is
    the uid of the user who builds (default: ours).
    """
    # A ban that was written and not built denies no token.
    what, stale = ("files of bans", RED) if bans else ("mapfiles", YELLOW)
    try:
        files = read_files(paths, bans=bans, builder=builder)
        refusals = folder_refusals(paths, builder) if bans else find_refusals(files)
        for file in files if bans else ():
            refusals += ban_file_refusals(file)
    except Error as error:
        return StatusLine(RED, what, str(error))
    if refusals:
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        return StatusLine(RED, what, f"{refusals[0]}{more}")
    now = {mapfile.path: mapfile.digest for mapfile in files}
    changed = sorted(path for path in {*now, *built.sources} if now.get(path) != built.sources.get(path))
    if changed:
        return StatusLine(
            stale, what, f"changed since the build: {', '.join(changed)}; run `{advice.command('build')}`"
        )
    return StatusLine(GREEN, what, "as they were built")


def unwired_line(policy: CompiledPolicy, bans: CompiledBans) -> StatusLine | None:
    """Report bans of issuers whose tokens no CE passes to vomap. Return None if there are none."""
    sentence = unwired_sentence(bans.document["bans"], policy.document["issuers"])
    return StatusLine(YELLOW, "issuers of bans", sentence) if sentence else None


def fragment_lines(ce: Ce, policy: CompiledPolicy, bans: CompiledBans, advice: Advice) -> Iterator[StatusLine]:
    """Compare each fragment of a CE's configuration with the one that the policy needs."""
    try:
        fragments = ce.fragments(policy.document, bans.document, advice.callouts)
    except Error as error:
        yield StatusLine(RED, "wiring", str(error))
        return
    observes = isinstance(ce, HtcondorCe) and find_observing_file(ce) is not None
    anew = advice.command("init", "--replace")
    for path, text in fragments.items():
        found = ce.at(path)
        if not found.is_file() and observes and path.endswith(SETTINGS_FILE):
            allowed = "missing, which is allowed while vomap only observes"
            yield StatusLine(YELLOW, path, f"{allowed}; run `{advice.command('init')}` before vomap answers")
        elif not found.is_file():
            yield StatusLine(RED, path, f"missing; run `{advice.command('init')}`")
        elif drop_next_plugins(effective_lines(read_configuration(found))) != effective_lines(text):
            yield StatusLine(RED, path, f"not what the policy needs; run `{anew}`, which shows the change and asks")
        else:
            yield StatusLine(GREEN, path, "as the policy needs it")


def observe_lines(ce: Ce, advice: Advice) -> Iterator[StatusLine]:
    """Report that vomap only observes, and which plugins map tokens meanwhile. Yield nothing if vomap answers."""
    if not isinstance(ce, HtcondorCe) or (file := find_observing_file(ce)) is None:
        return
    plugins = find_next_plugins(ce)
    text = f"vomap only logs its decisions ({file})"
    if plugins:
        yield StatusLine(YELLOW, "observing", f"{text}; tokens are mapped by {', '.join(plugins)}")
    else:
        render = advice.command("render", "htcondor", "--then", "PLUGIN")
        yield StatusLine(RED, "observing", f"{text}, and no other plugin maps tokens; run `{render}`")


def bypass_lines(ce: Ce, policy: CompiledPolicy, bans: CompiledBans) -> Iterator[StatusLine]:
    """Report configuration by which a CE maps tokens of a declared issuer before vomap, or passes others to vomap."""
    if isinstance(ce, HtcondorCe):
        places = find_htcondor_bypasses(ce, wired_issuers(policy.document, bans.document))
    else:
        assert isinstance(ce, ArcCe)
        places = find_arc_bypasses(ce)
    if places:
        text = "these map tokens without vomap, or pass tokens of undeclared issuers to it"
        yield StatusLine(RED, "past vomap", f"{text}: {', '.join(places)}")
    else:
        yield StatusLine(GREEN, "past vomap", "no other line maps tokens of a declared issuer")


def callout_line(ce: Ce, policy_file: str, bans_file: str, advice: Advice) -> StatusLine:
    """Run the callout as the CE does, as the CE's user, with a token that it can only decline."""
    name = "vomap-htcondor" if isinstance(ce, HtcondorCe) else "vomap-arc"
    callouts = advice.callouts or LIBEXEC
    command = [str(callouts.absolute() / name), *(["map"] if name == "vomap-arc" else [])]
    command += ["--policy", str(Path(policy_file).absolute()), "--bans", str(Path(bans_file).absolute())]
    as_user = ce.user if os.geteuid() == 0 else None
    user = as_user or "you"
    try:
        done = _run_callout(command, as_user)
    except KeyError:
        return StatusLine(RED, name, f"the CE runs it as {user}, and there is no user {user}")
    except (OSError, subprocess.SubprocessError) as error:
        return StatusLine(RED, name, f"cannot be run as {user}: {error}")
    if done.returncode != _DECLINED[name] or done.stdout:
        return StatusLine(RED, name, f"as {user}: exit {done.returncode}: {done.stderr.strip()}")
    _, mark, trouble = done.stderr.strip().partition("; ")
    if mark:
        # The decision does not depend on the decision log.
        return StatusLine(YELLOW, name, f"answers as {user}, but its decision is {trouble}")
    if as_user is None:
        again = f"run `{advice.command('status')}` as root to try it as {ce.user}"
        return StatusLine(YELLOW, name, f"answers as you; {again}")
    return StatusLine(GREEN, name, f"answers as {user}")


def _run_callout(command: Sequence[str], user: str | None) -> subprocess.CompletedProcess[str]:
    """Run a callout with a token of an undeclared issuer. Raises KeyError if there is no such user."""
    # With the user's groups, too: root's groups would open files that the CE cannot open.
    entry = None if user is None else pwd.getpwnam(user)
    return subprocess.run(  # noqa: S603 - the path is the administrator's  # nosec B603
        command,
        input=json.dumps({"iss": _PROBE_ISSUER}),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=_CALLOUT_SECONDS,
        user=None if entry is None else entry.pw_uid,
        group=None if entry is None else entry.pw_gid,
        extra_groups=None if entry is None else os.getgrouplist(entry.pw_name, entry.pw_gid),
        env={"BEARER_TOKEN_0_ISSUER": _PROBE_ISSUER},
        cwd="/",
    )


def issuer_line(issuer: str, authorities: Path | None) -> StatusLine:
    """Fetch the keys of an issuer as `vomap-token` does. `authorities` (PEM) replaces the system's certificates."""
    # Only here: PyJWT, cryptography and requests are slow to load.
    from vomap.verify.jwks import fetch_keys

    try:
        keys, _ = fetch_keys(issuer, authorities)
    except Error as error:
        return StatusLine(RED, issuer, f"vomap cannot fetch its keys: {error}")
    return StatusLine(GREEN, issuer, f"publishes {len(keys)} {'key' if len(keys) == 1 else 'keys'}")


def accounts_line(document: Mapping[str, Any]) -> StatusLine:
    """Check that the accounts that rules name exist, and that the site accepts their uids."""
    authority, site = Authority(document), Site(document["site"])
    wanted = {
        site.rename.get(name, name)
        for rule in document["rules"]
        if _may_be_served(site, authority, rule)
        for name in named_accounts(rule, authority)
    }
    limits = site.accounts
    missing, refused = [], []
    try:
        for account in sorted(wanted):
            uid = find_uid(account)
            if uid is None:
                missing.append(account)
            elif (refusal := limits.uid_refusal(uid)) is not None:
                refused.append(f"{account} has {refusal}")
    except NameServiceError as error:
        return StatusLine(RED, "accounts", str(error))
    faults = [f"do not exist: {', '.join(missing)}", *refused] if missing and limits.must_exist else refused
    if faults:
        return StatusLine(YELLOW, "accounts", f"{'; '.join(faults)} (vomap denies their tokens)")
    return StatusLine(GREEN, "accounts", f"all {len(wanted)} accounts of rules exist")


def _may_be_served(site: Site, authority: Authority, rule: Mapping[str, Any]) -> bool:
    """Return True if the site serves any VO that a rule may match."""
    if site.serve is None:
        return True
    if "vo" in rule:
        return not site.serve.isdisjoint(vo.lower() for vo in rule["vo"])
    return any(authority.vos_of(url, site.serve) for url in rule["issuer"] if url in authority.issuers)


def key_line(document: Mapping[str, Any], advice: Advice) -> StatusLine | None:
    """Check the owner, mode and content of the key for pseudonyms. Return None if the site needs no key."""
    log = DecisionLog(document["site"].get("log"))
    if log.to == NOWHERE or not log.pseudonyms:
        return None
    path = advice.root / KEY_FILE.lstrip("/")
    try:
        status = path.stat()
        if not os.access(path, os.R_OK):
            raise PermissionError  # noqa: TRY301 - reported like the folder's own
        read_key(str(path))
    except PermissionError:
        return StatusLine(YELLOW, "log key", f"{path}: you cannot read it; run `{advice.command('status')}` as root")
    except (KeyFileError, OSError) as error:
        return StatusLine(RED, "log key", f"{error} (vomap logs decisions without their subjects)")
    fault = _key_fault(status)
    if fault is None:
        return StatusLine(GREEN, "log key", f"only root and the callouts can read {path}")
    return StatusLine(RED, "log key", f"{path}: {fault}; run `chown root:{_GROUP} {path} && chmod 0640 {path}`")


def _key_fault(status: os.stat_result) -> str | None:
    """Return the fault of a key's owner, group or mode, or None."""
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "users other than root can change it"
    if status.st_mode & stat.S_IROTH:
        return "all users can read it, and find the subject of each pseudonym"
    try:
        is_theirs = status.st_gid == grp.getgrnam(_GROUP).gr_gid
    except KeyError:
        # Without the packages there is no such group.
        is_theirs = True
    return None if is_theirs and status.st_mode & stat.S_IRGRP else "the callouts cannot read it"
