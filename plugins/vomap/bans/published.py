"""Read a published list of bans, as strictly as the site's own files, and never replace it by an older one.

A published list is a file of bans with the key `issued`, the time of its publication. An old list, replayed by an
attacker on the network or left on a mirror, must not lift the bans of a newer one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vomap import Error, printable
from vomap.bans.ban_file import PUBLISHED, without_keys
from vomap.bans.folder import BanFile, ChangeRefused, InvalidBan, conditions_of
from vomap.mapfile.bans import read_ban_file
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings, Place
from vomap.mapfile.issuer_urls import is_issuer_url
from vomap.mapfile.times import describe_duration, format_utc
from vomap.policy.decide import SKEW
from vomap.web import WebFile
from vomap.web.download import Limits
from vomap.web.urls import split_url

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument

# Limits of a list: every change of a ban reads and compiles it again. A pattern counts once for each of its parts.
MOST_VALUES = 10_000
LONGEST_VALUE = 1000
# A list of the most values has no more keys and values: the longest ban of one value has ten. A larger list would take
# many seconds to check.
MOST_NODES = 10 * (MOST_VALUES + 1)
# A decision compares each of these with the groups, scopes or claims of a token.
MOST_PATTERNS = 1_000
# VOs, issuers and patterns of subjects, if the administrator accepts such bans at all. A decision may have to compare
# each with its token.
MOST_WIDE = 100
_PATTERNS = ("group", "scope", "claim")
_WIDE = ("issuer", "vo", "subject")
# A longer message would fill the terminal, or the logs. The publisher has the list.
_LONGEST_MESSAGE = 400
_GZIP = b"\x1f\x8b"
LIMITS = Limits(whole=60, size=1 << 20)
_HEAD = "# Fetched by `vomap ban fetch`, which writes over what is edited here, from "
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class InvalidList(Error):
    """A fetched or saved file is not a valid list of bans."""


@dataclass(frozen=True)
class PublishedList:
    """A list of bans: its URL, its time in seconds since 1970, its bans, and its text after a line of vomap.

    The sources of the bans count the lines of the list, without vomap's line.
    """

    url: str
    issued: int
    bans: list[BanDocument]
    text: str

    def age(self, now: float) -> str:
        """Return the time of issue and the age of the list."""
        return f"issued {format_utc(self.issued)}, {describe_duration(now - self.issued)} ago"

    @property
    def meaning(self) -> list[dict[str, object]]:
        """The bans without their sources, to compare two lists."""
        return [without_keys(ban, "source") for ban in self.bans]

    def refusal(self, why: str) -> ChangeRefused:
        """Return the error that this list is not taken."""
        return ChangeRefused(f"{self.url}: {why}")


class PublishedBanFile(BanFile):
    """The file of one published list in the folder of bans. The caller must lock the path of the compiled bans."""

    def __init__(self, folder: str, built: str, name: str) -> None:
        """Take the folder, the path of the compiled bans, and the list's name. Raises InvalidBan for an invalid one."""
        if not _NAME.fullmatch(name):
            expected = "expected letters, digits, `.`, `_`, `-`, at most 64"
            raise InvalidBan(f"ban fetch: {name!a} is not a valid name: {expected}")
        super().__init__(folder, built, f"{PUBLISHED}{name}.yaml")

    def kept(self) -> PublishedList | None:
        """Return the list that is in the folder, or None. Raises InvalidList or UnreadableFileError."""
        text = self.text()
        return None if text is None else read_saved(Mapfile(self.path, text))

    def read(self, fetched: WebFile) -> PublishedList:
        """Read a fetched list. Raises InvalidList."""
        url, content = fetched.url, fetched.content
        if not fetched.is_delimited:
            # An attacker on the network could end the connection early, in spite of TLS, and so lift bans.
            raise InvalidList(f"{url}: the server does not send the length of the list, so it may be incomplete")
        if content.startswith(_GZIP):
            raise InvalidList(f"{url}: the server sends a compressed file (gzip); expected the plain text of the list")
        try:
            # A byte order mark in the middle of the saved file would be an error.
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidList(
                f"{url}: byte {error.start} is not valid UTF-8; expected the plain text of the list"
            ) from None
        return _read(self.path, url, text, MOST_NODES)


def name_of(url: str) -> str:
    """Return the default name of a list: the host of its URL. Raises InvalidBan."""
    parts = split_url(url)
    if parts is None or parts.scheme.lower() != "https":
        why = "over http an attacker on the network could lift bans"
        raise InvalidBan(f"ban fetch: {url!a}: expected an https URL; {why}")
    return (parts.hostname or "").replace(":", "-")


def read_saved(file: Mapfile) -> PublishedList:
    """Read a list that was fetched before. Raises InvalidList."""
    head, _, text = file.text.partition("\n")
    if not head.startswith(_HEAD):
        raise InvalidList(f"{file.path}: was not written by `vomap ban fetch`; remove it, or choose another --name")
    return _read(file.path, head[len(_HEAD) :], text)


def check_successor(published: PublishedList, kept: PublishedList | None, now: float) -> None:
    """Raise ChangeRefused unless a list may replace the present one: it has the same URL and is not older."""
    if published.issued > now + SKEW:
        raise published.refusal(f"is dated {format_utc(published.issued)}, which is in the future by this clock")
    if kept is None:
        return
    if kept.url != published.url:
        raise ChangeRefused(f"the list is from {kept.url}: choose another --name, or remove the file")
    if published.issued < kept.issued:
        raise published.refusal(f"is older ({format_utc(published.issued)}) than the present list")
    if published.issued == kept.issued and published.meaning != kept.meaning:
        raise published.refusal("has other bans than the present list, but the same date")


def check_bounds(published: PublishedList, most_wide: int) -> None:
    """Raise ChangeRefused for a list that bans too many tokens, or that could slow down each decision.

    `most_wide` is the allowed number of bans that do not name subjects, tokens or clients: MOST_WIDE or 0.
    """
    for ban in published.bans:
        for url in ban.get("issuer", ()):
            if not is_issuer_url(url):
                raise published.refusal(f"line {_line(ban)}: the issuer {url!a} is not an https URL")
    _check_patterns(published)
    wide = [ban for ban in published.bans if not names_identity(ban)]
    if wide and not most_wide:
        advice = "check the list, then accept it with --allow-wide"
        raise published.refusal(f"{_lines(wide)}: bans more than single subjects, tokens or clients; {advice}")
    # Each ban counts by its widest condition.
    number = sum(max(len(conditions_of(ban).get(key, ())) for key in _WIDE) or 1 for ban in wide)
    if number > most_wide:
        raise published.refusal(f"it bans {number} VOs, issuers or patterns of subjects; at most {most_wide} are taken")


def _check_patterns(published: PublishedList) -> None:
    """Raise ChangeRefused for bans by group, scope or claim that name no identity, or that are too many."""
    asking = [ban for ban in published.bans if any(key in ban for key in _PATTERNS)]
    nameless = [ban for ban in asking if not names_identity(ban)]
    if nameless:
        why = "a ban by group, scope or claim names no subject, token (jti) or client by its whole name"
        raise published.refusal(f"{_lines(nameless)}: {why}; ask the publisher to add one")
    count = sum(1 for ban in asking for _ in _values({key: values for key, values in ban.items() if key in _PATTERNS}))
    if count > MOST_PATTERNS:
        raise published.refusal(f"its bans have {count} groups, scopes and claims; at most {MOST_PATTERNS} are taken")


def _lines(bans: Sequence[BanDocument]) -> str:
    return f"line {_line(bans[0])}{_and_more(bans)}"


def _and_more(found: Sequence[object]) -> str:
    return f" (and {len(found) - 1} more)" if len(found) > 1 else ""


def names_identity(ban: Mapping[str, Any]) -> bool:
    """Return True if a ban names subjects, tokens or clients, each by its whole name."""
    subjects = ban.get("subject", ())
    return "jti" in ban or "client" in ban or (bool(subjects) and not any("*" in each for each in subjects))


def _read(path: str, url: str, text: str, most_nodes: int | None = None) -> PublishedList:
    read = read_ban_file(Mapfile(path, text), findings := Findings(), most_nodes)
    if errors := findings.errors:
        first = errors[0]
        raise InvalidList(f"{url}: line {first.place.line}: {_excerpt(first.message)}{_and_more(errors)}")
    if read.issued is None:
        expected = "expected the time of publication, such as 2026-12-31T12:00:00Z"
        raise InvalidList(f"{url}: the key `issued` is missing; {expected}")
    if not read.has_bans:
        raise InvalidList(f"{url}: the key `bans` is missing; an empty list has `bans: []`")
    _check_cheap(read.bans, url)
    return PublishedList(url, read.issued, read.bans, f"{_HEAD}{url}\n{text}")


def _excerpt(message: str) -> str:
    """Return a message that may quote a list, on one line and not longer than an administrator reads."""
    text = printable(message)
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}..."


def _check_cheap(bans: list[BanDocument], url: str) -> None:
    """Raise InvalidList for bans that would slow down each authentication, or fill the logs."""
    count = 0
    for ban in bans:
        values = list(_values(ban))
        for text in (*values, *ban.get("claim", ()), ban["reason"]):
            if len(text) > LONGEST_VALUE:
                why = f"a value of {len(text)} characters; at most {LONGEST_VALUE}"
                raise InvalidList(f"{url}: line {_line(ban)}: {why}")
        count += sum(1 + (value.count("/") if "*" in value else 0) for value in values)
    if count > MOST_VALUES:
        why = f"its conditions have {count} values, with each part of a pattern; at most {MOST_VALUES} are taken"
        raise InvalidList(f"{url}: {why}")


def _values(ban: Mapping[str, Any]) -> Iterator[str]:
    """Yield all values of the conditions of a ban."""
    for values in conditions_of(ban).values():
        for several in values.values() if isinstance(values, dict) else [values]:
            yield from several


def _line(ban: Mapping[str, Any]) -> int:
    return Place.of_source(ban["source"]).line
