"""`vomap-htcondor --observe` and `vomap-arc map --observe` decide and log, and the CE always goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ces import htcondor_payload
from unit.callouts.test_processes import ARC_AUTHORIZE, ARC_MAP, HTCONDOR, POLICY, SECONDS, SPOILERS, TOKEN, Site
from unit.policy.composed import policy_document
from vomap import callouts, store
from vomap.ces.htcondor import OBSERVE
from vomap.store import writer

DECLINED = 1
# ARC has another exit code for a declined token, unless vomap only observes.
CODES = {"vomap-htcondor": [0, 1, 2, 3], "vomap-arc": [0, 2, 2, 3]}
OBSERVERS = pytest.mark.parametrize("words", [HTCONDOR, ARC_MAP], ids=["htcondor", "arc"])


class LoggingSite(Site):
    """A site that logs to a file."""

    def __init__(self, folder: Path) -> None:
        """Compile the policy again with a decision log."""
        super().__init__(folder)
        self.log = folder / "decisions.log"
        policy = POLICY.replace("site: {", f"site: {{log: {{to: {self.log}}}, ")
        writer.write_compiled(str(self.policy), store.POLICY, policy_document(policy), sources={}, built="now")

    def logged(self) -> list[dict[str, Any]]:
        """Return the records of the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture
def site(tmp_path: Path) -> LoggingSite:
    """Return a site with a good policy and good bans that logs to a file."""
    return LoggingSite(tmp_path)


def _assert_declined(answer: tuple[int, bytes, bytes]) -> None:
    """Check that the CE goes on: exit 1, no account, and at most one line with the reason."""
    returned, out, err = answer
    assert (returned, out) == (DECLINED, b""), err
    assert err.count(b"\n") <= 1
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    ("token", "code", "told"),
    [
        ({}, 0, "mapped to vomap-jo for Nova: rule: user"),
        ({"sub": "s"}, 1, "declined for Nova: rule: none matches"),
        ({"iss": "https://who.example"}, 1, "declined: issuer: "),
        ({"sub": "bad"}, 2, "denied for Nova: rule: bad people"),
        ({"sub": "banned@x"}, 2, "denied for Nova: ban: leaked"),
        ({"aud": "elsewhere"}, 2, "denied for Nova: audience: "),
        ({"sub": "root\x01@x"}, 3, "error: token: a control character"),
    ],
)
@OBSERVERS
def test_every_outcome_is_logged_and_declined(
    site: LoggingSite, words: list[str], token: dict[str, Any], code: int, told: str
) -> None:
    """With `--observe`, vomap logs and prints its answer as observed, and declines.

    Without it, vomap gives that answer.
    """
    token = {**TOKEN, "jti": "j-1", **token}
    answer = site.run(words, token, OBSERVE)
    _assert_declined(answer)
    assert answer[2].startswith(f"{' '.join(words)}: observed: {told}".encode())
    assert site.run(words, token)[0] == CODES[words[0]][code]
    observed, answered = site.logged()
    outcome = told.partition(":")[0].split()[0]
    assert observed["observed"] is True
    assert "observed" not in answered
    assert observed["outcome"] == outcome
    assert observed["account"] == ("vomap-jo" if outcome == "mapped" else None)
    assert observed["jti"] == (None if outcome == "error" else "j-1")
    members = ("outcome", "account", "vo", "rule", "reason", "jti", "claims")
    assert [observed[name] for name in members] == [answered[name] for name in members]


@OBSERVERS
@pytest.mark.parametrize("which", ["policy", "bans"])
@pytest.mark.parametrize("spoiler", SPOILERS)
def test_spoiled_files(site: LoggingSite, words: list[str], which: str, spoiler: str) -> None:
    """An unreadable or untrusted policy or bans file stops vomap, but not the CE."""
    SPOILERS[spoiler](getattr(site, which))
    answer = site.run(words, TOKEN, OBSERVE)
    _assert_declined(answer)
    assert b"observed: error: " in answer[2]


@OBSERVERS
@pytest.mark.parametrize("flags", [["-I", "-S"], ["-I", "-S", "-O"]])
def test_a_missing_module(site: LoggingSite, words: list[str], flags: list[str]) -> None:
    """If the interpreter cannot import vomap, the CE goes on."""
    answer = site.run(words, TOKEN, command=[sys.executable, *flags, *site.command(words, OBSERVE)])
    _assert_declined(answer)
    assert b"ModuleNotFoundError" in answer[2]


@pytest.mark.parametrize(
    "content", ["raise SystemExit(0)", "raise SystemExit(3)", "(", "1/0", "raise KeyboardInterrupt"]
)
@OBSERVERS
def test_a_crash(site: LoggingSite, words: list[str], content: str) -> None:
    """If the import of vomap fails, the CE goes on."""
    package = site.work / "vomap"
    package.mkdir()
    (package / "__init__.py").write_text(content)
    start = f"import sys; sys.path.insert(0, {str(site.work)!r}); sys.argv = sys.argv[1:]; "
    start += "exec(compile(open(sys.argv[0]).read(), sys.argv[0], 'exec'))"
    command = [sys.executable, "-I", "-S", "-B", "-c", start, *site.command(words, OBSERVE)]
    _assert_declined(site.run(words, TOKEN, command=command))


@pytest.mark.parametrize("redirection", [">&-", "<&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full"])
@OBSERVERS
def test_descriptors(site: LoggingSite, words: list[str], redirection: str) -> None:
    """If a descriptor is closed or full, the CE goes on."""
    command = ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *site.command(words, OBSERVE)]
    _assert_declined(site.run(words, TOKEN, command=command))


@OBSERVERS
@pytest.mark.parametrize("more", [["--unknown", OBSERVE], [OBSERVE, "--policy"], [OBSERVE, OBSERVE]])
def test_other_words(site: LoggingSite, words: list[str], more: list[str]) -> None:
    """With unknown words beside `--observe`, vomap reports them, and declines."""
    answer = site.run(words, TOKEN, *more)
    _assert_declined(answer)
    assert b"error: " in answer[2]


@pytest.mark.parametrize("payload", [b"", b"\0", b"null", b'{"iss": "a", "iss": "b"}', b" " * (2 << 20)])
def test_payloads_that_no_token_has(site: LoggingSite, payload: bytes) -> None:
    """With `--observe`, vomap reports an invalid token as an error, and declines."""
    with site.start(site.command(HTCONDOR, OBSERVE), HTCONDOR, TOKEN) as process:
        try:
            out, err = process.communicate(payload, timeout=SECONDS)
        except BrokenPipeError:  # pragma: no cover - vomap may stop reading early
            out, err = process.stdout.read(), process.stderr.read()
    _assert_declined((process.returncode, out, err))


def test_a_hang(site: LoggingSite) -> None:
    """A callout that would wait for ever ends in time for the next plugin: an endless payload or a full pipe."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    try:
        command = site.command(HTCONDOR, OBSERVE)
        begun = time.monotonic()
        with (
            site.start(command, HTCONDOR, TOKEN) as endless,
            site.start(command, HTCONDOR, TOKEN, stderr=writing) as deaf,
        ):
            endless.stdin.write(b'{"iss": ')
            endless.stdin.flush()
            deaf.stdin.write(htcondor_payload(TOKEN))
            deaf.stdin.close()
            for process in (endless, deaf):
                assert process.wait(SECONDS) == DECLINED
                assert process.stdout.read() == b""
            assert b"no answer after" in endless.stderr.read()
        # HTCondor's client gives up after 20 s, and the next plugin needs part of that time.
        assert time.monotonic() - begun < 15
    finally:
        os.close(reading)
        os.close(writing)


@OBSERVERS
def test_a_log_that_does_not_answer(site: LoggingSite, words: list[str]) -> None:
    """If vomap cannot write the decision log, it reports that, and declines the token."""
    os.mkfifo(site.log)
    answer = site.run(words, TOKEN, OBSERVE)
    _assert_declined(answer)
    assert b"observed: mapped to vomap-jo" in answer[2]
    assert b"not logged: " in answer[2]


def test_the_other_rules_of_arc_go_on_or_not(site: LoggingSite) -> None:
    """`--decline continue` changes nothing while vomap observes. A group of vomap's cannot observe: it would grant."""
    _assert_declined(site.run(ARC_MAP, TOKEN, OBSERVE, "--decline", "continue"))
    assert [record["observed"] for record in site.logged()] == [True]
    code, out, err = site.run(ARC_AUTHORIZE, TOKEN, OBSERVE)
    assert (code, out) == (DECLINED, b"")
    assert b"unknown option" in err
    assert len(site.logged()) == 1


def test_a_child_that_is_killed(site: LoggingSite) -> None:
    """If the child process dies, the parent exits with the code for a failure."""
    program = (
        "import os, signal, sys; from vomap.callouts.child import run_in_child; "
        "sys.exit(run_in_child('vomap-htcondor', lambda _: os.kill(os.getpid(), signal.SIGKILL), 5, failed=%d))"
    )
    for failed in (DECLINED, 3):
        answer = site.run(HTCONDOR, TOKEN, command=[sys.executable, "-c", program % failed])
        assert answer[:2] == (failed, b"")


@pytest.mark.parametrize("code", [0, 2])
def test_a_child_that_is_held_by_the_log(code: int) -> None:
    """The child's answer and exit code stay valid if the child hangs when it logs the decision."""
    program = (
        "import os, sys, time; from vomap.callouts.child import run_in_child; "
        f"answered = lambda limit: (os.write(1, b'jo'), limit.commit({code}, 'told', '; not logged', 0.5)); "
        "answer = lambda limit: (answered(limit), time.sleep(600)); "
        "sys.exit(run_in_child('vomap-htcondor', answer, 4, 3))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=SECONDS)
    said = b"vomap-htcondor: told; not logged\n"
    assert (done.returncode, done.stdout, done.stderr) == (code, b"jo", said)


def test_nobody_reads_what_a_child_says() -> None:
    """The child's answer stays valid if standard error is full and has no reader."""
    program = (
        "import os, sys; from vomap.callouts.child import run_in_child; "
        "answer = lambda limit: (os.write(1, b'jo'), os.write(2, b'why'), 0)[2]; "
        "sys.exit(run_in_child('vomap-htcondor', answer, 1, 3))"
    )
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(1 << 12))
    os.set_blocking(writing, True)
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=writing, check=False, timeout=SECONDS
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, b"jo")


def test_the_wiring_and_the_callouts_use_one_word() -> None:
    """No room imports from the callouts, so the word is in both places."""
    assert callouts.OBSERVE == OBSERVE
