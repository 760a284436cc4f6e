"""Check the parts of the executables in this process: options, limits, log lines, and the change to user vomap."""

from __future__ import annotations

import posix
import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import vomap.callouts as callout
from vomap import Error, require_descriptors
from vomap.accounts import NameServiceError
from vomap.callouts import (
    ARC_AUTHORIZE,
    ARC_MAP,
    EXIT_CODES,
    HTCONDOR,
    TOKEN,
    InputError,
    OptionError,
    TimeLimit,
    TokenDecision,
    become_user,
    decide_token,
    log_line,
    read_input,
    read_options,
    respond,
)
from vomap.claims import Claims
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED, OUTCOMES, Decision

if TYPE_CHECKING:
    from vomap.policy.documents import LogDocument

UNLOGGED: LogDocument = {"to": "none"}


def test_exit_codes() -> None:
    """Only a mapping exits 0. Where exit 1 makes the CE go on, only a declined token exits 1."""
    assert EXIT_CODES == {
        HTCONDOR: {MAPPED: 0, DECLINED: 1, DENIED: 2, ERROR: 3},
        ARC_MAP: {MAPPED: 0, DECLINED: 2, DENIED: 2, ERROR: 3},
        ARC_AUTHORIZE: {MAPPED: 0, DECLINED: 1, DENIED: 1, ERROR: 1},
        TOKEN: {MAPPED: 0, DECLINED: 1, DENIED: 2, ERROR: 3},
    }
    assert all(set(codes) == set(OUTCOMES) for codes in EXIT_CODES.values())


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], {}),
        (["--a", "1"], {"--a": "1"}),
        (["--a=1", "--b", "--a"], {"--a": "1", "--b": "--a"}),
        (["--a="], {"--a": ""}),
        (["--a=b=c"], {"--a": "b=c"}),
    ],
)
def test_options(words: list[str], found: dict[str, str]) -> None:
    """The parser accepts `--name VALUE` and `--name=VALUE`, each option at most once."""
    assert read_options(words, ("--a", "--b")) == found


@pytest.mark.parametrize("words", [["--c", "1"], ["a"], ["--a"], ["--a", "1", "--a", "1"], ["--"], [""], ["-a", "1"]])
def test_no_options(words: list[str]) -> None:
    """The parser refuses all other words."""
    with pytest.raises(OptionError):
        read_options(words, ("--a", "--b"))


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({}, ["/var/lib/vomap/policy", "/var/lib/vomap/bans"]),
        ({"--policy": "/p"}, ["/p", "/p.bans"]),
        ({"--policy": "/p", "--bans": "/b"}, ["/p", "/b"]),
    ],
)
def test_built_files(monkeypatch: pytest.MonkeyPatch, options: dict[str, str], files: list[str]) -> None:
    """By default the compiled bans are beside the policy. The option --bans names another file."""
    opened: list[str] = []

    def read_bans(path: str) -> None:
        opened.append(path)
        raise Error("stop")

    monkeypatch.setattr(callout, "read_policy", opened.append)
    monkeypatch.setattr(callout, "read_bans", read_bans)
    assert decide_token(options, lambda _: Claims({})).decision.reason == "stop"
    assert opened == files


def _answer(outcome: str = MAPPED) -> TokenDecision:
    decision = Decision(None, None, outcome, "rule: r")
    decision.account, decision.vo, decision.source = "alice" if outcome == MAPPED else None, "Nova", "f:1"
    return TokenDecision(decision, UNLOGGED)


def _written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bytes]]:
    """Return each write as a descriptor and its content."""
    written: list[tuple[int, bytes]] = []

    def write(descriptor: int, content: bytes) -> int:
        written.append((descriptor, content))
        return len(content)

    monkeypatch.setattr(callout, "posix", SimpleNamespace(write=write))
    return written


@pytest.mark.parametrize(("callout", "printed"), [(HTCONDOR, b"alice\n"), (ARC_MAP, b"alice"), (ARC_AUTHORIZE, None)])
def test_what_is_printed(monkeypatch: pytest.MonkeyPatch, callout: str, printed: bytes | None) -> None:
    """A callout prints only the account, in the format that its CE expects."""
    written = _written(monkeypatch)
    assert respond(callout, _answer(), TimeLimit(callout)) == 0
    assert [content for descriptor, content in written if descriptor == 1] == ([printed] if printed else [])
    assert written[-1] == (2, f"{callout}: mapped to alice for Nova: rule: r (f:1)\n".encode())


@pytest.mark.parametrize("outcome", [DECLINED, DENIED, ERROR])
def test_a_refusal_prints_nothing(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    """A callout prints only mappings. The option --decline changes only the exit code of a declined token."""
    written = _written(monkeypatch)
    assert respond(HTCONDOR, _answer(outcome), TimeLimit(HTCONDOR), decline=7) == (
        7 if outcome == DECLINED else EXIT_CODES[HTCONDOR][outcome]
    )
    assert [descriptor for descriptor, _ in written] == [2]


def test_an_account_that_is_written_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partly written account name is an error, and vomap logs an error, because the part may name another account."""
    monkeypatch.setattr(callout, "posix", SimpleNamespace(write=lambda _, content: len(content) - 1))
    answer = _answer()
    assert respond(HTCONDOR, answer, TimeLimit(HTCONDOR)) == 3
    assert (answer.decision.outcome, answer.decision.account) == (ERROR, None)
    assert "only a part" in answer.decision.reason


@pytest.mark.parametrize("sentence", ["a\nb", "a\x1b[2Jb", "é", "\u2028", "\ud800", "x" * 5000, ""])
def test_a_sentence_is_one_plain_line(monkeypatch: pytest.MonkeyPatch, sentence: str) -> None:
    """Characters from a token cannot end the log line, move the cursor or flood the log."""
    written = _written(monkeypatch)
    log_line(HTCONDOR, sentence)
    ((_, line),) = written
    assert line.endswith(b"\n")
    assert line[:-1].decode("ascii").isprintable()
    assert len(line) < 1100


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer stays the same if vomap cannot write its reason."""

    def write(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(callout, "posix", SimpleNamespace(write=write))
    log_line(HTCONDOR, "why")
    assert respond(HTCONDOR, TokenDecision(Decision(None, None, DENIED, "ban: x"), UNLOGGED), TimeLimit(HTCONDOR)) == 2


def test_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callout refuses to run if one of the three standard descriptors is closed."""
    require_descriptors()
    for closed, name in enumerate(("input", "output", "error")):

        def fstat(descriptor: int, closed: int = closed) -> None:
            if descriptor == closed:
                raise OSError(9, "Bad file descriptor")

        monkeypatch.setattr(posix, "fstat", fstat)
        with pytest.raises(Error, match=f"standard {name} is closed"):
            require_descriptors()
        monkeypatch.undo()


def _pieces(monkeypatch: pytest.MonkeyPatch, *pieces: bytes | OSError) -> None:
    left = iter([*pieces, b""])

    def read(*_: Any) -> bytes:
        piece = next(left)
        if isinstance(piece, OSError):
            raise piece
        return piece

    monkeypatch.setattr(callout, "posix", SimpleNamespace(read=read))


def test_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callout reads standard input to its end, in pieces of any size, up to the longest input that it allows."""
    _pieces(monkeypatch)
    assert read_input() == b""
    _pieces(monkeypatch, b"ab", b"c")
    assert read_input() == b"abc"
    _pieces(monkeypatch, b"x" * callout.LONGEST_INPUT)
    assert len(read_input()) == callout.LONGEST_INPUT
    _pieces(monkeypatch, b"x" * callout.LONGEST_INPUT, b"x")
    with pytest.raises(InputError, match="more than"):
        read_input()
    _pieces(monkeypatch, b"x", OSError(5, "Input/output error"))
    with pytest.raises(InputError, match="Input/output error"):
        read_input()


def _users(monkeypatch: pytest.MonkeyPatch, uid: int) -> list[tuple[str, object]]:
    """Return the calls that change the user of the process."""
    calls: list[tuple[str, object]] = []
    monkeypatch.setattr(posix, "geteuid", lambda: uid)
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(posix, name, lambda value, name=name: calls.append((name, value)))
    return calls


def test_leaving_root_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root becomes the user vomap if that user exists. It drops its groups first and its user last."""
    file = tmp_path / "passwd"
    file.write_text("root:x:0:0::/root:/bin/sh\nvomap:x:70:71::/:/bin/false\n")
    for uid, name, changes in (
        (0, "vomap", [("setgroups", []), ("setgid", 71), ("setuid", 70)]),
        (1000, "vomap", []),
        (0, "voma", []),
    ):
        calls = _users(monkeypatch, uid)
        become_user(name, str(file))
        assert calls == changes


def test_root_is_not_kept_by_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A callout does not decide as root if the file of users does not say whether the user vomap exists."""
    calls = _users(monkeypatch, 0)
    with pytest.raises(NameServiceError, match="Is a directory"):
        become_user("vomap", str(tmp_path))
    assert calls == []


def test_the_name_service_is_not_asked_for_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name service would take longer than the decision to say that there is no such user."""
    _users(monkeypatch, 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda _: pytest.fail("asked"))
    become_user("vomap-nobody-has-this-name")


def test_what_a_token_makes_long_hides_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """A callout shortens a long reason, but still reports that it did not log the decision."""
    decision = Decision(None, None, DENIED, "audience: " + "x" * 5000)
    respond(HTCONDOR, TokenDecision(decision, {"to": "/nowhere/log"}), TimeLimit(HTCONDOR))
    told = capfd.readouterr().err
    assert told.endswith("; not logged: /nowhere/log: No such file or directory\n")
    assert len(told) < 1100
