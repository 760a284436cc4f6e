"""`vomap-token`: for whatever holds a raw token, a storage or login service, say: is it genuine, and whose is it here.

vomap-token [--policy FILE] [--bans FILE] [--cache DIR] [--ca FILE] [--discover | --token-file FILE] < TOKEN

The token comes on standard input, from a file, or from where WLCG's bearer token discovery finds it. Of the environment
only that counts, and proxies, which are a way to an issuer and cannot change what it says.
"""

from __future__ import annotations

import os
import sys

from vomap.callouts import (
    TOKEN,
    USER,
    OptionError,
    TokenDecision,
    become_user,
    compiled_files,
    decide_token,
    read_input,
    read_options,
    respond,
    run_guarded,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vomap.callouts import TimeLimit
    from vomap.claims import Claims
    from vomap.policy.model import Policy
    from vomap.verify.key_cache import KeyCache

CACHE_FOLDER = "/var/cache/vomap-token"
# Three for keys that another process is fetching, three to fetch keys, and two for all else.
SECONDS = 8.0
_DISCOVERY = ("BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR")
_PROXIES = ("https_proxy", "all_proxy", "no_proxy")
_KEPT = {*_DISCOVERY, *_PROXIES, *(name.upper() for name in _PROXIES)}


def main() -> int:
    """Answer and return the exit code. Whatever is raised is an error (exit 3) to whoever calls this."""
    return run_guarded(TOKEN, _answer, SECONDS)


def _answer(limit: TimeLimit) -> int:
    _forget_variables()
    known = ("--policy", "--bans", "--cache", "--ca", "--token-file")
    options = read_options(sys.argv[1:], known, switches=("--discover",))
    raw = _raw_token(options)
    become_user(USER)
    # Not before the variables are forgotten: OpenSSL reads them as soon as it is loaded.
    from pathlib import Path

    from vomap.verify.key_cache import KeyCache

    policy, bans = compiled_files(options)
    authorities = options.get("--ca")
    keys = KeyCache(Path(options.get("--cache", CACHE_FOLDER)), None if authorities is None else Path(authorities))
    return respond(TOKEN, decide_raw_token(raw, policy, bans, keys), limit)


def decide_raw_token(raw: bytes, policy_file: str, bans_file: str, keys: KeyCache) -> TokenDecision:
    """Return the answer for a raw token, which maps nobody unless the token is genuine."""
    from vomap.verify import verify
    from vomap.verify.jws import read_token

    def read_genuine(policy: Policy) -> Claims:
        token = read_token(raw)
        verify(policy, token, keys)
        return token.claims

    return decide_token(policy_file, bans_file, read_genuine)


def _forget_variables() -> None:
    """Forget what has no say: OpenSSL, for one, would load the libraries that a variable's file names."""
    for name in set(os.environ) - _KEPT:
        del os.environ[name]


def _raw_token(options: dict[str, str]) -> bytes:
    """Return the token as it is where the options say, read as the user who starts us; nobody looks at it yet."""
    from vomap.verify.token_discovery import discover_token, read_token_file

    path = options.get("--token-file")
    if "--discover" not in options:
        return read_input() if path is None else read_token_file(path)
    if path is not None:
        raise OptionError("--discover or --token-file, not both")
    return discover_token(os.environ, os.geteuid())
