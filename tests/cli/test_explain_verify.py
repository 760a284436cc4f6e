"""`vomap explain --verify`: whether the signature was verified, with which key, and from where that is."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from unit.verify.issuer import Issuer, issuing, jwk
from unit.web.server import AUTHORITY, without_variables
from vomap.cli import run
from vomap.files.shipped import shipped_file

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """Return an issuer that the site trusts."""
    without_variables(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with issuing(tmp_path) as running:
        yield running


def explain(issuer: Issuer, token: bytes, *words: str) -> int:
    """Explain a token whose signature is to be verified."""
    return run(
        ["explain", "--verify", "--policy", issuer.policy, "--ca", str(AUTHORITY), "--token", token.decode(), *words]
    )


def told(capsys: Capture) -> dict[str, Any]:
    """Return the answer for programs, which is a decision as its schema has it."""
    decision: dict[str, Any] = json.loads(capsys.readouterr().out)
    schema = json.loads(shipped_file("schemas", "decision-1.schema.json").read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(decision)
    return decision


def test_what_is_told(issuer: Issuer, capsys: Capture) -> None:
    """The output has the key, the algorithm, and whether vomap asked the issuer.

    The keys are in the user's own cache.
    """
    assert explain(issuer, issuer.token()) == 0
    out = capsys.readouterr().out
    assert "  signature: verified by RS256 with its issuer's key 'a', fetched just now\n" in out
    assert "mapped to nova: rule: everybody" in out
    assert explain(issuer, issuer.token()) == 0
    assert "with its issuer's key 'a', from the cache\n" in capsys.readouterr().out
    assert len(list((issuer.folder / "cache" / "vomap").glob("*.keys"))) == 1


def test_what_is_told_to_programs(issuer: Issuer, capsys: Capture, tmp_path: Path) -> None:
    """The same as a member of the decision, which is not there unless it is asked for."""
    issuer.publish([jwk("P-256", kid=None)])
    token = issuer.token("ES256", header={"kid": None})
    for keys in ("fetched", "cache"):
        assert explain(issuer, token, "--json", "--cache", str(tmp_path / "own")) == 0
        assert told(capsys)["verified"] == {"algorithm": "ES256", "key": None, "keys": keys}
    assert run(["explain", "--policy", issuer.policy, "--json", "--token", token.decode()]) == 0
    assert "verified" not in told(capsys)


@pytest.mark.parametrize(
    ("token", "code", "reason"),
    [
        ({"number": 1}, 1, "denied: token: the signature is not its issuer's"),
        ({"header": {"alg": "none"}}, 1, "denied: token: signed by 'none'"),
        ({"exp": None}, 1, "denied: token: exp is missing"),
        ({"iss": "https://other.example/"}, 1, "declined: issuer: "),
        ({"iss": "http://insecure.example/"}, 3, "error: token: vomap has no keys of "),
        ({"iss": "a\nb"}, 3, "error: token: a control character"),
    ],
)
def test_what_is_not_genuine(issuer: Issuer, capsys: Capture, token: dict[str, Any], code: int, reason: str) -> None:
    """A token that is not verified is not mapped, and the reason says so."""
    assert explain(issuer, issuer.token(**token), "--json") == code
    decision = told(capsys)
    assert (decision["verified"], decision["account"]) == (None, None)
    assert f"{decision['outcome']}: {decision['reason']}".startswith(reason)
    assert explain(issuer, issuer.token(**token)) == code
    assert reason in capsys.readouterr().out


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c.d", "a.!.c", "a.YQ==.c", "e30.e30=.c"])
def test_no_token(issuer: Issuer, capsys: Capture, token: str) -> None:
    """Text that is not a token is an error, as for vomap-token."""
    assert explain(issuer, token.encode()) == 3
    assert "error: token: " in capsys.readouterr().out


def test_an_issuer_that_is_not_asked(issuer: Issuer, capsys: Capture) -> None:
    """An undeclared issuer is not asked for keys, and the output says so."""
    assert explain(issuer, issuer.token(iss=issuer.url + "/")) == 1
    assert "signature: not verified, as the issuer is not trusted" in capsys.readouterr().out
    assert issuer.server.asked == []


def test_claims_have_no_signature(issuer: Issuer, capsys: Capture) -> None:
    """`--verify` without a token is wrong usage."""
    assert run(["explain", "--verify", "--policy", issuer.policy, "--claims", "{}"]) == 2
    assert "--verify wants a token" in capsys.readouterr().err


def test_a_token_on_standard_input(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As without `--verify`, a dash means standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(issuer.token() + b"\n")))
    assert explain(issuer, b"-") == 0


def test_only_who_verifies_needs_libraries(issuer: Issuer) -> None:
    """Without `--verify`, neither PyJWT nor requests is loaded."""
    words = ["explain", "--policy", issuer.policy, "--token", issuer.token().decode()]
    program = f"import sys; from vomap.cli import run; run({words!r}); print(*sys.modules, sep='\\n', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"jwt", "requests", "cryptography", "vomap.verify"} & set(done.stderr.splitlines())
