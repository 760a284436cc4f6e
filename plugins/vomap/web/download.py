"""Download one file over http or https: within limits of time and size, and only if it has changed."""

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
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADER = re.compile(r"[!-~][ -~]{0,1000}", re.ASCII)
# RFC 9110 section 8.8.2.2: a file that changed within a minute of the response may change again with the same time.
_SETTLED_SECONDS = 60


class FetchError(Error):
    """vomap cannot fetch a file, or cannot save it in its cache. The message says what to do."""


class NoFileError(FetchError):
    """The server responds, but does not send the file."""


@dataclass(frozen=True)
class Limits:
    """The limits of a download: seconds, the bytes of the file, and the number of redirects.

    `connect` is the time until the server accepts the connection, `pause` the time without any data, `whole` the time
    of the whole download. `stays_on_host` is True to refuse redirects to another host.
    """

    connect: float = 10
    pause: float = 30
    whole: float = 300
    # The tarball of the whole topology of 2026 has 5 MB.
    size: int = 1 << 26
    redirects: int = 5
    stays_on_host: bool = False


@dataclass(frozen=True)
class Validators:
    """The conditions of a request for a changed file: the URL that sent it, and its ETag or its time."""

    url: str
    etag: str | None = None
    last_modified: str | None = None

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers of a conditional request. There are none for another URL, which has other ETags."""
        if url != self.url:
            return {}
        stated = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in stated.items() if value is not None}


@dataclass(frozen=True)
class HttpResponse:
    """The response of a server. `content` is None if the file has not changed.

    `validators` are the conditions of the next request. `is_delimited` is True if the server states where the content
    ends. An attacker in the network can cut off content that ends with the connection (RFC 9112 section 9.8).
    `max_age` is the number of seconds for which the server allows to keep it, or None.
    """

    content: bytes | None
    validators: Validators
    is_delimited: bool = True
    max_age: int | None = None


def download(url: str, limits: Limits, authorities: Path | None, known: Validators | None) -> HttpResponse:
    """Download the file of an http or https URL. Raises FetchError.

    `authorities` is a file of certificates, in place of those that the system trusts. `known` are the validators of the
    cached file: the server does not send the file if it has not changed.
    """
    if authorities is not None:
        import ssl

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(authorities)
        except OSError:
            advice = "is not a readable file of certificates; name a PEM file with --ca"
            raise FetchError(f"{authorities}: {advice}") from None
    exchange = _Exchange(url, limits, authorities, known, time.monotonic() + limits.whole)
    # requests has no time limit for looking up names and reading headers, so another thread does the whole download.
    # vomap leaves a slow one behind, and it ends with the process.
    thread = threading.Thread(target=exchange.run, daemon=True)
    thread.start()
    thread.join(limits.whole)
    if exchange.error is not None:
        raise exchange.error
    if exchange.response is None:
        raise exchange.too_long()
    return exchange.response


@dataclass
class _Exchange:
    """The requests and responses of one download."""

    _url: str
    _limits: Limits
    _authorities: Path | None
    _known: Validators | None
    _deadline: float
    response: HttpResponse | None = None
    error: Exception | None = None

    def run(self) -> None:
        """Do the download and store the response or the error."""
        try:
            self.response = self._follow()
        except Exception as error:  # noqa: BLE001 - `download` raises it
            self.error = error

    def _follow(self) -> HttpResponse:
        """Send the request and follow safe redirects. requests would follow any redirect, and read its whole body."""
        from requests.adapters import HTTPAdapter

        url = self._url
        # An adapter, not a session of requests: a session reads .netrc, and variables that name other certificates.
        with contextlib.closing(HTTPAdapter()) as adapter:
            for _ in range(self._limits.redirects + 1):
                with _fetch_errors(url), self._ask(adapter, url) as response:
                    if response.status_code not in _REDIRECTS:
                        return self._read(url, response)
                    stays = self._limits.stays_on_host
                    url = _redirected(url, response.headers.get("Location"), stays_on_host=stays)
        raise FetchError(f"{self._url}: more than {self._limits.redirects} redirects; use the URL of the file itself")

    def _ask(self, adapter: HTTPAdapter, url: str) -> requests.Response:
        from requests import Request
        from requests.utils import get_environ_proxies

        headers = {"User-Agent": f"vomap/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
        conditions = self._known.headers(url) if self._known else {}
        parts = split_url(url)
        return adapter.send(
            Request("GET", url, headers={**headers, **conditions}).prepare(),
            stream=True,
            timeout=(self._limits.connect, self._limits.pause),
            verify=True if self._authorities is None else str(self._authorities),
            # A proxy would send a request for this machine to another machine.
            proxies={} if parts and is_this_machine(parts.hostname or "") else get_environ_proxies(url),
        )

    def _read(self, url: str, response: requests.Response) -> HttpResponse:
        if response.status_code == HTTPStatus.NOT_MODIFIED and self._known and self._known.headers(url):
            return HttpResponse(None, self._known)
        if response.status_code != HTTPStatus.OK:
            raise NoFileError(f"{url}: {_refusal(response.status_code)}")
        headers = response.headers
        declared = headers.get("Content-Length", "")
        length = int(declared) if re.fullmatch(r"[0-9]{1,18}", declared) else None
        is_delimited = length is not None or bool(getattr(response.raw, "chunked", False))
        body = self._body(url, response, length)
        return HttpResponse(body, _validators(url, headers), is_delimited, _max_age(headers))

    def _body(self, url: str, response: requests.Response, length: int | None) -> bytes:
        """Read the body as the server sends it, without unpacking it: a few bytes can unpack to any number."""
        content = bytearray()
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            content += chunk
            if len(content) > self._limits.size:
                raise FetchError(f"{url}: is larger than {self._limits.size} bytes, the limit of a download")
            if time.monotonic() > self._deadline:
                raise self.too_long()
        if length is not None and len(content) < length:
            raise FetchError(f"{url}: ended after {len(content)} of {length} bytes; try again later")
        return bytes(content)

    def too_long(self) -> FetchError:
        """Return the error of a slow download."""
        return FetchError(f"{self._url}: takes longer than {self._limits.whole:g} seconds; try again later")


@contextlib.contextmanager
def _fetch_errors(url: str) -> Iterator[None]:
    """Raise a FetchError of one line for each error of the connection to a URL."""
    from http.client import HTTPException

    import requests
    import urllib3

    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
        raise FetchError(f"{url}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """Return the first cause of an error, and what to do."""
    import ssl

    causes = [error]
    while (below := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(below)
    for cause in reversed(causes):
        if isinstance(cause, ssl.SSLCertVerificationError):
            # An older urllib3 compares the names itself, without such a message.
            why = getattr(cause, "verify_message", "it belongs to another host")
            return f"its certificate is not trusted: {why}; name the authority's with --ca"
        if isinstance(cause, (socket.timeout, TimeoutError)):
            return "does not respond in time; try again later"
        if isinstance(cause, OSError) and cause.strerror:
            return f"vomap cannot fetch it: {cause.strerror}; check the URL, the network and the proxies"
    if "doesn't match" in str(error):
        # Another old version has only this text.
        return "its certificate is not trusted: it belongs to another host; name the authority's with --ca"
    return f"vomap cannot fetch it: {type(error).__name__}; try again later"


def _refusal(status: int) -> str:
    """Return what a response without the file means, and what to do."""
    name = f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return f"is not there ({name}); check the URL"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"needs a login ({name}), and vomap sends none; use a public URL"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"the server cannot send it now ({name}); try again later"
    return f"the server responds with {name}, not with the file; check the URL"


def _validators(url: str, headers: Mapping[str, str]) -> Validators:
    """Return the validators of a response, without those that cannot be in a header."""
    etag = headers.get("ETag", "")
    modified = headers.get("Last-Modified", "")
    is_settled = bool(_HEADER.fullmatch(modified)) and _is_settled(modified, headers.get("Date", ""))
    return Validators(url, etag if _HEADER.fullmatch(etag) else None, modified if is_settled else None)


def _max_age(headers: Mapping[str, str]) -> int | None:
    """Return the seconds for which the server allows to keep the file (RFC 9111 section 5.2.2), or None."""
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


def _redirected(url: str, location: str | None, *, stays_on_host: bool) -> str:
    """Return the target of a redirect. Raises FetchError for a redirect that an attacker could have sent.

    A redirect from https must lead to https. Without TLS an attacker in the network can redirect, so a redirect from
    http must lead to the same host. With `stays_on_host`, each must lead to the same host and port.
    """
    try:
        target = urljoin(url, location or "")
    except ValueError:
        target = ""
    old, new = split_url(url), split_url(target)
    if not location or old is None or new is None:
        raise FetchError(
            f"{url}: redirects to something that is not an http or https URL; use the URL of the file itself"
        )
    if has_user(new):
        raise FetchError(f"{url}: redirects to a URL with a user or a password; use the URL of the file itself")
    if old.scheme == "https" and new.scheme != "https":
        raise FetchError(f"{url}: redirects to {target}, without TLS; use an https URL that stays https")
    if old.scheme != "https" and old.hostname != new.hostname:
        raise FetchError(f"{url}: redirects to another host, {target}; use that URL if you trust it")
    if stays_on_host and (old.hostname, old.port) != (new.hostname, new.port):
        raise FetchError(f"{url}: redirects to another host, {target}, which vomap does not follow here")
    return target
