"""The CEs run the executables as separate processes, and get one answer and a clear exit code."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

import vomap
from ces import arc_environment, htcondor_payload
from unit.policy.composed import bans_document, policy_document
from vomap import store
from vomap.store import writer

ISSUER = "https://i.example/"
POLICY = f"""\
mapfile: 1
site: {{audience: [ANY], accounts: {{must-exist: no}}}}
issuers:
  {ISSUER}: {{vo: Nova}}
rules:
  - {{name: denied, vo: Nova, subject: bad, deny: bad people}}
  - {{name: user, vo: Nova, subject: <user>@x, account: vomap-<user>}}
  - {{name: everybody, vo: Nova, group: /nova, account: vomap-nova}}
"""
BANS = "mapfile: 1\nbans:\n  - {subject: banned@x, reason: leaked}\n"
TOKEN: dict[str, Any] = {"iss": ISSUER, "sub": "jo@x", "aud": "ANY", "scope": "compute.read"}
HTCONDOR, ARC_MAP, ARC_AUTHORIZE = ["vomap-htcondor"], ["vomap-arc", "map"], ["vomap-arc", "authorize"]
CALLOUTS = [pytest.param(words, id="-".join(words)) for words in (HTCONDOR, ARC_MAP, ARC_AUTHORIZE)]
SECONDS = 30


def _executable(name: str) -> str:
    path = Path(sys.executable).parent / name
    assert path.is_file(), f"{path} is missing: install vomap into this interpreter's environment (pip install .)"
    return str(path)


class Site:
    """A folder with a compiled policy and compiled bans, and the callouts that read them."""

    def __init__(self, folder: Path) -> None:
        """Compile the policy and the bans."""
        self.folder = folder / "built"
        self.folder.mkdir(mode=0o755)
        self.work = folder / "work"
        self.work.mkdir()
        self.policy, self.bans = self.folder / "policy", self.folder / "policy.bans"
        writer.write_compiled(str(self.policy), store.POLICY, policy_document(POLICY), sources={}, built="now")
        writer.write_compiled(str(self.bans), store.BANS, bans_document(BANS), sources={}, built="now")

    def command(self, words: Sequence[str], *more: str) -> list[str]:
        """Return the command line of a callout."""
        return [_executable(words[0]), *words[1:], "--policy", str(self.policy), *more]

    def environment(self, words: Sequence[str], token: dict[str, Any]) -> dict[bytes, bytes]:
        """Return the environment that a CE gives to the callout."""
        shown = {} if words == HTCONDOR else arc_environment(token)
        return {b"PATH": os.environb.get(b"PATH", b"/usr/bin:/bin"), **shown}

    def start(self, command: Sequence[str], words: Sequence[str], token: dict[str, Any], **how: Any) -> Any:
        """Start a callout."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        environment: Any = self.environment(words, token)
        return subprocess.Popen(command, cwd=self.work, env=environment, **pipes)

    def run(
        self,
        words: Sequence[str],
        token: dict[str, Any],
        *more: str,
        command: Sequence[str] | None = None,
        stdin: bytes | None = None,
        **how: Any,
    ) -> tuple[int, bytes, bytes]:
        """Run a callout to its end and return its exit code and what it wrote."""
        payload = (htcondor_payload(token) if words == HTCONDOR else b"") if stdin is None else stdin
        with self.start(command or self.command(words, *more), words, token, **how) as process:
            out, err = process.communicate(payload if process.stdin else None, timeout=SECONDS)
            return process.returncode, out or b"", err or b""

    def redirected(self, words: Sequence[str], redirection: str) -> tuple[int, bytes, bytes]:
        """Run a callout for a good token through a shell that redirects a descriptor."""
        command = ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *self.command(words)]
        # dash drops variables whose names are not valid in a shell. ISSUER, SUBJECT, AUDIENCE and SCOPE are enough.
        return self.run(words, TOKEN, command=command)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site with a good policy and good bans."""
    return Site(tmp_path)


def _assert_failed(answer: tuple[int, bytes, bytes], code: int = 3) -> None:
    returned, out, err = answer
    assert (returned, out) == (code, b"")
    assert err.count(b"\n") <= 1
    assert b"Traceback" not in err
    assert b'File "' not in err
    assert err.isascii()


@pytest.mark.parametrize(
    ("token", "codes", "account", "told"),
    [
        ({}, (0, 0, 0), b"vomap-jo", b"mapped to vomap-jo for Nova: rule: user"),
        ({"sub": "s", "wlcg.groups": "/nova"}, (0, 0, 0), b"vomap-nova", b"rule: everybody"),
        ({"sub": "s"}, (1, 2, 1), None, b"declined for Nova: rule: none matches"),
        ({"iss": "https://who.example"}, (1, 2, 1), None, b"declined: issuer: 'https://who.example' is not"),
        ({"sub": "bad"}, (2, 2, 1), None, b"denied for Nova: rule: bad people"),
        ({"sub": "banned@x"}, (2, 2, 1), None, b"denied for Nova: ban: leaked"),
        ({"aud": "elsewhere"}, (2, 2, 1), None, b"denied for Nova: audience: "),
        ({"sub": "root\x01@x"}, (3, 3, 1), None, b"error: token: a control character"),
    ],
)
def test_answers(
    site: Site, token: dict[str, Any], codes: tuple[int, int, int], account: bytes | None, told: bytes
) -> None:
    """Each outcome has its exit code. The callout prints only the account, and one line with the reason."""
    printed = (b"", b"", b"") if account is None else (account + b"\n", account, b"")
    for words, *expected in zip((HTCONDOR, ARC_MAP, ARC_AUTHORIZE), codes, printed):
        returned, out, err = site.run(words, {**TOKEN, **token})
        assert [returned, out] == expected, (words, err)
        assert err.startswith(" ".join(words).encode() + b": ")
        assert told in err
        assert err.endswith(b"\n")
        assert err.count(b"\n") == 1
    assert list(site.work.iterdir()) == []


def test_decline_continue(site: Site) -> None:
    """With `--decline continue`, ARC continues with its next mapping rule for a declined token, and only then."""
    for token, code in (({"sub": "s"}, 1), ({"sub": "bad"}, 2), ({"sub": "x\x01"}, 3), ({}, 0)):
        assert site.run(ARC_MAP, {**TOKEN, **token}, "--decline", "continue")[0] == code
        assert site.run(ARC_MAP, {**TOKEN, **token}, "--decline=continue")[0] == code


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--vo", "Nova"], 0),
        (["--vo", "nOVA"], 0),
        (["--vo", "CMS"], 1),
        (["--vo", ""], 1),
        (["--account", "vomap-jo"], 0),
        (["--account", "vomap-Jo"], 1),
        (["--account", "vomap-nova"], 1),
        (["--vo", "Nova", "--account", "vomap-jo"], 0),
        (["--vo", "Nova", "--account", "other"], 1),
        (["--vo=CMS", "--account=vomap-jo"], 1),
    ],
)
def test_authorize(site: Site, options: list[str], code: int) -> None:
    """`vomap-arc authorize` accepts a token that vomap maps to this VO and account, and prints nothing."""
    assert site.run(ARC_AUTHORIZE, TOKEN, *options)[:2] == (code, b"")
    assert site.run(ARC_AUTHORIZE, {**TOKEN, "sub": "bad"}, *options)[:2] == (1, b"")


def test_no_token(site: Site) -> None:
    """ARC also sends clients without a token, and vomap declines them. Under HTCondor, a missing token is an error."""
    assert site.run(ARC_MAP, {})[:2] == (2, b"")
    assert site.run(ARC_AUTHORIZE, {})[:2] == (1, b"")
    _assert_failed(site.run(HTCONDOR, TOKEN, stdin=b""))


def test_a_certificate_beside_the_token(site: Site) -> None:
    """With a certificate beside the token, the job would belong to the certificate. So vomap denies the token."""
    environment: Any = {**site.environment(ARC_MAP, TOKEN), b"X509_SUBJECT_NAME": b"/CN=x"}
    done = subprocess.run(site.command(ARC_MAP), env=environment, capture_output=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"denied: token: a certificate" in done.stderr


def test_htcondors_environment_is_not_read(site: Site) -> None:
    """Under HTCondor, vomap reads only the payload. Variables that look like ARC's or like claims change nothing."""
    other = arc_environment({**TOKEN, "sub": "other@x"})
    environment: Any = {**site.environment(HTCONDOR, {}), **other, b"BEARER_TOKEN_1_ISSUER": b"x"}
    done = subprocess.run(
        site.command(HTCONDOR), input=htcondor_payload(TOKEN), env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"vomap-jo\n")


def _flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o644)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o755)


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _swapped(path: Path) -> None:
    """Replace a compiled file with the compiled file of the other kind."""
    other = path.with_suffix("") if path.suffix else path.with_suffix(".bans")
    path.write_bytes(other.read_bytes())


SPOILERS: dict[str, Callable[[Path], object]] = {
    "flipped": _flip,
    "truncated": _truncate,
    "empty": lambda path: os.truncate(path, 0),
    "gone": Path.unlink,
    "dangling": _dangling,
    "swapped": _swapped,
    "fifo": _fifo,
    "folder": _folder,
    "writable": lambda path: path.chmod(0o666),
    "group-writable": lambda path: path.chmod(0o664),
    "loose-folder": lambda path: path.parent.chmod(0o777),
}


@pytest.mark.parametrize("words", CALLOUTS)
@pytest.mark.parametrize("which", ["policy", "bans"])
@pytest.mark.parametrize("spoiler", SPOILERS)
def test_spoiled_files(site: Site, words: list[str], which: str, spoiler: str) -> None:
    """An unreadable or untrusted policy or bans file is an error. vomap never answers without policy or bans."""
    SPOILERS[spoiler](getattr(site, which))
    answer = site.run(words, TOKEN)
    # For an authgroup plugin, ARC reads every code except 0 as "not a member".
    _assert_failed(answer, 1 if words == ARC_AUTHORIZE else 3)
    assert b": error: " in answer[2]
    assert b"policy" in answer[2]


@pytest.mark.parametrize("words", CALLOUTS)
def test_a_policy_that_may_not_be_read(site: Site, words: list[str]) -> None:
    """A policy without read permission is an error for all users except root."""
    site.policy.chmod(0)
    answer = site.run(words, TOKEN)
    if os.geteuid() == 0:
        assert answer[0] == 0
    else:
        _assert_failed(answer, 1 if words == ARC_AUTHORIZE else 3)


@pytest.mark.parametrize("words", CALLOUTS)
@pytest.mark.parametrize("flags", [["-I", "-S"], ["-I", "-S", "-O"]])
def test_a_missing_module(site: Site, words: list[str], flags: list[str]) -> None:
    """An interpreter that does not find vomap exits 3, not with Python's 1."""
    answer = site.run(words, TOKEN, command=[sys.executable, *flags, *site.command(words)])
    _assert_failed(answer)
    assert b"ModuleNotFoundError" in answer[2]


@pytest.mark.parametrize("words", CALLOUTS)
@pytest.mark.parametrize(
    "content", ["raise SystemExit(0)", "raise SystemExit(1)", "(", "1/0", "raise KeyboardInterrupt"]
)
def test_a_broken_module(site: Site, words: list[str], content: str) -> None:
    """A callout exits 3 if the import of vomap fails."""
    package = site.work / "vomap"
    package.mkdir()
    (package / "__init__.py").write_text(content)
    start = f"import sys; sys.path.insert(0, {str(site.work)!r}); sys.argv = sys.argv[1:]; "
    start += "exec(compile(open(sys.argv[0]).read(), sys.argv[0], 'exec'))"
    command = [sys.executable, "-I", "-S", "-B", "-c", start, *site.command(words)]
    _assert_failed(site.run(words, TOKEN, command=command))


@pytest.mark.parametrize("words", [HTCONDOR, ARC_MAP])
def test_the_features_of_the_compiler_are_not_loaded(site: Site, words: list[str]) -> None:
    """A callout answers without the module `__future__`, which each of its modules names for the compiler alone."""
    library = str(Path(vomap.__file__).parents[1])
    start = f"import sys; sys.path.insert(0, {library!r}); sys.argv = sys.argv[1:]; "
    start += "exec(compile(open(sys.argv[0]).read(), sys.argv[0], 'exec'))"
    command = [sys.executable, "-I", "-S", "-X", "importtime", "-c", start, *site.command(words)]
    code, out, err = site.run(words, TOKEN, command=command)
    loaded = {line.rpartition(b"|")[2].strip() for line in err.splitlines() if line.startswith(b"import time:")}
    assert (code, out.strip()) == (0, b"vomap-jo"), err
    assert b"vomap.policy.decide" in loaded
    assert b"__future__" not in loaded


@pytest.mark.parametrize("words", CALLOUTS)
@pytest.mark.parametrize("redirection", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(site: Site, words: list[str], redirection: str) -> None:
    """A callout gives no answer if a descriptor is closed, as a file that it opens later would get that number."""
    _assert_failed(site.redirected(words, redirection))


@pytest.mark.parametrize("words", [HTCONDOR, ARC_MAP])
@pytest.mark.parametrize("redirection", [">/dev/full", "</dev/null >/dev/full 2>/dev/full", "1</dev/null"])
def test_an_account_that_cannot_be_printed(site: Site, words: list[str], redirection: str) -> None:
    """An account that vomap cannot print is an error."""
    _assert_failed(site.redirected(words, redirection))


def test_a_pipe_that_nobody_reads(site: Site) -> None:
    """An account that vomap writes to a pipe without a reader is an error."""
    for words in (HTCONDOR, ARC_MAP):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            _assert_failed(site.run(words, TOKEN, stdout=writer))
        finally:
            os.close(writer)


@pytest.mark.parametrize("words", CALLOUTS)
def test_a_ce_that_does_not_listen(site: Site, words: list[str]) -> None:
    """The answer stays the same if vomap cannot write its reason."""
    assert site.redirected(words, "2>/dev/full")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["vomap-htcondor", "--unknown", "x"],
        ["vomap-htcondor", "--policy"],
        ["vomap-htcondor", "map"],
        ["vomap-htcondor", "--help"],
        ["vomap-htcondor", "--decline", "continue"],
        ["vomap-htcondor", "--policy=x", "--policy=y"],
        ["vomap-arc"],
        ["vomap-arc", "other"],
        ["vomap-arc", "--help"],
        ["vomap-arc", "--policy", "x", "map"],
        ["vomap-arc", "map", "authorize"],
        ["vomap-arc", "map", "--vo", "Nova"],
        ["vomap-arc", "map", "--decline", "stop"],
        ["vomap-arc", "map", "--decline"],
        ["vomap-arc", "authorize", "--decline", "continue"],
        ["vomap-arc", "authorize", "--vo", "a", "--vo", "b"],
        ["vomap-arc", "authorize", "--v\n\xff", "a"],
    ],
)
def test_other_words(site: Site, words: list[str]) -> None:
    """Unknown words of a callout are an error."""
    answer = site.run(words, TOKEN, command=[_executable(words[0]), *words[1:]], stdin=htcondor_payload(TOKEN))
    _assert_failed(answer)
    assert answer[2] != b""


def test_where_the_policy_is_by_default(site: Site) -> None:
    """Without options, vomap reads the files in /var/lib/vomap. The option --bans names another bans file."""
    if not Path("/var/lib/vomap").exists():
        answer = site.run(HTCONDOR, TOKEN, command=[_executable("vomap-htcondor")])
        _assert_failed(answer)
        assert b"/var/lib/vomap/policy: No such file" in answer[2]
    elsewhere = site.folder / "elsewhere"
    site.bans.rename(elsewhere)
    assert site.run(HTCONDOR, TOKEN, "--bans", str(elsewhere))[:2] == (0, b"vomap-jo\n")


def test_a_reader_of_standard_error_that_hangs(site: Site) -> None:
    """The callout exits 3 if the pipe of standard error is full and has no reader."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        os.set_blocking(writing, True)
        with site.start(site.command(HTCONDOR), HTCONDOR, TOKEN, stderr=writing) as process:
            assert process.wait(10) == 3
    finally:
        os.close(reading)
        os.close(writing)


def test_the_folder_of_programs_is_none_of_libraries(site: Site) -> None:
    """With `PYTHONSAFEPATH`, the first folder of libraries is not that of the programs.

    The callout keeps that folder.
    """
    library = str(Path(vomap.__file__).parents[1])
    more = {b"PYTHONSAFEPATH": b"1", b"PYTHONPATH": library.encode()}
    environment: Any = {**site.environment(HTCONDOR, TOKEN), **more}
    script = _executable(HTCONDOR[0])
    done = subprocess.run(
        [sys.executable, script, "--policy", str(site.policy)],
        input=htcondor_payload(TOKEN),
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"vomap-jo\n"), done.stderr


@pytest.mark.parametrize("words", [ARC_MAP, ARC_AUTHORIZE])
def test_arcs_stdin_is_never_read(site: Site, words: list[str]) -> None:
    """vomap-arc answers without reading standard input, because ARC never closes that pipe."""
    with site.start(site.command(words), words, TOKEN) as process:
        assert process.wait(SECONDS) == 0
        assert process.stdout.read() == (b"vomap-jo" if words == ARC_MAP else b"")


def test_a_payload_that_never_ends(site: Site) -> None:
    """The callout limits its own time and exits 3, because HTCondor has no time-out for plugins."""
    begun = (b"", b'{"iss": ', htcondor_payload(TOKEN))
    with ExitStack() as stack:
        processes = [stack.enter_context(site.start(site.command(HTCONDOR), HTCONDOR, TOKEN)) for _ in begun]
        for process, payload in zip(processes, begun):
            process.stdin.write(payload)
            process.stdin.flush()
        for process in processes:
            assert process.wait(10) == 3
            assert process.stdout.read() == b""
            told = process.stderr.read()
            assert told.count(b"\n") == 1
            assert b"no answer after" in told


@pytest.mark.parametrize(
    "payload",
    [
        b" " * (2 << 20),
        b'{"sub": "' + b"x" * (2 << 20) + b'"}',
        b"[" * 100_000,
        b"{" * (1 << 20),
        b'{"exp": ' + b"9" * 900_000 + b"}",
        b"\0",
        b"\xff\xfe",
        b"null",
        b'{"iss": "a", "iss": "b"}',
    ],
)
def test_payloads_that_no_token_has(site: Site, payload: bytes) -> None:
    """A payload that is too long, or is not a valid token, is an error within the limits of the callout."""
    process = site.start(site.command(HTCONDOR), HTCONDOR, TOKEN)
    with process:
        try:
            out, err = process.communicate(payload, timeout=SECONDS)
        except BrokenPipeError:  # pragma: no cover - vomap may stop reading early
            out, err = process.stdout.read(), process.stderr.read()
    if payload.startswith(b'{"exp"'):
        # The payload is readable, but it names no issuer.
        assert (process.returncode, out) == (1, b"")
    else:
        _assert_failed((process.returncode, out, err))


def test_the_longest_line(site: Site) -> None:
    """A reason is one line of ASCII text with a limited length for every token."""
    token = {**TOKEN, "iss": "https://x\u2028é" + "y" * 100_000}
    code, out, err = site.run(HTCONDOR, token)
    assert (code, out) == (1, b"")
    assert len(err) < 1200
    assert err.isascii()
    assert err.count(b"\n") == 1


def test_the_executables_are_scripts() -> None:
    """The installed executable is the guarded script, because an entry point would import modules without the guard."""
    for name in ("vomap-htcondor", "vomap-arc"):
        path = Path(_executable(name))
        first, *rest = path.read_text("utf-8").splitlines()
        assert first.startswith("#!")
        assert next(line for line in rest if not line.startswith("#")) == "try:"
        assert path.stat().st_mode & stat.S_IXUSR
