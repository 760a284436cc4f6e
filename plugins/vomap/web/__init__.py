"""Files from the web: fetched within limits, kept, and fetched again only when they have changed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from vomap import Error
from vomap.web.cache import Cache
from vomap.web.download import Answer, FetchError, Limits, download
from vomap.web.hosting import file_behind
from vomap.web.urls import has_user, is_this_machine, split_url

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class UrlError(Error):
    """A URL that cannot be a source, whatever is there."""

    exit_code = 2


@dataclass(frozen=True)
class Fetched:
    """What a URL gave: its content, and whether it is what was kept of it before.

    Of what was not delimited it is not known whether it is whole: its end may have been cut off.
    """

    url: str
    content: bytes
    is_unchanged: bool
    _answer: Answer
    _cache: Cache

    @property
    def is_delimited(self) -> bool:
        """Tell whether the answer said where it ends; only what knows that of itself can be taken for whole else."""
        return self.is_unchanged or self._answer.is_delimited

    def keep(self) -> None:
        """Keep the content, and do not ask for it again until it changes. Raises FetchError.

        This is for who has read it and found it whole: half a file that is kept might stay forever.
        """
        if not self.is_unchanged:
            self._cache.keep(self.url, self._answer.validators, self.content)


@dataclass(frozen=True)
class Web:
    """How the web is asked: where answers are kept, whose certificates are trusted, and within which limits.

    Args:
        cache: the folder of kept answers; none given means the user's own.
        authorities: a file of certificates of authorities, in place of those that the system trusts.
        limits: how long and how large an answer may be.

    """

    cache: Path | None = None
    authorities: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def fetch(self, url: str) -> Fetched:
        """Return what a URL gives. Raises UrlError if it cannot be a source, and FetchError if it gives nothing."""
        check_url(url)
        cache = Cache(self.cache or default_cache())
        kept = cache.find(url)
        answer = download(url, self.limits, self.authorities, kept.validators if kept else None)
        if answer.content is None and kept is not None:
            return Fetched(url, kept.content, is_unchanged=True, _answer=answer, _cache=cache)
        return Fetched(url, answer.content or b"", is_unchanged=False, _answer=answer, _cache=cache)


def is_url(source: str) -> bool:
    """Tell whether a source is meant as a URL, of whatever kind."""
    return bool(_SCHEME.match(source))


def check_url(url: str) -> None:
    """Raise UrlError for what is no plain http(s) URL, and for a page that shows a file and is none."""
    parts = split_url(url)
    if parts is None:
        raise UrlError(f"{url!a}: is no http or https URL; expected such as https://example.org/topology.tar.gz")
    if has_user(parts):
        raise UrlError(
            f"{parts.hostname}: a URL with a name or a password in it cannot be a source: they would be told"
        )
    better = file_behind(url)
    if better:
        raise UrlError(f"{url}: is a page, not a tarball or a VO file; use {better}")


def can_be_changed_on_the_way(url: str) -> bool:
    """Tell whether somebody on the way could change what a URL gives: without TLS, except from this very machine."""
    parts = split_url(url)
    return parts is not None and parts.scheme == "http" and not is_this_machine(parts.hostname or "")


def default_cache() -> Path:
    """Return the user's folder for what can be fetched again (XDG Base Directory Specification). Raises FetchError."""
    stated = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (stated if stated.is_absolute() else Path.home() / ".cache") / "vomap"
    except RuntimeError:
        raise FetchError("there is no home folder to keep what is fetched in; name a folder with --cache") from None
