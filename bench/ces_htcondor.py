"""Authentications per second of a real HTCondor, with one schedd.

A `condor_ping` with many levels authenticates anew for each of them, so the clients' start hardly counts.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone

from ces_variants import Parts, Variant, accounts_of, issuers_of, put_parts
from processes import BenchError

from e2e.chroot import CHECKOUT, FOLDER, Chroot
from e2e.htcondor_pool import MAP_FILE, MAPFILES, Log, Pool

# The least level to count authentications, with times in milliseconds. The level of the tests writes everything.
_LOGGED = "ALL_DEBUG = D_SECURITY D_SUB_SECOND\n"
_COMPLETE = re.compile(r"^(\S+ \S+) DC_AUTHENTICATE: authentication of \S+ complete\.$", re.MULTILINE)
_MAPPED = re.compile(r"AUTHENTICATION: post-map: current FQU is '([^']+)@users\.htcondor\.org'")
_TIME = "%m/%d/%y %H:%M:%S.%f"
_ASK = "levels=$1; shift; for token; do BEARER_TOKEN=$token condor_ping -type SCHEDD -table $levels & done; wait"
# Loading the system's authorities costs a client more than the rest of the authentication. It needs none of them.
_CLIENTS = {"AUTH_SSL_CLIENT_USE_DEFAULT_CAS": "False"}
_PATIENCE = 30.0


class HTCondor:
    """A running pool, to be wired to one variant after the other."""

    name = "HTCondor"

    def __init__(self, pool: Pool, maps: dict[str, str]) -> None:
        """Take a pool that runs, and its map files by the variants' names."""
        self._pool = pool
        self._maps = maps

    def wire(self, variant: Variant) -> None:
        """Let this variant map from now on, and answer each bearer once."""
        self._pool.chroot.write(f"{MAPFILES}/{MAP_FILE}", self._maps[variant.name])
        self._pool.as_root("condor_reconfig")
        until = time.monotonic() + _PATIENCE
        while wrong := _wrong(variant, 1, self._asked(variant, 1)):
            if time.monotonic() > until:
                raise BenchError(f"HTCondor, {variant.name}: {wrong}")
            time.sleep(0.1)

    def rate(self, variant: Variant, each: int) -> float:
        """Let each bearer authenticate so often, all at once, and return the schedd's authentications per second."""
        log = self._asked(variant, each)
        wrong = _wrong(variant, each, log)
        if wrong:
            raise BenchError(f"HTCondor, {variant.name}: {wrong}")
        times = [_time(text) for text in _COMPLETE.findall(log.text)]
        return (len(times) - 1) / (times[-1] - times[0]).total_seconds()

    def _asked(self, variant: Variant, each: int) -> Log:
        """Return what the schedd logs while each bearer authenticates so often."""
        tokens = [self._pool.token(bearer.claims) for bearer in variant.bearers]
        mark = self._pool.mark()
        self._pool.as_client("", "sh", "-c", _ASK, "clients", "WRITE " * each, *tokens, **_CLIENTS)
        return self._pool.log(mark)


@contextmanager
def running_htcondor(variants: Sequence[Variant], parts: Parts) -> Iterator[HTCondor]:
    """Give a pool in a chroot, with vomap's packages and the policy of the end-to-end tests."""
    pool = Pool(Chroot(FOLDER / "bench-htcondor"))
    try:
        pool.prepare(accounts_of(variants))
        pool.write_policy(CHECKOUT / "tests" / "e2e" / "site")
        pool.trust(issuers_of(variants))
        put_parts(pool.chroot, parts)
        maps = {variant.name: _map_file(pool, variant) for variant in variants}
        pool.wire(settings=_LOGGED + "".join(_command(variant) for variant in variants))
        pool.start()
        yield HTCondor(pool, maps)
    finally:
        pool.stop()


def _map_file(pool: Pool, variant: Variant) -> str:
    """Return the map file for a variant: vomap's, with something else in the place of its plugin."""
    pool.wire(*(("--policy", variant.wired) if variant.wired else ()))
    text = pool.chroot.path(f"{MAPFILES}/{MAP_FILE}").read_text()
    return text.replace("PLUGIN:VOMAP", f"PLUGIN:{variant.plugin}" if variant.plugin else variant.account)


def _time(text: str) -> datetime:
    """Return a time of the log, in any zone."""
    return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)


def _command(variant: Variant) -> str:
    return f"SEC_SCITOKENS_PLUGIN_{variant.plugin}_COMMAND = {variant.htcondor}\n" if variant.plugin else ""


def _wrong(variant: Variant, each: int, log: Log) -> str:
    """Return the fault of the answers, "" if this variant's plugin gave each bearer the right account."""
    expected = each * len(variant.bearers)
    complete, started = len(_COMPLETE.findall(log.text)), Counter(log.started)
    mapped = Counter(_MAPPED.findall(log.text))
    if complete != expected:
        return f"{complete} authentications instead of {expected}"
    if started != Counter({variant.plugin: expected} if variant.plugin else {}):
        return f"plugins started: {dict(started)}"
    if mapped != Counter([bearer.account for bearer in variant.bearers] * each):
        return f"mapped to {dict(mapped)}"
    return ""
