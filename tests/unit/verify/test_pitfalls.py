"""Tokens that are made to be misread: each well-known trick against verifiers, and against PyJWT, has a test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from unit.verify.issuer import KINDS, Issuer, assemble, base64url, issuing, jwk, kind_for, private_key, sign
from unit.web.server import AUTHORITY, without_variables
from vomap.callouts.token import decide_raw_token
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED
from vomap.verify.jws import LONGEST_TOKEN
from vomap.verify.key_cache import KeyCache
from vomap.verify.keys import ALGORITHMS

HEADER = b'{"alg":"RS256","kid":"a"}'
HUGE = 10**400


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """Return an issuer that publishes a key of each kind, each called by its kind, and RSA's `a`."""
    without_variables(monkeypatch)
    with issuing(tmp_path) as running:
        running.publish([jwk("RSA"), *[jwk(kind, kid=kind) for kind in KINDS]])
        yield running


def answer(issuer: Issuer, raw: bytes) -> tuple[str, str]:
    """Return outcome and reason."""
    decision = decide_raw_token(raw, {"--policy": issuer.policy}, KeyCache(issuer.cache, AUTHORITY)).decision
    assert decision.reason.isprintable()
    assert (decision.account is not None) == (decision.outcome == MAPPED)
    return decision.outcome, decision.reason


def payload(issuer: Issuer, **claims: Any) -> bytes:
    """Return a good token's payload."""
    return json.dumps(issuer.claims(**claims)).encode()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_that_is_accepted(issuer: Issuer, algorithm: str) -> None:
    """A token signed by each algorithm is genuine. A token with one bit changed, or cut, is not."""
    good = issuer.token(algorithm, header={"kid": kind_for(algorithm)})
    assert answer(issuer, good) == (MAPPED, "rule: everybody")
    head, _, signature = good.rpartition(b".")
    content = bytearray(base64.urlsafe_b64decode(signature + b"=="))
    content[len(content) // 2] ^= 1
    for spoiled in (bytes(content), bytes(content[:-1]), bytes(content) + b"\0", b"", b"\0" * len(content)):
        outcome, reason = answer(issuer, head + b"." + base64url(spoiled).encode())
        assert (outcome, reason) == (DENIED, "token: the signature is not its issuer's")


def test_ed448_is_eddsa(issuer: Issuer) -> None:
    """RFC 8037 has two curves."""
    assert answer(issuer, issuer.token("EdDSA", kind="Ed448", header={"kid": "Ed448"}))[0] == MAPPED


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "scope", "exp", "jti"])
def test_a_claim_that_is_changed(issuer: Issuer, claim: str) -> None:
    """The signature covers every claim."""
    head, body, signature = issuer.token(jti="1").split(b".")
    claims = json.loads(base64.urlsafe_b64decode(body + b"=="))
    claims[claim] += 1 if claim == "exp" else "x"
    changed = base64url(json.dumps(claims).encode()).encode()
    outcome, _ = answer(issuer, b".".join([head, changed, signature]))
    assert outcome == (DECLINED if claim == "iss" else DENIED)


@pytest.mark.parametrize("sub", [["jo"], 7, {"a": 1}, True, ""])
def test_a_sub_that_is_no_text(issuer: Issuer, sub: object) -> None:
    """PyJWT accepts a list or a number for `sub`. For vomap, such a token has no subject."""
    assert answer(issuer, issuer.token(sub=sub)) == (DENIED, "subject: the token has no visible subject")


@pytest.mark.parametrize("name", ["exp", "iat"])
@pytest.mark.parametrize("value", ["1900000000", HUGE, -HUGE, [1900000000], {}, True, "", "x"])
def test_a_time_that_is_no_number(issuer: Issuer, name: str, value: object) -> None:
    """PyJWT takes digits in a text and numbers of any size for a time, and raises TypeError for a list."""
    assert answer(issuer, issuer.token(claims={name: value})) == (DENIED, f"token: {name} is missing or not a number")


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_a_time_that_is_null(issuer: Issuer, name: str) -> None:
    """PyJWT raises TypeError for null. For vomap, null is a missing time."""
    text = json.dumps({**issuer.claims(), name: None}).encode()
    expected = (DENIED, f"token: {name} is missing or not a number")
    assert answer(issuer, assemble(HEADER, text)) == expected
    assert answer(issuer, issuer.token(claims={name: None})) == expected


@pytest.mark.parametrize("value", [b"Infinity", b"-Infinity", b"NaN"])
def test_a_time_that_is_infinite(issuer: Issuer, value: bytes) -> None:
    """PyJWT raises OverflowError for Infinity, which is not valid JSON."""
    text = payload(issuer, exp=424242424242).replace(b"424242424242", value)
    outcome, reason = answer(issuer, assemble(HEADER, text))
    assert outcome == ERROR
    assert "not valid JSON" in reason


@pytest.mark.parametrize("value", [b"1e999", b"9" * 5000])
def test_a_time_that_overflows(issuer: Issuer, value: bytes) -> None:
    """A number that is larger than any float is not a valid time."""
    text = payload(issuer, exp=424242424242).replace(b"424242424242", value)
    assert answer(issuer, assemble(HEADER, text)) == (DENIED, "token: exp is missing or not a number")


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iat": 32_000_000_000}, "time: iat is"),
        ({"nbf": 32_000_000_000}, "time: nbf is"),
        ({"nbf": "0"}, "time: nbf is not a number"),
        ({"exp": 1_700_000_000}, "time: the token expired"),
        ({"exp": -1}, "time: the token expired"),
        ({"aud": "elsewhere"}, "audience: "),
        ({"aud": None}, "audience: "),
        ({"scope": "storage.read:/"}, "computing: "),
    ],
)
def test_a_genuine_token_is_still_checked(issuer: Issuer, claims: dict[str, Any], words: str) -> None:
    """PyJWT 2.4 accepts an `iat` in the future. vomap makes the site's checks of every token."""
    outcome, reason = answer(issuer, issuer.token(**claims))
    assert (outcome, reason[: len(words)]) == (DENIED, words)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "RS256 ", "rs256", "ES256K", "RSA-OAEP", "dir"])
def test_an_algorithm_that_is_none(issuer: Issuer, name: str) -> None:
    """`none` in any letters, and any other that is not in the list as it is written, is refused, signed or not."""
    header = json.dumps({"alg": name, "kid": "a"}).encode()
    good = assemble(header, payload(issuer))
    for raw in (good, good[: good.rindex(b".") + 1]):
        outcome, reason = answer(issuer, raw)
        assert (outcome, reason[:16]) == (DENIED, "token: signed by")
    assert issuer.server.asked == []


@pytest.mark.parametrize("header", [{}, {"alg": None}, {"alg": ["RS256"]}, {"alg": {"RS256": 1}}, {"alg": 0}])
def test_an_algorithm_that_is_no_text(issuer: Issuer, header: dict[str, Any]) -> None:
    """There is no algorithm by default, and no list to choose from."""
    outcome, reason = answer(issuer, assemble(json.dumps({**header, "kid": "a"}).encode(), payload(issuer)))
    assert (outcome, reason[:16]) == (DENIED, "token: signed by")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_as_a_secret(issuer: Issuer, algorithm: str) -> None:
    """The public key is public: with an algorithm of one secret, an attacker could sign with it."""
    key = private_key("RSA").public_key()
    header = json.dumps({"alg": algorithm, "kid": "a"}).encode()
    signed = f"{base64url(header)}.{base64url(payload(issuer))}".encode()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), json.dumps(jwk("RSA")).encode(), jwk("RSA")["n"].encode(), b""):
        signature = hmac.new(secret, signed, getattr(hashlib, f"sha{algorithm[2:]}")).digest()
        outcome, reason = answer(issuer, signed + b"." + base64url(signature).encode())
        assert (outcome, reason[:16]) == (DENIED, "token: signed by")
    assert issuer.server.asked == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kid", KINDS)
def test_a_key_of_another_kind(issuer: Issuer, algorithm: str, kid: str) -> None:
    """An algorithm with a key of another kind, or ES256 with a key on another curve, finds no key."""
    fits = {"RSA": ("RS", "PS"), "P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}.get(kid, ("EdDSA",))
    outcome, reason = answer(issuer, issuer.token(algorithm, header={"kid": kid}))
    if algorithm.startswith(fits):
        # Another key of the kind is not the one that signed.
        assert outcome == (DENIED if kid == "Ed448" else MAPPED)
    else:
        assert (outcome, reason) == (DENIED, f"token: its issuer does not publish the key {kid!a} for {algorithm}")


def test_es256_with_a_key_on_p384(issuer: Issuer) -> None:
    """PyJWT 2.4 verifies ES256 with a key on any curve."""
    outcome, reason = answer(issuer, issuer.token("ES256", kind="P-384", header={"kid": "P-384"}))
    assert (outcome, reason) == (DENIED, "token: its issuer does not publish the key 'P-384' for ES256")


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none","alg":"RS256","kid":"a"}',
        b'{"alg":"RS256","kid":"a","kid":"b"}',
        b'{"alg":"RS256","kid":"a","\\u0061lg":"RS256"}',
        b'{"alg":"RS256","kid":"a","x":{"y":1,"y":2}}',
    ],
)
def test_a_header_that_says_something_twice(issuer: Issuer, header: bytes) -> None:
    """Which of the two holds depends on who reads it."""
    outcome, reason = answer(issuer, assemble(header, payload(issuer)))
    assert (outcome, reason) == (ERROR, "token: the header is not valid JSON: a key occurs twice")


def test_a_payload_that_says_something_twice(issuer: Issuer) -> None:
    """A key that occurs twice is refused, as in HTCondor's payload."""
    text = payload(issuer).replace(b'"sub": "jo"', b'"sub": "other", "sub": "jo"')
    outcome, reason = answer(issuer, assemble(HEADER, text))
    assert (outcome, reason) == (ERROR, "token: the payload is not valid JSON: a key occurs twice")


@pytest.mark.parametrize("header", [b"[]", b"null", b'"RS256"', b"", b"{", b"\xff", b"[" * 9000, HEADER + b"{}"])
def test_a_header_that_is_none(issuer: Issuer, header: bytes) -> None:
    """A header is one JSON object in UTF-8."""
    outcome, reason = answer(issuer, assemble(header, payload(issuer)))
    assert (outcome, reason[:20]) == (ERROR, "token: the header is")


@pytest.mark.parametrize("kid", ["", ["a"], {"a": 1}, 7, True, "a\n", "a\x00"])
def test_a_name_of_a_key_that_is_no_text(issuer: Issuer, kid: object) -> None:
    """An empty name is not "no name", and a list is not its first."""
    header = json.dumps({"alg": "RS256", "kid": kid}).encode()
    assert answer(issuer, assemble(header, payload(issuer))) == (
        DENIED,
        "token: the name of its key (kid) is not a printable text",
    )


def test_a_name_of_a_key_that_is_null(issuer: Issuer) -> None:
    """Null is a name, and no text."""
    raw = assemble(b'{"alg":"RS256","kid":null}', payload(issuer))
    assert answer(issuer, raw) == (DENIED, "token: the name of its key (kid) is not a printable text")


@pytest.mark.parametrize("kid", ["../../../etc/passwd", "a' OR '1'='1", "https://evil.example/", "A", "a ", "é" * 99])
def test_a_name_of_a_key_is_only_compared(issuer: Issuer, kid: str) -> None:
    """A name is neither a path nor a query."""
    outcome, reason = answer(issuer, issuer.token(header={"kid": kid}))
    assert (outcome, reason[:37]) == (DENIED, "token: its issuer does not publish th")


@pytest.mark.parametrize("extra", [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"b64": False}])
def test_a_header_that_must_be_understood(issuer: Issuer, extra: dict[str, Any]) -> None:
    """RFC 7515 section 4.1.11: refuse critical extensions that are not supported. RFC 7797 is one of these."""
    outcome, reason = answer(issuer, issuer.token(header=extra))
    assert (outcome, reason.partition(" has ")[0]) == (DENIED, "token: the header")
    assert reason.endswith(", which vomap does not support")


def test_a_payload_that_is_not_encoded(issuer: Issuer) -> None:
    """A payload that is signed without encoding (RFC 7797) is not base64url."""
    header = b'{"alg":"RS256","kid":"a","b64":false,"crit":["b64"]}'
    signed = base64url(header).encode() + b"." + payload(issuer).replace(b".", b"")
    raw = signed + b"." + base64url(sign("RS256", signed)).encode()
    assert answer(issuer, raw) == (ERROR, "token: a part is not base64url without padding")


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("how", ["padded", "newline", "blank", "plus", "slash", "bits", "nothing", "one"])
def test_base64_that_could_be_written_otherwise(issuer: Issuer, at: int, how: str) -> None:
    """Padding, blanks, the other alphabet and bits that are left over make another text of the same bytes: refused."""
    # Its parts leave bits over, whatever the length of the issuer's name.
    parts = next(parts for parts in _paddings(issuer) if len(parts[at]) % 4 in (2, 3))
    part = parts[at]
    last = part[-1:]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spoiled = {
        "padded": part + b"=" * (-len(part) % 4),
        "newline": part[:10] + b"\n" + part[10:],
        "blank": part[:10] + b" " + part[10:],
        "plus": part[:10] + b"+" + part[11:],
        "slash": part[:10] + b"/" + part[11:],
        "bits": part[:-1] + alphabet[alphabet.index(last) ^ 1 : (alphabet.index(last) ^ 1) + 1],
        "nothing": b"",
        "one": part + b"A" * (1 + -len(part) % 4),
    }[how]
    outcome, reason = answer(issuer, b".".join([*parts[:at], spoiled, *parts[at + 1 :]]))
    if how == "nothing" and at == 2:
        assert (outcome, reason) == (DENIED, "token: the signature is not its issuer's")
    elif how == "nothing":
        assert outcome == ERROR
    else:
        assert (outcome, reason) == (ERROR, "token: a part is not base64url without padding")


def _paddings(issuer: Issuer) -> Iterator[list[bytes]]:
    for length in range(3):
        yield issuer.token(header={"x": "x" * length}, jti="x" * length).split(b".")


def test_base64_that_is_as_it_should_be(issuer: Issuer) -> None:
    """Parts of every length are read, and blanks around a token are none of it."""
    for parts in _paddings(issuer):
        assert answer(issuer, b" \t" + b".".join(parts) + b"\r\n")[0] == MAPPED


@pytest.mark.parametrize("dots", [b"", b".", b"..", b"...", b"....", b"a.b", b"a.b.c.d", b"a.b.c.d.e"])
def test_parts_of_another_number(issuer: Issuer, dots: bytes) -> None:
    """A token has three parts. vomap does not read encrypted tokens, which have five."""
    good = issuer.token()
    for raw in {dots, good + b".", b"." + good, good + b".x", good.rsplit(b".", 1)[0], b".".join([good, b"x", b"y"])}:
        outcome, reason = answer(issuer, raw)
        assert (outcome, reason[:6]) == (ERROR, "token:")


@pytest.mark.parametrize(
    "raw", [b"", b" \n", b"\0", b"\xff" * 100, b"Bearer a.b.c", b"{}", b'{"payload":"","signatures":[]}']
)
def test_what_is_no_token(issuer: Issuer, raw: bytes) -> None:
    """Nothing, bytes, JSON: an error in a line."""
    assert answer(issuer, raw)[0] == ERROR


def test_the_longest_token(issuer: Issuer) -> None:
    """HTCondor passes 16 kB at most. vomap does not read a longer token."""
    short = issuer.token(jti="")
    long = issuer.token(jti="x" * ((LONGEST_TOKEN - len(short)) * 3 // 4 - 2))
    assert LONGEST_TOKEN - 8 < len(long) <= LONGEST_TOKEN
    assert answer(issuer, long)[0] == MAPPED
    assert answer(issuer, long + b"A" * 9) == (ERROR, f"token: longer than {LONGEST_TOKEN} bytes")


@pytest.mark.parametrize("iss", [None, ["https://x/"], 7, {}, ""])
def test_an_issuer_that_is_no_text(issuer: Issuer, iss: object) -> None:
    """For a token without an issuer, vomap asks no server."""
    outcome, reason = answer(issuer, issuer.token(iss=iss))
    assert (outcome, reason) == (DECLINED, "issuer: there is no token, or it names no issuer")
    assert issuer.server.asked == []


@pytest.mark.parametrize(
    "change", [str.upper, lambda url: url + "/", lambda url: url[:-1], lambda url: url + "/distrusted"]
)
def test_an_issuer_that_is_almost_the_same(issuer: Issuer, change: Any) -> None:
    """Issuers compare byte for byte. vomap asks no distrusted issuer either."""
    assert answer(issuer, issuer.token(iss=change(issuer.url)))[0] == DECLINED
    assert issuer.server.asked == []


def test_a_control_character_in_the_issuer(issuer: Issuer) -> None:
    """As on a CE."""
    assert answer(issuer, issuer.token(iss=issuer.url + "\n")) == (ERROR, "token: a control character in 'iss'")


@pytest.mark.parametrize("typ", [None, "at+jwt", "JOSE", 7])
def test_a_type_that_is_another(issuer: Issuer, typ: object) -> None:
    """Issuers write what they like for `typ`."""
    assert answer(issuer, issuer.token(header={"typ": typ}))[0] == MAPPED
