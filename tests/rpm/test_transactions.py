"""The packages at work: rpm installs, updates and removes them, with every scriptlet and trigger.

The system has Enterprise Linux's Python and libraries. The rest of it, rpm included, is Debian's.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rpm.packages import CHECKOUT, DEFAULTS, NAMES, NEWER_DATE, RELEASES, Packages
from rpm.systems import ElSystem, stub_package

if TYPE_CHECKING:
    from collections.abc import Iterator

SITE, POLICY = "/etc/vomap/mapfiles.d/10-site.yaml", "/var/lib/vomap/policy"
OSG, LINK = "/usr/share/vomap/mapfiles/osg.yaml", "/etc/vomap/mapfiles.d/50-osg.yaml"
TOKEN = {
    "iss": "https://cms-auth.web.cern.ch/",
    "sub": "bad55f4e-602c-4e8d-a5c5-bd8ffb762113",
    "aud": "ANY",
    "scope": "compute.create",
}
_HEADING = re.compile(r"^\w+ scriptlet \(using /bin/sh\).*$", re.MULTILINE)
INIT = ("vomap", "init", "--yes", "--audience", "ANY", "--mapfile", "osg")


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """One of the releases."""
    return str(request.param)


@pytest.fixture
def system(packages: Packages, release: str) -> Iterator[ElSystem]:
    """A system without any of the packages."""
    made = ElSystem(release, packages.site_packages(release))
    yield made
    made.close()


@pytest.fixture
def condor(tmp_path: Path) -> Path:
    """A package that brings HTCondor's user and HTCondor-CE's folders."""
    add_user = "getent passwd condor > /dev/null || useradd --system --user-group condor"
    return stub_package(tmp_path, "condor", add_user, ("/etc/condor-ce", "/etc/condor-ce/config.d"))


@pytest.fixture
def site(system: ElSystem, packages: Packages, release: str, condor: Path) -> ElSystem:
    """A system that is an HTCondor-CE, with all packages, set up by `vomap init`."""
    system.install(condor, *packages.files(release))
    system.run("useradd", "--create-home", "cmspilot")
    system.run(*INIT, "--ce", "htcondor")
    return system


def _status(system: ElSystem) -> dict[str, tuple[str, str]]:
    """Return the colour and the words of each line of `vomap status`."""
    lines: list[dict[str, str]] = json.loads(system.try_to_run("vomap", "status", "--json").stdout)
    return {line["what"]: (line["colour"], line["told"]) for line in lines}


def _red(system: ElSystem) -> dict[str, str]:
    return {what: told for what, (colour, told) in _status(system).items() if colour == "red"}


@pytest.mark.parametrize("kind", ["--scripts", "--triggers", "--filetriggers"])
def test_scriptlets_are_sound(packages: Packages, release: str, kind: str) -> None:
    """Each is what a plain shell reads."""
    for name in NAMES:
        body = _HEADING.sub("", packages.query(release, name, kind))
        done = subprocess.run(["/bin/sh", "-n"], input=body, text=True, capture_output=True, check=False)
        assert done.returncode == 0, body + done.stderr


def test_a_site_without_a_mapfile(system: ElSystem, packages: Packages, release: str) -> None:
    """Its first installation makes the users, the groups and the folder, and builds nothing."""
    told = system.install(*packages.files(release))
    assert "vomap:" not in told
    assert system.groups_of("vomap") == {"vomap"}
    assert system.groups_of("vomap-refresh") == {"vomap-refresh"}
    assert system.groups_of("condor") == set()
    assert not system.exists(POLICY)
    assert system.run("stat", "-c", "%a %U %G", "/var/lib/vomap").split() == ["755", "root", "root"]
    assert system.run("getent", "passwd", "vomap").rstrip().endswith("nologin")


@pytest.mark.parametrize("first", ["condor", "vomap"])
def test_condor_joins_the_group(system: ElSystem, packages: Packages, release: str, condor: Path, first: str) -> None:
    """HTCondor's user shares the group, whichever of the two was there before."""
    ours = packages.files(release, ("vomap", "vomap-htcondor-ce"))
    for files in ([condor], ours) if first == "condor" else (ours, [condor]):
        system.install(*files)
    assert system.groups_of("condor") == {"condor", "vomap"}


def test_a_ce_is_set_up_from_the_packages(site: ElSystem) -> None:
    """After `vomap init` the wiring is complete, the packages' own file is untouched, and the callout answers."""
    found = _status(site)
    assert _red(site) == {}
    assert found["vomap-htcondor"] == ("green", "answers as condor")
    assert found[DEFAULTS][0] == "green"
    assert site.read(DEFAULTS) == (CHECKOUT / "packaging/htcondor/50-vomap.conf").read_bytes()
    assert site.run("readlink", LINK).strip() == OSG


def test_the_callouts_answer_from_where_they_are_installed(site: ElSystem, release: str) -> None:
    """As the CEs start them: by their paths, with their own first line, HTCondor's as its user and ARC's as root."""
    as_condor = ("setpriv", "--reuid=condor", "--regid=condor", "--init-groups")
    given = json.dumps(TOKEN)
    answer = site.chroot.run([*as_condor, "/usr/libexec/vomap/vomap-htcondor"], stdin=given)
    assert answer.stdout == "cmspilot\n"
    variables = {f"BEARER_TOKEN_0_CLAIM_{name}_0": value for name, value in TOKEN.items()}
    variables.update(BEARER_TOKEN_0_ISSUER=TOKEN["iss"], BEARER_TOKEN_0_SUBJECT=TOKEN["sub"])
    variables.update(BEARER_TOKEN_0_AUDIENCE_0="ANY", BEARER_TOKEN_0_SCOPE_0="compute.create")
    answer = site.chroot.run(["/usr/libexec/vomap/vomap-arc", "map"], env=variables)
    assert answer.stdout == "cmspilot"
    where = "import sys, vomap; print(sys.version_info[:2], sys.prefix, vomap.__file__)"
    major, minor = site.python.removeprefix("python").split(".")
    told = site.run("/usr/bin/python3", "-I", "-c", where).strip()
    assert told == f"({major}, {minor}) /usr /usr/lib/{site.python}/site-packages/vomap/__init__.py"


def test_a_new_mapfile_is_built(site: ElSystem, newer: Packages, release: str) -> None:
    """An update of the mapfile's package alone compiles it, and CEs answer from the new policy at once."""
    before = site.read(POLICY)
    told = site.install(newer.file(release, "vomap-osg-mapfile"))
    assert f"# date: {NEWER_DATE}".encode() in site.read(OSG)
    assert "policy:" in told
    assert site.read(POLICY) != before
    assert _status(site)["mapfiles"] == ("green", "as they were built")


def test_a_new_version_builds_anew(site: ElSystem, newer: Packages, release: str) -> None:
    """The code alone is updated, and with it perhaps the format of what is built."""
    site.chroot.path(POLICY).unlink()
    told = site.install(*newer.files(release, ("vomap", "vomap-arc", "vomap-htcondor-ce")))
    assert "policy:" in told
    assert _red(site) == {}


SYSTEMCTL = "/usr/bin/systemctl"


@pytest.fixture
def started(site: ElSystem) -> Iterator[str]:
    """Return a file with the arguments of each `systemctl`, as if systemd were running. The service builds nothing."""
    before = site.read(SYSTEMCTL) if site.exists(SYSTEMCTL) else None
    site.write(SYSTEMCTL, '#!/bin/sh\necho "$@" >> /tmp/started\n[ ! -e /tmp/fails ]\n')
    site.run("chmod", "0755", SYSTEMCTL)
    site.run("rm", "-f", "/tmp/started", "/tmp/fails")
    site.run("mkdir", "-p", "/run/systemd/system")
    yield "/tmp/started"
    site.run("rm", "-rf", "/run/systemd/system", "/tmp/started", "/tmp/fails", SYSTEMCTL)
    if before is not None:
        site.chroot.path(SYSTEMCTL).write_bytes(before)
        site.run("chmod", "0755", SYSTEMCTL)


def test_the_service_builds(site: ElSystem, newer: Packages, release: str, started: str) -> None:
    """Where systemd runs, the unit builds, with its sandbox and its limit of memory, and no scriptlet does."""
    before = site.read(POLICY)
    told = site.install(newer.file(release, "vomap-osg-mapfile"))
    assert "start vomap-build.service" in site.read(started).decode().splitlines()
    assert "policy:" not in told
    assert site.read(POLICY) == before


def test_a_service_that_fails(site: ElSystem, newer: Packages, release: str, started: str) -> None:
    """The update succeeds and prints a warning."""
    site.write("/tmp/fails", "")
    told = site.install(newer.file(release, "vomap-osg-mapfile"))
    assert "vomap: not built (exit 1); the policy that was built last stays" in told
    assert site.read(started)


def test_a_build_in_an_image_has_a_limit_of_memory(site: ElSystem, newer: Packages, release: str) -> None:
    """Without systemd the scriptlet builds. A mapfile of another user cannot fill the memory."""
    vomap = site.read("/usr/bin/vomap")
    site.write("/usr/bin/vomap", "#!/bin/sh\necho limit: $(ulimit -v)\n")
    site.run("chmod", "0755", "/usr/bin/vomap")
    told = site.install(newer.file(release, "vomap-osg-mapfile"))
    site.chroot.path("/usr/bin/vomap").write_bytes(vomap)
    assert "limit: 4194304" in told


def test_a_build_that_fails(site: ElSystem, newer: Packages, release: str) -> None:
    """The update succeeds and prints a warning. The last compiled policy stays, and the callout answers by it."""
    before = site.read(POLICY)
    site.write(SITE, "mapfile: 1\nsite: {audience: ANY, audiance: ANY}\n")
    told = site.install(*newer.files(release))
    assert "the policy that was built last stays" in told
    assert site.read(POLICY) == before
    assert site.run("/usr/libexec/vomap/vomap-htcondor", stdin=json.dumps(TOKEN)).startswith("cmspilot\n")


def test_the_mapfile_is_removed(site: ElSystem) -> None:
    """A link without a target fails the build. The compiled policy stays."""
    before = site.read(POLICY)
    site.remove("vomap-osg-mapfile")
    assert site.read(POLICY) == before


def test_all_is_removed(site: ElSystem) -> None:
    """The site's files, the compiled files and the map file stay. So HTCondor-CE refuses these tokens."""
    kept = (SITE, POLICY, "/var/lib/vomap/bans", "/etc/condor-ce/mapfiles.d/05-vomap.conf")
    site.remove(*NAMES)
    assert [path for path in kept if not site.exists(path)] == []
    assert not site.exists("/usr/libexec/vomap")
    assert not site.exists(DEFAULTS)
