"""Fetch files from the web within limits, keep them in a cache, and fetch them again only when they have changed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from vomap import Error
from vomap.web.cache import WebCache
from vomap.web.download import FetchError, HttpResponse, Limits, download
from vomap.web.hosting import file_behind
from vomap.web.urls import has_user, is_this_machine, split_url

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class UrlError(Error):
    """A URL that vomap does not fetch, whatever the server would send."""

    exit_code = 2


@dataclass(frozen=True)
class WebFile:
    """The content of a URL. `is_unchanged` is True if it comes from the cache and the server confirmed it."""

    url: str
    content: bytes
    is_unchanged: bool
    _response: HttpResponse
    _cache: WebCache

    @property
    def is_delimited(self) -> bool:
        """Whether the server stated where the content ends. If not, the content may have been cut off."""
        return self.is_unchanged or self._response.is_delimited

    def save(self) -> None:
        """Save the content in the cache. Raises FetchError.

        Call this only for content that is whole: the cache would keep half a file as long as the server's is the same.
        """
        if not self.is_unchanged:
            self._cache.save(self.url, self._response.validators, self.content)


@dataclass(frozen=True)
class Web:
    """How vomap fetches from the web: the folder of its cache (default: that of the user), and its limits.

    `authorities` is a file with certificates of authorities, in place of those that the system trusts.
    """

    cache: Path | None = None
    authorities: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def fetch(self, url: str) -> WebFile:
        """Return the file of a URL. Raises UrlError for a URL that vomap does not fetch, FetchError if it fails."""
        check_url(url)
        cache = WebCache(self.cache or default_cache())
        validators, content = cache.find(url) or (None, b"")
        response = download(url, self.limits, self.authorities, validators)
        if response.content is None:
            return WebFile(url, content, is_unchanged=True, _response=response, _cache=cache)
        return WebFile(url, response.content, is_unchanged=False, _response=response, _cache=cache)


def is_url(source: str) -> bool:
    """Return True if a source is meant as a URL of any kind."""
    return bool(_SCHEME.match(source))


def check_url(url: str) -> None:
    """Raise UrlError for a URL that is not a plain http or https URL, and for a page that shows a file."""
    parts = split_url(url)
    if parts is None:
        raise UrlError(f"{url!a}: is not an http or https URL; expected such as https://example.org/topology.tar.gz")
    if has_user(parts):
        raise UrlError(f"{parts.hostname}: the URL contains a user or a password, which logs would show; remove it")
    better = file_behind(url)
    if better:
        raise UrlError(f"{url}: is a page, not a tarball or a VO file; use {better}")


def can_be_changed_on_the_way(url: str) -> bool:
    """Return True if an attacker in the network can change the file of a URL: http, except from this machine."""
    parts = split_url(url)
    return parts is not None and parts.scheme == "http" and not is_this_machine(parts.hostname or "")


def default_cache() -> Path:
    """Return the user's cache folder (XDG Base Directory Specification). Raises FetchError."""
    stated = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (stated if stated.is_absolute() else Path.home() / ".cache") / "vomap"
    except RuntimeError:
        raise FetchError("the user has no home folder for the cache; name a folder with --cache") from None
