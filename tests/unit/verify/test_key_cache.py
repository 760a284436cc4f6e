"""The cache of keys: only root and ourselves may write it, processes share it, and keys expire."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from threads import helping
from unit.verify.issuer import KEYS, Issuer, issuing, jwk
from unit.web.server import AUTHORITY, without_variables
from vomap.files.cache import CacheFolder
from vomap.verify import key_cache as room
from vomap.verify.key_cache import CachedKeys, KeyCache
from vomap.verify.keys import KeysError, read_jwk

NOW = 1_800_000_000.0
HOUR, DAY = 3600, 86400
KEY = read_jwk(jwk("RSA"))
assert KEY is not None


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """Return an issuer that a site trusts."""
    without_variables(monkeypatch)
    with issuing(tmp_path) as running:
        yield running


def find(issuer: Issuer, now: float = NOW, **how: bool) -> CachedKeys:
    """Return an issuer's keys as a process of its own would find them."""
    return KeyCache(issuer.cache, AUTHORITY).find(issuer.url, now, **how)


def kept_file(issuer: Issuer) -> Path:
    """Return the only file of the cache that is not a lock."""
    (path,) = issuer.cache.glob("*.keys")
    return path


@pytest.mark.parametrize(
    ("max_age", "refresh", "expiry"),
    [
        (None, 6 * HOUR, 2 * DAY),
        (0, HOUR, 2 * DAY),
        (HOUR - 1, HOUR, 2 * DAY),
        (2 * HOUR, 2 * HOUR, 2 * DAY),
        (DAY, 6 * HOUR, 2 * DAY),
        (3 * DAY, 6 * HOUR, 3 * DAY),
        (999_999_999, 6 * HOUR, 4 * DAY),
        (-5, HOUR, 2 * DAY),
    ],
)
def test_lifetimes(max_age: int | None, refresh: int, expiry: int) -> None:
    """Keys are due after 6 h, or 1 h at least, and usable for 2 d, or 4 d at most, for any `max_age`."""
    kept = CachedKeys((KEY,), fetched=NOW, asked=NOW, max_age=max_age)  # type: ignore[arg-type]
    assert [kept.is_due(NOW + age) for age in (-60, 0, refresh - 1, refresh)] == [False, False, False, True]
    assert [kept.is_usable(NOW + age) for age in (-60, 0, expiry - 1, expiry)] == [True, True, True, False]
    assert [kept.is_usable(NOW - age) for age in (61, DAY, 10**9)] == [False, False, False]
    assert [kept.may_ask(NOW + age) for age in (-61, -60, 0, 299, 300)] == [True, False, False, False, True]


def test_nothing_is_kept_at_first(issuer: Issuer) -> None:
    """An issuer of which nothing is known is asked, and then known by a file of its own."""
    assert find(issuer).is_new
    assert not find(issuer).is_new
    path = kept_file(issuer)
    assert path.stat().st_mode & 0o777 == 0o600
    assert issuer.cache.stat().st_mode & 0o077 == 0
    other = json.loads(path.read_bytes())
    assert (other["issuer"], other["fetched"]) == (issuer.url, NOW)


def test_only_public_members_are_kept(issuer: Issuer) -> None:
    """Should an issuer publish its private key, it is not spread any further."""
    issuer.publish([jwk("RSA", d="secret", p="secret")])
    find(issuer)
    assert b"secret" not in kept_file(issuer).read_bytes()


def _others_may_write(path: Path) -> None:
    path.chmod(0o622)


def _group_may_write(path: Path) -> None:
    path.chmod(0o660)


def _loose_folder(path: Path) -> None:
    path.parent.chmod(0o777)


def _somebody_elses(path: Path) -> None:
    os.chown(path, 12345, 12345)


@pytest.mark.parametrize("loosen", [_others_may_write, _group_may_write, _loose_folder, _somebody_elses])
def test_keys_that_others_can_write(issuer: Issuer, loosen: Callable[[Path], None]) -> None:
    """A user who can write the keys could sign any token: vomap neither uses nor replaces them."""
    if loosen is _somebody_elses and os.geteuid() != 0:
        loosen = _others_may_write
    find(issuer)
    loosen(kept_file(issuer))
    with pytest.raises(KeysError, match="name a folder that only you can write with --cache"):
        find(issuer)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"issuer": "https://other.example/", "keys": []}',
        b'{"keys": 7}',
    ],
)
def test_what_is_damaged_is_nothing(issuer: Issuer, content: bytes) -> None:
    """Half a file, or another's, is fetched again."""
    find(issuer)
    kept_file(issuer).write_bytes(content)
    assert find(issuer, NOW + 1).is_new


@pytest.mark.parametrize(
    ("members", "is_new"),
    [
        ({"fetched": "1800000000"}, False),
        ({"fetched": None, "asked": None}, True),
        ({"fetched": 1e300, "asked": 1e300}, True),
        ({"fetched": NOW + DAY, "asked": NOW + DAY}, True),
        ({"max-age": "x", "failure": 7}, False),
    ],
)
def test_times_that_are_none(issuer: Issuer, members: dict[str, Any], is_new: bool) -> None:
    """A time of no use, or of a time to come, makes nothing last."""
    find(issuer)
    path = kept_file(issuer)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **members}))
    if members.get("fetched") == "1800000000":
        with pytest.raises(KeysError):
            find(issuer, NOW + 1)
    else:
        assert find(issuer, NOW + 1).is_new == is_new


def test_a_weak_key_in_the_file_is_none(issuer: Issuer) -> None:
    """The cache is read as strictly as published keys."""
    find(issuer)
    path = kept_file(issuer)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "keys": [jwk("RSA1024"), {"kty": "oct", "k": "x"}]}))
    assert find(issuer, NOW + 1).keys == ()


def test_issuers_do_not_meet(issuer: Issuer, tmp_path: Path) -> None:
    """Each issuer has a file of its own, whatever it is called."""
    find(issuer)
    with pytest.raises(KeysError, match="not an https URL"):
        KeyCache(issuer.cache, AUTHORITY).find("../../../etc/passwd", NOW)
    assert len(list(issuer.cache.glob("*.keys"))) == 2
    assert all(path.parent == issuer.cache for path in tmp_path.rglob("*.keys"))


def test_a_folder_that_cannot_be_written(issuer: Issuer, tmp_path: Path) -> None:
    """Without a place to keep keys an issuer would be asked for every token: it is asked for none."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(KeysError, match=r"cannot keep keys: .*--cache"):
            KeyCache(folder, AUTHORITY).find(issuer.url, NOW)
    assert issuer.server.asked == []


def test_a_lock_that_is_a_link(issuer: Issuer, tmp_path: Path) -> None:
    """A link in the lock's place is not followed."""
    find(issuer)
    lock = Path(f"{kept_file(issuer)}.lock")
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeysError, match="--cache"):
        find(issuer, NOW + DAY)
    assert not (tmp_path / "elsewhere").exists()


def test_who_does_not_get_the_lock_uses_what_is_there(issuer: Issuer) -> None:
    """While one process asks, others go on with the keys that they have, and do not wait."""
    find(issuer)
    asked = len(issuer.server.asked)
    with Path(f"{kept_file(issuer)}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert find(issuer, NOW + DAY).keys
        assert find(issuer, NOW + 400, refetch=True).keys
    assert len(issuer.server.asked) == asked


def test_who_has_nothing_waits_for_the_lock(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no keys yet, those that another process fetches are waited for, but not for ever."""
    issuer.cache.mkdir(mode=0o700)
    lock = f"{CacheFolder(issuer.cache, '.keys').path(issuer.url)}.lock"
    monkeypatch.setattr(room, "FETCH_SECONDS", 0.2)
    with Path(lock).open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        with pytest.raises(KeysError, match="another process is fetching"):
            find(issuer)
        monkeypatch.setattr(room, "FETCH_SECONDS", 30)
        with helping(threading.Timer(0.3, fcntl.flock, (taken, fcntl.LOCK_UN))):
            assert find(issuer).is_new


def _child(issuer: str, folder: Path, results: Any) -> None:
    results.put(len(KeyCache(folder, AUTHORITY).find(issuer, NOW).keys))


def test_processes_that_begin_at_once_ask_once(issuer: Issuer) -> None:
    """Eight processes that know nothing ask the issuer once between them, and all have its keys."""
    issuer.server.put(KEYS, issuer.server.replies[KEYS].body, drips=0.0005)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_child, args=(issuer.url, issuer.cache, results)) for _ in range(8)]
    for process in processes:
        process.start()
    found = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(30)
    assert found == [1] * 8
    assert len(issuer.server.asked) == 2


def test_who_is_ended_while_it_asks_has_asked(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callout whose time is over while an issuer hangs costs the next token no time."""

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "fetch_keys", ended)
    with pytest.raises(KeyboardInterrupt):
        find(issuer)
    monkeypatch.undo()
    with pytest.raises(KeysError, match="did not answer"):
        find(issuer, NOW + 299)
    assert issuer.server.asked == []
    assert find(issuer, NOW + 300).is_new


def test_a_fifo_in_the_locks_place_holds_nobody(tmp_path: Path) -> None:
    """A FIFO in place of the lock does not block vomap, although no process reads it."""
    cache = CacheFolder(tmp_path, ".keys")
    os.mkfifo(f"{cache.path('https://issuer.invalid/')}.lock")
    with cache.lock("https://issuer.invalid/", 0) as has_locked:
        assert has_locked
