"""Who maps the tokens on both CEs: the CE itself, a static C plugin, and vomap in several ways."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from building import build_big
from layouts import lay_out
from policies import BIG_ISSUERS, account_of, group_of, issuer_of, subject_of
from processes import BenchError
from tables import Settings

from e2e import arc_ce, by_pip, htcondor_pool
from e2e.chroot import Chroot

CLIENTS = 8
# Places in a chroot: the static plugin, the big policy, and a small policy of the same issuers.
STATIC = "/usr/libexec/vomap-bench/plugin"
BIG = "/var/lib/vomap-bench/big"
BIG_ISSUERS_ALONE = "/var/lib/vomap-bench/issuers"

_CMS, _CMS_PILOT = "https://cms-auth.web.cern.ch/", "bad55f4e-602c-4e8d-a5c5-bd8ffb762113"
_SCOPE = "compute.read compute.modify compute.create compute.cancel"
_ANY_CE = "https://wlcg.cern.ch/jwt/v1/any"


@dataclass(frozen=True)
class Bearer:
    """A bearer: the claims of the tokens (without their times), and the account that vomap must give."""

    claims: dict[str, Any]
    account: str


@dataclass(frozen=True)
class Variant:
    """One way to map, and the bearers that all come at once.

    `plugin` is the plugin's name for HTCondor, `htcondor` and `arc` are its words. Without them the CE maps by itself.
    `wired` is the built policy whose issuers the CE is wired for, "" for the site's own.
    """

    name: str
    bearers: tuple[Bearer, ...]
    plugin: str = ""
    htcondor: str = ""
    arc: str = ""
    wired: str = ""

    @property
    def account(self) -> str:
        """The account that all bearers get, where it is one."""
        return self.bearers[0].account


@dataclass(frozen=True)
class Parts:
    """The files that this machine made for the chroots."""

    plugin: Path
    big: Path
    issuers: Path


def make_variants(big: int) -> tuple[Variant, ...]:
    """Return all variants, the CE's own map line first. The last one has so many rules.

    Where possible, the account shows which plugin has answered, so that a configuration without effect is noticed.
    """
    htcondor, arc = f"{by_pip.CALLOUTS}/vomap-htcondor", f"{by_pip.CALLOUTS}/vomap-arc"
    policy = f"--policy {BIG}"
    return (
        Variant("the CE's own map line", _pilots("mapline")),
        Variant("a static C plugin", _pilots("static"), "STATIC", f"{STATIC} htcondor static", f"{STATIC} arc static"),
        Variant("vomap, installed by pip", _pilots("cms001"), "PIP", htcondor, f"{arc} map"),
        Variant(
            "vomap, as packages install it",
            _pilots("cms001"),
            "VOMAP",
            htcondor_pool.CALLOUT,
            f"{arc_ce.CALLOUT} map",
        ),
        Variant(
            f"vomap, installed by pip, {big:,} rules",
            _of_big_rules(big),
            "BIG",
            f"{htcondor} {policy}",
            f"{arc} map {policy}",
            BIG_ISSUERS_ALONE,
        ),
    )


def issuers_of(variants: Sequence[Variant]) -> list[str]:
    """Return the issuers of all bearers."""
    return sorted({bearer.claims["iss"] for variant in variants for bearer in variant.bearers})


def accounts_of(variants: Sequence[Variant]) -> list[str]:
    """Return the accounts of all bearers."""
    return sorted({bearer.account for variant in variants for bearer in variant.bearers})


def make_parts(work: Path, settings: Settings) -> Parts:
    """Compile the static plugin and build the big policy, and one of as many rules as issuers to wire the CEs from."""
    layouts = lay_out(work, settings)
    return Parts(
        plugin=_compiled(work / "plugin"),
        big=build_big(work, layouts, settings.big).policy,
        issuers=build_big(work, layouts, BIG_ISSUERS).policy,
    )


def put_parts(chroot: Chroot, parts: Parts) -> None:
    """Put the parts, and vomap as pip installs it, into a chroot that has vomap's packages already."""
    chroot.write(STATIC, parts.plugin.read_bytes(), 0o755)
    for policy, inside in ((parts.big, BIG), (parts.issuers, BIG_ISSUERS_ALONE)):
        for suffix in ("", ".bans"):
            chroot.path(inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(f"{policy}{suffix}", chroot.path(f"{inside}{suffix}"))
    by_pip.install(chroot)


def _compiled(program: Path) -> Path:
    source = Path(__file__).with_name("plugin.c")
    words = ["gcc", "-O2", "-static", "-o", str(program), str(source)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(words)}: {done.stderr.strip()}")
    return program


def _pilots(account: str) -> tuple[Bearer, ...]:
    return (Bearer(_claims(_CMS, _CMS_PILOT), account),) * CLIENTS


def _of_big_rules(rules: int) -> tuple[Bearer, ...]:
    """Return bearers for whom rules all over the big policy are: half by subject, half by group."""
    numbers = [(2 * client + 1) * rules // (2 * CLIENTS) for client in range(CLIENTS)]
    return tuple(Bearer(_claims_of_rule(number, rules), account_of(number)) for number in numbers)


def _claims_of_rule(number: int, rules: int) -> dict[str, Any]:
    claims = _claims(issuer_of(number, rules, BIG_ISSUERS), subject_of(number))
    group = group_of(number, rules, BIG_ISSUERS)
    return claims if group is None else {**claims, "wlcg.groups": [group]}


def _claims(issuer: str, subject: str) -> dict[str, Any]:
    return {"iss": issuer, "sub": subject, "aud": _ANY_CE, "wlcg.ver": "1.0", "scope": _SCOPE}
