"""Settings in one more file that change what the CE makes of vomap's answers, on a real HTCondor pool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.chroot import FOLDER, Chroot, require_debian_root
from e2e.htcondor_pool import ADDED, Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
CLAIMS = {entry["name"]: entry["token"] for entry in yaml.safe_load((HERE / "tokens.yaml").read_text("utf-8"))}
MAPPED, OF_THIS_CE = "CMS pilot, by subject", "CMS pilot, list of audiences"
DECLINED = "CMS person without a rule"
ACCOUNT, OTHER = "cms001@users.htcondor.org", "other@users.htcondor.org"
UNMAPPED = "scitokens@unmapped"
# A site's own map file, which maps every token past vomap.
OTHER_MAP, OTHER_MAP_LINES = "/etc/condor-ce/other_mapfile", "SCITOKENS /.*/ other\nFS /(.*)/ \\1\n"


@dataclass(frozen=True)
class Setting:
    """A setting, a client, the daemon and level that it asks for, and the user that it gets: as wired, and with it."""

    text: str
    client: str
    wired: str
    changed: str
    level: str = "WRITE"
    daemon: str = "SCHEDD"


SETTINGS = (
    Setting("SEC_SCITOKENS_PLUGIN_VOMAP_MAPPING = other", MAPPED, ACCOUNT, OTHER),
    Setting("SCHEDD.SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /bin/echo other", MAPPED, ACCOUNT, OTHER),
    Setting(f"SCHEDD.CERTIFICATE_MAPFILE = {OTHER_MAP}", MAPPED, ACCOUNT, OTHER),
    Setting("SCHEDD.DENY_READ =", DECLINED, "", UNMAPPED, "READ"),
    Setting("COLLECTOR.DENY_READ =", DECLINED, "", UNMAPPED, "READ", "COLLECTOR"),
    Setting("DENY_READ_SCHEDD = nobody@example.org", DECLINED, "", UNMAPPED, "READ"),
    Setting("DENY_WRITE =", DECLINED, "", UNMAPPED, "READ"),
    Setting("SCHEDD.SCITOKENS_SERVER_AUDIENCE = https://other.example.org", OF_THIS_CE, ACCOUNT, ""),
    Setting("CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = False", MAPPED, ACCOUNT, ""),
    Setting("UID_DOMAIN = example.org", MAPPED, ACCOUNT, ""),
    Setting("SCHEDD.ALLOW_WRITE = nobody@example.org", MAPPED, ACCOUNT, ""),
)


@pytest.fixture(scope="module")
def running() -> Iterator[Pool]:
    """A running pool that is wired as `vomap render htcondor` says."""
    require_debian_root()
    pool = Pool(Chroot(FOLDER / "htcondor"))
    try:
        pool.prepare({"cms001", "other"})
        pool.chroot.write(OTHER_MAP, OTHER_MAP_LINES)
        pool.write_policy(HERE / "site")
        pool.wire()
        pool.trust({CLAIMS[name]["iss"] for name in (MAPPED, OF_THIS_CE, DECLINED)})
        pool.start()
        yield pool
    finally:
        pool.stop()


def _in_force(pool: Pool) -> dict[str, dict[str, str]]:
    """Return the lines of `vomap status` that are red, and the one that all settings are right, by their subjects."""
    lines = {line["what"]: line for line in pool.status()}
    return {what: line for what, line in lines.items() if line["colour"] == "red" or what == "settings in force"}


def test_nothing_is_red_as_wired(running: Pool) -> None:
    """`vomap status` asks the CE, and shows no red line of one that asks vomap and obeys it."""
    (line,) = _in_force(running).values()
    assert line["colour"] == "green"
    assert line["told"].startswith("SCHEDD and COLLECTOR ask vomap and do as it answers, once they have read")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.text)
def test_one_more_setting(running: Pool, setting: Setting) -> None:
    """A later file is enough to map a client otherwise, to refuse it, or to let a declined one read.

    `vomap status` is red, names the setting with its file and line, and says what to do. Then it is green again.
    """
    assert _user(running, setting) == setting.wired
    with running.added(f"{setting.text}\n"):
        assert _user(running, setting) == setting.changed
        _check_red(running, setting.text)
    assert _user(running, setting) == setting.wired
    assert [line["colour"] for line in _in_force(running).values()] == ["green"]


def _check_red(pool: Pool, text: str) -> None:
    name, _, value = text.partition(" =")
    ((what, line),) = _in_force(pool).items()
    assert what == name
    assert line["told"].startswith(f"is `{value.strip()}` (" if value else "is nothing (")
    assert f", {ADDED}, line 1)" in line["told"]
    assert line["told"].endswith("correct it there, then run `condor_ce_reconfig`")


def test_without_authentication_to_read(running: Pool) -> None:
    """Optional authentication takes its name from who could show one: not even root may read."""
    words = ("condor_q", "-allusers", "-totals")
    assert running.as_root(*words).returncode == 0
    with running.added("SCHEDD.SEC_READ_AUTHENTICATION = OPTIONAL\n"):
        assert running.as_root(*words).returncode != 0
        _check_red(running, "SCHEDD.SEC_READ_AUTHENTICATION = OPTIONAL")
    assert running.as_root(*words).returncode == 0


def _user(pool: Pool, setting: Setting) -> str:
    return pool.ping(pool.token(CLAIMS[setting.client]), setting.level, setting.daemon)
