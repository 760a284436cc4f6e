"""`vomap-token`: verify a raw token and map it to an account, for a storage or login service.

vomap-token [--policy FILE] [--bans FILE] [--cache DIR] [--ca FILE] [--discover | --token-file FILE] [--observe] < TOKEN

The token comes on standard input, from a file, or from WLCG Bearer Token Discovery. vomap-token reads no variables of
the environment but those of the discovery and of proxies. A proxy cannot change the answers of an issuer.
"""

from __future__ import annotations

import os
import sys

from vomap.callouts import (
    EXIT_CODES,
    OBSERVE,
    TOKEN,
    USER,
    OptionError,
    TokenDecision,
    become_user,
    decide_token,
    read_input,
    read_options,
    respond,
    run_guarded,
)
from vomap.policy import DECLINED, ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vomap.callouts import TimeLimit
    from vomap.claims import Claims
    from vomap.policy.model import Policy
    from vomap.verify.key_cache import KeyCache

CACHE_FOLDER = "/var/cache/vomap-token"
# Three for keys that another process fetches, three to fetch keys, and two for all other work.
SECONDS = 8.0
_DISCOVERY = ("BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR")
_PROXIES = ("https_proxy", "all_proxy", "no_proxy")
_ALLOWED = {*_DISCOVERY, *_PROXIES, *(name.upper() for name in _PROXIES)}


def main() -> int:
    """Answer and return the exit code. plugins/bin turns every exception into exit code 3.

    With `--observe` the exit code is always that of a declined token, also after a failure.
    """
    failed = EXIT_CODES[TOKEN][DECLINED if OBSERVE in sys.argv[1:] else ERROR]
    return run_guarded(TOKEN, _answer, SECONDS, failed=failed)


def _answer(limit: TimeLimit) -> int:
    _forget_variables()
    known = ("--policy", "--bans", "--cache", "--ca", "--token-file")
    options = read_options(sys.argv[1:], known, switches=("--discover", OBSERVE))
    raw = _raw_token(options)
    become_user(USER)
    # Not before the variables are forgotten: OpenSSL reads them as soon as it is loaded.
    from pathlib import Path

    from vomap.verify.key_cache import KeyCache

    authorities = options.get("--ca")
    keys = KeyCache(Path(options.get("--cache", CACHE_FOLDER)), None if authorities is None else Path(authorities))
    return respond(TOKEN, decide_raw_token(raw, options, keys), limit, observe=OBSERVE in options)


def decide_raw_token(raw: bytes, options: dict[str, str], keys: KeyCache) -> TokenDecision:
    """Return the decision for a raw token. Only a genuine token can be mapped."""
    from vomap.verify import verify
    from vomap.verify.jws import read_token

    def read_genuine(policy: Policy) -> Claims:
        token = read_token(raw)
        verify(policy, token, keys)
        return token.claims

    return decide_token(options, read_genuine)


def _forget_variables() -> None:
    """Remove all other variables: OpenSSL would load the libraries of the file that OPENSSL_CONF names."""
    for name in set(os.environ) - _ALLOWED:
        del os.environ[name]


def _raw_token(options: dict[str, str]) -> bytes:
    """Return the bytes of the token, read as the user who started the callout. Another user parses them later."""
    from vomap.verify.token_discovery import discover_token, read_token_file

    path = options.get("--token-file")
    if "--discover" not in options:
        return read_input() if path is None else read_token_file(path)
    if path is not None:
        raise OptionError("--discover or --token-file, not both")
    return discover_token(os.environ, os.geteuid())
