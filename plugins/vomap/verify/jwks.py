"""What an issuer publishes: metadata that name its keys, and the keys, over https within tight limits.

OpenID Connect Discovery 1.0 section 4 appends the well-known path to the issuer, RFC 8414 section 3.1 puts it between
host and path. Nobody but the issuer is asked about a token: there is no introspection.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from vomap.claims.strict_json import parse_json
from vomap.verify.keys import Key, KeysError, read_key
from vomap.web.download import HttpResponse, Limits, NoFileError, download
from vomap.web.urls import split_url

# A service waits for it, with what holds a token.
SECONDS = 3.0
_TO_CONNECT = 2.0
_LARGEST = 1 << 18
_MOST_KEYS = 100
_REDIRECTS = 2
_OPENID, _OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


@dataclass(frozen=True)
class PublishedKeys:
    """An issuer's keys, and for how many seconds it says that they may be kept, if it does."""

    keys: tuple[Key, ...]
    max_age: int | None


def fetch_keys(issuer: str, authorities: Path | None, seconds: float = SECONDS) -> PublishedKeys:
    """Return the keys that an issuer publishes. Raises KeysError or FetchError.

    Args:
        issuer: the issuer, as its tokens write it; one that the policy declares.
        authorities: a file of certificates, in place of those that are trusted on this system.
        seconds: how long all of it may take.

    """
    return _Asking(issuer, authorities, seconds).published()


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return where an issuer's metadata can lie, the likelier place first. Raises KeysError if it is no https URL."""
    if not _is_secure(issuer) or "?" in issuer or "#" in issuer:
        raise KeysError(f"the keys of {issuer!a} cannot be found: it is no https URL without a query")
    base = issuer.removesuffix("/")
    _, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    return base + _OPENID, f"https://{host}{_OAUTH}{slash}{path}"


class _Asking:
    """The requests to one issuer, within one time for all."""

    def __init__(self, issuer: str, authorities: Path | None, seconds: float) -> None:
        self._issuer = issuer
        self._authorities = authorities
        self._deadline = time.monotonic() + seconds

    def published(self) -> PublishedKeys:
        url = self._keys_url()
        answer = self._get(url)
        document = _parse(url, answer)
        listed = document.get("keys")
        if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
            raise KeysError(f"{url}: expected a list of at most {_MOST_KEYS} keys")
        keys = tuple(key for key in map(read_key, listed) if key is not None)
        if not keys:
            raise KeysError(f"{url}: has no key that a signature can be verified with")
        return PublishedKeys(keys, answer.max_age)

    def _keys_url(self) -> str:
        """Return where the issuer says that its keys are. That may be another host: several large issuers do so."""
        url, answer = self._metadata()
        document = _parse(url, answer)
        if document.get("issuer") != self._issuer:
            raise KeysError(f"{url}: is of another issuer than {self._issuer!a}")
        keys_url = document.get("jwks_uri")
        if not isinstance(keys_url, str) or not _is_secure(keys_url):
            raise KeysError(f"{url}: its jwks_uri is no https URL")
        return keys_url

    def _metadata(self) -> tuple[str, HttpResponse]:
        """Return the metadata and where they lie; if they lie nowhere, the likelier place is what is told of."""
        first, second = metadata_urls(self._issuer)
        try:
            return first, self._get(first)
        except NoFileError as error:
            try:
                return second, self._get(second)
            except NoFileError:
                raise error from None

    def _get(self, url: str) -> HttpResponse:
        left = max(self._deadline - time.monotonic(), 0.01)
        limits = Limits(
            connect=min(left, _TO_CONNECT),
            pause=left,
            whole=round(left, 2),
            size=_LARGEST,
            redirects=_REDIRECTS,
            stays_on_host=True,
        )
        return download(url, limits, self._authorities, None)


def _is_secure(url: str) -> bool:
    parts = split_url(url)
    return parts is not None and parts.scheme == "https" and "@" not in parts.netloc


def _parse(url: str, answer: HttpResponse) -> dict[str, object]:
    try:
        document = parse_json((answer.content or b"").decode("utf-8"))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise KeysError(f"{url}: is no JSON object that can be trusted")
    return document
