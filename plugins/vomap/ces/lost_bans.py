"""Find the bans of HTCondor-CE's map files that vomap's lines disable, and write them as bans of vomap.

The first line that matches a token decides. A line that bans gives the token a name that HTCondor-CE denies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vomap import printable
from vomap.bans.wildcards import beginning_subjects
from vomap.ces.config_val import TOOL, NotAskedError, ask_daemon
from vomap.ces.htcondor_files import MapFiles, Settings, read_map_files, read_settings
from vomap.ces.kinds import HtcondorCe
from vomap.ces.map_lines import ANY_TOKEN, MapLine
from vomap.compile.advice import Advice
from vomap.files.regular import UnreadableFileError
from vomap.files.root import is_this_machine
from vomap.files.shell import join_words
from vomap.mapfile.entries import CONDITIONS
from vomap.policy.matching import Pattern

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument, IssuerDocument

_BANNED = "@banned.htcondor.org"
_UID_DOMAIN = "users.htcondor.org"
_DENY = ("DENY_WRITE", "DENY_READ", "DENY_DEFAULT")
_DAEMONS = ("SCHEDD", "COLLECTOR")
_REFERENCE = re.compile(r"\$\((\w+)")
_ANY_ISSUER = ""
# A message names no more issuers than these.
FEW_ISSUERS = 3
_BEFORE_OWN = "04-bans.conf"
# Where HTCondor-CE has its settings.
_SETTINGS = ("/usr/share/condor-ce/config.d", "/etc/condor-ce/condor_config", HtcondorCe.SETTINGS)


@dataclass(frozen=True)
class LostBan:
    """A line that bans tokens of these issuers and is never reached.

    `bans` are the same bans for vomap. They are empty if vomap has no bans that deny the same tokens: `why` says why.
    `bans_rest` is True if lines before it map tokens of the same issuers.
    """

    line: MapLine
    issuers: Sequence[str]
    bans: Sequence[dict[str, Any]]
    why: str = ""
    bans_rest: bool = False

    def describe(self) -> str:
        """Return the place of the line, the line, and the tokens that it bans."""
        return f"{self.line.place}: `{self.line.text}` bans {self._tokens()}"

    def way_to_keep(self, ce: HtcondorCe, advice: Advice) -> str:
        """Return how to keep a ban for which there is no ban of vomap."""
        # HTCondor-CE reads this file before vomap's own.
        early = ce.at(f"{ce.MAPFILES[0]}/{_BEFORE_OWN}")
        readable = join_words(["chmod", "644", str(early)])
        move = (
            f"move it to {early}, which comes before vomap's lines. HTCondor-CE must be able to read that file: "
            f"run `{readable} && condor_ce_reconfig`"
        )
        if not self.bans_rest:
            return f"{self.why}; {move}"
        words = ("--issuer", self.issuers[0], "--subject", "SUBJECT", "--reason", "REASON")
        issuers = _some(self.issuers)
        # A shorter expression also bans tokens of issuers that vomap does not know.
        more = (
            ""
            if all(map(self.line.expression.names, self.issuers))
            else ", but those of other issuers are banned no more"
        )
        return (
            f"{self.why}. To deny every token of {issuers} that it matches, also those that vomap maps, {move}. To let "
            f"vomap decide about them, ban single subjects with `{advice.command('ban', 'add', *words)}`, and delete "
            f"the line: vomap refuses tokens of {issuers} that no rule maps{more}"
        )

    def _tokens(self) -> str:
        if not self.bans:
            return f"tokens of {_some(self.issuers)}"
        return " and ".join(f"{_subjects(ban.get('subject', ()))} of {_some(ban['issuer'])}" for ban in self.bans)


@dataclass(frozen=True)
class Shadow:
    """The lines of the map files that vomap's lines disable: bans that are lost, and lines that are never used.

    Lines of `rest` ban any token. Behind vomap's lines they ban the tokens of all other issuers.
    """

    lost: Sequence[LostBan]
    dead: Sequence[MapLine]
    rest: Sequence[MapLine] = ()

    def dead_of_site(self, ce: HtcondorCe) -> list[MapLine]:
        """Return the lines that are never used in files of the site. The site cannot delete those of packages."""
        packages = ce.at("/usr/share")
        return [line for line in self.dead if packages not in line.file.parents]


def read_ce_settings(ce: HtcondorCe) -> Settings:
    """Read the settings in all files and folders where a CE has them."""
    return read_settings(ce, *_SETTINGS)


def read_denials(ce: HtcondorCe) -> Settings:
    """Read the settings of a CE: those in its files, and on its own machine the denials that are in force.

    The CE itself knows files that vomap does not read, and has replaced each `$(NAME)`.
    """
    settings = read_ce_settings(ce)
    for daemon in _DAEMONS if is_this_machine(ce.root) else ():
        try:
            answers = ask_daemon(daemon, [spelling for name in _DENY for spelling in (name, f"{name}_{daemon}")])
        except NotAskedError:
            # `vomap status` says so.
            continue
        settings.values += [(Path(TOOL), key, setting.value) for key, setting in answers.settings.items()]
    return settings


class DeniedNames:
    """The names of clients that HTCondor-CE may deny: those in its settings, and all that are not its accounts."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings. Each list of denials counts, for any daemon, with the settings that it names."""
        denied: set[str] = set()
        seen: set[str] = set()
        wanted = [value for _, key, value in settings.values if key.rpartition(".")[2].startswith(_DENY)]
        while wanted:
            value = wanted.pop()
            entries = (entry.partition("/")[0].lower() for entry in value.replace(",", " ").split())
            denied |= {entry for entry in entries if "@" in entry and "$" not in entry}
            names = {name.upper() for name in _REFERENCE.findall(value)} - seen
            seen |= names
            wanted += [each for _, key, each in settings.values if key.rpartition(".")[2] in names]
        # With one of these, the CE denies every account, and no line is a ban.
        denied -= {"*@*", f"*@{_UID_DOMAIN}"}
        self._wild = [entry.replace("[", "[[]").replace("?", "[?]") for entry in denied if "*" in entry]
        self._exact = denied

    def __contains__(self, name: str) -> bool:
        """Return True if HTCondor-CE may deny the clients to which a map line gives a name."""
        user = name.strip().lower()
        full = user if "@" in user else f"{user}@{_UID_DOMAIN}"
        is_account = full.rpartition("@")[2] == _UID_DOMAIN
        return not is_account or full in self._exact or any(fnmatchcase(full, entry) for entry in self._wild)


def is_banned(name: str) -> bool:
    """Return True if a map line with this name bans, by the name alone."""
    return name.strip().lower().endswith(_BANNED)


class OwnBans:
    """The tokens that vomap's own bans deny, known by issuer and subject alone."""

    def __init__(self, bans: Iterable[BanDocument], issuers: Mapping[str, IssuerDocument | None]) -> None:
        """Take the bans, and the declarations of issuers: a ban of its only VO denies all tokens of an issuer."""
        self._whole: set[str] = set()
        self._subjects: set[tuple[str, str]] = set()
        self._patterns: dict[str, list[Pattern]] = {}
        for ban in bans:
            # A ban that ends does not replace one that does not.
            if "until" not in ban and set(ban).intersection(CONDITIONS) <= {"issuer", "subject", "vo"}:
                for issuer in _issuers_of(ban, issuers):
                    self._add(issuer, ban)

    def _add(self, issuer: str, ban: BanDocument) -> None:
        if "subject" not in ban:
            self._whole.add(issuer)
        for subject in ban.get("subject", ()):
            self._subjects.add((issuer, subject))
            if "*" in subject:
                self._patterns.setdefault(issuer, []).append(Pattern(subject, below=True))

    def deny(self, issuer: str, subjects: Sequence[str]) -> bool:
        """Return True if every token of an issuer with these subjects is denied. No subjects means all."""
        return issuer in self._whole or (bool(subjects) and all(self._denies(issuer, each) for each in subjects))

    def _denies(self, issuer: str, subject: str) -> bool:
        if (issuer, subject) in self._subjects or (_ANY_ISSUER, subject) in self._subjects:
            return True
        patterns = (*self._patterns.get(issuer, ()), *self._patterns.get(_ANY_ISSUER, ()))
        return "*" not in subject and any(pattern.match(subject) for pattern in patterns)


def _issuers_of(ban: BanDocument, issuers: Mapping[str, IssuerDocument | None]) -> Iterable[str]:
    """Return the issuers all of whose tokens meet the conditions of a ban on issuer and VO."""
    named = ban.get("issuer", issuers if "vo" in ban else (_ANY_ISSUER,))
    vos = {vo.lower() for vo in ban.get("vo", ())}
    return [url for url in named if not vos or str((issuers.get(url) or {}).get("vo", "")).lower() in vos]


def find_shadow(files: MapFiles, denied: DeniedNames, own: OwnBans | None, wired: Iterable[str]) -> Shadow:
    """Return the lines behind vomap's own that its lines disable. `own` is None if vomap only observes.

    `wired` are the issuers whose tokens vomap's lines are for. A line of the site may be for more.
    """
    known = set(wired)
    taken: set[str] = set()
    mapped: dict[str, MapLine] = {}
    lost, dead, rest = [], [], []
    for line in files.lines:
        issuers = sorted(issuer for issuer in taken if line.expression.may_match(issuer))
        if line.next_plugins is not None:
            issuer = line.expression.issuer()
            taken |= {each for each in known if line.expression.takes(each)} if issuer is None else {issuer}
        elif issuers and line.name in denied and line.expression == ANY_TOKEN:
            rest.append(line)
        elif issuers and line.name in denied:
            first = next((mapped[issuer] for issuer in issuers if issuer in mapped), None)
            found = _lost_ban(line, issuers, own, first)
            lost += [found] if found is not None else []
        else:
            mapped = {**dict.fromkeys(issuers, line), **mapped}
            dead += [line] if any(line.expression.names(issuer) for issuer in issuers) else []
    return Shadow(lost, dead, rest)


def shadow_after_wiring(
    ce: HtcondorCe, planned: Mapping[Path, str], own: OwnBans | None, wired: Iterable[str]
) -> Shadow:
    """Return the lines that these files would disable: see find_shadow(). Raises UnreadableFileError."""
    files, settings = read_map_files(ce, planned), read_denials(ce)
    if faults := files.faults + settings.faults:
        raise UnreadableFileError("\n".join(faults))
    return find_shadow(files, DeniedNames(settings), own, wired)


def _lost_ban(line: MapLine, issuers: Sequence[str], own: OwnBans | None, first: MapLine | None) -> LostBan | None:
    """Return what a line bans, without the bans that vomap has. Return None if it has all of them.

    `first` is a line that maps tokens of one of the issuers and comes before.
    """
    by_subjects: dict[tuple[str, ...], list[str]] = {}
    for issuer in issuers:
        subjects = _subject_patterns(line, issuer)
        if own is not None and own.deny(issuer, subjects or ()):
            continue
        if not subjects and first is not None:
            why = f"{first.place} comes before it and maps, so it bans only the rest"
            return LostBan(line, issuers, (), why, bans_rest=True)
        if own is None:
            return LostBan(line, issuers, (), "vomap only observes, so its bans deny no token")
        if subjects is None:
            return LostBan(line, issuers, (), "vomap has no ban for exactly these subjects")
        by_subjects.setdefault(tuple(subjects), []).append(issuer)
    bans = [
        {
            "issuer": urls,
            **({"subject": list(subjects)} if subjects else {}),
            "reason": printable(f"{line.place}: {line.name}"),
        }
        for subjects, urls in by_subjects.items()
    ]
    return LostBan(line, issuers, bans) if bans else None


def _subject_patterns(line: MapLine, issuer: str) -> list[str] | None:
    """Return vomap's patterns for the subjects that a line bans. None if there are none, [] for every subject."""
    subject = line.expression.subject_of(issuer)
    if subject is None or any(mark in subject for mark in "*<>") or not subject.isprintable():
        return None
    if line.expression.ends:
        return [subject] if subject else None
    return beginning_subjects(subject) if subject else []


def _some(issuers: Sequence[str]) -> str:
    """Return the first issuers, and how many more there are."""
    more = f" and {len(issuers) - FEW_ISSUERS} more issuers" if len(issuers) > FEW_ISSUERS else ""
    return f"{', '.join(issuers[:FEW_ISSUERS])}{more}"


def _subjects(patterns: Sequence[str]) -> str:
    if not patterns:
        return "all tokens"
    return f"the subject {patterns[0]}" if len(patterns) == 1 else f"all subjects that begin with {patterns[0]}"
