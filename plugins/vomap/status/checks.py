"""Is a CE wired to vomap, and is what it answers from sound and fresh: one line for each thing that can be wrong."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vomap import Error
from vomap.accounts import NameServiceError, find_uid
from vomap.bans.foreign_issuers import unwired_sentence
from vomap.ces.arc import FRAGMENT_FILE
from vomap.ces.htcondor import COMMAND, MAP_FILE, PLUGIN, SETTINGS_FILE
from vomap.ces.kinds import DEFAULTS_FILE, ArcCe, Ce, HtcondorCe
from vomap.ces.wiring import issuers_to_ask_for
from vomap.log import KEY_FILE, NOWHERE, Journal
from vomap.log.pseudonyms import KeyFileError, read_key
from vomap.mapfile.compose import Mapfile, find_ban_refusals, find_refusals, read_sources, refuse_folders
from vomap.mapfile.findings import Findings
from vomap.policy.authority import Authority
from vomap.policy.index import named_accounts
from vomap.policy.model import Site
from vomap.store.writer import CompiledDocument, read_compiled

GREEN, YELLOW, RED = "green", "yellow", "red"
# A token that no policy knows: a callout that can answer at all declines it.
_PROBE_ISSUER = "https://vomap.invalid/"
# As whom the callouts read what is theirs alone; packages make it.
_GROUP = "vomap"
_DECLINED = {"vomap-htcondor": 1, "vomap-arc": 2}
_CALLOUT_SECONDS = 10
_ISSUER_SECONDS = 10
_DEEPEST_INCLUDE = 8
_OBSERVE = "--observe"
# A line of a map file that has vomap asked first, and then perhaps others.
_ASKS_VOMAP = re.compile(rf"(SCITOKENS\s+/(?:\\.|[^\\/])*/\w*\s+PLUGIN:{PLUGIN})((?:,\w+)*)")
_OURS = re.compile(r"map_with_plugin=vomap \d+ /\S*/vomap-arc map( |$)")


@dataclass(frozen=True)
class Line:
    """One thing that was looked at: its colour, what it is, and what was found or is to be done."""

    colour: str
    what: str
    told: str

    def as_json(self) -> dict[str, str]:
        """Return the line's members."""
        return asdict(self)


def built_line(what: str, path: str, kind: str) -> tuple[Line, CompiledDocument[Any] | None]:
    """Look at a built file: can it be read, when was it built, from how many files."""
    try:
        built = read_compiled(path, kind)
    except Error as error:
        return Line(RED, what, str(error)), None
    return Line(GREEN, what, f"{built.digest[:12]}, built {built.built} from {len(built.sources)} files"), built


def freshness_line(
    what: str,
    built: CompiledDocument[Any],
    paths: Sequence[str],
    stale: str,
    *,
    bans: bool = False,
    builder: int | None = None,
) -> Line:
    """Look whether the files that were built are those that are there now; `stale` is the colour if they are not.

    Files that a build by the user with the uid `builder` (by default ours) would refuse for their owners or modes are
    red, whatever was built.
    """
    try:
        files = read_sources(paths, bans=bans, builder=builder)
        refusal = _refusal(files, paths, bans=bans, builder=builder)
    except Error as error:
        return Line(RED, what, str(error))
    if refusal is not None:
        return Line(RED, what, refusal)
    now = {mapfile.path: mapfile.digest for mapfile in files}
    changed = sorted(path for path in {*now, *built.sources} if now.get(path) != built.sources.get(path))
    if changed:
        return Line(stale, what, f"changed since the build: {', '.join(changed)}; run `vomap build`")
    return Line(GREEN, what, "as they were built")


def _refusal(files: Sequence[Mapfile], paths: Sequence[str], *, bans: bool, builder: int | None) -> str | None:
    """Return the first reason for which a build would refuse these files, and how many more there are; None if none."""
    folders = Findings()
    if bans:
        refuse_folders(paths, folders, builder)
    refusals = [*folders.errors, *(find_ban_refusals(files) if bans else find_refusals(files))]
    more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
    return f"{refusals[0]}{more}" if refusals else None


def unwired_line(policy: CompiledDocument[Any], bans: CompiledDocument[Any]) -> Line | None:
    """Report bans that name issuers which no CE is wired for; None if there is none."""
    told = unwired_sentence(bans.document["bans"], policy.document["issuers"])
    return Line(YELLOW, "issuers of bans", told) if told else None


def fragment_lines(
    ce: Ce, policy: CompiledDocument[Any], bans: CompiledDocument[Any], callouts: Path | None
) -> Iterator[Line]:
    """Look whether each of a CE's fragments is there and as the policy needs it."""
    try:
        fragments = ce.fragments(policy.document, bans.document, callouts)
    except Error as error:
        yield Line(RED, "wiring", str(error))
        return
    observing = isinstance(ce, HtcondorCe) and _observing_file(ce) is not None
    for path, fragment in fragments.items():
        found = ce.at(path)
        if not found.is_file() and observing and path.endswith(SETTINGS_FILE):
            yield Line(
                YELLOW, path, "missing, as it may be while vomap only observes; run `vomap init` before it answers"
            )
        elif not found.is_file():
            yield Line(RED, path, "missing; run `vomap init`")
        elif _without_others(_settings(_text(found))) != _settings(fragment.text):
            yield Line(RED, path, f"not what the policy needs; run `vomap render {ce.name}`, or `vomap init --replace`")
        else:
            yield Line(GREEN, path, "as the policy needs it")


def observe_lines(ce: Ce) -> Iterator[Line]:
    """Tell if vomap only observes, and which plugins are asked then; yield nothing if it answers."""
    if not isinstance(ce, HtcondorCe) or (file := _observing_file(ce)) is None:
        return
    asked = _asked_next(ce)
    told = f"vomap only logs what it would answer ({file})"
    if asked:
        yield Line(YELLOW, "observing", f"{told}; who is mapped is for {', '.join(asked)} to say")
    else:
        yield Line(RED, "observing", f"{told}, and nobody is asked then; run `vomap render htcondor --then PLUGIN`")


def bypass_lines(ce: Ce, policy: CompiledDocument[Any], bans: CompiledDocument[Any]) -> Iterator[Line]:
    """Look for other ways that tokens of a declared issuer are mapped before vomap is asked."""
    issuers = issuers_to_ask_for(policy.document, bans.document)
    if isinstance(ce, HtcondorCe):
        ways = [*_earlier_map_lines(ce, issuers), *_overriding_settings(ce)]
        if _never_includes(ce):
            ways.append(f"{ce.at(ce.MAPFILE)}: without `@include {ce.MAPFILES[0]}/`")
    else:
        ways = _other_arc_lines(ce)
    if ways:
        yield Line(
            RED, "past vomap", f"tokens may be mapped without vomap, or come to it undeclared: {', '.join(ways)}"
        )
    else:
        yield Line(GREEN, "past vomap", "no other line maps tokens of a declared issuer")


def callout_line(ce: Ce, policy_file: str, bans_file: str, callouts: Path) -> Line:
    """Run the callout as the CE does, as the CE's user, with a token that it can only decline."""
    name = "vomap-htcondor" if isinstance(ce, HtcondorCe) else "vomap-arc"
    command = [str(callouts.absolute() / name), *(["map"] if name == "vomap-arc" else [])]
    command += ["--policy", str(Path(policy_file).absolute()), "--bans", str(Path(bans_file).absolute())]
    as_user = ce.user if os.geteuid() == 0 else None
    try:
        # With the user's groups, too: root's would open what the CE cannot.
        entry = None if as_user is None else pwd.getpwnam(as_user)
        done = subprocess.run(  # noqa: S603 - the path is the administrator's  # nosec B603
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
    except KeyError:
        return Line(RED, name, f"there is no user {as_user}, as whom the CE runs it")
    except (OSError, subprocess.SubprocessError) as error:
        return Line(RED, name, f"cannot be run as {as_user or 'you'}: {error}")
    if done.returncode != _DECLINED[name] or done.stdout:
        return Line(RED, name, f"as {as_user or 'you'}: exit {done.returncode}: {done.stderr.strip()}")
    _, mark, trouble = done.stderr.strip().partition("; ")
    if mark:
        # The answer stands, whatever becomes of the decision log.
        return Line(YELLOW, name, f"answers as {as_user or 'you'}, but what it decides is {trouble}")
    if as_user is None:
        return Line(YELLOW, name, f"answers, but was run as you; as root this is tried as {ce.user}")
    return Line(GREEN, name, f"answers as {as_user}")


def accounts_line(document: Mapping[str, Any]) -> Line:
    """Look whether the accounts exist that a policy's rules name, and are such as the site demands."""
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
        return Line(RED, "accounts", str(error))
    told = [f"do not exist: {', '.join(missing)}"] if missing and limits.must_exist else []
    told += refused
    if told:
        return Line(YELLOW, "accounts", f"{'; '.join(told)} (tokens for them are denied)")
    return Line(GREEN, "accounts", f"all {len(wanted)} that rules name are there")


def _may_be_served(site: Site, authority: Authority, rule: Mapping[str, Any]) -> bool:
    """Tell whether the site serves any VO that a rule may be about."""
    if site.serve is None:
        return True
    if "vo" in rule:
        return not site.serve.isdisjoint(vo.lower() for vo in rule["vo"])
    return any(authority.vos_of(url, site.serve) for url in rule["issuer"] if url in authority.issuers)


def key_line(root: Path, document: Mapping[str, Any]) -> Line | None:
    """Look whether the key of the log's pseudonyms is there for root and the callouts; None if none is needed."""
    journal = Journal(document["site"].get("journal"))
    if journal.to == NOWHERE or not journal.pseudonyms:
        return None
    path = root / KEY_FILE.lstrip("/")
    try:
        status = path.stat()
        if not os.access(path, os.R_OK):
            raise PermissionError  # noqa: TRY301 - told like the folder's own
        read_key(str(path))
    except PermissionError:
        return Line(YELLOW, "journal key", f"{path}: cannot be looked at as you; as root it can")
    except (KeyFileError, OSError) as error:
        return Line(RED, "journal key", f"{error} (decisions are logged without their subjects)")
    wrong = _wrong_with_key(status)
    if wrong is None:
        return Line(GREEN, "journal key", f"{path} is there, for root and the callouts alone")
    return Line(RED, "journal key", f"{path}: {wrong}; it must be 0640, root:{_GROUP}")


def _wrong_with_key(status: os.stat_result) -> str | None:
    """Return what is wrong with the owner, the group or the modes of a key, or None."""
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others than root can change it"
    if status.st_mode & stat.S_IROTH:
        return "anybody can tell whose a pseudonym is"
    try:
        is_theirs = status.st_gid == grp.getgrnam(_GROUP).gr_gid
    except KeyError:
        # Nothing is installed here that could have made the group.
        is_theirs = True
    return None if is_theirs and status.st_mode & stat.S_IRGRP else "the callouts cannot read it"


def issuer_lines(issuers: Iterable[str]) -> Iterator[Line]:
    """Ask each issuer for its keys, as a CE does (OpenID Connect Discovery 1.0 section 4)."""
    import requests

    for issuer in issuers:
        url = issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            found = requests.get(url, timeout=_ISSUER_SECONDS, allow_redirects=False)
            found.raise_for_status()
            keys_url = str(found.json()["jwks_uri"])
            if not keys_url.startswith("https://"):
                raise ValueError(f"{keys_url!a} is no https URL")  # noqa: TRY301 - told like the others
            keys = requests.get(keys_url, timeout=_ISSUER_SECONDS, allow_redirects=False)
            keys.raise_for_status()
            published = keys.json()["keys"]
            count = len(published) if isinstance(published, list) else 0
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            yield Line(RED, issuer, f"its keys cannot be had: {error}")
        else:
            yield Line(GREEN if count else RED, issuer, f"publishes {count} keys")


def _settings(text: str) -> list[str]:
    """Return what counts in a configuration file: no comments, no empty lines."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _block_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield each setting of an arc.conf with the name of its block; blanks around `=` mean nothing."""
    block = ""
    for line in _settings(text):
        if line.startswith("["):
            block = line.strip("[]")
        else:
            yield block, re.sub(r"\s*=\s*", "=", line, count=1)


def _earlier_map_lines(ce: HtcondorCe, issuers: Sequence[str]) -> Iterator[str]:
    """Yield the places of lines that are read before vomap's own and may match tokens of one of the issuers."""
    for place, line in _lines_before_ours(ce):
        method, rest = [*line.split(None, 1), "", ""][:2]
        if _ASKS_VOMAP.fullmatch(line.strip()):
            continue
        if method.strip('"').upper() == "SCITOKENS" and any(_may_match(rest, issuer) for issuer in issuers):
            yield place


def _lines_before_ours(ce: HtcondorCe) -> Iterator[tuple[str, str]]:
    """Yield the lines, each with its place, of HTCondor-CE's map file and of what it includes, until vomap's own."""
    folder = ce.at(ce.MAPFILES[0])
    for place, line in _numbered(ce.at(ce.MAPFILE)):
        included = _included(ce, line)
        if included is None:
            yield place, line
        elif included == folder:
            break
        else:
            yield from _all_lines(ce, _files_in(included))
    yield from _all_lines(ce, [file for file in _files_in(folder) if file.name < MAP_FILE])


def _all_lines(ce: HtcondorCe, files: Sequence[Path], depth: int = 0) -> Iterator[tuple[str, str]]:
    for file in files:
        for place, line in _numbered(file):
            included = _included(ce, line)
            if included is None or depth >= _DEEPEST_INCLUDE:
                yield place, line
            else:
                yield from _all_lines(ce, _files_in(included), depth + 1)


def _included(ce: HtcondorCe, line: str) -> Path | None:
    word, target = [*line.split(None, 1), "", ""][:2]
    return ce.at(target.strip().strip('"')) if word.lower() == "@include" else None


def _never_includes(ce: HtcondorCe) -> bool:
    """Tell whether there is a map file of HTCondor-CE's that does not include the folder of vomap's lines."""
    top = ce.at(ce.MAPFILE)
    return top.is_file() and ce.at(ce.MAPFILES[0]) not in [_included(ce, line) for _, line in _numbered(top)]


def _numbered(file: Path) -> list[tuple[str, str]]:
    lines = _text(file).splitlines() if file.is_file() else []
    return [(f"{file}:{number}", line) for number, line in enumerate(lines, 1)]


def _files_in(path: Path) -> list[Path]:
    entries = sorted(path.iterdir()) if path.is_dir() else [path]
    return [entry for entry in entries if entry.is_file()]


def _set_in(files: Iterable[Path]) -> Iterator[tuple[Path, str, str]]:
    """Yield each setting of HTCondor's: its file, its name in capitals, and its value."""
    for file in files:
        for line in _settings(_text(file)):
            key, _, value = (word.strip() for word in line.partition("="))
            yield file, key.upper(), value


def _overriding_settings(ce: HtcondorCe) -> Iterator[str]:
    """Yield the settings, read after vomap's, that change one of its own, and those that name another map file."""
    folder = ce.at(ce.SETTINGS)
    ours = [file for name in (DEFAULTS_FILE, SETTINGS_FILE) if (file := folder / name).is_file()]
    own = {key: (file, value) for file, key, value in _set_in(ours)}
    for file, key, value in _set_in(_files_in(folder)):
        other_map = key == "CERTIFICATE_MAPFILE" and value != ce.MAPFILE
        own_file, own_value = own.get(key, (file, value))
        only_observes = key == COMMAND and value == f"{own_value} {_OBSERVE}"
        if other_map or (file > own_file and file not in ours and not only_observes):
            yield f"{file}: {key}"


def _observing_file(ce: HtcondorCe) -> Path | None:
    """Return the file whose setting makes vomap only observe; None if vomap answers."""
    found = {key: (file, value) for file, key, value in _set_in(_files_in(ce.at(ce.SETTINGS)))}
    file, value = found.get(COMMAND, (None, ""))
    return file if _OBSERVE in value.split() else None


def _asked_next(ce: HtcondorCe) -> list[str]:
    """Return the names of the plugins that the site's map files have asked after vomap."""
    lines = (line for file in _files_in(ce.at(ce.MAPFILES[0])) for line in _settings(_text(file)))
    asked = (match[2].split(",")[1:] for line in lines if (match := _ASKS_VOMAP.fullmatch(line)))
    return sorted({name for names in asked for name in names})


def _without_others(lines: Iterable[str]) -> list[str]:
    """Return lines of a map file without the plugins that are asked after vomap; other lines as they are."""
    return [match[1] if (match := _ASKS_VOMAP.fullmatch(line)) else line for line in lines]


def _may_match(rest: str, issuer: str) -> bool:
    """Tell whether a map line may match some subject of an issuer; `rest` is what follows the method.

    Only what is plain to see excludes an issuer: an expression that begins with another text. HTCondor's expressions
    are not Python's, and one that looks at the subject alone matches every issuer.
    """
    if not rest.startswith("/"):
        return rest.strip('"').startswith(f"{issuer},")
    expression = re.match(r"/((?:\\.|[^\\/])*)/?(\w*)", rest)
    if expression is None or "|" in expression[1]:
        return True
    begin = re.match(r"\^((?:(?:\\[^A-Za-z0-9\\]|[A-Za-z0-9:,_@%~#&=!-])(?![*?{]))*)", expression[1])
    literal = "" if begin is None else re.sub(r"\\(.)", r"\1", begin[1])
    text = f"{issuer},"
    if "i" in expression[2]:
        literal, text = literal.lower(), text.lower()
    return text.startswith(literal) or literal.startswith(text)


def _other_arc_lines(ce: Ce) -> list[str]:
    """Return the mapping rules that ARC reads before vomap's, and what others add to vomap's own authgroup."""
    found = []
    ours = False
    for file in (ce.at(ArcCe.CONFIG), *sorted(ce.at(ArcCe.FRAGMENTS).glob("*.conf"))):
        is_fragment = file == ce.at(f"{ArcCe.FRAGMENTS}/{FRAGMENT_FILE}")
        for block, line in _block_lines(_text(file)) if file.is_file() else ():
            rule = block == "mapping" and line.startswith("map_")
            ours = ours or (rule and bool(_OURS.match(line)))
            if (rule and not ours) or (block == "authgroup:vomap" and not is_fragment):
                found.append(f"{file}: [{block}] {line}")
    return found


def _text(file: Path) -> str:
    return file.read_text("utf-8", "replace")
