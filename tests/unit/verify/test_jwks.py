"""Where an issuer's metadata lie, and which of what is published is a key."""

from __future__ import annotations

from typing import Any

import pytest

from unit.verify.issuer import KINDS, jwk
from vomap.verify.jwks import metadata_urls
from vomap.verify.keys import ALGORITHMS, KeysError, choose_key, read_jwk


@pytest.mark.parametrize(
    ("issuer", "openid", "oauth"),
    [
        ("https://i.example", "https://i.example{openid}", "https://i.example{oauth}"),
        ("https://i.example/", "https://i.example{openid}", "https://i.example{oauth}"),
        ("https://i.example/a/b", "https://i.example/a/b{openid}", "https://i.example{oauth}/a/b"),
        ("https://i.example/a/", "https://i.example/a{openid}", "https://i.example{oauth}/a"),
        ("https://i.example:8443/a", "https://i.example:8443/a{openid}", "https://i.example:8443{oauth}/a"),
    ],
)
def test_where_metadata_lie(issuer: str, openid: str, oauth: str) -> None:
    """OpenID Connect Discovery 1.0 section 4.1 appends, RFC 8414 section 3.1 inserts; a last slash is left out."""
    names = {"openid": "/.well-known/openid-configuration", "oauth": "/.well-known/oauth-authorization-server"}
    assert metadata_urls(issuer) == (openid.format(**names), oauth.format(**names))


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "i.example",
        "http://i.example/",
        "ftp://i.example/",
        "file:///etc/passwd",
        "https://",
        "https:///a",
        "https://i.example/?a=b",
        "https://i.example/?",
        "https://i.example/#a",
        "https://a@i.example/",
        "https://a:b@i.example/",
        "https://i.example/a b",
        "https://i.example/\n",
        "https://é.example/",
        "https://[::1/",
        "https://i.example:x/",
    ],
)
def test_where_none_are_looked_for(issuer: str) -> None:
    """Only an https URL without a query, a fragment or a password leads to keys."""
    with pytest.raises(KeysError, match="not an https URL"):
        metadata_urls(issuer)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_read_and_written(kind: str) -> None:
    """What is kept of a key is what was published, without what is nobody's business."""
    key = read_jwk(jwk(kind, d="secret", x5c=["x"], x5u="https://evil.example/"))
    assert key is not None
    assert not {"d", "x5c", "x5u"} & key.as_jwk().keys()
    assert read_jwk(key.as_jwk()) == key
    assert [algorithm for algorithm in ALGORITHMS if key.fits(algorithm)] == {
        "RSA": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        "P-256": ["ES256"],
        "P-384": ["ES384"],
        "P-521": ["ES512"],
    }.get(kind, ["EdDSA"])


@pytest.mark.parametrize(
    "published",
    [
        None,
        [],
        "RSA",
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        jwk("RSA", kty="rsa"),
        jwk("RSA", n=None),
        jwk("RSA", e=65537),
        jwk("RSA", n=""),
        jwk("RSA", n="a"),
        jwk("RSA1024"),
        jwk("RSA", n="A" * 2000),
        jwk("RSA", n="_" * 3000),
        jwk("RSA", use="enc"),
        jwk("RSA", use=None, key_ops=["encrypt"]),
        jwk("RSA", key_ops="verify"),
        jwk("RSA", kid=["a"]),
        jwk("RSA", alg=["RS256"]),
        jwk("P-256", crv="P-192"),
        jwk("P-256", crv="secp256k1"),
        jwk("P-256", crv=["P-256"]),
        jwk("P-256", y=None),
        jwk("Ed25519", crv="X25519"),
    ],
)
def test_what_is_no_key(published: Any) -> None:
    """Keys of other kinds, for other uses, or too weak, are passed over."""
    assert read_jwk(published) is None


def test_the_one_key_that_is_meant() -> None:
    """By its name among those that fit, or without a name if only one fits; two are none."""
    one, other, curve = (read_jwk(each) for each in (jwk("RSA"), jwk("RSA", 1, kid="b"), jwk("P-256", kid="a")))
    nameless = read_jwk(jwk("RSA", kid=None))
    assert one is not None
    assert other is not None
    assert curve is not None
    assert nameless is not None
    keys = [one, other, curve]
    assert choose_key(keys, "RS256", "a") == one
    assert choose_key(keys, "RS256", "b") == other
    assert choose_key(keys, "ES256", "a") == curve
    assert choose_key(keys, "ES256", None) == curve
    assert choose_key([nameless], "RS256", None) == nameless
    assert choose_key(keys, "RS256", None) is None
    assert choose_key([one, one], "RS256", "a") is None
    assert choose_key([nameless], "RS256", "a") is None
    assert choose_key([], "RS256", None) is None
