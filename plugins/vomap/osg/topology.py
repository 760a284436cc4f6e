"""Read the token issuers of a topology's VO files, and check them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vomap.mapfile.findings import Finding, Findings
from vomap.osg.archive import read_download, read_tarball
from vomap.osg.fields import read_account, read_issuer, read_subject
from vomap.osg.files import SUFFIX, TopologyError, TopologyFiles, is_yaml, quoted, read_file, read_folder
from vomap.osg.provenance import Provenance, find_provenance
from vomap.osg.yaml_text import TextValue, ValuesLeft, read_document, report_file
from vomap.web import Web, is_url

REPORTING_GROUPS = "REPORTING_GROUPS.yaml"

_VO_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
# The largest VO of 2026 has eleven.
_MOST_ENTRIES = 1000
# The most errors that vomap shows of one file.
_MOST_FINDINGS = 100
_CREDENTIALS = "Credentials"
# The keys of a VO file that the generator reads.
_READ_KEYS = (_CREDENTIALS, "ParentVO", "ReportingGroups")
_BAD_NAME = "the file's name is not a VO's name"
_WITHOUT_ISSUERS = (_BAD_NAME, "ParentVO", "ReportingGroups")
_ANY_URL = re.compile(rb"https://[!#-&(-;=?-Z_a-z~]+")
_LINE_BREAK = re.compile(rb"[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]")
# A `#` after a quote may be text.
_COMMENT = re.compile(rb"""^((?:[^"'#]*[ \t])?)#.*""", re.DOTALL)
_ENTRY_KEYS = ("URL", "Subject", "Description", "DefaultUnixUser")


@dataclass(frozen=True)
class TopologyEntry:
    """One token issuer of a VO file: the issuer and the subject of tokens, and their account."""

    issuer: str
    subject: str | None
    account: str
    description: str = ""


@dataclass(frozen=True)
class VirtualOrganization:
    """One VO file."""

    name: str
    parent: str | None
    entries: tuple[TopologyEntry, ...]
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
class BrokenFile:
    """A VO file that the generator cannot use, and why.

    Args:
        findings: the errors, at least one.
        names_no_issuer: True if the file is valid where a VO names its token issuers, and names none.
        is_contested: True if it is in conflict with another file. Only the administrator knows which one is right.
        urls: the https URLs in its text, without comments. An issuer of another VO could be among them.
        vo: what the file names, if it is valid by itself.

    """

    findings: tuple[Finding, ...]
    names_no_issuer: bool = False
    is_contested: bool = False
    urls: frozenset[str] = frozenset()
    vo: VirtualOrganization | None = None


@dataclass(frozen=True)
class Topology:
    """All VO files of a source by the VO's name in lower case, and the group names of each reporting group.

    `broken` are the VO files that are not valid, by their names. `remarks` are the warnings about other files.
    `unreadable_groups` are the errors in the file of reporting groups.
    """

    vos: Mapping[str, VirtualOrganization]
    reporting_groups: Mapping[str, tuple[str, ...]]
    provenance: Provenance
    broken: Mapping[str, BrokenFile]
    remarks: tuple[Finding, ...] = ()
    unreadable_groups: tuple[Finding, ...] = ()

    @property
    def broken_vos(self) -> set[str]:
        """The VOs of the broken files, in lower case."""
        return {vo_of(file) for file in self.broken}

    def without(self, broken: Mapping[str, BrokenFile]) -> Topology:
        """Return the topology with further broken files."""
        vos = {key: vo for key, vo in self.vos.items() if vo.file not in broken}
        return replace(self, vos=vos, broken={**self.broken, **broken})


def vo_of(file: str) -> str:
    """Return the VO of a VO file, in lower case."""
    return file.removesuffix(SUFFIX).lower()


def open_source(source: str, web: Web | None = None) -> TopologyFiles:
    """Return the files of a folder, a tarball or a VO file. `web` fetches a tarball or a VO file at a URL.

    Raises TopologyError for a source that vomap cannot read, and for a URL also UrlError and FetchError.
    """
    if is_url(source):
        file = (web or Web()).fetch(source)
        files = read_download(source, file.content, is_delimited=file.is_delimited)
        file.save()
        return files
    path = Path(source)
    if path.is_dir():
        return read_folder(path)
    if path.is_file():
        return read_file(path) if is_yaml(path.name) else read_tarball(str(path), lambda: path.open("rb"))
    raise TopologyError([f"{source}: no such folder, tarball or VO file"])


def read_topology(files: TopologyFiles, known: Collection[str] = ()) -> Topology:
    """Return the topology of the files. An error in one file concerns no other file.

    Of two files whose names differ only in case, the one whose VO is `known` counts, or else none. Raises
    TopologyError if all files together have too many keys and values.
    """
    vos: dict[str, VirtualOrganization] = {}
    broken: dict[str, BrokenFile] = {}
    remarks: list[Finding] = []
    names = [name for name in files.names if name != REPORTING_GROUPS]
    spellings = Counter(map(vo_of, names))
    left = ValuesLeft()
    for file in names:
        found = Findings()
        content = files.contents.get(file, b"")
        document = _read_file(file, files, found, left, _READ_KEYS)
        vo = _read_vo(file, document, found)
        names_no_issuer = document is not None and not vo.entries and _is_elsewhere(found)
        is_contested = spellings[vo_of(file)] > 1 and (vo.name not in known or vo_of(file) in vos)
        if is_contested:
            others = ", ".join(name for name in names if vo_of(name) == vo_of(file) and name != file)
            text = f"is the same VO as {others}, because VO names compare without case"
            report_file(file, f"{text}: rename one of them", found)
        if found.errors:
            errors = tuple(found.errors[:_MOST_FINDINGS])
            broken[file] = BrokenFile(errors, names_no_issuer, is_contested, _urls_in(content))
        else:
            vos[vo.name.lower()] = vo
            remarks += found.all[:1]
    found = Findings()
    groups = _read_reporting_groups(files, found, left)
    remarks += [] if found.errors else found.all[:1]
    return Topology(vos, groups, find_provenance(files), broken, tuple(remarks), tuple(found.errors[:_MOST_FINDINGS]))


def _read_file(
    file: str, files: TopologyFiles, findings: Findings, left: ValuesLeft, read: Collection[str] | None = None
) -> TextValue | None:
    if file in files.unreadable:
        report_file(file, files.unreadable[file], findings)
        return None
    return read_document(file, files.contents[file], findings, read, left)


def _is_elsewhere(findings: Findings) -> bool:
    """Return True if each error of a file is in a place where no VO names its token issuers."""
    return all(finding.message.startswith(_WITHOUT_ISSUERS) for finding in findings.errors)


def _urls_in(content: bytes) -> frozenset[str]:
    """Return the URLs in the text of a file, however broken it is. A comment names no issuer."""
    text = b"\n".join(_COMMENT.sub(rb"\1", line) for line in _LINE_BREAK.split(content))
    found = (url.decode() for url in _ANY_URL.findall(text.replace(b"\\/", b"/")))
    return frozenset(each for url in found for each in (url, url.rstrip(",.;")))


def _read_vo(file: str, document: TextValue | None, findings: Findings) -> VirtualOrganization:
    name = file.removesuffix(SUFFIX)
    if not _VO_NAME.fullmatch(name):
        text = f"{_BAD_NAME}: letters, digits, and inside also _ . -; rename the file"
        report_file(quoted(file), text, findings)
    entries = document.entries("a mapping of the VO's keys", findings) if document else {}
    keys = {key: value for key, value in entries.items() if not value.is_null}
    return VirtualOrganization(
        name,
        _read_parent(keys.get("ParentVO"), findings),
        tuple(_without_repeats(_read_credentials(keys.get(_CREDENTIALS), findings), findings)),
        _read_groups(keys.get("ReportingGroups"), findings),
    )


def _read_parent(value: TextValue | None, findings: Findings) -> str | None:
    name = value.entries("a mapping with the parent's Name", findings).get("Name") if value else None
    return name.text("the parent VO's name", findings) if name else None


def _read_groups(value: TextValue | None, findings: Findings) -> tuple[str, ...]:
    """Return the VO's reporting groups. Some VO files have the empty mapping of an old template: no groups."""
    if value is None or value.is_mapping:
        return ()
    members = value.members("a list of reporting groups", findings)
    texts = [member.text("the name of a reporting group", findings) for member in members]
    return tuple(text for text in texts if text is not None)


def _read_credentials(value: TextValue | None, findings: Findings) -> list[tuple[TextValue, TopologyEntry]]:
    issuers = value.entries("a mapping with TokenIssuers", findings).get("TokenIssuers") if value else None
    if issuers is None or issuers.is_null:
        return []
    members = issuers.members("a list of entries with URL and DefaultUnixUser", findings)
    if len(members) > _MOST_ENTRIES:
        issuers.report(f"has {len(members)} entries; no VO has more than {_MOST_ENTRIES}", findings)
        return []
    entries = [(member, _read_entry(member, findings)) for member in members if not _is_stub(member, findings)]
    return [(member, entry) for member, entry in entries if entry is not None]


def _is_stub(value: TextValue, findings: Findings) -> bool:
    """Return True, with a warning, for an empty entry of a template. It maps no token."""
    keys = value.entries("", Findings())
    is_empty = {"URL", "DefaultUnixUser"} <= keys.keys() <= set(_ENTRY_KEYS)
    if not is_empty or not all(each.is_null for name, each in keys.items() if name != "Description"):
        return False
    value.warn("has no URL and no DefaultUnixUser: fill it in, or remove the entry", findings)
    return True


def _read_entry(value: TextValue, findings: Findings) -> TopologyEntry | None:
    """Return an entry, or None if it is not valid. An unknown key is an error, because it may be a condition."""
    keys = value.entries("a mapping with URL and DefaultUnixUser", findings)
    for name in keys:
        if name not in _ENTRY_KEYS:
            keys[name].report(f"is not a key of an entry; expected one of {', '.join(_ENTRY_KEYS)}", findings)
    if not value.is_mapping:
        return None
    issuer = read_issuer(value, keys.get("URL"), findings)
    account = read_account(value, keys.get("DefaultUnixUser"), findings)
    subject = read_subject(keys["Subject"], findings) if "Subject" in keys else None
    written = keys.get("Description")
    description = written.text("text", findings) if written and not written.is_null else ""
    return None if issuer is None or account is None else TopologyEntry(issuer, subject, account, description or "")


def _without_repeats(entries: Iterable[tuple[TextValue, TopologyEntry]], findings: Findings) -> list[TopologyEntry]:
    """Return each identity once. An identity with two accounts is an error."""
    found: dict[tuple[str, str | None], TopologyEntry] = {}
    for value, entry in entries:
        first = found.setdefault((entry.issuer, entry.subject), entry)
        if first.account != entry.account:
            who = "any subject" if entry.subject is None else f"subject {entry.subject}"
            text = f"{entry.issuer}, {who} runs as {first.account} and as {entry.account}: keep one of the two entries"
            value.report(text, findings)
        elif entry.description < first.description:
            found[entry.issuer, entry.subject] = entry
    return list(found.values())


def _read_reporting_groups(files: TopologyFiles, findings: Findings, left: ValuesLeft) -> dict[str, tuple[str, ...]]:
    document = _read_file(REPORTING_GROUPS, files, findings, left) if REPORTING_GROUPS in files.names else None
    groups = document.entries("a mapping of reporting groups", findings) if document else {}
    return {name: tuple(_read_fqans(group, findings)) for name, group in groups.items()}


def _read_fqans(group: TextValue, findings: Findings) -> list[str]:
    """Return the group names of a reporting group's FQANs, without the roles."""
    fqans = None if group.is_null else group.entries("a mapping with FQANs", findings).get("FQANs")
    if fqans is None or fqans.is_null:
        return []
    names = []
    for fqan in fqans.members("a list of FQANs", findings):
        name = fqan.entries("a mapping with GroupName", findings).get("GroupName")
        if name is not None and not name.is_null:
            names.append(name.text("a group such as /fermilab/nova", findings))
    return [name for name in names if name is not None]
