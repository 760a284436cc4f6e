"""A table of faults of issuers, with the decision for a token. `pytest -s` prints it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

import vomap.verify
from unit.verify.issuer import KEYS, OAUTH, OPENID, REALM, Issuer, issuing, jwk
from unit.web.server import AUTHORITY, serving, without_variables
from vomap.callouts.token import decide_raw_token
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED
from vomap.verify.key_cache import KeyCache

HOUR, DAY = 3600, 86400
METADATA = REALM + OPENID
NO_ANSWER = "in time|takes longer|did not answer"


class Step(NamedTuple):
    """A token that is presented so many seconds after the first, and what comes of it.

    `does` is the act of the issuer just before. `words` must be in the reason, one of those with `|` between them.
    """

    outcome: str
    words: str
    requests: int
    at: float = 0
    token: Mapping[str, Any] = MappingProxyType({})
    does: Callable[[Issuer], object] = lambda issuer: None


def put(path: str, body: bytes = b"", **how: Any) -> Callable[[Issuer], object]:
    """Answer a path otherwise."""
    return lambda issuer: issuer.server.put(path, body, **how)


def keys(*published: Any, **headers: str) -> Callable[[Issuer], object]:
    """Publish these keys."""
    return lambda issuer: issuer.publish(list(published), **headers)


def metadata(**members: Any) -> Callable[[Issuer], object]:
    """Publish metadata with other members."""
    return lambda issuer: issuer.metadata(**members)


def moved(path: str, target: str) -> Callable[[Issuer], object]:
    """Redirect a path."""
    return put(path, status=302, headers={"Location": target})


def only_oauth(issuer: Issuer) -> None:
    """Publish metadata where RFC 8414 has them, alone."""
    del issuer.server.replies[METADATA]
    issuer.metadata(OAUTH + REALM)


def moved_metadata(issuer: Issuer) -> None:
    """Have the metadata elsewhere on the same host, and say so."""
    moved(METADATA, "/elsewhere")(issuer)
    issuer.metadata("/elsewhere")


def down(issuer: Issuer) -> None:
    """Answer with an error, whatever is asked."""
    for path in list(issuer.server.replies):
        issuer.server.put(path, status=503)


def nothing(issuer: Issuer) -> None:
    """Have nothing there."""
    issuer.server.replies.clear()


def error(words: str, requests: int, does: Callable[[Issuer], object]) -> list[Step]:
    """An issuer that gives no keys is not asked again at once."""
    again = Step(ERROR, words, 0, at=1)
    return [Step(ERROR, words, requests, does=does), again]


OK = Step(MAPPED, "rule: everybody", 2)
KEPT = Step(MAPPED, "rule: everybody", 0, at=1)
NEW = {"header": {"kid": "new"}, "number": 1}
ROTATED = keys(jwk("RSA"), jwk("RSA", 1, kid="new"))
SITUATIONS: dict[str, list[Step]] = {
    "publishes its keys": [OK, KEPT],
    "has metadata where RFC 8414 wants them": [Step(MAPPED, "rule", 3, does=only_oauth), KEPT],
    "has no metadata": error("is not there (404", 2, nothing),
    "has a 503 for metadata": error("cannot send it now (503", 2, down),
    "has no keys where it says": error("is not there (404", 2, lambda issuer: issuer.server.replies.pop(KEYS)),
    # Slow
    "does not answer": error(NO_ANSWER, 1, put(METADATA, is_silent=True)),
    "does not answer about keys": error(NO_ANSWER, 2, put(KEYS, is_silent=True)),
    "sends a byte now and then": error(NO_ANSWER, 1, put(METADATA, b"{" * 1000, drips=0.2)),
    "sends headers without an end": error(NO_ANSWER, 1, put(METADATA, drips_headers=True, drips=0.2)),
    "sends keys byte by byte": error(NO_ANSWER, 2, put(KEYS, b"{" * 1000, drips=0.2)),
    # Endless, and lying
    "sends metadata without an end": error("is larger than 262144", 1, put(METADATA, b" " * (1 << 24))),
    "sends keys without an end": error("is larger than 262144", 2, put(KEYS, b" " * (1 << 24), is_chunked=True)),
    "sends less than it says": error(
        "ended after|cannot fetch it", 1, put(METADATA, b"{}", headers={"Content-Length": "9"})
    ),
    "sends more than it says": error(
        "not a valid JSON object", 1, put(METADATA, b"{    }", headers={"Content-Length": "2"}, sent=b'{"issuer"')
    ),
    # Redirecting
    "redirects to itself": [Step(MAPPED, "rule", 3, does=moved_metadata)],
    "redirects without an end": error("more than 2 redirects", 3, moved(METADATA, METADATA)),
    "redirects to another host": error("another host", 1, moved(METADATA, "https://localhost/x")),
    "redirects to another port": error("another host", 1, moved(METADATA, "https://127.0.0.1:1/x")),
    "redirects to http": error("without TLS", 1, moved(METADATA, "http://127.0.0.1/x")),
    "redirects its keys to another host": error("another host", 2, moved(KEYS, "https://localhost/x")),
    "redirects to a file": error("not an http or https URL", 1, moved(METADATA, "file:///etc/passwd")),
    # Metadata
    "is another issuer": error("the metadata of another issuer", 1, metadata(issuer="https://other.example/")),
    "is called almost the same": error(
        "the metadata of another issuer", 1, lambda issuer: issuer.metadata(issuer=issuer.url + "/")
    ),
    "is called by no text": error("the metadata of another issuer", 1, metadata(issuer=["x"])),
    "has its keys without TLS": error("jwks_uri is not an https URL", 1, metadata(jwks_uri="http://127.0.0.1/keys")),
    "has its keys in a file": error("jwks_uri is not an https URL", 1, metadata(jwks_uri="file:///etc/passwd")),
    "has its keys behind a password": error(
        "jwks_uri is not an https URL", 1, metadata(jwks_uri="https://a:b@127.0.0.1/")
    ),
    "has its keys nowhere": error("jwks_uri is not an https URL", 1, metadata(jwks_uri=None)),
    "has a page for metadata": error("not a valid JSON object", 1, put(METADATA, b"<html>")),
    "has a list for metadata": error("not a valid JSON object", 1, put(METADATA, b"[]")),
    "says everything twice": error("not a valid JSON object", 1, put(METADATA, b'{"issuer": "a", "issuer": "b"}')),
    "nests without an end": error("not a valid JSON object", 1, put(METADATA, b'{"a":' * 40_000)),
    "speaks no UTF-8": error("not a valid JSON object", 1, put(METADATA, b"\xff\xfe{}")),
    # Keys
    "has no list of keys": error("a list of at most 100 keys", 2, put(KEYS, b'{"keys": {}}')),
    "has too many keys": error("a list of at most 100 keys", 2, keys(*[jwk("RSA", kid=f"{n}") for n in range(101)])),
    "has no keys": error("no key that can verify", 2, keys()),
    "has only a secret": error("no key that can verify", 2, keys({"kty": "oct", "k": "c2VjcmV0", "kid": "a"})),
    "has only a weak key": error("no key that can verify", 2, keys(jwk("RSA1024"))),
    "has only a key for encryption": error("no key that can verify", 2, keys(jwk("RSA", use="enc"))),
    "has a key that signs and does not verify": error("no key that can verify", 2, keys(jwk("RSA", key_ops=["sign"]))),
    "has junk beside its key": [
        Step(
            MAPPED,
            "rule",
            2,
            does=keys(7, None, [], {}, {"kty": []}, {"kty": "XX"}, jwk("RSA", n=5), jwk("RSA", n="!"), jwk("RSA")),
        )
    ],
    "has a key whose name is no text": error("no key that can verify", 2, keys(jwk("RSA", kid=7))),
    "has a key of another algorithm": [
        Step(DENIED, "does not publish the key 'a' for RS256", 2, does=keys(jwk("RSA", alg="PS256")))
    ],
    "has a key of just this algorithm": [Step(MAPPED, "rule", 2, does=keys(jwk("RSA", alg="RS256")))],
    "has two keys of one name": [Step(DENIED, "does not publish the key", 2, does=keys(jwk("RSA"), jwk("RSA", 1)))],
    "has keys of two kinds with one name": [Step(MAPPED, "rule", 2, does=keys(jwk("P-256"), jwk("RSA")))],
    "has a key that is none": [
        Step(ERROR, "cannot be used for ES256", 2, token={"algorithm": "ES256"}, does=keys(jwk("P-256", x="AAAA")))
    ],
    "names no keys": [Step(MAPPED, "rule", 2, token={"header": {"kid": None}}, does=keys(jwk("RSA", kid=None)))],
    "names no key in a token": [
        Step(MAPPED, "rule", 2, token={"header": {"kid": None}}, does=keys(jwk("RSA"), jwk("P-256", kid="b")))
    ],
    "names no key in a token, and has two": [
        Step(
            DENIED, "exactly one key", 2, token={"header": {"kid": None}}, does=keys(jwk("RSA"), jwk("RSA", 1, kid="b"))
        )
    ],
    # Tokens that are not its own
    "signs with another key": [Step(DENIED, "the signature is not", 2, token={"number": 1})],
    "signs by HS256": [Step(DENIED, "signed by 'HS256'", 0, token={"header": {"alg": "HS256"}})],
    "signs not at all": [Step(DENIED, "signed by 'none'", 0, token={"header": {"alg": "none"}})],
    "is not declared": [Step(DECLINED, "is not declared", 0, token={"iss": "https://127.0.0.1/other"})],
    "is not declared, for want of a slash": [Step(DECLINED, "is not declared", 0, token={"iss": "https://127.0.0.1/"})],
    "is not declared, and signs by HS256": [
        Step(DECLINED, "is not declared", 0, token={"iss": "idtokens.example", "header": {"alg": "HS256"}})
    ],
    "is not declared, and its token is banned": [
        Step(DENIED, "ban: leaked", 0, token={"iss": "https://x/", "sub": "banned"})
    ],
    "is declared, and its token is banned": [Step(DENIED, "ban: leaked", 2, token={"sub": "banned"})],
    "is declared without TLS": [Step(ERROR, "is not an https URL", 0, token={"iss": "http://insecure.example/"})],
    "names other places for its keys": [
        Step(
            DENIED,
            "the signature is not",
            2,
            token={"number": 1, "header": {"jwk": jwk("RSA", 1), "jku": "https://127.0.0.1/", "x5u": "x"}},
        )
    ],
    "signs what it should not": [Step(DENIED, "time: the token expired", 2, token={"exp": 1_700_000_000})],
    # Time
    "rotates its keys": [
        OK,
        Step(DENIED, "does not publish the key 'new'", 0, at=10, token=NEW, does=ROTATED),
        Step(MAPPED, "rule", 2, at=300, token=NEW),
        Step(MAPPED, "rule", 0, at=301),
    ],
    "is asked about keys that nobody has": [
        OK,
        Step(DENIED, "does not publish", 2, at=300, token={"header": {"kid": "x1"}}),
        *[Step(DENIED, "does not publish", 0, at=300 + n, token={"header": {"kid": f"y{n}"}}) for n in (1, 5, 299)],
        Step(DENIED, "does not publish", 2, at=600, token={"header": {"kid": "x2"}}),
    ],
    "withdraws a key": [
        OK,
        Step(MAPPED, "rule", 0, at=6 * HOUR - 1, does=keys(jwk("RSA", 1, kid="new"))),
        Step(DENIED, "does not publish the key 'a'", 2, at=6 * HOUR),
    ],
    "is down for long": [
        OK,
        Step(MAPPED, "rule", 0, at=5 * HOUR, does=down),
        Step(MAPPED, "rule", 2, at=6 * HOUR),
        Step(MAPPED, "rule", 0, at=6 * HOUR + 299),
        Step(MAPPED, "rule", 2, at=6 * HOUR + 300),
        Step(ERROR, "as far as vomap knows", 0, at=6 * HOUR + 301, token=NEW),
        Step(MAPPED, "rule", 2, at=2 * DAY - 1),
        Step(ERROR, "cannot send it now (503", 0, at=2 * DAY),
        Step(ERROR, "cannot send it now (503", 2, at=2 * DAY + 300),
        Step(MAPPED, "rule", 2, at=2 * DAY + 600, does=lambda issuer: issuer.publish()),
    ],
    "hangs when its keys are due": [
        OK,
        Step(MAPPED, "rule", 1, at=6 * HOUR, does=put(METADATA, is_silent=True)),
        Step(MAPPED, "rule", 0, at=6 * HOUR + 1),
    ],
    "wants its keys kept for a minute": [
        Step(MAPPED, "rule", 2, does=keys(jwk("RSA"), **{"Cache-Control": "public, max-age=60"})),
        Step(MAPPED, "rule", 0, at=HOUR - 1),
        Step(MAPPED, "rule", 2, at=HOUR),
    ],
    "wants its keys kept for a year": [
        Step(MAPPED, "rule", 2, does=keys(jwk("RSA"), **{"Cache-Control": "max-age=31536000"})),
        Step(MAPPED, "rule", 0, at=6 * HOUR - 1),
        Step(MAPPED, "rule", 2, at=6 * HOUR, does=down),
        Step(MAPPED, "rule", 2, at=4 * DAY - 1),
        Step(ERROR, "(503", 0, at=4 * DAY),
    ],
    "is asked by a clock that jumps back": [
        OK,
        Step(MAPPED, "rule", 0, at=-59),
        Step(ERROR, "(503", 2, at=-61, does=down),
        Step(MAPPED, "rule", 2, at=-30 * DAY, does=lambda issuer: issuer.publish()),
    ],
}


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """Return an issuer that a site trusts."""
    without_variables(monkeypatch)
    with issuing(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Return the rows of what happened, and print them in the end."""
    rows: list[str] = []
    yield rows
    print("", "the issuer, and when | requests | outcome: reason", *rows, sep="\n")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_situations(situation: str, issuer: Issuer, table: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For each fault of an issuer, the outcome and the number of requests are those of the table."""
    begin = time.time()
    for number, step in enumerate(SITUATIONS[situation]):
        step.does(issuer)
        issuer.server.asked.clear()
        monkeypatch.setattr(vomap.verify, "time", SimpleNamespace(time=lambda at=step.at: begin + at))
        token = issuer.token(**step.token)
        keys = KeyCache(issuer.cache, AUTHORITY)
        decision = decide_raw_token(token, {"--policy": issuer.policy}, keys).decision
        asked = len(issuer.server.asked)
        table.append(f"{situation}, {step.at:+g} s | {asked} | {decision.outcome}: {decision.reason}")
        assert (number, decision.outcome, asked) == (number, step.outcome, step.requests), decision.reason
        assert any(words in decision.reason for words in step.words.split("|")), decision.reason
        assert decision.reason.isprintable()
        assert decision.account == ("nova" if step.outcome == MAPPED else None)


def test_keys_may_lie_on_another_host(issuer: Issuer) -> None:
    """The metadata name the URL of the keys, which is on another host for several large issuers."""
    with serving(tls=True) as other:
        other.put("/k", json.dumps({"keys": [jwk("RSA")]}).encode())
        issuer.metadata(jwks_uri=other.url.replace("127.0.0.1", "localhost") + "/k")
        keys = KeyCache(issuer.cache, AUTHORITY)
        decision = decide_raw_token(issuer.token(), {"--policy": issuer.policy}, keys).decision
        assert decision.outcome == MAPPED
        assert len(other.asked) == 1


def test_a_server_that_is_somebody_elses(issuer: Issuer) -> None:
    """A certificate of no authority that is trusted gives no keys."""
    keys = KeyCache(issuer.cache, None)
    decision = decide_raw_token(issuer.token(), {"--policy": issuer.policy}, keys).decision
    assert decision.outcome == ERROR
    assert "certificate is not trusted" in decision.reason
    assert issuer.server.asked == []
