"""Read the keys of an issuer (RFC 7517), and verify signatures with them (RFC 7518 section 3.1, RFC 8037)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vomap import Error

_MINIMUM_BITS, _MAXIMUM_BITS = 2048, 8192
# Each kind of key, and its public members.
_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
# Each algorithm, the kind of its keys, and their curves. None has a single secret, as HS256 has: an attacker could then
# sign with the public key.
_KEYS_OF: dict[str, tuple[str, tuple[str, ...]]] = {
    **{f"{family}{bits}": ("RSA", ()) for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
}
ALGORITHMS = tuple(_KEYS_OF)
_CURVES = {curve for _, curves in _KEYS_OF.values() for curve in curves}


class KeysError(Error):
    """vomap cannot fetch or use the keys of an issuer, and so cannot find out if a token is genuine."""


@dataclass(frozen=True)
class Key:
    """A public key for signatures: its kind and public members, and the name and algorithm that its issuer states."""

    kind: str
    members: Mapping[str, str]
    kid: str | None
    algorithm: str | None

    def fits(self, algorithm: str) -> bool:
        """Return True if the key can verify signatures of an algorithm."""
        kind, curves = _KEYS_OF[algorithm]
        if kind != self.kind or self.algorithm not in (None, algorithm):
            return False
        return not curves or self.members["crv"] in curves

    def has_signed(self, algorithm: str, content: bytes, signature: bytes) -> bool:
        """Return True if the key has made a signature. Raises KeysError if the key cannot be used for the algorithm."""
        try:
            # Not jwt.decode: it would read header and claims a second time, and differently.
            from jwt.algorithms import get_default_algorithms

            method = get_default_algorithms()[algorithm]
            return bool(method.verify(content, method.from_jwk(self.as_jwk()), signature))
        except Exception as error:
            why = f"{type(error).__name__}: {str(error)!a}"
            raise KeysError(f"token: the issuer's key {self.kid!a} cannot be used for {algorithm}: {why}") from error

    def as_jwk(self) -> dict[str, str]:
        """Return the key as a JSON Web Key with only its public members."""
        stated = {"kid": self.kid, "alg": self.algorithm}
        named = {name: value for name, value in stated.items() if value is not None}
        return {"kty": self.kind, **self.members, **named}


def read_jwk(jwk: object) -> Key | None:
    """Return the key of a JSON Web Key. Return None for one that is not for signatures, of another kind, or too weak.

    RFC 7517 section 5: skip keys of unknown kinds, do not refuse the list.
    """
    if not isinstance(jwk, dict):
        return None
    kind, kid, algorithm = jwk.get("kty"), jwk.get("kid"), jwk.get("alg")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if not isinstance(kind, str) or kind not in _MEMBERS:
        return None
    if not isinstance(kid, (str, type(None))) or not isinstance(algorithm, (str, type(None))):
        return None
    members = {name: jwk.get(name) for name in _MEMBERS[kind]}
    texts = {name: value for name, value in members.items() if isinstance(value, str)}
    if len(texts) != len(members) or not _is_strong(texts):
        return None
    return Key(kind, texts, kid, algorithm)


def choose_key(keys: Iterable[Key], algorithm: str, kid: str | None) -> Key | None:
    """Return the only key that fits an algorithm and, if a token has it, a name. Return None unless one key fits."""
    fitting = [key for key in keys if key.fits(algorithm) and kid in (None, key.kid)]
    return fitting[0] if len(fitting) == 1 else None


def _is_strong(members: Mapping[str, str]) -> bool:
    if "crv" in members:
        return members["crv"] in _CURVES
    try:
        modulus = base64.urlsafe_b64decode(members["n"] + "=" * (-len(members["n"]) % 4))
    except (binascii.Error, ValueError):
        return False
    return _MINIMUM_BITS <= int.from_bytes(modulus, "big").bit_length() <= _MAXIMUM_BITS
