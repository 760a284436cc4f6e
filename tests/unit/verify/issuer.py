"""An issuer of the tests' own: keys, tokens that it signs, and an https server that publishes what it is told to."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from unit.policy.composed import bans_document, policy_document
from unit.web.server import WebServer, serving
from vomap import store
from vomap.store import writer

OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
REALM, KEYS = "/realm", "/keys"
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
KINDS = ("RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448")


def base64url(content: bytes) -> str:
    """Encode as RFC 7515 section 2 has it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@cache
def private_key(kind: str, number: int = 0) -> Any:
    """Return a key of a kind; of each kind there are as many as are asked for by number."""
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind[3:] or 2048))
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind])
    return (ed25519.Ed25519PrivateKey if kind == "Ed25519" else ed448.Ed448PrivateKey).generate()


def jwk(kind: str, number: int = 0, **more: Any) -> dict[str, Any]:
    """Return the public half of a key as a JSON Web Key; `more` is added, and what is None is left out."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = private_key(kind, number).public_key()
    if kind.startswith("RSA"):
        numbers = key.public_numbers()
        members = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    elif kind in _CURVES:
        numbers, size = key.public_numbers(), (key.curve.key_size + 7) // 8
        members = {"kty": "EC", "crv": kind, "x": _number(numbers.x, size), "y": _number(numbers.y, size)}
    else:
        members = {"kty": "OKP", "crv": kind, "x": base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    stated = {"kid": "a", "use": "sig", **members, **more}
    return {name: value for name, value in stated.items() if value is not None}


def _number(value: int, size: int | None = None) -> str:
    return base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def kind_for(algorithm: str) -> str:
    """Return the kind of key that an algorithm takes."""
    return _CURVE_OF.get(algorithm, "Ed25519" if algorithm == "EdDSA" else "RSA")


def sign(algorithm: str, content: bytes, kind: str | None = None, number: int = 0) -> bytes:
    """Sign by an algorithm, with a key of its kind or of another."""
    signature: bytes = get_default_algorithms()[algorithm].sign(
        content, private_key(kind or kind_for(algorithm), number)
    )
    return signature


def assemble(
    header: bytes, payload: bytes, algorithm: str = "RS256", kind: str | None = None, number: int = 0
) -> bytes:
    """Return a signed token whose header and payload are as they are given."""
    signed = f"{base64url(header)}.{base64url(payload)}".encode()
    return signed + b"." + base64url(sign(algorithm, signed, kind, number)).encode()


@dataclass
class Issuer:
    """An issuer, its server, and a site that trusts it."""

    server: WebServer
    folder: Path
    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk("RSA")])

    @property
    def url(self) -> str:
        """The issuer's name."""
        return self.server.url + REALM

    @property
    def policy(self) -> str:
        """The built policy of the site that trusts it; the bans lie beside it."""
        return str(self.folder / "policy")

    @property
    def cache(self) -> Path:
        """Where the site keeps keys."""
        return self.folder / "keys"

    def publish(self, keys: list[dict[str, Any]] | None = None, **headers: str) -> None:
        """Publish metadata and keys; headers go with the keys."""
        self.keys = self.keys if keys is None else keys
        self.metadata()
        self.server.put(KEYS, json.dumps({"keys": self.keys}).encode(), headers=headers)

    def metadata(self, path: str = REALM + OPENID, **members: Any) -> None:
        """Publish metadata somewhere, some of their members others than they should be."""
        document = {"issuer": self.url, "jwks_uri": self.server.url + KEYS, **members}
        self.server.put(path, json.dumps(document).encode())

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Return what a good token claims; `claims` are others, and what is None is left out."""
        now = int(time.time())
        good = {"iss": self.url, "sub": "jo", "aud": "ANY", "scope": "compute.read", "iat": now, "exp": now + 600}
        return {name: value for name, value in {**good, **claims}.items() if value is not None}

    def token(
        self,
        algorithm: str = "RS256",
        *,
        header: dict[str, Any] | None = None,
        kind: str | None = None,
        number: int = 0,
        claims: dict[str, Any] | None = None,
        **more: Any,
    ) -> bytes:
        """Return a token; members of the header in place of the good ones, and claims, None for those left out."""
        members = {"alg": algorithm, "typ": "JWT", "kid": "a", **(header or {})}
        stated = {name: value for name, value in members.items() if value is not None}
        payload = json.dumps(self.claims(**(claims or {}), **more)).encode()
        return assemble(json.dumps(stated).encode(), payload, algorithm, kind, number)


def site_for(folder: Path, issuer: str) -> None:
    """Build a policy that trusts an issuer, distrusts another, and has a ban."""
    policy = f"""\
mapfile: 1
site: {{audience: [ANY], accounts: {{must-exist: no}}}}
issuers:
  {issuer}: {{vo: Nova}}
  {issuer}/distrusted: none
  http://insecure.example/: {{vo: Mu2e}}
rules:
  - {{name: everybody, vo: Nova, account: nova}}
  - {{name: others, vo: Mu2e, account: mu2e}}
"""
    bans = "mapfile: 1\nbans:\n  - {subject: banned, reason: leaked}\n"
    writer.write_compiled(str(folder / "policy"), store.POLICY, policy_document(policy), sources={}, built="now")
    writer.write_compiled(str(folder / "policy.bans"), store.BANS, bans_document(bans), sources={}, built="now")


@contextlib.contextmanager
def issuing(folder: Path, host: str = "127.0.0.1") -> Iterator[Issuer]:
    """Yield an issuer whose server runs until the end, and which publishes one RSA key."""
    with serving(tls=True, host=host) as server:
        issuer = Issuer(server, folder)
        issuer.publish()
        site_for(folder, issuer.url)
        yield issuer
