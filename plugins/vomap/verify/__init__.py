"""Check that a token is genuine: the policy trusts its issuer, and a key that the issuer publishes has signed it.

Keys come only from the issuer, found by its name. vomap ignores the keys and the URLs of keys in a token: an
attacker who forges a token writes them as well.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from vomap.claims import TokenRefused
from vomap.policy.model import Policy
from vomap.verify.jws import RawToken
from vomap.verify.key_cache import KeyCache
from vomap.verify.keys import ALGORITHMS, KeysError, choose_key


@dataclass(frozen=True)
class Verification:
    """The way in which a token was verified: the algorithm, the key's name, and whether its keys were just fetched."""

    algorithm: str
    kid: str | None
    fetched: bool

    def __str__(self) -> str:
        where = "fetched just now" if self.fetched else "from the cache"
        name = "without a name" if self.kid is None else ascii(self.kid)
        return f"verified by {self.algorithm} with its issuer's key {name}, {where}"

    def as_json(self) -> dict[str, object]:
        """Return the member of a decision, as in schemas/decision-1.schema.json."""
        return {"algorithm": self.algorithm, "key": self.kid, "keys": "fetched" if self.fetched else "cache"}


def verify(policy: Policy, token: RawToken, keys: KeyCache) -> Verification | None:
    """Verify a token, and return the way in which it was verified. Return None if the policy does not trust its issuer.

    vomap asks an issuer that the policy does not trust for nothing. Its token can only be declined, or denied by a ban.
    Raises TokenRefused for a token that is not genuine, and KeysError if vomap cannot find out.
    """
    issuer = policy.issuer(token.issuer)
    if issuer is None or not issuer.trusted:
        return None
    algorithm, kid = _algorithm_and_kid(token)
    # The policy checks the values of the times later.
    times = token.claims.times
    for name in ("exp", "iat"):
        if times.get(name) is None:
            raise TokenRefused(f"token: {name} is missing or not a number")
    now = time.time()
    cached = keys.find(token.issuer, now)
    key = choose_key(cached.keys, algorithm, kid)
    if key is None and not cached.is_new:
        # The issuer may have published the key after the last fetch.
        cached = keys.find(token.issuer, now, refetch=True)
        key = choose_key(cached.keys, algorithm, kid)
    if key is None:
        what = f"the key {kid!a}" if kid is not None else "exactly one key, and the token names none,"
        message = f"token: its issuer does not publish {what} for {algorithm}"
        if cached.failure:
            raise KeysError(f"{message}, as far as vomap knows: {cached.failure}")
        raise TokenRefused(message)
    if not key.has_signed(algorithm, token.signed, token.signature):
        raise TokenRefused("token: the signature is not its issuer's")
    return Verification(algorithm, key.kid, cached.is_new)


def _algorithm_and_kid(token: RawToken) -> tuple[str, str | None]:
    """Return the algorithm and the key's name of the header (RFC 7515 section 4.1). Raises TokenRefused."""
    header = token.header
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused(f"token: signed by {algorithm!a:.40}; vomap accepts {', '.join(ALGORITHMS)}")
    # With `b64` (RFC 7797 section 3) the payload is not encoded. With `crit` the issuer demands an extension.
    for name in ("crit", "b64"):
        if name in header:
            raise TokenRefused(f"token: the header has {name!a}, which vomap does not support")
    if "kid" in header and not (isinstance(kid, str) and kid and kid.isprintable()):
        raise TokenRefused("token: the name of its key (kid) is not a printable text")
    return algorithm, kid if isinstance(kid, str) else None
