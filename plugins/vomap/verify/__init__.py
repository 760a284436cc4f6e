"""Whether a token is genuine: signed with a key that its issuer publishes, as far as the site trusts the issuer at all.

Keys come from the issuer alone, found by its name: whatever key, or place of a key, a token names is passed over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from vomap.claims import TokenRefused
from vomap.policy.model import Policy
from vomap.verify.jws import Token
from vomap.verify.key_cache import KeyCache
from vomap.verify.keys import ALGORITHMS, KeysError, choose

_REQUIRED_TIMES = ("exp", "iat")


@dataclass(frozen=True)
class Genuine:
    """How a token is known to be genuine: the algorithm, the key's name, and whether it was kept or just fetched."""

    algorithm: str
    kid: str | None
    fetched: bool

    def __str__(self) -> str:
        where = "fetched just now" if self.fetched else "kept"
        name = "of no name" if self.kid is None else ascii(self.kid)
        return f"verified by {self.algorithm} with its issuer's key {name}, {where}"

    def as_json(self) -> dict[str, object]:
        """Return it as a member of a decision, as in schemas/decision-1.schema.json."""
        return {"algorithm": self.algorithm, "key": self.kid, "keys": "fetched" if self.fetched else "cache"}


def verify(policy: Policy, token: Token, keys: KeyCache) -> Genuine | None:
    """Return how a token is known to be genuine; None if the policy does not trust its issuer, who is asked nothing.

    What is None here can only be declined, or denied by a ban: no rule is asked for an issuer that is not trusted.
    Raises TokenRefused for a token that is not genuine, and KeysError if that cannot be found out.
    """
    issuer = policy.issuer(token.issuer)
    if issuer is None or not issuer.trusted:
        return None
    algorithm, kid = _named(token)
    _require_times(token)
    now = time.time()
    kept = keys.find(token.issuer, now)
    key = choose(kept.keys, algorithm, kid)
    if key is None and not kept.is_new:
        kept = keys.find(token.issuer, now, anew=True)
        key = choose(kept.keys, algorithm, kid)
    if key is None:
        what = f"the key {kid!a}" if kid is not None else "exactly one key, and the token names none,"
        message = f"token: its issuer does not publish {what} for {algorithm}"
        # The issuer may have published it since it was heard of last.
        raise KeysError(f"{message}, as far as is known: {kept.failure}") if kept.failure else TokenRefused(message)
    if not key.has_signed(algorithm, token.signed, token.signature):
        raise TokenRefused("token: the signature is not its issuer's")
    return Genuine(algorithm, key.kid, kept.is_new)


def _named(token: Token) -> tuple[str, str | None]:
    """Return the algorithm and the key's name of the header (RFC 7515 section 4.1). Raises TokenRefused."""
    header = token.header
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused(f"token: signed by {algorithm!a:.40}; accepted are {', '.join(ALGORITHMS)}")
    # Of RFC 7797 section 3, `b64`: a payload that is not encoded.
    for name in ("crit", "b64"):
        if name in header:
            raise TokenRefused(f"token: the header has {name!a}, which is not understood")
    if "kid" in header and not (isinstance(kid, str) and kid and kid.isprintable()):
        raise TokenRefused("token: the name of its key is no text")
    return algorithm, kid if isinstance(kid, str) else None


def _require_times(token: Token) -> None:
    """Raise TokenRefused unless the times are there that every token has; whether they hold is the site's check."""
    times = token.claims.times
    for name in _REQUIRED_TIMES:
        if times.get(name) is None:
            raise TokenRefused(f"token: {name} is missing, or no number")
