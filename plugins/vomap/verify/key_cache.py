"""Keep the keys of issuers in a folder that processes share: a file for each issuer, and a lock beside it.

The lifetimes are those of the WLCG Common JWT Profile 1.1. vomap fetches keys again after 6 hours, or after the time
that the issuer states, but at least 1 hour. While the issuer does not answer, vomap uses its keys for 2 days, or for
the time that the issuer states, up to 4 days. vomap asks an issuer at most once in five minutes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from vomap import Error
from vomap.claims.strict_json import parse_json
from vomap.files import FileError
from vomap.files.cache import CacheFolder
from vomap.verify.jwks import FETCH_SECONDS, fetch_keys
from vomap.verify.keys import Key, KeysError, read_jwk

_HOUR, _DAY = 3600, 86400
REFRESH, SOONEST_REFRESH = 6 * _HOUR, _HOUR
EXPIRY, LATEST_EXPIRY = 2 * _DAY, 4 * _DAY
PAUSE = 300
# The clock may be set back by so much: then the times in the cache are not taken for wrong ones.
_SKEW = 60


@dataclass(frozen=True)
class CachedKeys:
    """The keys of an issuer, and the times of the last successful fetch and of the last attempt, in seconds since 1970.

    `max_age` is the number of seconds that the issuer allows to keep the keys. `failure` is the reason if the last
    attempt failed. `is_new` is True if the keys were fetched just now.
    """

    keys: tuple[Key, ...] = ()
    fetched: float | None = None
    asked: float | None = None
    max_age: int | None = None
    failure: str | None = None
    is_new: bool = field(default=False, compare=False)

    def is_usable(self, now: float) -> bool:
        """Return True if vomap may use the keys. Keys with a future time are not used: the clock was or is wrong."""
        return _is_within(self.fetched, now, min(max(self.max_age or 0, EXPIRY), LATEST_EXPIRY))

    def is_due(self, now: float) -> bool:
        """Return True if vomap should fetch the keys again."""
        stated = REFRESH if self.max_age is None else self.max_age
        return not _is_within(self.fetched, now, min(max(stated, SOONEST_REFRESH), REFRESH))

    def may_ask(self, now: float) -> bool:
        """Return True if the last attempt is long enough ago to ask the issuer again."""
        return not _is_within(self.asked, now, PAUSE)


class KeyCache:
    """A folder with the keys of issuers.

    Only root and ourselves may write to it: a user who can change the keys can sign tokens.
    """

    def __init__(self, folder: Path, authorities: Path | None) -> None:
        """Take the folder, which may be missing, and certificates (PEM) to trust in place of the system's."""
        self._files = CacheFolder(folder, ".keys")
        self._authorities = authorities

    def find(self, issuer: str, now: float, *, refetch: bool = False) -> CachedKeys:
        """Return the keys of an issuer that the policy declares. Fetch them if they are missing or due.

        With `refetch`, fetch them also if they are not due, unless vomap has asked in the last PAUSE seconds. Raises
        KeysError if there are no usable keys.
        """
        try:
            cached = self._read(issuer)
            if not cached.is_usable(now):
                # Wait: another process may fetch the keys at this moment, and holds the lock meanwhile.
                cached = self._ask(issuer, now, FETCH_SECONDS)
            elif (refetch or cached.is_due(now)) and cached.may_ask(now):
                cached = self._ask(issuer, now, 0)
        except FileError as error:
            advice = "name a folder that only you can write with --cache"
            raise KeysError(f"token: vomap cannot keep keys: {error}; {advice}") from None
        if not cached.is_usable(now):
            reason = cached.failure or "another process is fetching the issuer's keys; try again"
            raise KeysError(f"token: {reason.removeprefix('token: ')}")
        return cached

    def _ask(self, issuer: str, now: float, patience: float) -> CachedKeys:
        """Fetch the keys, unless another process does or just did. Wait for that process up to `patience` seconds."""
        with self._files.lock(issuer, patience) as is_ours:
            cached = self._read(issuer)
            if not is_ours or not cached.may_ask(now):
                return cached
            # Record the attempt before fetching, so that a killed process still counts against the rate limit.
            cached = replace(cached, asked=now, failure=_failure(issuer, "the issuer did not answer"))
            self._write(issuer, cached)
            try:
                keys, max_age = fetch_keys(issuer, self._authorities)
                cached = CachedKeys(keys, fetched=now, asked=now, max_age=max_age, is_new=True)
            except Error as error:
                cached = replace(cached, failure=_failure(issuer, str(error)))
            self._write(issuer, cached)
            return cached

    def _read(self, issuer: str) -> CachedKeys:
        """Read the file of an issuer. A damaged file, and one of another version of vomap, count as empty."""
        try:
            document = parse_json(self._files.read(issuer).decode("utf-8"))
        except ValueError:
            return CachedKeys()
        if not isinstance(document, dict) or document.get("issuer") != issuer:
            return CachedKeys()
        keys, max_age, failure = document.get("keys"), document.get("max-age"), document.get("failure")
        if not isinstance(keys, list):
            return CachedKeys()
        return CachedKeys(
            tuple(key for key in map(read_jwk, keys) if key is not None),
            _seconds(document.get("fetched")),
            _seconds(document.get("asked")),
            max_age if isinstance(max_age, int) else None,
            failure if isinstance(failure, str) else None,
        )

    def _write(self, issuer: str, cached: CachedKeys) -> None:
        document = {
            "issuer": issuer,
            "fetched": cached.fetched,
            "asked": cached.asked,
            "max-age": cached.max_age,
            "failure": cached.failure,
            "keys": [key.as_jwk() for key in cached.keys],
        }
        self._files.write(issuer, json.dumps(document).encode())


def _failure(issuer: str, reason: str) -> str:
    return f"vomap has no keys of {issuer!a}: {reason}"


def _is_within(begin: float | None, now: float, seconds: float) -> bool:
    return begin is not None and -_SKEW <= now - begin < seconds


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1 << 53 else None
