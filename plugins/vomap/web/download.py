"""One file over http or https: within limits of time and size, redirected with care, and only if it has changed."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from vomap import Error, __version__
from vomap.web.urls import has_user, is_this_machine, split_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import requests
    from requests.adapters import HTTPAdapter

_CHUNK = 1 << 16
_REDIRECTS = (
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
)
_HEADER = re.compile(r"[!-~][ -~]{0,1000}", re.ASCII)
# RFC 9110 section 8.8.2.2: what changed within a minute of the answer may change once more with the same time.
_SETTLED_SECONDS = 60


class FetchError(Error):
    """A file that cannot be had from the web, or not kept; the message says what to do."""


class NoFileError(FetchError):
    """A server that answers, and not with the file."""


@dataclass(frozen=True)
class Limits:
    """How long the connection, each pause and the whole may last, in seconds; bytes; redirects, and where they lead."""

    connect: float = 10
    pause: float = 30
    whole: float = 300
    # The tarball of the whole topology of 2026 has 5 MB.
    size: int = 1 << 26
    redirects: int = 5
    stays_on_host: bool = False


@dataclass(frozen=True)
class Validators:
    """What an answer is asked for by, if it has changed: the URL that gave it, and its ETag or its time."""

    url: str
    etag: str | None = None
    last_modified: str | None = None

    def headers(self, url: str) -> dict[str, str]:
        """Return what makes a request conditional; nothing for another URL, where they would mean something else."""
        if url != self.url:
            return {}
        stated = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in stated.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    """What came: the content, or None if it is what it was before; and whether it was said where it ends.

    What ends with the connection may have been cut off by anybody on the way (RFC 9112 section 9.8). `max_age` is for
    how many seconds it is said to hold.
    """

    content: bytes | None
    validators: Validators
    is_delimited: bool = True
    max_age: int | None = None


def download(url: str, limits: Limits, authorities: Path | None, known: Validators | None) -> Answer:
    """Return what a URL gives. Raises FetchError.

    Args:
        url: where to begin; an http or https URL.
        limits: what is waited for, and taken, at the most.
        authorities: a file of certificates, in place of those that are trusted on this system.
        known: what an earlier answer had; if it still holds, nothing is sent.

    """
    if authorities is not None:
        _require_certificates(authorities)
    exchange = _Exchange(url, limits, authorities, known)
    exchange.start()
    # Names are looked up, and headers read, without a limit of their own: only from outside all of it can be bounded.
    exchange.join(limits.whole)
    return exchange.result()


def _require_certificates(authorities: Path) -> None:
    """Raise FetchError for a file without certificates, before anybody is connected to."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(authorities)
    except OSError:
        raise FetchError(f"{authorities}: holds no certificates that can be read; name a PEM file with --ca") from None


class _Exchange(threading.Thread):
    """The requests and answers of one download. One that takes too long is left alone, and ends with the process."""

    def __init__(self, url: str, limits: Limits, authorities: Path | None, known: Validators | None) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._limits = limits
        self._authorities = authorities
        self._known = known
        self._deadline = time.monotonic() + limits.whole
        self._answer: Answer | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Ask, and keep what came of it."""
        try:
            self._answer = self._follow()
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error

    def result(self) -> Answer:
        """Return what came. Raises FetchError."""
        if self._error is not None:
            raise self._error
        if self._answer is None:
            raise self._too_long()
        return self._answer

    def _follow(self) -> Answer:
        """Ask, and follow redirects by hand: requests would follow them anywhere, and read what they bring."""
        from requests.adapters import HTTPAdapter

        url = self._url
        # Below requests' session, which would look into .netrc and at variables that name other certificates.
        with contextlib.closing(HTTPAdapter()) as adapter:
            for _ in range(self._limits.redirects + 1):
                with _told(url), self._ask(adapter, url) as response:
                    if response.status_code not in _REDIRECTS:
                        return self._read(url, response)
                    target = _redirected(url, response.headers.get("Location"))
                    if self._limits.stays_on_host and _host(target) != _host(url):
                        raise FetchError(f"{url}: redirects to another host, {target}; that is not followed")
                    url = target
        raise FetchError(f"{self._url}: more than {self._limits.redirects} redirects; use the URL of the file itself")

    def _ask(self, adapter: HTTPAdapter, url: str) -> requests.Response:
        from requests import Request
        from requests.utils import get_environ_proxies

        headers = {"User-Agent": f"vomap/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
        conditions = self._known.headers(url) if self._known else {}
        return adapter.send(
            Request("GET", url, headers={**headers, **conditions}).prepare(),
            stream=True,
            timeout=(self._limits.connect, self._limits.pause),
            verify=True if self._authorities is None else str(self._authorities),
            # What is asked of this very machine is nobody else's business, and another would answer it.
            proxies={} if _is_asked_here(url) else get_environ_proxies(url),
        )

    def _read(self, url: str, response: requests.Response) -> Answer:
        if response.status_code == HTTPStatus.NOT_MODIFIED and self._known and self._known.headers(url):
            return Answer(None, self._known)
        if response.status_code != HTTPStatus.OK:
            raise NoFileError(f"{url}: {_refusal(response.status_code)}")
        headers = response.headers
        is_delimited = _length(headers) is not None or bool(getattr(response.raw, "chunked", False))
        return Answer(self._body(url, response), _validators(url, headers), is_delimited, _max_age(headers))

    def _body(self, url: str, response: requests.Response) -> bytes:
        """Read the body as it is sent, without unpacking it: a few bytes could be unpacked to any number."""
        length = _length(response.headers)
        content = bytearray()
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            content += chunk
            if len(content) > self._limits.size:
                raise FetchError(f"{url}: is larger than {self._limits.size} bytes: more than is taken")
            if time.monotonic() > self._deadline:
                raise self._too_long()
        if length is not None and len(content) < length:
            raise FetchError(f"{url}: ended after {len(content)} of {length} bytes; try again later")
        return bytes(content)

    def _too_long(self) -> FetchError:
        return FetchError(f"{self._url}: takes longer than {self._limits.whole:g} seconds; try again later")


def _length(headers: Mapping[str, str]) -> int | None:
    """Return how many bytes are declared; None if that is not said, or makes no sense."""
    declared = headers.get("Content-Length", "")
    return int(declared) if re.fullmatch(r"[0-9]{1,18}", declared) else None


def _is_asked_here(url: str) -> bool:
    parts = split_url(url)
    return parts is not None and is_this_machine(parts.hostname or "")


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Tell what goes wrong on the way to a URL, in one line, as a FetchError."""
    from http.client import HTTPException

    import requests
    import urllib3

    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
        raise FetchError(f"{url}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """Return what went wrong at the bottom of it, and what to do."""
    import ssl

    causes = [error]
    while (below := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(below)
    for cause in reversed(causes):
        if isinstance(cause, ssl.SSLCertVerificationError):
            # An older urllib3 compares the names itself, and has no such message.
            why = getattr(cause, "verify_message", "it is another host's")
            return f"its certificate is not trusted: {why}; name the authority's with --ca"
        if isinstance(cause, (socket.timeout, TimeoutError)):
            return "does not answer in time; try again later"
        if isinstance(cause, OSError) and cause.strerror:
            return f"cannot be fetched: {cause.strerror}; look at the URL, the network and the proxies"
    if "doesn't match" in str(error):
        # Another older one tells so in its words alone.
        return "its certificate is not trusted: it is another host's; name the authority's with --ca"
    return f"cannot be fetched: {type(error).__name__}; try again later"


def _refusal(status: int) -> str:
    """Return what an answer without the file means, and what to do."""
    name = f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return f"is not there ({name}); look at the URL"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"is not given to everybody ({name}); vomap has no password to show, use a public URL"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"the server cannot give it now ({name}); try again later"
    return f"the server answers {name}, not with the file; look at the URL"


def _validators(url: str, headers: Mapping[str, str]) -> Validators:
    """Return what an answer can be asked for by again; a text that no header could hold is none."""
    etag = headers.get("ETag", "")
    modified = headers.get("Last-Modified", "")
    is_settled = bool(_HEADER.fullmatch(modified)) and _is_settled(modified, headers.get("Date", ""))
    return Validators(url, etag if _HEADER.fullmatch(etag) else None, modified if is_settled else None)


def _max_age(headers: Mapping[str, str]) -> int | None:
    """Return for how many seconds an answer may be kept (RFC 9111 section 5.2.2), if it says so."""
    found = re.search(
        r"(?:^|[\s,])max-age=([0-9]{1,9})(?![0-9])", headers.get("Cache-Control", ""), re.ASCII | re.IGNORECASE
    )
    return int(found[1]) if found else None


def _is_settled(modified: str, date: str) -> bool:
    try:
        age = parsedate_to_datetime(date) - parsedate_to_datetime(modified)
    except (TypeError, ValueError, IndexError, OverflowError):
        return False
    return age.total_seconds() >= _SETTLED_SECONDS


def _host(url: str) -> tuple[str | None, int | None] | None:
    parts = split_url(url)
    return None if parts is None else (parts.hostname, parts.port)


def _redirected(url: str, location: str | None) -> str:
    """Return where a redirect leads. Raises FetchError where somebody else might have sent us.

    From https it leads to https; without TLS, where anybody on the way can redirect, to the same host.
    """
    try:
        target = urljoin(url, location or "")
    except ValueError:
        target = ""
    old, new = split_url(url), split_url(target)
    if not location or old is None or new is None:
        raise FetchError(f"{url}: redirects to what is no http or https URL; use the URL of the file itself")
    if has_user(new):
        raise FetchError(f"{url}: redirects to a URL with a name or a password in it; use the URL of the file itself")
    if old.scheme == "https" and new.scheme != "https":
        raise FetchError(f"{url}: redirects to {target}, without TLS; use an https URL that stays https")
    if old.scheme != "https" and old.hostname != new.hostname:
        raise FetchError(f"{url}: redirects to another host, {target}; use that URL, if you trust it")
    return target
