"""Check the compiled files, the CE configuration, the callout, the accounts, issuers, and the key of the log."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vomap import Error
from vomap.accounts import NameServiceError, find_uid
from vomap.bans.issuer_wiring import unwired_sentence
from vomap.ces.htcondor import MAP_FILE, OBSERVE, PLUGIN, SETTINGS_FILE
from vomap.ces.htcondor_files import read_map_files
from vomap.ces.kinds import Ce, HtcondorCe
from vomap.ces.map_lines import MapLine
from vomap.ces.wiring import wired_issuers
from vomap.compile.advice import Advice
from vomap.compile.rollback import is_rolled_back
from vomap.files import FileError
from vomap.files.regular import UnreadableFileError, read_regular_file
from vomap.files.root import refuse_links_out
from vomap.files.shell import join_words
from vomap.files.trusted import judge_file
from vomap.log import KEY_FILE, NOWHERE, DecisionLog
from vomap.log.pseudonyms import KeyFileError, read_key
from vomap.mapfile.compose import find_refusals
from vomap.mapfile.files import OSG_LINK, is_lost_link, read_files
from vomap.mapfile.owners import ban_file_refusals, folder_refusals
from vomap.osg.mapfile_text import kept_vos
from vomap.policy.authority import Authority
from vomap.policy.index import RuleAccounts
from vomap.policy.model import Site
from vomap.status import GREEN, RED, YELLOW, StatusLine
from vomap.status.htcondor import (
    find_htcondor_bypasses,
    find_next_plugins,
    find_observing_file,
    find_overriding_settings,
    find_unasked,
    find_unmapped,
)
from vomap.status.in_force import RECONFIGURE, InForce, Needs, audience_lines, find_observing_place, settings_lines
from vomap.status.readable import allow_reading, unreadable_paths
from vomap.store import POLICY_FILE, bans_beside
from vomap.store.writer import CompiledBans, CompiledDocument, CompiledPolicy, read_compiled

# No policy declares this issuer, so a callout that works declines its token.
_PROBE_ISSUER = "https://vomap.invalid/"
# The packages make this group. The callouts read the key of the decision log as members of it.
_GROUP = "vomap"
_SEVERAL_KEPT = "keep what they had, because their files in the topology are"
_DECLINED = {"vomap-htcondor": 1, "vomap-arc": 2}
_CALLOUT_SECONDS = 10


def link_lines(root: Path, paths: Iterable[Path]) -> Iterator[StatusLine]:
    """Report each link by which a path below a root leads to a file of this machine."""
    found: dict[str, None] = {}
    for path in paths:
        try:
            refuse_links_out(root, [path])
        except FileError as error:
            found[str(error)] = None
    for text in found:
        yield StatusLine(RED, "link", text)


def built_line(what: str, path: str, kind: str, advice: Advice) -> tuple[StatusLine, CompiledDocument[Any] | None]:
    """Read a compiled policy or compiled bans, and return the line for it with what was read, None if that failed."""
    if _is_before_init(path, advice):
        return StatusLine(RED, what, f"{path}: no such file; run `{advice.command('init')}`, which builds it"), None
    try:
        built = read_compiled(path, kind)
    except Error as error:
        told = _with_command(_untrusted(path) or error, advice.command("build"))
        return StatusLine(RED, what, told), None
    files = f"{len(built.sources)} {'file' if len(built.sources) == 1 else 'files'}"
    return StatusLine(GREEN, what, f"{built.digest[:12]}, built {built.built} from {files}"), built


def _untrusted(path: str) -> str:
    """Return who can have written a compiled file, with the command that ends this. "" if vomap trusts the file."""
    try:
        _, resolved = read_regular_file(path)
    except UnreadableFileError:
        return ""
    custody = judge_file(resolved, os.geteuid())
    owned = [f"this file or its folder belongs to {custody.owner}: `{custody.chown}`"] if custody.owner else []
    return next((f"{path}: {fault}" for fault in (*custody.faults, *owned)), "")


def _is_before_init(path: str, advice: Advice) -> bool:
    """Return True for a compiled file in the place where `vomap init` writes it, if there is no policy there."""
    policy = str(advice.root / POLICY_FILE.lstrip("/"))
    return path in (policy, bans_beside(policy)) and not any(map(os.path.lexists, (path, policy)))


def freshness_line(
    built: CompiledDocument[Any],
    paths: Sequence[str],
    advice: Advice,
    *,
    bans: bool,
    builder: int | None = None,
    policy_file: str | None = None,
) -> StatusLine:
    """Compare the mapfiles, or the files of bans, at `paths` with those that were compiled.

    The line is red for files that a build would refuse for their owner or mode, whatever was compiled. `builder` is
    the uid of the user who builds (default: ours). `policy_file` is the compiled policy, to find out if it was rolled
    back.
    """
    # A ban that was written and not built denies no token.
    what, stale = ("files of bans", RED) if bans else ("mapfiles", YELLOW)
    try:
        if link := None if bans else _lost_link(paths):
            repair = f"run `{advice.command('init', '--replace')}`, which makes it again"
            return StatusLine(RED, what, f"{link}: this link leads nowhere; {repair}")
        files = read_files(paths, bans=bans, builder=builder)
        refusals = folder_refusals(paths, builder) if bans else find_refusals(files)
        for file in files if bans else ():
            refusals += ban_file_refusals(file)
    except Error as error:
        return StatusLine(RED, what, _with_command(error, advice.command("build")))
    if refusals:
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        return StatusLine(RED, what, _with_command(f"{refusals[0]}{more}", advice.command("build")))
    now = {mapfile.path: mapfile.digest for mapfile in files}
    changed = sorted(path for path in {*now, *built.sources} if now.get(path) != built.sources.get(path))
    if policy_file is not None and is_rolled_back(policy_file, now):
        return StatusLine(YELLOW, what, _rollback_text(changed, advice))
    if changed:
        return StatusLine(
            stale, what, f"changed since the build: {', '.join(changed)}; run `{advice.command('build')}`"
        )
    return StatusLine(GREEN, what, "as they were built")


def topology_lines(paths: Sequence[str]) -> Iterator[StatusLine]:
    """Report VOs of a refreshed mapfile that keep what they had, because their files in the topology are broken."""
    try:
        mapfiles = read_files(paths)
    except Error:
        # The line for the mapfiles has the reason.
        return
    for mapfile in mapfiles:
        if kept := kept_vos(mapfile.text):
            does = "keeps what it had, because its file in the topology is" if len(kept) == 1 else _SEVERAL_KEPT
            how = "the reason, and the command that removes the VO"
            text = f"{mapfile.path}: {', '.join(kept)} {does} broken. `journalctl -u vomap-refresh.service` shows {how}"
            yield StatusLine(YELLOW, "topology", text)


def _rollback_text(changed: Sequence[str], advice: Advice) -> str:
    """Return how to end a rollback. `changed` are the mapfiles that differ from those of the policy in force."""
    where = f" ({', '.join(changed)} changed since the build of the policy in force)" if changed else ""
    return (
        f"a rollback is in force, and the mapfiles still contain the policy that was rolled back{where}; "
        f"a build brings it back, so correct the mapfiles first, then run `{advice.command('build')}`"
    )


def _lost_link(paths: Iterable[str]) -> Path | None:
    """Return the link of `vomap init` to a mapfile that ships, in one of these folders, if it leads nowhere."""
    return next((link for path in paths if is_lost_link(link := Path(path) / OSG_LINK)), None)


def _with_command(text: object, command: str) -> str:
    """Return a message with the command that comes after its repair, unless the message has a command."""
    return str(text) if "`" in str(text) else f"{text}; after the repair, run `{command}`"


def unwired_lines(policy: CompiledPolicy, bans: CompiledBans, advice: Advice) -> Iterator[StatusLine]:
    """Report bans of issuers whose tokens no CE passes to vomap."""
    if sentence := unwired_sentence(bans.document["bans"], policy.document["issuers"]):
        build, wire = advice.command("build"), advice.command("init", "--replace")
        declare = f"to refuse them, declare the issuers (`ISSUER: none`), then run `{build}` and `{wire}`"
        yield StatusLine(YELLOW, "issuers of bans", f"{sentence}; {declare}")


def no_ce_line(advice: Advice) -> StatusLine:
    """Report that there is no CE."""
    other = replace(advice, root=Path("FOLDER")).command("status")
    return StatusLine(RED, "CE", f"neither HTCondor-CE nor ARC is installed here; for another system, run `{other}`")


def fragment_lines(ce: Ce, policy: CompiledPolicy, bans: CompiledBans, advice: Advice) -> Iterator[StatusLine]:
    """Compare what each fragment of a CE's configuration means with what the policy needs, with the same options."""
    try:
        fragments = ce.fragments(policy.document, bans.document, ce.options(advice.callouts))
    except Error as error:
        yield StatusLine(RED, "wiring", _with_command(error, advice.command("build")))
        return
    observes = isinstance(ce, HtcondorCe) and find_observing_file(ce) is not None
    anew = advice.command("init", "--replace")
    for path, text in fragments.items():
        found = ce.at(path)
        if not found.is_file() and observes and path.endswith((SETTINGS_FILE, MAP_FILE)):
            allowed = "missing, which is allowed while vomap only observes"
            yield StatusLine(YELLOW, path, f"{allowed}; run `{advice.command('init')}` before vomap answers")
        elif not found.is_file():
            yield StatusLine(RED, path, f"missing; run `{advice.command('init')}`")
        elif not ce.is_same(path, text):
            yield StatusLine(RED, path, f"not what the policy needs; run `{anew}`, which shows the change and asks")
        else:
            yield StatusLine(GREEN, path, "as the policy needs it")


def observe_lines(ce: HtcondorCe, in_force: InForce) -> Iterator[StatusLine]:
    """Report that vomap only observes, and which plugins map tokens meanwhile. Yield nothing if vomap answers."""
    place = find_observing_place(in_force.answers) if in_force.answers else find_observing_file(ce)
    if place is None:
        return
    lines = read_map_files(ce).lines
    text = f"vomap only logs its decisions ({place})"
    unmapped = find_unmapped(lines)
    plugins = find_next_plugins(lines)
    answer = f"to let vomap answer, remove `{OBSERVE}` there, then run `{RECONFIGURE}`"
    if unmapped:
        yield StatusLine(
            RED,
            "observing",
            f"{text}, and nothing maps tokens of {', '.join(unmapped)}: vomap's lines for them name no other plugin, "
            f"and HTCondor tries no later line. If lines of map files map these tokens, leave vomap's lines "
            f"out while it observes: {_without_lines(unmapped.values(), lines)}. If another plugin maps them, write "
            f"its name at the end of these lines (PLUGIN:{PLUGIN},NAME), and run `{RECONFIGURE}`",
        )
    elif plugins:
        yield StatusLine(YELLOW, "observing", f"{text}; tokens are mapped by {', '.join(plugins)}; {answer}")
    else:
        yield StatusLine(YELLOW, "observing", f"{text}, and no map line asks vomap, so it sees no token; {answer}")


def _without_lines(unmapped: Collection[MapLine], lines: Sequence[MapLine]) -> str:
    """Return how to leave lines out: by removing vomap's own file, if no line in it names another plugin."""
    files = sorted({str(line.file) for line in unmapped})
    is_own = [Path(file).name for file in files] == [MAP_FILE]
    if not is_own or any(line.next_plugins and str(line.file) in files for line in lines):
        return f"delete {', '.join(line.place for line in unmapped)}, and run `condor_ce_reconfig`"
    return f"run `{join_words(['rm', *files])} && condor_ce_reconfig`"


def htcondor_settings_lines(
    ce: HtcondorCe, policy: CompiledPolicy | None, advice: Advice, in_force: InForce
) -> Iterator[StatusLine]:
    """Compare the settings that are in force in HTCondor-CE with what the policy needs."""
    observes = find_observing_place(in_force.answers) is not None
    has_settings = not observes or ce.at(f"{ce.SETTINGS}/{SETTINGS_FILE}").is_file()
    accounts = () if policy is None else sorted(rule_accounts(policy.document))
    yield from settings_lines(in_force, Needs(ce, advice, policy, accounts, has_settings))
    if policy is not None:
        yield from audience_lines(in_force, policy, advice)


def try_line() -> StatusLine:
    """Show how a client asks vomap with a real token."""
    client = "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS BEARER_TOKEN_FILE=FILE"
    ask = f"`{client} condor_ce_ping -type SCHEDD -table WRITE` asks the CE with the token in FILE"
    return StatusLine(GREEN, "to try a token", f"{ask}. Without the setting, a client on the CE itself shows no token")


def htcondor_bypass_lines(
    ce: HtcondorCe, policy: CompiledPolicy, bans: CompiledBans, in_force: InForce, unreadable: Collection[Path]
) -> Iterator[StatusLine]:
    """Report map lines and settings by which tokens of a declared issuer bypass vomap, or others come to vomap.

    HTCondor-CE cannot read the `unreadable` files and folders.
    """
    files, issuers = read_map_files(ce, unreadable=unreadable), wired_issuers(policy.document, bans.document)
    places = find_htcondor_bypasses(files, issuers)
    # Without the CE's own answer, each later setting of a file is suspect.
    places += [] if in_force.answers else find_overriding_settings(ce)
    # While vomap only observes, its lines may be missing.
    unasked = [] if find_observing_file(ce) else find_unasked(files, issuers)
    top = ce.at(ce.MAPFILE)
    if files.own_at is None and not {top, *top.parents}.intersection(unreadable):
        include = f"@include {ce.MAPFILES[0]}/"
        text = f"{top} does not include {ce.MAPFILES[0]}, so no line in this folder asks vomap"
        remedy = f"write the line `{include}` before all lines that map tokens, then run `{RECONFIGURE}`"
        yield StatusLine(RED, "past vomap", f"{text}; {remedy}")
    if places:
        text = "these map tokens without vomap, or pass tokens of undeclared issuers to it"
        remedy = f"remove them, or move map lines behind {ce.MAPFILES[0]}/{MAP_FILE}, then run `{RECONFIGURE}`"
        yield StatusLine(RED, "past vomap", f"{text}: {', '.join(places)}; {remedy}")
    if unasked:
        text = "these map tokens without vomap, because no line before them asks vomap about the issuer"
        remedy = f"repair {ce.MAPFILES[0]}/{MAP_FILE} as the lines above say, then run `{RECONFIGURE}`"
        yield StatusLine(RED, "past vomap", f"{text}: {', '.join(unasked)}; {remedy}")
    if not places and not unasked and files.own_at is not None:
        yield StatusLine(GREEN, "past vomap", "no other line maps tokens of a declared issuer")


def callout_line(ce: Ce, policy_file: str, bans_file: str, advice: Advice) -> StatusLine:
    """Run the callout as the CE does, as the CE's user, with a token that it can only decline."""
    name, callout = ce.callout_name, ce.callout(advice.callouts and advice.callouts.absolute())
    command = [callout, *(["map"] if name == "vomap-arc" else [])]
    command += ["--policy", str(Path(policy_file).absolute()), "--bans", str(Path(bans_file).absolute())]
    as_user = ce.user if os.geteuid() == 0 else None
    user = as_user or "you"
    again = f"after the repair, run `{advice.command('status')}`"
    try:
        done = _run_callout(command, as_user)
    except KeyError:
        return StatusLine(RED, name, f"the CE runs it as {user}, and there is no user {user}; {again}")
    except (OSError, subprocess.SubprocessError) as error:
        return StatusLine(
            RED, name, f"cannot be run as {user}: {error}; {_other_callouts(ce, callout, advice) or again}"
        )
    if done.returncode != _DECLINED[name] or done.stdout:
        repair = _let_read(as_user, policy_file, bans_file) or again
        return StatusLine(RED, name, f"as {user}: exit {done.returncode}: {done.stderr.strip()}; {repair}")
    _, mark, trouble = done.stderr.strip().partition("; ")
    if mark:
        # The decision does not depend on the decision log.
        return StatusLine(YELLOW, name, f"answers as {user}, but its decision is {trouble}; {again}")
    if as_user is None:
        as_ce = f"run `{advice.command('status')}` as root to try it as {ce.user}"
        return StatusLine(YELLOW, name, f"answers as you; {as_ce}")
    return StatusLine(GREEN, name, f"answers as {user}")


def _let_read(user: str | None, *files: str) -> str:
    """Return how to let the CE's user read these files, "" if it can, or if only root can find that out."""
    if user is None:
        return ""
    paths = [Path(file).absolute() for file in files]
    unreadable = unreadable_paths(Path("/"), [path for path in paths if path.exists()], pwd.getpwnam(user))
    return f"run `{allow_reading(unreadable)}`" if unreadable else ""


def _other_callouts(ce: Ce, callout: str, advice: Advice) -> str:
    """Return how to wire the CE to the callouts of the vomap that runs, "" if they are missing or wired already."""
    folder = ce.callouts_of_vomap()
    if folder is None or str(folder / ce.callout_name) == callout:
        return ""
    wire = replace(advice, callouts=folder).command("init", "--replace")
    return f"if the callouts of this vomap are meant, run `{wire}`"


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
        ask = join_words(["curl", "-sS", f"{issuer.rstrip('/')}/.well-known/openid-configuration"])
        return StatusLine(RED, issuer, f"vomap cannot fetch its keys: {error}; try `{ask}`")
    return StatusLine(GREEN, issuer, f"publishes {len(keys)} {'key' if len(keys) == 1 else 'keys'}")


def rule_accounts(document: Mapping[str, Any]) -> set[str]:
    """Return the accounts that the rules of served VOs name, as the site calls them."""
    authority, site = Authority(document), Site(document["site"])
    rules = _served_rules(document, site, authority)
    accounts = RuleAccounts(authority)
    return {site.rename.get(name, name) for rule in rules for name in accounts.of(rule)}


def accounts_line(document: Mapping[str, Any], advice: Advice) -> StatusLine:
    """Check that the accounts that rules name exist, and that the site accepts their uids."""
    site, wanted = Site(document["site"]), rule_accounts(document)
    limits, build = site.accounts, advice.command("build")
    if not _served_rules(document, site, Authority(document)):
        osg = advice.command("init", "--replace", "--mapfile", "osg")
        rules = f"write rules and run `{build}`, or start with those of the OSG: `{osg}`"
        return StatusLine(YELLOW, "accounts", f"no rule maps a token, so vomap declines all; {rules}")
    missing, refused = [], []
    for account in sorted(wanted):
        try:
            uid = find_uid(account)
        except NameServiceError as error:
            command = join_words(["getent", "passwd", account])
            return StatusLine(RED, "accounts", f"{error}; try `{command}`")
        if uid is None:
            missing.append(account)
        elif (refusal := limits.uid_refusal(uid)) is not None:
            refused.append(f"{account} has {refusal}")
    faults = [f"do not exist: {', '.join(missing)}", *refused] if missing and limits.must_exist else refused
    if faults:
        repair = f"create the accounts, or change the rules and run `{build}`"
        return StatusLine(YELLOW, "accounts", f"{'; '.join(faults)} (vomap denies their tokens); {repair}")
    if missing:
        text = f"{len(missing)} of {len(wanted)} accounts of rules do not exist, which `must-exist: no` allows"
        return StatusLine(GREEN, "accounts", text)
    if not wanted:
        return StatusLine(GREEN, "accounts", "rules take every account from the token, so none is looked up")
    return StatusLine(GREEN, "accounts", f"all {len(wanted)} accounts of rules exist")


def _served_rules(document: Mapping[str, Any], site: Site, authority: Authority) -> list[Mapping[str, Any]]:
    return [rule for rule in document["rules"] if _may_be_served(site, authority, rule)]


def _may_be_served(site: Site, authority: Authority, rule: Mapping[str, Any]) -> bool:
    """Return True if the site serves any VO that a rule may match."""
    if site.serve is None:
        return True
    if "vo" in rule:
        return not site.serve.isdisjoint(vo.lower() for vo in rule["vo"])
    return any(authority.vos_of(url, site.serve) for url in rule["issuer"] if url in authority.issuers)


def key_lines(document: Mapping[str, Any], advice: Advice) -> Iterator[StatusLine]:
    """Check the owner, mode and content of the key for pseudonyms, if the site needs one."""
    log = DecisionLog(document["site"].get("log"))
    if log.to == NOWHERE or not log.pseudonyms:
        return
    path = advice.root / KEY_FILE.lstrip("/")
    place = join_words([str(path)])
    try:
        status = path.stat()
        if not os.access(path, os.R_OK):
            raise PermissionError  # noqa: TRY301 - reported like the folder's own
        read_key(str(path))
    except PermissionError:
        yield StatusLine(YELLOW, "log key", f"{path}: you cannot read it; run `{advice.command('status')}` as root")
        return
    except (KeyFileError, OSError) as error:
        group = f" -g {_GROUP}" if _has_group() else ""
        make = f"install -m 0640{group} /dev/null {place} && head -c 32 /dev/urandom > {place}"
        yield StatusLine(RED, "log key", f"{error} (vomap logs decisions without their subjects); run `{make}`")
        return
    fault = _key_fault(status)
    repair = f"chown root{f':{_GROUP}' if _has_group() else ''} {place} && chmod 0640 {place}"
    if fault is None:
        yield StatusLine(GREEN, "log key", f"only root and the callouts can read {path}")
    else:
        yield StatusLine(RED, "log key", f"{path}: {fault}; run `{repair}`")


def _has_group() -> bool:
    """Return True if the callouts have a group of their own. Without the packages there is no such group."""
    try:
        grp.getgrnam(_GROUP)
    except KeyError:
        return False
    return True


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
