"""Requests per second of a real ARC CE's REST interface, each on a new TLS connection, so each mapped anew."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ces_variants import Parts, Variant, accounts_of, issuers_of, put_parts
from processes import BenchError

from e2e.arc_ce import ArcCE
from e2e.chroot import CHECKOUT, FOLDER

_INSIDE = "/root/bench"
_MAPPED = re.compile(r"Grid identity is mapped to local identity '([^']*)'")
_MAPPING = re.compile(r"^map_with_plugin = (\S+) (\d+) .*$", re.MULTILINE)
# ARC's own level. At the level of the tests, ARC logs each rule of each authgroup for each request.
_LOGGED = "[arex]\nloglevel=INFO\n"
_WARM = 2
_ROUNDS = 4


class Arc:
    """A CE, to be wired to one variant after the other."""

    name = "ARC"

    def __init__(self, ce: ArcCE, fragments: dict[str, str]) -> None:
        """Take a CE that is open, and its wirings by the variants' names."""
        self._ce = ce
        self._fragments = fragments

    def wire(self, variant: Variant) -> None:
        """Let this variant map from now on, answer each bearer once, and learn the issuers' keys."""
        self._ce.wire(self._fragments[variant.name], more=_LOGGED)
        self.rate(variant, _WARM)

    def rate(self, variant: Variant, each: int) -> float:
        """Let each bearer send so many requests, all at once, and return the requests per second.

        A round in which the CE left one unmapped is begun anew, and said to be: seen with every way of mapping, where
        several first contacts need one issuer's keys at the same moment. Another account is an error at once.
        """
        for _ in range(_ROUNDS):
            statuses, mapped, seconds = self._round(variant, each)
            expected = Counter([bearer.account for bearer in variant.bearers] * each)
            if mapped - expected:
                break
            if statuses == {"200": sum(expected.values())} and mapped == expected:
                return sum(expected.values()) / seconds
            print(f"bench: ARC, {variant.name}: answered {statuses}; once more", file=sys.stderr, flush=True)
        raise BenchError(f"ARC, {variant.name}: answered {statuses}, mapped to {dict(mapped)}")

    def _round(self, variant: Variant, each: int) -> tuple[dict[str, int], Counter[str], float]:
        """Let all ask, and return how often each status and each account was answered, and the seconds."""
        mark = self._ce.mark()
        asked = {"clients": [bearer.claims for bearer in variant.bearers], "each": each}
        told = self._ce.chroot.run(["python3", f"{_INSIDE}/ces_client.py"], stdin=json.dumps(asked), seconds=900)
        answered = json.loads(told.stdout)
        return answered["statuses"], Counter(_MAPPED.findall(self._ce.log_since(mark))), float(answered["seconds"])


@contextmanager
def running_arc(variants: Sequence[Variant], parts: Parts) -> Iterator[Arc]:
    """Give a CE in a chroot, with vomap's packages and the policy of the end-to-end tests."""
    ce = ArcCE(FOLDER / "bench-arc")
    tests = CHECKOUT / "tests" / "e2e"
    try:
        ce.open(issuers_of(variants), accounts_of(variants))
        ce.install_policy(tests / "site", ["osg"])
        put_parts(ce.chroot, parts)
        ce.chroot.write(f"{_INSIDE}/ces_client.py", Path(__file__).with_name("ces_client.py").read_bytes())
        ce.chroot.write(f"{_INSIDE}/e2e/arc_inside.py", (tests / "arc_inside.py").read_bytes())
        yield Arc(ce, {variant.name: _fragment(ce, variant) for variant in variants})
    finally:
        ce.close()


def _fragment(ce: ArcCE, variant: Variant) -> str:
    """Return the wiring of a variant: vomap's, with another mapping rule in the place of its own."""
    rendered = ce.rendered(*(("--policy", variant.wired) if variant.wired else ()))
    by_plugin, by_itself = rf"map_with_plugin = \1 \2 {variant.arc}", rf"map_to_user = \1 {variant.account}"
    text, rules = _MAPPING.subn(by_plugin if variant.arc else by_itself, rendered)
    if rules != 1:
        raise BenchError(f"vomap renders {rules} mapping rules for ARC instead of one")
    return text
