"""On a real HTCondor pool with OSG's layout: a ban of the site's map files, lost by vomap's lines, and taken over."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from e2e.chroot import FOLDER, Chroot, require_debian_root
from e2e.htcondor_pool import MAP_FILE, MAPFILES, OSG, SETTINGS, Pool
from e2e.packaged import VOMAP

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
CLAIMS = {entry["name"]: entry["token"] for entry in yaml.safe_load((HERE / "tokens.yaml").read_text("utf-8"))}
# htcondor-osg/ bans the first. vomap's policy maps it, and the second.
BANNED, BANNED_AS, ACCOUNT = CLAIMS["CMS pilot, by subject"], "leaked@banned.htcondor.org", "cms001"
OTHER, OTHER_ACCOUNT = CLAIMS["CMS local pilot, by subject, with groups"], "cmslocal"
BAN = f"{MAPFILES}/90-ban.conf:2"
LOST = "lost ban"


@pytest.fixture(scope="module")
def osg() -> Iterator[Pool]:
    """A running CE of an OSG site with a ban of its own, and vomap's packages and policy, but not wired."""
    require_debian_root()
    pool = Pool(Chroot(FOLDER / "htcondor"))
    try:
        pool.prepare({ACCOUNT, OTHER_ACCOUNT, "osgcms"})
        pool.install_ce(OSG)
        pool.install_vomap()
        pool.write_policy(HERE / "site")
        pool.trust({BANNED["iss"]})
        pool.start()
        yield pool
    finally:
        pool.stop()


def test_a_lost_ban(osg: Pool) -> None:
    """`init` refuses to lose it. Once lost, `status` is red, and the take-over puts the ban in force again."""
    chroot, init = osg.chroot, [VOMAP, "init", "--ce", "htcondor", "--yes"]
    assert osg.ping(osg.token(BANNED)) == ""

    refused = chroot.run(init, check=False)
    assert refused.returncode == 1
    assert f"{BAN}: " in refused.stderr
    assert not chroot.path(f"{MAPFILES}/{MAP_FILE}").exists()

    # An earlier vomap wired the CE all the same.
    osg.wire()
    # The daemons map as before, until they read their files. `vomap status` asks them.
    assert osg.ping(osg.token(BANNED)) == ""
    (in_force,) = (line for line in osg.status() if line["what"] == "settings in force")
    assert (in_force["colour"], "did not read the files yet" in in_force["told"]) == ("red", True)
    osg.reconfigure()
    assert "settings in force" not in {line["what"] for line in osg.status() if line["colour"] == "red"}
    assert osg.ping(osg.token(BANNED)) == f"{ACCOUNT}@users.htcondor.org"
    (line,) = (line for line in osg.status() if line["what"] == LOST)
    assert line["colour"] == "red"
    assert line["told"].startswith(f"{BAN}: ")

    take_over = re.search(r"run `(vomap init --take-over-bans[^`]*)`", refused.stderr)
    assert take_over is not None
    chroot.run(shlex.split(take_over[1]))
    mark = osg.mark()
    token = osg.token(BANNED)
    assert osg.ping(token) == ""
    assert osg.submit(token).returncode != 0
    assert osg.log(mark).became == "denied"
    assert osg.ping(osg.token(OTHER)) == f"{OTHER_ACCOUNT}@users.htcondor.org"
    # The lines of OSG's package are never used, but the site cannot delete them.
    assert not {LOST, "lines behind vomap's"} & {line["what"] for line in osg.status()}


def test_files_that_the_ce_cannot_read(osg: Pool) -> None:
    """A file of another user's bans no token, and settings of another user's are refused. The printed chmod helps."""
    osg.wire()
    early = f"{MAPFILES}/04-bans.conf"
    osg.chroot.write(early, f"SCITOKENS {OTHER['iss']},{OTHER['sub']} {BANNED_AS}\n")
    osg.reconfigure()
    assert osg.ping(osg.token(OTHER)) == ""
    for path in (early, f"{MAPFILES}/{MAP_FILE}", MAPFILES, f"{SETTINGS}/55-vomap-policy.conf"):
        osg.chroot.run(["chmod", "go=", path])
        (told,) = (line["told"] for line in osg.status() if line["what"] == "files of the CE")
        assert f"the user condor cannot read {path}: " in told
        if path == early:
            osg.reconfigure()
            assert osg.ping(osg.token(OTHER)) == f"{OTHER_ACCOUNT}@users.htcondor.org"
        chmod = re.search(r"run `(ch[^`]*) && condor_ce_reconfig`", told)
        assert chmod is not None
        osg.chroot.run(["sh", "-ec", chmod[1]])
        assert "files of the CE" not in {line["what"] for line in osg.status()}
    osg.reconfigure()
    assert osg.ping(osg.token(OTHER)) == ""
