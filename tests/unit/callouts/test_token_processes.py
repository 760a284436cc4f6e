"""A service runs `vomap-token` as a process, gives it a raw token, and gets one answer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.verify.issuer import OPENID, REALM, Issuer, issuing, site_for
from unit.web.server import AUTHORITY
from vomap.callouts import TimeLimit, token

SECONDS = 30


def _executable() -> str:
    path = Path(sys.executable).parent / "vomap-token"
    assert path.is_file(), f"{path} is missing: install vomap into this interpreter's environment (pip install .)"
    return str(path)


class Service:
    """A service that runs vomap-token for tokens of one issuer."""

    def __init__(self, issuer: Issuer) -> None:
        """Use the issuer and the site that trusts it."""
        self.issuer = issuer
        self.work = issuer.folder / "work"
        self.work.mkdir()

    def command(self, *more: str) -> list[str]:
        """Return the command line."""
        files = ["--policy", self.issuer.policy, "--cache", str(self.issuer.cache), "--ca", str(AUTHORITY)]
        return [_executable(), *files, *more]

    def run(
        self, raw: bytes | None, *more: str, command: list[str] | None = None, **variables: str
    ) -> tuple[int, bytes, bytes]:
        """Run the command to its end, and return its exit code and its output."""
        done = subprocess.run(
            command or self.command(*more),
            input=b"" if raw is None else raw,
            cwd=self.work,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **variables},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        assert list(self.work.iterdir()) == []
        assert done.stderr.isascii()
        assert done.stderr.startswith(b"vomap-token: ")
        assert done.stderr.count(b"\n") == 1
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Return a service. The current user owns all files, because vomap-token leaves root."""
    with issuing(tmp_path) as issuer:
        yield Service(issuer)


@pytest.mark.parametrize(
    ("token", "code", "printed", "told"),
    [
        ({}, 0, b"nova\n", b"mapped to nova for Nova: rule: everybody"),
        ({"iss": "https://other.example/"}, 1, b"", b"declined: issuer: "),
        ({"number": 1}, 2, b"", b"denied: token: the signature is not its issuer's"),
        ({"header": {"alg": "none"}}, 2, b"", b"denied: token: signed by 'none'"),
        ({"sub": "banned"}, 2, b"", b"denied for Nova: ban: leaked"),
        ({"aud": "elsewhere"}, 2, b"", b"denied for Nova: audience: "),
        ({"iss": "http://insecure.example/"}, 3, b"", b"error: token: vomap has no keys of "),
        ({"iss": "\n"}, 3, b"", b"error: token: a control character"),
    ],
)
def test_answers(service: Service, token: dict[str, Any], code: int, printed: bytes, told: bytes) -> None:
    """Each outcome has HTCondor's exit code. The command prints only the account, and one line with the reason."""
    returned, out, err = service.run(service.issuer.token(**token))
    assert (returned, out) == (code, printed), err
    assert told in err


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ({}, b"observed: mapped to nova for Nova: rule: everybody"),
        ({"iss": "https://other.example/"}, b"observed: declined: issuer: "),
        ({"number": 1}, b"observed: denied: token: the signature is not its issuer's"),
        ({"sub": "banned"}, b"observed: denied for Nova: ban: leaked"),
        ({"iss": "\n"}, b"observed: error: token: a control character"),
    ],
)
def test_it_only_observes(service: Service, token: dict[str, Any], told: bytes) -> None:
    """With `--observe`, vomap-token verifies, decides and logs. It always declines, and prints no account."""
    returned, out, err = service.run(service.issuer.token(**token), "--observe")
    assert (returned, out) == (1, b"")
    assert told in err


@pytest.mark.parametrize("words", [["--unknown"], ["--token-file", "/nowhere/token"], ["--policy", "/nowhere/policy"]])
def test_a_failure_while_it_observes(service: Service, words: list[str]) -> None:
    """Also a failure declines: the caller's other way decides."""
    assert service.run(service.issuer.token(), "--observe", *words)[:2] == (1, b"")
    command = [sys.executable, "-I", "-S", *service.command("--observe")]
    assert service.run(service.issuer.token(), command=command)[:2] == (1, b"")


@pytest.mark.parametrize("raw", [b"", b"x", b"a.b.c", b"\0" * 100, b"x" * (2 << 20)], ids=len)
def test_what_is_no_token(service: Service, raw: bytes) -> None:
    """vomap-token exits 3 for input that is not a valid token."""
    process = subprocess.Popen(service.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(raw, timeout=SECONDS)
    except BrokenPipeError:  # pragma: no cover - vomap may stop reading early
        out, err = b"", b"error"
    assert (process.wait(), out) == (3, b"")
    assert b"error" in err


def test_where_the_token_is(service: Service, tmp_path: Path) -> None:
    """vomap-token reads standard input, a file, or, with --discover, the place that the environment names."""
    good = service.issuer.token()
    path = tmp_path / "token"
    path.write_bytes(good + b"\n")
    path.chmod(0o600)
    assert service.run(None, "--token-file", str(path))[:2] == (0, b"nova\n")
    assert service.run(None, "--discover", BEARER_TOKEN=good.decode())[:2] == (0, b"nova\n")
    assert service.run(None, "--discover", BEARER_TOKEN_FILE=str(path))[:2] == (0, b"nova\n")
    path.rename(tmp_path / f"bt_u{os.geteuid()}")
    assert service.run(None, "--discover", XDG_RUNTIME_DIR=str(tmp_path))[:2] == (0, b"nova\n")
    assert service.run(None, "--discover", BEARER_TOKEN="", XDG_RUNTIME_DIR=str(tmp_path))[:2] == (3, b"")
    assert service.run(None, BEARER_TOKEN=good.decode())[0] == 3
    assert service.run(b"x", "--token-file", "/nowhere/token")[0] == 3


@pytest.mark.parametrize(
    "words",
    [
        ["--unknown"],
        ["--discover=yes"],
        ["--discover", "--discover"],
        ["--discover", "--token-file", "x"],
        ["--cache"],
        ["x"],
        ["--verify", "no"],
        ["--help"],
    ],
)
def test_other_words(service: Service, words: list[str]) -> None:
    """Unknown words are an error."""
    assert service.run(service.issuer.token(), *words)[:2] == (3, b"")
    assert service.issuer.server.asked == []


def test_an_issuer_that_hangs(service: Service) -> None:
    """vomap-token gives up before the service does. For the next token it does not wait for the issuer again."""
    service.issuer.server.put(REALM + OPENID, is_silent=True)
    code, out, err = service.run(service.issuer.token())
    assert (code, out) == (3, b"")
    assert b"error: " in err
    service.issuer.server.asked.clear()
    assert service.run(service.issuer.token())[0] == 3
    assert service.issuer.server.asked == []


def test_a_network_that_hangs(service: Service) -> None:
    """vomap-token gives up on a server that accepts the connection and sends nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        service.issuer.metadata(jwks_uri=f"https://127.0.0.1:{silent.getsockname()[1]}/keys")
        assert service.run(service.issuer.token())[:2] == (3, b"")


def test_once_it_is_offline(service: Service) -> None:
    """vomap-token validates with cached keys, without a connection to the issuer."""
    assert service.run(service.issuer.token())[0] == 0
    asked = len(service.issuer.server.asked)
    assert service.run(service.issuer.token(), https_proxy="http://127.0.0.1:1")[0] == 0
    assert len(service.issuer.server.asked) == asked


@pytest.mark.parametrize("name", ["OPENSSL_CONF", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NETRC"])
def test_variables_have_no_say(service: Service, name: str, tmp_path: Path) -> None:
    """Environment variables cannot make vomap-token load libraries, write secrets or trust other authorities."""
    named = tmp_path / "named"
    if name == "OPENSSL_CONF":
        named.write_text(
            f"openssl_conf = a\n[a]\nproviders = b\n[b]\nevil = c\n[c]\nmodule = {tmp_path}/evil.so\nactivate = 1\n"
        )
    elif name.startswith(("REQUESTS", "SSL_")):
        named.write_bytes(AUTHORITY.read_bytes())
    command = service.command()
    if name.startswith(("REQUESTS", "SSL_")):
        command = command[: command.index("--ca")]
        code, _, err = service.run(service.issuer.token(), command=command, **{name: str(named)})
        assert (code, b"certificate is not trusted" in err) == (3, True)
    else:
        variables: Any = {name: str(named)}
        assert service.run(service.issuer.token(), **variables)[:2] == (0, b"nova\n")
        assert named.exists() == (name == "OPENSSL_CONF")


def test_a_proxy_is_the_way_out(service: Service) -> None:
    """vomap-token uses the proxy for issuers elsewhere, because many sites need it."""
    elsewhere = "https://issuer.invalid/realm"
    site_for(service.issuer.folder, elsewhere)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        code, out, _ = service.run(service.issuer.token(iss=elsewhere), https_proxy=f"http://127.0.0.1:{port}")
        proxy.settimeout(SECONDS)
        with proxy.accept()[0] as asked:
            assert asked.recv(1000).startswith(b"CONNECT issuer.invalid:443")
    assert (code, out) == (3, b"")


@pytest.mark.parametrize("redirection", [">&-", "<&-", "2>&-", ">/dev/full"])
def test_descriptors(service: Service, redirection: str) -> None:
    """vomap-token gives no answer with a closed descriptor. An account that it cannot print is an error."""
    command = ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *service.command()]
    done = subprocess.run(command, input=service.issuer.token(), capture_output=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("flags", [["-I", "-S"], ["-I", "-S", "-O"]])
def test_missing_libraries(service: Service, flags: list[str]) -> None:
    """An interpreter that does not find vomap or PyJWT exits 3, not with Python's 1."""
    code, out, err = service.run(service.issuer.token(), command=[sys.executable, *flags, *service.command()])
    assert (code, out) == (3, b"")
    assert b"ModuleNotFoundError" in err


def test_root_is_left_behind_before_the_token_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """vomap-token reads the token as its first user, who may be the only one with access. Then it changes the user."""
    happened: list[str] = []

    def run_guarded(callout: str, answer: Callable[[TimeLimit], int], seconds: float, *, failed: int) -> int:
        happened.append(f"{seconds:g} s")
        return answer(TimeLimit(callout, seconds, failed=failed))

    monkeypatch.setattr(token, "run_guarded", run_guarded)
    monkeypatch.setattr(token, "_forget_variables", lambda: happened.append("variables"))
    monkeypatch.setattr(token, "read_input", lambda: happened.append("input"))
    monkeypatch.setattr(token, "become_user", lambda name: happened.append(f"become {name}"))
    monkeypatch.setattr(token, "decide_raw_token", lambda *_: happened.append("decide"))
    monkeypatch.setattr(token, "respond", lambda *_, **__: 0)
    monkeypatch.setattr(sys, "argv", ["vomap-token"])
    assert token.main() == 0
    assert happened == ["8 s", "variables", "input", "become vomap", "decide"]
