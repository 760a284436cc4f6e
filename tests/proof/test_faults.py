"""With any fault around the callouts and the commands, the result is exit 3 and one line, or the right answer.

`pytest -s tests/proof/test_faults.py` prints the results. As root, with a C compiler.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ces import htcondor_payload
from proof.callout_site import (
    ACCOUNT,
    ARC_AUTHORIZE,
    ARC_MAP,
    CALLOUTS,
    HTCONDOR,
    TOKEN,
    Answer,
    CalloutSite,
    compiled,
    executable,
)
from proof.counts import count

WORDS = [pytest.param(words, id="-".join(words)) for words in CALLOUTS]
# The time for which a process with too little memory may be busy with it. After it, the process counts as a hang.
SECONDS = 10
_MEGABYTE = 1 << 20


@pytest.fixture
def site(tmp_path: Path) -> CalloutSite:
    """Return a site whose callouts answer."""
    return CalloutSite(tmp_path / "site")


def assert_mapped(words: Sequence[str], answer: Answer) -> None:
    """The right answer."""
    printed = b"" if words == ARC_AUTHORIZE else ACCOUNT.encode()
    assert (answer.code, answer.account) == (0, printed), (words, answer)


def replaced(content: bytes | Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Return what puts another content into a file."""
    return lambda path: path.write_bytes(content(path.read_bytes()) if callable(content) else content)


def instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return what puts something else in a file's place."""

    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


def newer(content: bytes) -> bytes:
    """Make a built file one of a format that is yet to come."""
    return content.replace(b" 3 ", b" 4 ", 1)


FILES: list[tuple[str, Callable[[Path], object], str]] = [
    ("missing", Path.unlink, "No such file or directory"),
    ("empty", replaced(b""), "is not a vomap-"),
    ("a byte", replaced(b"\0"), "is not a vomap-"),
    ("a megabyte of noise", replaced(lambda _: os.urandom(_MEGABYTE)), "is not a vomap-"),
    ("the first line alone", replaced(lambda content: content.partition(b"\n")[0]), "is damaged"),
    ("half", replaced(lambda content: content[: len(content) // 2]), "is damaged"),
    ("a byte short", replaced(lambda content: content[:-1]), "is damaged"),
    ("a byte long", replaced(lambda content: content + b"\n"), "is damaged"),
    ("a newer format", replaced(newer), "has a format that this vomap does not read"),
    ("sparse, of a terabyte", lambda path: os.truncate(path, 1 << 40), "is damaged"),
    ("a folder", instead(lambda path: path.mkdir(0o755)), "not a regular file"),
    ("a FIFO", instead(lambda path: os.mkfifo(path, 0o644)), "not a regular file"),
    ("a device", instead(lambda path: path.symlink_to("/dev/zero")), "not a regular file"),
    ("a link to nothing", instead(lambda path: path.symlink_to("nothing")), "No such file or directory"),
    ("a link to itself", instead(lambda path: path.symlink_to(path.name)), "symbolic links"),
    ("below a file", instead(lambda path: path.symlink_to("/etc/passwd/x")), "Not a directory"),
    ("for others to write", lambda path: path.chmod(0o666), "other users can write it"),
    ("somebody else's", lambda path: os.chown(path, 12345, -1), "expected owner root or uid"),
]


@pytest.mark.parametrize(("name", "spoil", "says"), [pytest.param(*each, id=each[0]) for each in FILES])
@pytest.mark.parametrize("which", ["policy", "bans"])
def test_spoilt_files(site: CalloutSite, which: str, name: str, spoil: Callable[[Path], object], says: str) -> None:
    """A policy or bans that are not as they were built are an error that names the file and what is wrong with it."""
    path: Path = getattr(site, which)
    spoil(path)
    for words in CALLOUTS:
        answer = site.run(words)
        answer.assert_error(words, says)
        assert f"{path}: " in answer.err.decode(), (words, answer)


@pytest.mark.parametrize("status", ["EACCES", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ESTALE", "ELOOP"])
@pytest.mark.parametrize("at", ["OPENING", "READING"])
@pytest.mark.parametrize("which", ["policy", "bans"])
def test_a_disk_that_fails(site: CalloutSite, which: str, at: str, status: str, tmp_path: Path) -> None:
    """Any error of the kernel for opening or reading a file is an error that names the file."""
    shim, path = compiled(tmp_path, "files", f"-D{at}={status}"), getattr(site, which)
    for words in CALLOUTS:
        environment: Any = {**site.environment(words, TOKEN, shim), b"FAULTY": bytes(path)}
        site.run(words, env=environment).assert_error(words, f"{path}: ")


@dataclass(frozen=True)
class Payload:
    """An input of HTCondor's callout, and the answer."""

    name: str
    make: Callable[[], bytes]
    says: str


GOOD = htcondor_payload(TOKEN)
PAYLOADS = [
    Payload("nothing", bytes, "token: "),
    Payload("100 MB of blanks", lambda: b" " * (100 << 20), "more than 1048576 bytes"),
    Payload("100 MB in a claim", lambda: b'{"iss": "' + b"x" * (100 << 20) + b'"}', "more than 1048576 bytes"),
    Payload("half", lambda: GOOD[:-9], "token: "),
    Payload("two", lambda: GOOD + GOOD, "token: "),
    Payload("invalid UTF-8", lambda: GOOD.replace(b"known", b"\xff"), "UTF-8"),
    Payload("UTF-16", lambda: GOOD.decode().encode("utf-16"), "token: "),
    Payload("a NUL", lambda: GOOD + b"\0", "token: "),
    Payload("a NUL in the subject", lambda: GOOD.replace(b"known", rb"known\u0000"), "control character"),
    Payload("deep lists", lambda: b'{"a": ' + b"[" * 500_000 + b"]" * 500_000 + b"}", "token: "),
    Payload("deep objects", lambda: b'{"a":' * 150_000 + b"1" + b"}" * 150_000, "token: "),
    Payload("a name twice", lambda: GOOD.replace(b"{", b'{"sub": "other", ', 1), "a key occurs twice"),
    Payload("a list", lambda: b"[" + GOOD + b"]", "token: "),
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_standard_input(site: CalloutSite, payload: Payload, tmp_path: Path) -> None:
    """An input that is not a payload of HTCondor is an error that says what is wrong with it."""
    (tmp_path / "payload").write_bytes(payload.make())
    with (tmp_path / "payload").open("rb") as content:
        answer = site.run(HTCONDOR, stdin=content)
    print(f"stdin: {payload.name:<24} exit {answer.code} after {answer.seconds:.2f} s: {answer.err.decode()}", end="")
    answer.assert_error(HTCONDOR, payload.says)


@pytest.mark.parametrize("number", ["9" * 900_000, "1e999", "-1e999", "1e-999999999"])
def test_huge_numbers(site: CalloutSite, number: str, tmp_path: Path) -> None:
    """A huge number outside our claims costs nothing. As an expiry, it is judged in time or refused."""
    for claim in ("other", "exp"):
        payload = GOOD.replace(b"{", f'{{"{claim}": {number}, '.encode(), 1)
        (tmp_path / "payload").write_bytes(payload)
        with (tmp_path / "payload").open("rb") as content:
            answer = site.run(HTCONDOR, stdin=content)
        if answer.code == 0:
            assert_mapped(HTCONDOR, answer)
        else:
            assert (answer.code in (2, 3), answer.out) == (True, b""), (claim, answer)
            assert b"Traceback" not in answer.err


@pytest.mark.parametrize("words", [ARC_MAP, ARC_AUTHORIZE])
def test_a_hundred_thousand_variables(site: CalloutSite, words: Sequence[str]) -> None:
    """As many variables as that change nothing, be they others', or groups of the token that no claim bears out."""

    def with_room() -> None:
        # The arguments of a program may take a quarter of its stack.
        resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.RLIM_INFINITY))

    others = {f"V{number}".encode(): b"" for number in range(100_000)}
    environment: Any = {**site.environment(words, TOKEN), **others}
    answer = site.run(words, env=environment, preexec_fn=with_room)
    print(f"100,000 variables of others: {answer.seconds:.2f} s")
    assert_mapped(words, answer)
    groups = {f"BEARER_TOKEN_0_GROUP_{number}".encode(): b"/" for number in range(50_000)}
    answer = site.run(words, env={**site.environment(words, TOKEN), **groups}, preexec_fn=with_room)
    print(f"50,000 groups of the token: {answer.seconds:.2f} s")
    assert_mapped(words, answer)


@pytest.mark.parametrize("words", WORDS)
def test_the_name_service(site: CalloutSite, words: Sequence[str], tmp_path: Path) -> None:
    """The callout waits for a slow name service, and a failing one is an error. An unknown account is an answer."""
    answer = site.run(words, shim=compiled(tmp_path, "names", "-DSECONDS=1"))
    assert_mapped(words, answer)
    assert answer.seconds > 1
    for status in ("EIO", "EMFILE", "ENOMEM", "ECONNREFUSED", "ETIMEDOUT"):
        failing = site.run(words, shim=compiled(tmp_path, "names", f"-DSTATUS={status}"))
        failing.assert_error(words, "the name service fails for ")
    unknown = site.run(words, {**TOKEN, "sub": "unknown"})
    assert (unknown.code, unknown.out) == (1 if words == ARC_AUTHORIZE else 2, b"")
    assert b"does not exist" in unknown.err


def test_a_clock_that_is_far_off(site: CalloutSite, tmp_path: Path) -> None:
    """A token that is good now is refused by a clock that is years off, and the reason names the clock."""
    now = int(time.time())
    token = {**TOKEN, "iat": now, "nbf": now, "exp": now + 3600}
    assert_mapped(HTCONDOR, site.run(HTCONDOR, token))
    for offset, says in (("630720000L", "expired"), ("-630720000L", "ahead of")):
        answer = site.run(HTCONDOR, token, shim=compiled(tmp_path, "clock", f"-DOFFSET={offset}"))
        print(f"clock {offset}: {answer.err.decode()}", end="")
        assert (answer.code, answer.out) == (2, b"")
        assert says in answer.err.decode()
        assert b"time: " in answer.err
        assert b"this machine's clock" in answer.err


@pytest.mark.parametrize("words", [HTCONDOR, ARC_MAP])
def test_a_full_standard_output(site: CalloutSite, words: Sequence[str]) -> None:
    """An account that cannot be written is none."""
    with open("/dev/full", "wb") as full:
        site.run(words, stdout=full).assert_error(words, "No space left on device")


def _limited(kind: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (value, value))


def _ended(site: CalloutSite, words: Sequence[str] | None, kind: int, value: int) -> tuple[int | None, bytes, bytes]:
    """Return how a callout ends under a limit, or, without arguments, the interpreter alone.

    None means that it hangs.
    """
    command = site.command(words) if words else [sys.executable, "-I", "-c", "pass"]
    environment: Any = site.environment(words, TOKEN) if words else {}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, env=environment, preexec_fn=_limited(kind, value), **pipes)  # noqa: PLW1509
    with process:
        try:
            out, err = process.communicate(GOOD if words == HTCONDOR else b"", timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            return None, out, err
        return process.returncode, out, err


@pytest.mark.parametrize(
    ("what", "kind", "values", "margin"),
    [
        ("descriptors", resource.RLIMIT_NOFILE, range(11), 0),
        ("memory", resource.RLIMIT_AS, range(1 << 20, 26 << 20, count(full=1 << 16, reduced=1 << 20)), 1 << 20),
    ],
    ids=["descriptors", "memory"],
)
def test_nothing_left(site: CalloutSite, what: str, kind: int, values: range, margin: int) -> None:
    """With too few descriptors or too little memory no token is mapped by mistake, and the callout ends in exit 3.

    That needs an interpreter that begins to run the callout. With less than it needs, plus a margin of memory, the
    interpreter may end in exit 1, at which HTCondor asks the next plugin.
    """
    bare = {value: _ended(site, None, kind, value) for value in values}
    starts = max((value for value, end in bare.items() if end != (0, b"", b"")), default=0) + values.step + margin
    print(f"\n{what}: the interpreter starts without complaint from {starts - margin} on")
    for words in CALLOUTS:
        met: dict[int | None, list[int]] = {}
        for value in values:
            code, out, err = _ended(site, words, kind, value)
            met.setdefault(code, []).append(value)
            if code == 0 and words != ARC_AUTHORIZE:
                assert out.strip() == ACCOUNT.encode(), (words, value, out, err)
            else:
                assert out == b"", (words, value, out, err)
            if value >= starts:
                assert code in (0, 3) or (code == 1 and err.startswith(b"vomap-arc authorize: error: ")), (
                    words, value, code, err,
                )  # fmt: skip
        for code, found in met.items():
            print(f"  {' '.join(words):<20} exit {code}: {len(found)} times, from {found[0]} to {found[-1]}")
        assert {0, 3} <= set(met) or kind == resource.RLIMIT_NOFILE


MAPFILE = """\
mapfile: 1
site: {audience: ANY, accounts: {must-exist: no}}
issuers:
  https://i.example/: {vo: Nova}
rules:
  - {name: known, vo: Nova, subject: known, account: known}
tests:
  - token: {iss: https://i.example/, sub: known, aud: ANY, scope: compute.read}
    expect: {account: known}
"""


class Commands:
    """A site's files, and the command `vomap` there."""

    def __init__(self, folder: Path) -> None:
        """Write a mapfile, a ban and a built policy."""
        self.folder = folder
        for name in ("m.d", "b.d", "built"):
            (folder / name).mkdir(mode=0o755)
        (folder / "m.d" / "a.yaml").write_text(MAPFILE)
        (folder / "b.d" / "a.yaml").write_text("mapfile: 1\nbans: [{vo: Nova, subject: banned, reason: leaked}]\n")
        assert self.run("build", "--mapfiles", "m.d", "--bans", "b.d", "--output", "built/policy")[0] == 0

    def run(self, *words: str, **how: Any) -> tuple[int, str, str]:
        """Run the command and return its exit code and what it wrote."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **how}
        command = [executable("vomap"), *words]
        with subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True, **pipes) as process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return process.returncode, out or "", err


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Return a site with all that the commands read."""
    return Commands(tmp_path)


NOT_FILES: dict[str, Callable[[Path], object]] = {
    "missing": lambda _: None,
    "a folder": lambda path: path.mkdir(),
    "a FIFO": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}
CLAIMS = '{"iss": "https://i.example/", "sub": "known", "aud": "ANY", "scope": "compute.read"}'
READING = [
    ["check", "--mapfiles", "X"],
    ["test", "--mapfiles", "X"],
    ["render", "htcondor", "--mapfiles", "X"],
    ["build", "--mapfiles", "X", "--bans", "b.d", "--output", "built/policy"],
    ["build", "--mapfiles", "m.d", "--bans", "X", "--output", "built/policy"],
    ["explain", "--claims", CLAIMS, "--policy", "X", "--bans", "built/policy.bans"],
    ["explain", "--claims", CLAIMS, "--policy", "built/policy", "--bans", "X"],
    ["explain", "--claims", CLAIMS, "--mapfiles", "X"],
    ["status", "--policy", "X", "--root", "built"],
    ["ban", "list", "--bans", "X"],
    ["ban", "add", "--bans", "X", "--policy", "built/policy", "--vo", "Nova", "--reason", "leaked"],
]


@pytest.mark.parametrize("what", NOT_FILES)
def test_commands_and_what_is_no_file(commands: Commands, what: str) -> None:
    """Another kind of file in the place of a file is reported in one line, at once. Compiled files stay as they are.

    An empty folder is valid for a folder, but not for a ban. `status` reports the problem as its answer.
    """
    NOT_FILES[what](commands.folder / "X")
    before = (commands.folder / "built" / "policy").read_bytes()
    for words in READING:
        code, out, err = commands.run(*words)
        told = (words, code, out, err)
        print(f"{what:<18} {' '.join(words[:2])[:20]:<20} exit {code}: {(err or out).splitlines()[-1:]}")
        assert "Traceback" not in err, told
        if words[0] == "status":
            assert (code, err) == (1, ""), told
        elif what == "a folder" and "X" in words and "--policy" not in words[: words.index("X")]:
            assert code in (0, 1, 2, 3), told
        elif words[:2] == ["ban", "add"] and what != "a folder":
            assert (code, len(err.splitlines())) == (2, 1), told
        elif words[:2] != ["ban", "add"]:
            assert (code, len(err.splitlines())) == (3, 1), told
            assert "X: " in err, told
    # An empty folder of bans means no bans, and a policy is compiled with them as with any others.
    assert what == "a folder" or (commands.folder / "built" / "policy").read_bytes() == before


@pytest.mark.parametrize(
    "words", [["explain", "--policy", "built/policy", "--claims", CLAIMS], ["check", "--mapfiles", "m.d"], READING[8]]
)
def test_a_command_that_nobody_reads(commands: Commands, words: list[str]) -> None:
    """A pipe whose reader is gone, and a full disk behind standard output, are exit 3 and one line."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as gone, open("/dev/full", "wb") as full:
        for stdout in (gone, full):
            code, _, err = commands.run(*words, stdout=stdout)
            assert (code, len(err.splitlines())) == (3, 1), err
            assert err.startswith("vomap: output: "), err


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Fill a file system of its own that a folder becomes, but for what a command needs to begin."""
    folder.mkdir(mode=0o755, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk(commands: Commands) -> None:
    """In an unwritable folder, build and ban are exit 3 with a line that names the file. The old file stays."""
    built = commands.folder / "full"
    build = ["build", "--mapfiles", "m.d", "--bans", "b.d", "--output", "full/policy"]
    ban = ["ban", "add", "--bans", "b.d", "--policy", "full/policy", "--vo", "Nova", "--subject", "x", "--reason", "r"]
    with full_disk(built):
        assert commands.run(*build)[0] == 0
        before = {path.name: path.read_bytes() for path in built.iterdir()}
        (built / "filler").touch()
        with (built / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while filler.write(b"x" * 512):
                pass
        for words in (build, ban):
            code, _, err = commands.run(*words)
            print(f"full disk: {words[0]}: exit {code}: {err}", end="")
            assert (code, len(err.splitlines())) == (3, 1), err
            assert "full/policy" in err
            assert "No space left on device" in err
        (built / "filler").unlink()
        assert {path.name: path.read_bytes() for path in built.iterdir()} == before
        assert commands.run(*build)[0] == 0
    assert Counter(path.name for path in (commands.folder / "b.d").iterdir()).keys() <= {"a.yaml", "vomap-ban.yaml"}
