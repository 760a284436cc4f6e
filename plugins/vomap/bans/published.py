"""Lists of bans that somebody publishes: fetched, read as strictly as the site's own, never exchanged for older ones.

A published list is a file of bans with the key `issued`. It says itself when it was made, so that an old one, kept by
somebody on the way or left on a mirror, lifts no ban that a newer one has brought.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vomap import Error
from vomap.analysis.describe import duration
from vomap.bans.ban_file import PUBLISHED
from vomap.bans.folder import BanChange, BanFile, conditions_of
from vomap.mapfile.bans import read_ban_file
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings
from vomap.mapfile.issuer_urls import is_issuer_url
from vomap.mapfile.times import format_utc
from vomap.policy.decide import SKEW
from vomap.web import Fetched
from vomap.web.download import Limits
from vomap.web.urls import split_url

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument

# What a list may hold that is built, and read again with each change; a pattern counts as much as it has parts.
MOST_VALUES = 10_000
LONGEST_VALUE = 1000
# An answer compares these with the groups, scopes or claims of the tokens that their bans name.
MOST_PATTERNS = 1_000
# VOs, issuers and patterns of subjects that are banned, where the administrator takes such bans at all. An answer may
# have to compare each with its token.
MOST_WIDE = 100
_PATTERNS = ("group", "scope", "claim")
_WIDE = ("issuer", "vo", "subject")
LIMITS = Limits(whole=60, size=1 << 20)
_HEAD = "# Fetched by `vomap ban fetch`, which writes over what is edited here, from "
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class InvalidList(Error):
    """What was fetched, or what is kept, is no list of bans."""


class ListRefused(Error):
    """A list of bans that can be read and must not take the place of the one that is there."""

    exit_code = 1


class InvalidListName(Error):
    """A URL or a name that no list of bans can have."""

    exit_code = 2


@dataclass(frozen=True)
class PublishedList:
    """A list of bans: where it is from, when it was issued, its bans, and its text with a first line of our own."""

    url: str
    issued: int
    bans: list[BanDocument]
    text: str

    def age(self, now: float) -> str:
        """Say how old the list is."""
        return f"issued {format_utc(self.issued)}, {duration(max(0, now - self.issued))} ago"

    @property
    def meaning(self) -> list[dict[str, object]]:
        """The bans without their places."""
        return [{key: value for key, value in ban.items() if key != "source"} for ban in self.bans]


class PublishedBanFile:
    """The file of one published list in the folder of bans. Whoever changes it holds the lock of the built bans."""

    def __init__(self, folder: str, built: str, name: str) -> None:
        """Take the folder of bans, the path of the built bans, and the list's name.

        Raises InvalidBan if there is no such folder, InvalidListName for what is no name.
        """
        if not _NAME.fullmatch(name):
            raise InvalidListName(f"ban fetch: {name!a} is no name: letters, digits, `.`, `_`, `-`, at most 64")
        self._file = BanFile(folder, built, f"{PUBLISHED}{name}.yaml")

    @property
    def path(self) -> str:
        """Where the list lies."""
        return str(self._file.path)

    def kept(self) -> PublishedList | None:
        """Return the list that is in the folder, or None. Raises InvalidList or UnreadableFileError."""
        text = self._file.text()
        return None if text is None else read_saved(Mapfile(self.path, text))

    def read(self, fetched: Fetched) -> PublishedList:
        """Read what a URL gave as it would lie in the folder. Raises InvalidList."""
        url, content = fetched.url, fetched.content
        if not fetched.is_delimited:
            # Anybody on the way could end the connection early, in spite of TLS, and so lift bans.
            raise InvalidList(f"{url}: does not say how long it is, so it may be cut off; the server must")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidList(f"{url}: byte {error.start} is no UTF-8") from None
        return _read(Mapfile(self.path, f"{_HEAD}{url}\n{text}"), url)

    def put(self, published: PublishedList) -> BanChange:
        """Put a list in the place of the one before, and its bans in force. Raises ChangeRefused or FileError."""
        return self._file.put(published.text)


def name_of(url: str) -> str:
    """Return what a list is called if nothing else is said: the host that it is from. Raises InvalidListName."""
    parts = split_url(url)
    if parts is None or parts.scheme.lower() != "https":
        raise InvalidListName(
            f"ban fetch: {url!a}: expected an https URL; over http anybody on the way could lift bans"
        )
    return (parts.hostname or "").replace(":", "-")


def read_saved(file: Mapfile) -> PublishedList:
    """Read a list that was fetched. Raises InvalidList."""
    head = file.text.partition("\n")[0]
    if not head.startswith(_HEAD):
        raise InvalidList(f"{file.path}: was not written by `vomap ban fetch`; take it away, or choose another --name")
    return _read(file, head[len(_HEAD) :])


def check_successor(published: PublishedList, kept: PublishedList | None, now: float) -> None:
    """Raise ListRefused unless a list may come after the one that is kept: of the same source, and no older."""
    if published.issued > now + SKEW:
        raise ListRefused(
            f"{published.url}: is dated {format_utc(published.issued)}, which is yet to come by this clock"
        )
    if kept is None:
        return
    if kept.url != published.url:
        raise ListRefused(f"the list is from {kept.url}: choose another --name, or take the file away")
    if published.issued < kept.issued:
        raise ListRefused(f"{published.url}: is older ({format_utc(published.issued)}) than the list that is there")
    if published.issued == kept.issued and published.meaning != kept.meaning:
        raise ListRefused(f"{published.url}: has other bans than the list that is there, and the same date")


def check_bounds(published: PublishedList, most_wide: int) -> None:
    """Raise ListRefused for a list that bans too many, or that could slow each answer down.

    `most_wide` is how many bans it may have that do not name whom they ban: MOST_WIDE or 0.
    """
    _check_issuers(published)
    _check_patterns(published)
    wide = [_line(ban) for ban in published.bans if not names_identity(ban)]
    if wide and not most_wide:
        raise ListRefused(
            f"{published.url}: {_lines(wide)}: bans a crowd, not subjects, tokens or clients by their whole names; "
            "look at it, and take it by --allow-wide"
        )
    number = sum(_breadth(ban) for ban in published.bans if not names_identity(ban))
    if number > most_wide:
        raise ListRefused(
            f"{published.url}: it bans {number} VOs, issuers or patterns of subjects; at most {most_wide} are taken"
        )


def _breadth(ban: Mapping[str, Any]) -> int:
    """Return how many values of its widest condition a ban has that names nobody."""
    return max(len(ban.get(key, ())) for key in _WIDE) or 1


def _check_issuers(published: PublishedList) -> None:
    for ban in published.bans:
        for url in ban.get("issuer", ()):
            if not is_issuer_url(url):
                raise ListRefused(f"{published.url}: line {_line(ban)}: the issuer {url!a} is not an https URL")


def _check_patterns(published: PublishedList) -> None:
    """Raise ListRefused for bans by what a token may have many of, unless each names somebody and they are few."""
    asking = [ban for ban in published.bans if any(key in ban for key in _PATTERNS)]
    nameless = [_line(ban) for ban in asking if not names_identity(ban)]
    if nameless:
        raise ListRefused(
            f"{published.url}: {_lines(nameless)}: a ban by group, scope or claim names no subject, token (jti) or "
            "client by its whole name; ask the publisher to add one"
        )
    count = sum(1 for ban in asking for _ in _values({key: values for key, values in ban.items() if key in _PATTERNS}))
    if count > MOST_PATTERNS:
        raise ListRefused(
            f"{published.url}: its bans have {count} groups, scopes and claims; at most {MOST_PATTERNS} are taken"
        )


def _lines(numbers: Sequence[int]) -> str:
    return f"line {numbers[0]}" + (f" (and {len(numbers) - 1} more)" if len(numbers) > 1 else "")


def names_identity(ban: Mapping[str, Any]) -> bool:
    """Tell whether a ban's document names subjects, tokens or clients, each by its whole name."""
    subjects = ban.get("subject", ())
    return "jti" in ban or "client" in ban or (bool(subjects) and not any("*" in each for each in subjects))


def _read(file: Mapfile, url: str) -> PublishedList:
    read = read_ban_file(file, findings := Findings())
    if findings.errors:
        # Our own line comes first.
        first = findings.errors[0]
        more = f" (and {len(findings.errors) - 1} more)" if len(findings.errors) > 1 else ""
        raise InvalidList(f"{url}: line {first.place.line - 1}: {first.message}{more}")
    if read.issued is None:
        raise InvalidList(f"{url}: a published list says when it was made: issued: 2026-12-31T12:00:00Z")
    if not read.has_bans:
        raise InvalidList(f"{url}: has no `bans`; a list that bans nobody says `bans: []`")
    _check_cheap(read.bans, url)
    return PublishedList(url, read.issued, read.bans, file.text)


def _check_cheap(bans: list[BanDocument], url: str) -> None:
    """Raise InvalidList for bans whose conditions would cost each authentication much time."""
    count = 0
    for ban in bans:
        for value in _values(ban):
            if len(value) > LONGEST_VALUE:
                raise InvalidList(
                    f"{url}: line {_line(ban)}: a value of {len(value)} characters; at most {LONGEST_VALUE}"
                )
            count += 1 + (value.count("/") if "*" in value else 0)
    if count > MOST_VALUES:
        raise InvalidList(
            f"{url}: its conditions have {count} values, with each part of a pattern; at most {MOST_VALUES} are taken"
        )


def _values(ban: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the conditions of a ban's document compare with."""
    for values in conditions_of(ban).values():
        for several in values.values() if isinstance(values, dict) else [values]:
            yield from several


def _line(ban: Mapping[str, Any]) -> int:
    return int(ban["source"].rpartition(":")[2]) - 1
