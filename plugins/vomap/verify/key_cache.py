"""The keys of issuers, kept in a folder that processes share: a file for each issuer, and a lock beside it.

The lifetimes are those of the WLCG Common JWT Profile 1.1: keys are refreshed after 6 hours, or sooner if the issuer
says so, but not within 1 hour; they are used for 2 days, or up to 4 if the issuer says so, while it cannot be reached.
Whatever the reason, an issuer is asked once in five minutes at the most.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from vomap import Error
from vomap.claims.strict_json import parse_json
from vomap.files import FileError
from vomap.files.atomic import read_trusted, replace_file
from vomap.verify.jwks import SECONDS, fetch_keys
from vomap.verify.keys import Key, KeysError, read_key

_HOUR, _DAY = 3600, 86400
REFRESH, SOONEST_REFRESH = 6 * _HOUR, _HOUR
EXPIRY, LATEST_EXPIRY = 2 * _DAY, 4 * _DAY
PAUSE = 300
# What a clock may be set back without making what is kept a thing of the future.
_SKEW = 60
_POLL = 0.05
_OURS_ALONE = 0o700


@dataclass(frozen=True)
class Kept:
    """What is known of an issuer's keys: when it was asked last, what for, and when its keys were had.

    Times are in seconds since 1970. `failure` tells why the keys could not be had when they were asked for last;
    `is_new` that they have just been fetched.
    """

    keys: tuple[Key, ...] = ()
    fetched: float | None = None
    asked: float | None = None
    max_age: int | None = None
    failure: str | None = None
    is_new: bool = field(default=False, compare=False)

    def is_usable(self, now: float) -> bool:
        """Tell whether the keys may be used; of a time to come, they may not: the clock was wrong then, or is now."""
        return _is_within(self.fetched, now, min(max(self.max_age or 0, EXPIRY), LATEST_EXPIRY))

    def is_due(self, now: float) -> bool:
        """Tell whether the keys should be fetched again."""
        stated = REFRESH if self.max_age is None else self.max_age
        return not _is_within(self.fetched, now, min(max(stated, SOONEST_REFRESH), REFRESH))

    def may_ask(self, now: float) -> bool:
        """Tell whether the issuer may be asked again."""
        return not _is_within(self.asked, now, PAUSE)


class KeyCache:
    """A folder of issuers' keys. Nobody but root and ourselves may write to it: who gives the keys signs the tokens."""

    def __init__(self, folder: Path, authorities: Path | None) -> None:
        """Take the folder, which need not be there, and certificates in place of those that the system trusts."""
        self._folder = folder
        self._authorities = authorities

    def find(self, issuer: str, now: float, *, anew: bool = False) -> Kept:
        """Return an issuer's keys, asking for them if they are missing or due, or `anew` if what is kept does not do.

        `issuer` is one that the policy declares. Raises KeysError if there are none that may be used.
        """
        kept = self._read(issuer)
        if not kept.is_usable(now):
            # Another process may be asking at this moment: it has the lock then.
            kept = self._ask(issuer, now, SECONDS)
        elif (anew or kept.is_due(now)) and kept.may_ask(now):
            kept = self._ask(issuer, now, 0)
        if not kept.is_usable(now):
            raise KeysError(kept.failure or "token: another process is fetching the issuer's keys; try again")
        return kept

    def _ask(self, issuer: str, now: float, patience: float) -> Kept:
        """Ask the issuer, unless another process does, or just did: what that one finds is waited for, if need be."""
        with self._lock(issuer, patience) as is_ours:
            kept = self._read(issuer)
            if not is_ours or not kept.may_ask(now):
                return kept
            # Kept before it is asked: who is ended while it waits has asked all the same.
            kept = replace(kept, asked=now, failure=f"token: the keys of {issuer!a} are not there: it did not answer")
            self._write(issuer, kept)
            kept = self._fetch(issuer, now, kept)
            self._write(issuer, kept)
            return kept

    def _fetch(self, issuer: str, now: float, kept: Kept) -> Kept:
        try:
            published = fetch_keys(issuer, self._authorities)
        except Error as error:
            why = str(error).removeprefix("token: ")
            return replace(kept, failure=f"token: the keys of {issuer!a} are not there: {why}")
        return Kept(published.keys, fetched=now, asked=now, max_age=published.max_age, is_new=True)

    def _path(self, issuer: str) -> str:
        return str(self._folder / f"{hashlib.sha256(issuer.encode()).hexdigest()}.keys")

    def _read(self, issuer: str) -> Kept:
        path = self._path(issuer)
        try:
            content = read_trusted(path) if os.path.lexists(path) else b""
        except FileError as error:
            raise self._unusable(error) from None
        return _parse(issuer, content)

    def _write(self, issuer: str, kept: Kept) -> None:
        document = {
            "issuer": issuer,
            "fetched": kept.fetched,
            "asked": kept.asked,
            "max-age": kept.max_age,
            "failure": kept.failure,
            "keys": [key.as_jwk() for key in kept.keys],
        }
        try:
            replace_file(self._path(issuer), json.dumps(document).encode(), 0o600)
        except FileError as error:
            raise self._unusable(error) from None

    @contextlib.contextmanager
    def _lock(self, issuer: str, patience: float) -> Iterator[bool]:
        """Yield whether we have an issuer's lock; it is waited for so many seconds."""
        try:
            self._folder.mkdir(mode=_OURS_ALONE, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(f"{self._path(issuer)}.lock", flags, 0o600)
        except OSError as error:
            raise self._unusable(FileError(f"{self._folder}: {error.strerror}")) from None
        try:
            yield _has_locked(descriptor, time.monotonic() + patience)
        finally:
            os.close(descriptor)

    def _unusable(self, error: Error) -> KeysError:
        return KeysError(f"token: keys cannot be kept: {error}; name a folder that is ours with --cache")


def _is_within(begin: float | None, now: float, seconds: float) -> bool:
    return begin is not None and -_SKEW <= now - begin < seconds


def _has_locked(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        else:
            return True


def _parse(issuer: str, content: bytes) -> Kept:
    """Read what is kept of an issuer; what is damaged, or of another vomap's making, is nothing."""
    try:
        document = parse_json(content.decode("utf-8"))
    except ValueError:
        return Kept()
    if not isinstance(document, dict) or document.get("issuer") != issuer or not isinstance(document.get("keys"), list):
        return Kept()
    keys = [read_key(jwk) for jwk in document["keys"]]
    max_age, failure = document.get("max-age"), document.get("failure")
    return Kept(
        tuple(key for key in keys if key is not None),
        _seconds(document.get("fetched")),
        _seconds(document.get("asked")),
        max_age if isinstance(max_age, int) else None,
        failure if isinstance(failure, str) else None,
    )


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1 << 53 else None
