"""On a real HTCondor pool with HTCondor-CE's settings: whose token becomes whom, and whom vomap keeps out."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e import by_pip, packaged
from e2e.chroot import FOLDER, Chroot, require_debian_root, wait_until
from e2e.htcondor_pool import CALLOUT, CE_HOST, MAPFILES, SETTINGS, Job, Pool
from e2e.packaged import VOMAP
from e2e.silent_nscd import SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
RESULTS = FOLDER / "htcondor.json"
POLICY, BANS = "/var/lib/vomap/policy", "/var/lib/vomap/bans"
SECOND = "second"  # the account that the second plugin gives to every client
THEN_SECOND = f"SEC_SCITOKENS_PLUGIN_SECOND_COMMAND = /bin/echo {SECOND}\n"
THEN_SLEEP = "SEC_SCITOKENS_PLUGIN_SECOND_COMMAND = /bin/sleep 600\n"
# The command and where the callouts are, if not where it expects them, by how vomap was installed.
WAYS = {"packages": [VOMAP], "pip": [by_pip.VOMAP, "--callouts", by_pip.CALLOUTS]}
AUTHENTICATIONS, AT_A_TIME = 200, 8


@dataclass(frozen=True)
class Person:
    """A client with a token, and its expected result: an account, an outcome, or `not asked`."""

    name: str
    claims: dict[str, Any]
    padded: int
    expected: str
    may_write: bool

    def token(self, pool: Pool, **claims: str) -> str:
        """Return a new token of his."""
        return pool.token({**self.claims, **claims}, self.padded)


@dataclass(frozen=True)
class Met:
    """A client's result: the schedd's log, the user with WRITE, and the owner of the job."""

    became: str
    writes_as: str
    owner: str
    started: int
    size: int


def _person(entry: dict[str, Any]) -> Person:
    here, expect = entry.get("htcondor", ""), entry["expect"]
    decided = expect.get("account") or expect["outcome"]
    expected = here if here == "not asked" else decided
    may_write = expect["outcome"] == "mapped" and not here
    return Person(entry["name"], entry["token"], entry.get("padded", 0), expected, may_write)


PEOPLE = {
    entry["name"]: _person(entry)
    for entry in yaml.safe_load((HERE / "tokens.yaml").read_text("utf-8"))
    if entry.get("htcondor") != "left out"
}
ISSUERS = {person.claims["iss"] for person in PEOPLE.values()}
WRITERS = [person for person in PEOPLE.values() if person.may_write]
CMS, DECLINED = PEOPLE["CMS pilot, by subject"], PEOPLE["CMS person without a rule"]
BANNED, DENIED = PEOPLE["CMS, banned subject"], PEOPLE["EGI, suspended by the VO"]
UNKNOWN = [PEOPLE["unknown issuer"], PEOPLE["an issuer that begins like EGI's"]]


@pytest.fixture(scope="module")
def prepared() -> Iterator[Pool]:
    """A pool that is not started, with vomap's packages, the site's policy, and the accounts that it maps to."""
    require_debian_root()
    pool = Pool(Chroot(FOLDER / "htcondor"))
    try:
        pool.prepare({SECOND, *(person.expected for person in WRITERS)})
        pool.write_policy(HERE / "site")
        pool.wire()
        pool.trust(ISSUERS)
        yield pool
    finally:
        pool.stop()


@pytest.fixture(scope="module")
def running(prepared: Pool) -> Pool:
    """The pool as `vomap render htcondor` wires it."""
    prepared.start()
    return prepared


@contextmanager
def _rewired(pool: Pool, *words: str, settings: str) -> Iterator[None]:
    """Start the pool with another wiring, and with its own again afterwards."""
    try:
        pool.stop()
        pool.wire(*words, settings=settings)
        pool.start()
        yield
    finally:
        pool.stop()
        pool.wire()
        pool.start()


@pytest.fixture(scope="module")
def met(running: Pool) -> dict[str, Met]:
    """The results of all clients of the pool, one after the other, for the table of both CEs."""
    fared, ids = {}, {}
    for person in PEOPLE.values():
        ids[person.name] = f"id of {person.name}"
        token = person.token(running, jti=ids[person.name])
        mark = running.mark()
        writes_as = running.ping(token)
        log = running.log(mark)
        running.submit(token)
        fared[person.name] = (log.became, writes_as, len(log.started), len(token))
    owners = running.jobs()
    found = {
        name: Met(became, writes_as, owners.get(ids[name], ""), started, size)
        for name, (became, writes_as, started, size) in fared.items()
    }
    RESULTS.write_text(json.dumps({name: each.became for name, each in found.items()}, indent=1), "utf-8")
    return found


def test_enough_come() -> None:
    """The table shows at least 25 tokens, and every outcome."""
    assert len(PEOPLE) >= 25
    assert {"declined", "denied", "not asked", "cms001"} <= {person.expected for person in PEOPLE.values()}


def test_the_callout_is_the_packages_own(running: Pool) -> None:
    """HTCondor starts the very file that the package installed.

    This file, and every other of the packages, is unchanged.
    """
    told = running.as_root("condor_config_val", "-verbose", "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND").stdout
    settings = f"{SETTINGS}/50-vomap.conf"
    assert told.splitlines()[0].endswith(f" = {CALLOUT}")
    assert f"# at: {settings}, line" in told
    assert packaged.package_of(running.chroot, settings) == "vomap-htcondor-ce"
    assert packaged.package_of(running.chroot, CALLOUT) == "vomap"
    assert running.chroot.path(CALLOUT).read_text("utf-8").startswith("#!/usr/bin/python3 -IS\n")
    packaged.verify(running.chroot)


@pytest.mark.parametrize("name", PEOPLE)
def test_token(met: dict[str, Met], name: str) -> None:
    """A client with a token gets exactly the account that the policy says: to write as, and as the job's owner."""
    person, found = PEOPLE[name], met[name]
    account = person.expected if person.may_write else ""
    assert found.became == person.expected
    assert found.writes_as == (f"{account}@users.htcondor.org" if account else "")
    assert found.owner == account
    assert found.started == (0 if person.expected == "not asked" else 1)


def test_routed_job(running: Pool, met: dict[str, Met]) -> None:
    """The router gives each job to the batch system, and there, too, its owner is the account that vomap answered.

    The job itself runs as this account.
    """
    wanted = {f"id of {person.name}": Job(*[person.expected] * 3) for person in WRITERS}
    wait_until(lambda: all(job.ran_as for job in running.routed().values()), seconds=120)
    assert running.routed() == wanted
    assert len(wanted) >= 15


def test_a_long_token_is_long(met: dict[str, Met]) -> None:
    """The token of 15 kB has that length as it is sent."""
    assert 14_900 < met["EGI pilot, 15 kB"].size < 15_100


@pytest.mark.parametrize("person", UNKNOWN, ids=lambda person: person.name)
def test_an_unknown_issuer_never_reaches_the_plugin(running: Pool, person: Person) -> None:
    """HTCondor verifies the token, finds no line of the map file for it, and starts no plugin."""
    mark = running.mark()
    assert running.ping(person.token(running)) == ""
    log = running.log(mark)
    issuer, subject = person.claims["iss"], person.claims["sub"]
    assert f"Failed to map SCITOKENS authenticated identity '{issuer},{subject}'" in log.text
    assert log.started == []
    assert "VOMAP" not in log.text


@pytest.mark.parametrize("person", [CMS, BANNED, DECLINED, DENIED], ids=lambda person: person.name)
def test_who_is_refused_may_not_even_read(running: Pool, person: Person) -> None:
    """READ is refused to whom WRITE is refused: by `condor_ping`, by `condor_q`, and with the token left at home."""
    token = person.token(running)
    listed = running.as_client(token, "condor_q", "-name", CE_HOST, "-allusers", "-totals")
    assert bool(running.ping(token, "READ")) == person.may_write
    assert (listed.returncode == 0) == person.may_write
    anonymous = running.as_client(token, "condor_q", "-name", CE_HOST, SEC_CLIENT_AUTHENTICATION="NEVER")
    assert anonymous.returncode != 0


def test_the_audience_that_htcondor_does_not_check(running: Pool) -> None:
    """HTCondor checks no audience of a foreign issuer's token. vomap refuses a token for another CE."""
    mark = running.mark()
    assert running.ping(PEOPLE["EGI pilot, audience of another CE"].token(running)) == ""
    log = running.log(mark)
    assert "treating as foreign token type" in log.text
    assert log.started == ["VOMAP"]
    assert "vomap-htcondor: denied for vo.example.org: audience: " in log.text


def test_the_log_says_why(running: Pool) -> None:
    """Where HTCondor logs what plugins say, the reason is there, with the file and line of the rule or the ban."""
    mark = running.mark()
    running.ping(BANNED.token(running))
    running.ping(CMS.token(running))
    text = running.log(mark).text
    assert "denied for CMS: ban: leaked key (T-123) (/etc/vomap/bans.d/bans.yaml:3)" in text
    assert "mapped to cms001 for CMS: rule: cms-pilots (/etc/vomap/mapfiles.d/50-osg.yaml:" in text


def test_many_at_a_time(running: Pool) -> None:
    """Of 200 authentications, 8 at a time, none is lost and none is wrong, and each starts the plugin just once."""
    asked = [person for person in PEOPLE.values() if person.expected != "not asked"]
    people = [asked[number % len(asked)] for number in range(AUTHENTICATIONS)]
    tokens = [person.token(running) for person in people]
    mark = running.mark()
    with ThreadPoolExecutor(AT_A_TIME) as at_once:
        answers = list(at_once.map(running.ping, tokens))
    log = running.log(mark)
    wanted = [f"{person.expected}@users.htcondor.org" if person.may_write else "" for person in people]
    assert answers == wanted
    assert log.started == ["VOMAP"] * AUTHENTICATIONS
    codes = {"declined": 1, "denied": 2}
    assert Counter(log.exits) == Counter(codes.get(person.expected, 0) for person in people)


def test_a_damaged_policy_maps_nobody(running: Pool) -> None:
    """An unreadable policy is an error, and every client is refused. A restored policy maps again."""
    path = running.chroot.path(POLICY)
    whole = path.read_bytes()
    try:
        for damaged in (whole[: len(whole) // 2], b"", whole.replace(b"cms001", b"cms002")):
            path.write_bytes(damaged)
            assert _came_to(running, CMS) == ("error", "")
            assert _came_to(running, DECLINED) == ("error", "")
            assert running.ping(CMS.token(running), "READ") == ""
        path.unlink()
        assert _came_to(running, CMS) == ("error", "")
    finally:
        path.write_bytes(whole)
    assert _came_to(running, CMS) == ("cms001", "cms001@users.htcondor.org")


def test_damaged_bans_are_not_no_bans(running: Pool) -> None:
    """Unreadable bans let no client in."""
    path = running.chroot.path(BANS)
    whole = path.read_bytes()
    try:
        path.unlink()
        assert _came_to(running, CMS) == ("error", "")
        assert _came_to(running, BANNED) == ("error", "")
    finally:
        path.write_bytes(whole)


def test_a_ban_holds_from_the_next_session(running: Pool) -> None:
    """`vomap ban add` refuses a client without a restart, and `vomap ban lift` lets it in again."""
    whom = ["--vo", "CMS", "--subject", CMS.claims["sub"]]
    running.chroot.run([VOMAP, "ban", "add", *whom, "--reason", "drill"])
    try:
        assert _came_to(running, CMS) == ("denied", "")
    finally:
        running.chroot.run([VOMAP, "ban", "lift", *whom])
    assert _came_to(running, CMS)[0] == "cms001"


def test_a_name_service_that_hangs_is_bounded(running: Pool) -> None:
    """A callout that waits for the name service gives up by itself, and refuses, before HTCondor's limit."""
    running.chroot.write("/root/silent_nscd.py", (HERE / "silent_nscd.py").read_bytes())
    silent = running.chroot.start(["python3", "/root/silent_nscd.py"])
    wait_until(running.chroot.path(SOCKET).exists)
    try:
        mark = running.mark()
        began = time.monotonic()
        assert running.ping(CMS.token(running)) == ""
        assert time.monotonic() - began < 15
        log = running.log(mark)
        assert log.exits == [3]
        assert "vomap-htcondor: error: no answer after 4 s" in log.text
    finally:
        running.chroot.run(["rm", "-rf", str(Path(SOCKET).parent)])
        silent.kill()
    assert _came_to(running, CMS)[0] == "cms001"


def test_the_second_plugin_is_asked_about_the_declined_alone(running: Pool) -> None:
    """`--then` lets another plugin map clients that vomap declines. It sees no client that vomap maps or refuses."""
    path = running.chroot.path(POLICY)
    with _rewired(running, "--then", "SECOND", settings=THEN_SECOND):
        for person in (CMS, DECLINED, BANNED, DENIED):
            mark = running.mark()
            account = {"declined": SECOND, "denied": ""}.get(person.expected, person.expected)
            assert running.ping(person.token(running)) == (f"{account}@users.htcondor.org" if account else "")
            assert running.log(mark).started == (["VOMAP", "SECOND"] if person is DECLINED else ["VOMAP"])
        token = DECLINED.token(running, jti="second")
        running.submit(token)
        assert running.jobs() == {"second": SECOND}
        whole = path.read_bytes()
        try:
            path.write_bytes(whole[:-100])
            mark = running.mark()
            assert running.ping(DECLINED.token(running)) == ""
            assert running.log(mark).started == ["VOMAP"]
        finally:
            path.write_bytes(whole)


def test_a_second_plugin_that_hangs_is_bounded(running: Pool) -> None:
    """HTCondor ends a plugin that takes too long, refuses its client, and serves others meanwhile."""
    with _rewired(running, "--then", "SECOND", settings=THEN_SLEEP), ThreadPoolExecutor(1) as aside:
        mark = running.mark()
        waiting = aside.submit(running.ping, DECLINED.token(running))
        wait_until(lambda: "SECOND" in running.log(mark).started)
        assert running.ping(CMS.token(running)) == "cms001@users.htcondor.org"
        assert not waiting.done()
        assert waiting.result(timeout=100) == ""
        wait_until(lambda: not any("sleep 600" in command for command in running.running()))
        assert _came_to(running, CMS)[0] == "cms001"


@pytest.mark.parametrize("way", WAYS)
def test_init_and_status_from_nothing(running: Pool, way: str) -> None:
    """`vomap init` wires a CE that has nothing but vomap itself, `vomap status` calls it green, and it maps."""
    vomap, *callouts = WAYS[way]
    chroot = running.chroot
    init = [vomap, "init", *callouts, "--audience", "ANY", "--serve", "LIGO", "--mapfile", "osg", "--yes"]
    status = [vomap, "status", *callouts, "--json"]
    try:
        running.stop()
        running.install()
        if way == "pip":
            packaged.remove(chroot)
            by_pip.install(chroot)
        chroot.run(init)
        packaged.verify(chroot)
        before = _files(chroot)
        again = chroot.run(init)
        assert _files(chroot) == before, again.stdout
        # Red would be exit 1. Of the accounts that osg.yaml names, those are missing whose VOs have never been here.
        missing = {line["what"]: line["told"] for line in _status(chroot, status) if line["colour"] != "green"}
        assert missing.keys() <= {"accounts"}
        running.add_accounts(re.findall(r"[\w.-]+", missing.get("accounts", "").partition(" (")[0].partition(":")[2]))
        assert {line["colour"] for line in _status(chroot, status)} == {"green"}
        running.start()
        ligo = PEOPLE["IGWN pilot, a SciToken"]
        assert _came_to(running, ligo) == ("ligo", "ligo@users.htcondor.org")
        assert _came_to(running, CMS) == ("declined", "")
        assert running.ping(CMS.token(running), "READ") == ""
    finally:
        running.stop()
        running.install()
        running.write_policy(HERE / "site")
        running.wire()
        running.start()


def _came_to(pool: Pool, person: Person) -> tuple[str, str]:
    """Return a client's result, and the user with WRITE."""
    mark = pool.mark()
    writes_as = pool.ping(person.token(pool))
    return pool.log(mark).became, writes_as


def _status(chroot: Chroot, words: list[str]) -> list[dict[str, str]]:
    """Return the lines of `vomap status`. Raises ChrootError if one is red."""
    lines: list[dict[str, str]] = json.loads(chroot.run(words).stdout)
    return lines


def _files(chroot: Chroot) -> dict[str, tuple[int, bytes]]:
    """Return the content and the time of every file that wires the CE."""
    folders = (chroot.path(folder) for folder in (MAPFILES, SETTINGS, "/etc/vomap", "/var/lib/vomap"))
    files = [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()
    ]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
