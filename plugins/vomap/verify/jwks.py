"""Fetch the keys that an issuer publishes: its metadata, which name the URL of the keys, and the keys.

OpenID Connect Discovery 1.0 section 4 appends the well-known path to the issuer. RFC 8414 section 3.1 puts it between
host and path. All requests are over https and within tight limits. vomap asks no server about a token: it does not use
introspection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vomap.claims.strict_json import parse_json
from vomap.verify.keys import Key, KeysError, read_jwk
from vomap.web.download import HttpResponse, Limits, NoFileError, download
from vomap.web.urls import has_user, split_url

# A service and its user wait for the fetch.
FETCH_SECONDS = 3.0
_CONNECT_SECONDS = 2.0
_LARGEST = 1 << 18
_MOST_KEYS = 100
_REDIRECTS = 2
_OPENID, _OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


def fetch_keys(issuer: str, authorities: Path | None) -> tuple[tuple[Key, ...], int | None]:
    """Return the keys that an issuer publishes, at least one. Raises KeysError or FetchError.

    The second value is the seconds for which the issuer allows to keep them, None if it does not say. `issuer` is one
    that the policy declares, as its tokens write it. `authorities` is a file of certificates (PEM) to trust in place
    of the system's.
    """
    get = partial(_get, time.monotonic() + FETCH_SECONDS, authorities)
    url = _keys_url(issuer, get)
    answer = get(url)
    jwks = _parse(url, answer).get("keys")
    if not isinstance(jwks, list) or len(jwks) > _MOST_KEYS:
        raise KeysError(f"{url}: expected a list of at most {_MOST_KEYS} keys")
    keys = tuple(key for key in map(read_jwk, jwks) if key is not None)
    if not keys:
        raise KeysError(f"{url}: has no key that can verify a signature")
    return keys, answer.max_age


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return both URLs of an issuer's metadata, the more common one first. Raises KeysError without an https URL."""
    if not _is_secure(issuer) or "?" in issuer or "#" in issuer:
        raise KeysError(f"{issuer!a} is not an https URL without a query")
    base = issuer.removesuffix("/")
    _, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    return base + _OPENID, f"https://{host}{_OAUTH}{slash}{path}"


def _keys_url(issuer: str, get: Callable[[str], HttpResponse]) -> str:
    """Return the URL of the keys from the metadata. It may be on another host, as for several large issuers."""
    url, other = metadata_urls(issuer)
    try:
        answer = get(url)
    except NoFileError as error:
        try:
            url, answer = other, get(other)
        except NoFileError:
            # The error of the more common URL.
            raise error from None
    document = _parse(url, answer)
    # RFC 8414 section 3.3: the metadata of another issuer must not lead to keys for this one.
    if document.get("issuer") != issuer:
        raise KeysError(f"{url}: has the metadata of another issuer than {issuer!a}")
    keys_url = document.get("jwks_uri")
    if not isinstance(keys_url, str) or not _is_secure(keys_url):
        raise KeysError(f"{url}: its jwks_uri is not an https URL")
    return keys_url


def _get(deadline: float, authorities: Path | None, url: str) -> HttpResponse:
    left = max(deadline - time.monotonic(), 0.01)
    limits = Limits(
        connect=min(left, _CONNECT_SECONDS),
        pause=left,
        whole=round(left, 2),
        size=_LARGEST,
        redirects=_REDIRECTS,
        stays_on_host=True,
    )
    return download(url, limits, authorities, None)


def _is_secure(url: str) -> bool:
    """Return True for an https URL without a user."""
    parts = split_url(url)
    return parts is not None and parts.scheme == "https" and not has_user(parts)


def _parse(url: str, answer: HttpResponse) -> dict[str, object]:
    try:
        document = parse_json((answer.content or b"").decode("utf-8"))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise KeysError(f"{url}: is not a valid JSON object")
    return document
