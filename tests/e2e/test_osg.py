"""On a real HTCondor pool as OSG lays out HTCondor-CE: the lines that map come after those that ban."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e.chroot import FOLDER, Chroot, require_debian_root
from e2e.htcondor_pool import OSG, Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
CLAIMS = {entry["name"]: entry["token"] for entry in yaml.safe_load((HERE / "tokens.yaml").read_text("utf-8"))}
# Whom htcondor-osg/ bans, and whom it maps to what.
BANNED, BANNED_AS = CLAIMS["CMS pilot, by subject"], "leaked@banned.htcondor.org"
MAPPED = {
    "osgatlas": CLAIMS["ATLAS production, list of audiences"],
    "osgpool": CLAIMS["OSPool pilot, a SciToken"],
}
# The accounts of OSG's lines, and those that vomap's policy has for the same clients.
ACCOUNTS = {*MAPPED, "osgcms", "cms001", "usatlas1", "osg"}
DENIED_TO_WRITE = ("condor_config_val", "-subsystem", "SCHEDD", "DENY_WRITE")


@pytest.fixture(scope="module")
def osg() -> Iterator[Pool]:
    """A running CE of an OSG site, with a ban of its own, that has never had vomap."""
    require_debian_root()
    pool = Pool(Chroot(FOLDER / "htcondor"))
    try:
        pool.prepare(ACCOUNTS)
        pool.install_ce(OSG)
        pool.trust({claims["iss"] for claims in (BANNED, *MAPPED.values())})
        pool.start()
        yield pool
    finally:
        pool.stop()


@pytest.mark.parametrize("account", MAPPED)
def test_the_lines_map_before_vomap(osg: Pool, account: str) -> None:
    """The lines that OSG's package brings map clients, and no plugin is asked."""
    mark = osg.mark()
    assert osg.ping(osg.token(MAPPED[account])) == f"{account}@users.htcondor.org"
    assert osg.log(mark).started == []


def test_the_ban_holds_before_vomap(osg: Pool) -> None:
    """The line in 90-ban.conf comes before the one that maps: its client may not write, and may not submit."""
    assert BANNED_AS.partition("@")[2] in osg.as_root(*DENIED_TO_WRITE).stdout
    mark = osg.mark()
    assert _refused(osg, BANNED)
    assert f"PERMISSION DENIED to {BANNED_AS} " in osg.log(mark).text


def _refused(pool: Pool, claims: dict[str, Any]) -> bool:
    """Return True if the CE refuses this client to write and to submit."""
    token = pool.token(claims)
    return pool.ping(token) == "" and pool.submit(token).returncode != 0
