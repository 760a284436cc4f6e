"""What the VO files of a topology say about tokens, each of them checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vomap.osg.archive import read_tarball
from vomap.osg.fetched import read_fetched
from vomap.osg.fields import read_account, read_issuer, read_subject
from vomap.osg.files import SUFFIX, Files, is_yaml, read_file, read_folder
from vomap.osg.problems import Problem, SourceError, quoted
from vomap.osg.provenance import Provenance, find_provenance
from vomap.osg.yaml_text import read_document
from vomap.web import Web, is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vomap.osg.yaml_text import Value

REPORTING_GROUPS = "REPORTING_GROUPS.yaml"

_VO_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
# The largest VO of 2026 has eleven.
_MOST_ENTRIES = 1000
# More are told of no file: whoever wrote it knows by then.
_MOST_PROBLEMS = 100
_ENTRY_KEYS = ("URL", "Subject", "Description", "DefaultUnixUser")


@dataclass(frozen=True)
class Entry:
    """One token issuer of a VO file: who the token is from, and the account it runs as."""

    issuer: str
    subject: str | None
    account: str
    description: str = ""


@dataclass(frozen=True)
class VirtualOrganization:
    """One VO file."""

    name: str
    parent: str | None
    entries: tuple[Entry, ...]
    groups: tuple[str, ...]

    @property
    def file(self) -> str:
        """The name of the VO's file."""
        return self.name + SUFFIX

    @property
    def issuers(self) -> list[str]:
        """The VO's issuers, sorted."""
        return sorted({entry.issuer for entry in self.entries})


@dataclass(frozen=True)
class Topology:
    """All VO files of a source by the VO's name in lower case, and the group names of each reporting group.

    `broken` holds what is wrong with the files that could not be read.
    """

    vos: Mapping[str, VirtualOrganization]
    reporting_groups: Mapping[str, tuple[str, ...]]
    provenance: Provenance
    broken: Mapping[str, tuple[Problem, ...]]

    def find(self, name: str) -> VirtualOrganization | None:
        """Return the VO of this name, whatever its case: VO names compare without it."""
        return self.vos.get(name.lower())

    def children(self, parent: VirtualOrganization) -> list[VirtualOrganization]:
        """Return the VOs that name this one as their parent, sorted."""
        return [vo for vo in self.vos.values() if vo.parent and vo.parent.lower() == parent.name.lower()]


def open_source(source: str, web: Web | None = None) -> Files:
    """Return the files of a folder, a tarball or a VO file; the last two may be at a URL, fetched by way of `web`.

    Raises SourceError for what cannot be read; for a URL also UrlError and FetchError.
    """
    if is_url(source):
        fetched = (web or Web()).fetch(source)
        files = read_fetched(source, fetched.content, is_delimited=fetched.is_delimited)
        fetched.keep()
        return files
    path = Path(source)
    if path.is_dir():
        return read_folder(path)
    if path.is_file():
        return read_file(path) if is_yaml(path.name) else read_tarball(path)
    raise SourceError([f"{source}: no such folder, tarball or VO file"])


def read_topology(files: Files, problems: list[Problem]) -> Topology:
    """Return what the files say; what is wrong across files goes to `problems`, what is wrong in one to `broken`."""
    vos: dict[str, VirtualOrganization] = {}
    broken: dict[str, tuple[Problem, ...]] = {}
    for file in sorted(files.contents, key=lambda name: (name.lower(), name)):
        if file == REPORTING_GROUPS:
            continue
        found: list[Problem] = []
        vo = _read_vo(file, files.contents[file], found)
        if found:
            broken[file] = tuple(found[:_MOST_PROBLEMS])
        elif vo.name.lower() in vos:
            problems.append(_clash(vo, vos[vo.name.lower()]))
        else:
            vos[vo.name.lower()] = vo
    groups = _read_reporting_groups(files.contents.get(REPORTING_GROUPS), problems)
    problems.extend(_contested_issuers(vos.values()))
    return Topology(vos, groups, find_provenance(files), broken)


def _read_vo(file: str, content: bytes, problems: list[Problem]) -> VirtualOrganization:
    name = file[: -len(SUFFIX)]
    if not _VO_NAME.fullmatch(name):
        text = "the file's name is no VO's name: letters, digits, and inside also _ . -; rename the file"
        problems.append(Problem(quoted(file), 0, 0, "", text))
    document = read_document(file, content, problems)
    keys = document.entries("a mapping of the VO's keys", problems) if document else {}
    return VirtualOrganization(
        name,
        _read_parent(keys.get("ParentVO"), problems),
        tuple(_without_repeats(_read_credentials(keys.get("Credentials"), problems), problems)),
        _read_groups(keys.get("ReportingGroups"), problems),
    )


def _read_parent(value: Value | None, problems: list[Problem]) -> str | None:
    if value is None or value.is_null:
        return None
    name = value.entries("a mapping with the parent's Name", problems).get("Name")
    return name.text("the parent VO's name", problems) if name else None


def _read_groups(value: Value | None, problems: list[Problem]) -> tuple[str, ...]:
    """Return the VO's reporting groups. Some VO files hold the empty mapping of an old template: no groups."""
    if value is None or value.is_null or value.is_mapping:
        return ()
    members = value.members("a list of reporting groups", problems)
    texts = [member.text("the name of a reporting group", problems) for member in members]
    return tuple(text for text in texts if text is not None)


def _read_credentials(value: Value | None, problems: list[Problem]) -> list[tuple[Value, Entry]]:
    if value is None or value.is_null:
        return []
    issuers = value.entries("a mapping with TokenIssuers", problems).get("TokenIssuers")
    if issuers is None or issuers.is_null:
        return []
    members = issuers.members("a list of entries with URL and DefaultUnixUser", problems)
    if len(members) > _MOST_ENTRIES:
        problems.append(issuers.problem(f"has {len(members)} entries; no VO has more than {_MOST_ENTRIES}"))
        return []
    entries = [(member, _read_entry(member, problems)) for member in members]
    return [(member, entry) for member, entry in entries if entry is not None]


def _read_entry(value: Value, problems: list[Problem]) -> Entry | None:
    """Return an entry, or None if it is broken. A key that is not known may be a condition: it is not passed over."""
    keys = value.entries("a mapping with URL and DefaultUnixUser", problems)
    unknown = [keys[name] for name in keys if name not in _ENTRY_KEYS]
    problems += [value.problem(f"is no key of an entry; expected one of {', '.join(_ENTRY_KEYS)}") for value in unknown]
    if not value.is_mapping:
        return None
    issuer = read_issuer(value, keys.get("URL"), problems)
    account = read_account(value, keys.get("DefaultUnixUser"), problems)
    subject = read_subject(keys["Subject"], problems) if "Subject" in keys else None
    written = keys.get("Description")
    description = written.text("text", problems) if written and not written.is_null else ""
    return None if issuer is None or account is None else Entry(issuer, subject, account, description or "")


def _without_repeats(entries: Iterable[tuple[Value, Entry]], problems: list[Problem]) -> list[Entry]:
    """Return each identity once; one that has two accounts is a problem, for nobody could say which is meant."""
    kept: dict[tuple[str, str | None], Entry] = {}
    for value, entry in entries:
        first = kept.setdefault((entry.issuer, entry.subject), entry)
        if first.account != entry.account:
            who = "any subject" if entry.subject is None else f"subject {entry.subject}"
            text = f"{entry.issuer}, {who} runs as {first.account} and as {entry.account}: keep one of the two entries"
            problems.append(value.problem(text))
        elif entry.description < first.description:
            kept[entry.issuer, entry.subject] = entry
    return list(kept.values())


def _clash(vo: VirtualOrganization, other: VirtualOrganization) -> Problem:
    text = f"is the same VO as {other.file}, for VO names compare without case: rename one of the two"
    return Problem(vo.file, 0, 0, "", text)


def _contested_issuers(vos: Iterable[VirtualOrganization]) -> list[Problem]:
    owners: dict[str, VirtualOrganization] = {}
    problems = []
    for vo in vos:
        for issuer in vo.issuers:
            owner = owners.setdefault(issuer, vo)
            if owner is not vo:
                text = f"{issuer} is the issuer of {owner.name} too ({owner.file}): an issuer belongs to one VO"
                problems.append(Problem(vo.file, 0, 0, "Credentials.TokenIssuers", text))
    return problems


def _read_reporting_groups(content: bytes | None, problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    document = None if content is None else read_document(REPORTING_GROUPS, content, problems)
    groups = document.entries("a mapping of reporting groups", problems) if document else {}
    return {name: tuple(_read_fqans(group, problems)) for name, group in groups.items()}


def _read_fqans(group: Value, problems: list[Problem]) -> list[str]:
    """Return the group names of a reporting group's FQANs; the roles are of no use here."""
    fqans = None if group.is_null else group.entries("a mapping with FQANs", problems).get("FQANs")
    if fqans is None or fqans.is_null:
        return []
    names = []
    for fqan in fqans.members("a list of FQANs", problems):
        name = fqan.entries("a mapping with GroupName", problems).get("GroupName")
        if name is not None and not name.is_null:
            names.append(name.text("a group such as /fermilab/nova", problems))
    return [name for name in names if name is not None]
