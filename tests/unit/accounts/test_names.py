"""Confirm that an account exists and is allowed. A failing name service is an error, not a missing account."""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vomap.accounts import USERS_FILE, NameServiceError, confirm, find_local_user, find_uid
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED, Decision
from vomap.policy.model import AccountLimits

NOBODY = "vomap-nosuch"


def _library(*statuses: int) -> Callable[[object], Any]:
    """Return a C library whose `getpwnam_r` returns each status once, and then the last one always."""
    left = list(statuses)
    return lambda _: SimpleNamespace(getpwnam_r=lambda *_: left.pop(0) if len(left) > 1 else left[0])


def test_an_account() -> None:
    """An existing account has a uid."""
    entry = pwd.getpwuid(0)
    assert find_uid(entry.pw_name) == 0


def test_no_account() -> None:
    """A missing account has no uid and causes no error."""
    assert find_uid(NOBODY) is None


@pytest.mark.parametrize("status", [0, errno.ENOENT, errno.ESRCH])
def test_not_found(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Each status that the C library returns for an unknown name means a missing account."""
    monkeypatch.setattr(ctypes, "CDLL", _library(status))
    assert find_uid(NOBODY) is None


@pytest.mark.parametrize("status", [errno.EIO, errno.EMFILE, errno.ENOMEM, errno.EAGAIN, 9999])
def test_the_name_service_fails(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Any other status is an error of the name service, not a missing account."""
    monkeypatch.setattr(ctypes, "CDLL", _library(status))
    with pytest.raises(NameServiceError, match=rf"{NOBODY}: {errno.errorcode.get(status, str(status))}"):
        find_uid(NOBODY)


def test_a_long_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a buffer is too small, vomap enlarges it. If no size is enough, vomap reports an error."""
    monkeypatch.setattr(ctypes, "CDLL", _library(errno.ERANGE, errno.ERANGE, 0))
    assert find_uid(NOBODY) is None
    monkeypatch.setattr(ctypes, "CDLL", _library(errno.ERANGE))
    with pytest.raises(NameServiceError, match="ERANGE"):
        find_uid(NOBODY)


def test_an_error_of_the_first_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that Python itself raises is an error of the name service, too."""

    def fail(_: str) -> object:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(pwd, "getpwnam", fail)
    with pytest.raises(NameServiceError, match="Input/output error"):
        find_uid("alice")


@pytest.mark.parametrize("name", ["Alice", "alice@EXAMPLE.ORG", "1001"])
def test_a_directory_that_answers_another_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An entry with another name than the requested one is an error, not a missing account."""
    monkeypatch.setattr(pwd, "getpwnam", lambda _: SimpleNamespace(pw_name=name, pw_uid=1001))
    with pytest.raises(NameServiceError, match="answers"):
        find_uid("alice")


def _mapped(account: str | None = "alice") -> Decision:
    decision = Decision(None, None, MAPPED, "rule: r")
    decision.account = account
    return decision


@pytest.mark.parametrize(
    ("uid", "must_exist", "minimum", "outcome", "told"),
    [
        (1000, True, 1000, MAPPED, "rule: r"),
        (999, True, 1000, DENIED, "account: alice has uid 999, under 1000"),
        (999, False, 1000, DENIED, "account: alice has uid 999, under 1000"),
        (999, True, 500, MAPPED, "rule: r"),
        (0, True, 0, DENIED, "account: alice has uid 0"),
        (0, False, 0, DENIED, "account: alice has uid 0"),
        (1, True, 0, MAPPED, "rule: r"),
        (65533, True, 1000, MAPPED, "rule: r"),
        (65534, True, 1000, DENIED, "account: alice has uid 65534, which is never answered"),
        (65534, False, 0, DENIED, "account: alice has uid 65534, which is never answered"),
        (65535, True, 1000, DENIED, "account: alice has uid 65535, which is never answered"),
        (65536, True, 1000, MAPPED, "rule: r"),
        (4294967294, True, 1000, DENIED, "account: alice has uid 4294967294, which is never answered"),
        (4294967295, True, 1000, DENIED, "account: alice has uid 4294967295, which is never answered"),
        (None, True, 1000, DENIED, "account: alice does not exist"),
        (None, False, 1000, MAPPED, "rule: r"),
    ],
)
def test_limits(uid: int | None, must_exist: bool, minimum: int, outcome: str, told: str) -> None:
    """The limits of the site decide which accounts vomap denies. It always denies the uids of root and `nobody`."""
    limits = AccountLimits(must_exist=must_exist, minimum_uid=minimum, never=[])
    decision = confirm(_mapped(), limits, lambda _: uid)
    assert decision.outcome == outcome
    assert decision.reason.startswith(told)
    assert (decision.account == "alice") == (outcome == MAPPED)


LIMITS = AccountLimits(must_exist=False, minimum_uid=1000, never=[])


def test_a_failure_is_an_error() -> None:
    """A failing name service is an error, even if the account need not exist."""

    def fail(_: str) -> int | None:
        raise NameServiceError("the name service fails")

    decision = confirm(_mapped(), LIMITS, fail)
    assert (decision.outcome, decision.account) == (ERROR, None)
    assert decision.reason == "account: the name service fails"


def test_a_refusal_stays_one() -> None:
    """For a token that is not mapped, vomap looks up no account and keeps the decision."""

    def fail(_: str) -> int | None:
        raise AssertionError

    for outcome in (DECLINED, DENIED, ERROR):
        decision = confirm(Decision(None, None, outcome, "why"), LIMITS, fail)
        assert (decision.outcome, decision.reason) == (outcome, "why")


def test_a_pool() -> None:
    """A decision with a pool is an error, because vomap leases no accounts yet. The reason names the pool."""
    decision = _mapped(None)
    decision.pool = "p"
    decision = confirm(decision, LIMITS, lambda _: 1000)
    assert (decision.outcome, decision.account, decision.pool) == (ERROR, None, None)
    assert decision.reason.startswith("pool: ")
    assert "(p)" in decision.reason


def test_this_machine() -> None:
    """By default vomap uses the name service of this machine."""
    root = pwd.getpwuid(0).pw_name
    assert confirm(_mapped(root), LIMITS).outcome == DENIED
    assert confirm(_mapped(NOBODY), LIMITS).outcome == MAPPED


def test_the_users_of_this_machine() -> None:
    """The file of users has the same ids as the name service."""
    names = {line.partition(":")[0] for line in Path(USERS_FILE).read_text().splitlines() if line[:1].isalpha()}
    entries = {name: pwd.getpwnam(name) for name in names}
    assert {name: find_local_user(name) for name in names} == {
        name: (entry.pw_uid, entry.pw_gid) for name, entry in entries.items()
    }
    assert "root" in names
    assert find_local_user(NOBODY) is None


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (b"vomap:x:7:8:::", (7, 8)),
        (b"vomap:x:7:8", (7, 8)),
        (b"other:x:1:1:::\nvomap:x:7:8:::\nvomap:x:9:9:::\n", (7, 8)),
        (b"\xff:x:1:1:::\nvomap:x:7:8:\xff::\n", (7, 8)),
        (b"xvomap:x:7:8:::\nvomap2:x:7:8:::\nvo:vomap:7:8:vomap:/:\n#vomap:x:7:8:::\n", None),
        (b"vomap", None),
        (b"", None),
    ],
)
def test_a_file_of_users(tmp_path: Path, content: bytes, ids: tuple[int, int] | None) -> None:
    """The first line with exactly this name counts, as for the C library."""
    file = tmp_path / "passwd"
    file.write_bytes(content)
    assert find_local_user("vomap", str(file)) == ids


@pytest.mark.parametrize(
    "line", ["vomap:", "vomap:x:7", "vomap:x::8:::", "vomap:x:7::::", "vomap:x:-1:8::", "vomap:x:7:a:", "vomap:x: 7:8:"]
)
def test_a_user_without_ids(tmp_path: Path, line: str) -> None:
    """A damaged line is an error, not a missing user: root would stay root."""
    file = tmp_path / "passwd"
    file.write_text(f"{line}\nvomap:x:7:8:::\n")
    with pytest.raises(NameServiceError, match="the line of vomap has no uid and gid"):
        find_local_user("vomap", str(file))


def test_no_file_of_users(tmp_path: Path) -> None:
    """A machine without the file has no user in it. A file that cannot be read is an error."""
    assert find_local_user("vomap", str(tmp_path / "passwd")) is None
    with pytest.raises(NameServiceError, match="Is a directory"):
        find_local_user("vomap", str(tmp_path))
