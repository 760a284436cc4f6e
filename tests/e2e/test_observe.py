"""`vomap-htcondor --observe` on a real HTCondor pool, before another plugin: who decides, and the log of vomap.

The other plugin maps by a table of subjects, as a site's old one does. It and vomap differ in all possible ways.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from docs.console import DOCS, commands
from e2e.chroot import FOLDER, Chroot, require_debian_root, wait_until
from e2e.htcondor_pool import CALLOUT, CE_HOST, MAPFILES, SETTINGS, Pool
from e2e.packaged import VOMAP
from e2e.silent_nscd import SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docs.console import Command

HERE = Path(__file__).resolve().parent
TOKENS = {entry["name"]: entry for entry in yaml.safe_load((HERE / "tokens.yaml").read_text("utf-8"))}
DECISIONS = "/var/log/vomap/decisions.log"
OBSERVE_FILE = f"{SETTINGS}/60-vomap-observe.conf"
POLICY_SETTINGS = f"{SETTINGS}/55-vomap-policy.conf"
OBSERVE = f"SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = {CALLOUT} --observe\n"
OTHER, OTHER_TABLE = "/usr/local/libexec/other-plugin", "/etc/other-plugin.json"
OTHER_PROGRAM = f"""#!/usr/bin/python3
import json, sys
accounts = json.load(open("{OTHER_TABLE}"))
subject = json.load(sys.stdin)["sub"]
if subject not in accounts:
    sys.exit(1)
print(accounts[subject])
"""
# The site's configuration before vomap: its other plugin, and HTCondor's settings for its tokens.
TODAY_MAPS = "SCITOKENS /.*/ PLUGIN:OTHER\n"
TODAY = f"""\
SEC_SCITOKENS_PLUGIN_OTHER_COMMAND = {OTHER}
SEC_SCITOKENS_PLUGIN_KEEP_COMMAND = /bin/echo kept
SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES = true
SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = *
"""
# A job that runs in the schedd itself and shows as whom: the file is its owner's.
RAN = "/var/tmp/ran"
JOB_FILE = "/var/tmp/ran.sub"
JOB = f"""\
universe = scheduler
executable = /usr/bin/touch
arguments = "{RAN}/$(name)"
transfer_executable = false
leave_in_queue = false
queue
"""
# The guide, whose commands for root are run here, and nowhere else: to observe, to compare, to switch.
GUIDE = DOCS / "howto" / "moving.md"
TEXT = GUIDE.read_text("utf-8")
AS_ROOT = [command for command in commands(GUIDE) if command.as_root]
TO_OBSERVE, TO_COMPARE, TO_SWITCH = AS_ROOT[:5], AS_ROOT[5:7], AS_ROOT[7:]
# HTCondor-CE's own tools are HTCondor's, led to its configuration.
CE_TOOL = """#!/bin/sh
CONDOR_CONFIG=/etc/condor-ce/condor_config exec condor_%s "$@"
"""


@dataclass(frozen=True)
class Bearer:
    """Who comes with tokens: what the other plugin makes of him (None: it declines), and what vomap would."""

    name: str
    others: str | None
    vomaps: str  # an account, or an outcome
    tokens: int = 1

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of his tokens."""
        claims: dict[str, Any] = TOKENS[self.name]["token"]
        return claims

    def ids(self, round_: str = "") -> list[str]:
        """The ids (`jti`) of his tokens."""
        return [f"{self.name.replace(' ', '-').replace(',', '')}{round_}-{number}" for number in range(self.tokens)]


BEARERS = (
    Bearer("CMS pilot, by subject", "cms001", "cms001", 2),
    Bearer("EGI pilot, new claim", "expilot", "expilot", 2),
    Bearer("IGWN pilot, a SciToken", "ligo", "ligo"),
    Bearer("Fermilab production, by scope path", "novapro", "novapro"),
    Bearer("ATLAS production, list of audiences", "oldatlas", "usatlas1", 2),
    Bearer("EGI member", "oldegi", "exuser"),
    Bearer("EGI, suspended by the VO", "oldegi", "denied"),
    Bearer("CMS, banned subject", "cms001", "denied"),
    Bearer("CMS person without a rule", "oldcms", "declined"),
    Bearer("Fermilab person, first.last", None, "first.last"),
    Bearer("Fermilab, root", None, "denied"),
)
MAPPED = [bearer for bearer in BEARERS if bearer.others is not None]
AGREEING = [bearer for bearer in BEARERS if bearer.others == bearer.vomaps]
DIFFERING = [bearer for bearer in MAPPED if bearer.others != bearer.vomaps]
CMS, ATLAS = BEARERS[0], BEARERS[4]
OWNERS = {jti: bearer.others for bearer in MAPPED for jti in bearer.ids()}


@dataclass(frozen=True)
class Came:
    """The state after all clients had come: the log's records, the table of owners, and the daemons' logs."""

    records: list[dict[str, Any]]
    table: str
    daemons: str
    started: int
    submitted: dict[str, bool]


@pytest.fixture(scope="module")
def observing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A running pool that the other plugin maps for, with vomap observing as docs/howto/moving.md says."""
    require_debian_root()
    pool = Pool(Chroot(FOLDER / "htcondor"))
    accounts = {bearer.others or "" for bearer in BEARERS} | {bearer.vomaps for bearer in BEARERS} | {"kept"}
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(HERE / "site", site, dirs_exist_ok=True)
    rules = site / "10-site.yaml"
    rules.write_text(rules.read_text("utf-8").replace("site:\n", f"site:\n  log: {{to: {DECISIONS}}}\n"), "utf-8")
    try:
        pool.prepare(accounts - {"", "declined", "denied"})
        chroot = pool.chroot
        chroot.run(["rm", "-rf", str(Path(DECISIONS).parent), RAN, "/root/wiring"])
        chroot.run(["install", "-d", "-m", "1777", RAN])
        chroot.write(JOB_FILE, JOB)
        chroot.write(OTHER, OTHER_PROGRAM, 0o755)
        chroot.write(OTHER_TABLE, json.dumps({bearer.claims["sub"]: bearer.others for bearer in MAPPED}))
        for tool in ("history", "reconfig"):
            chroot.write(f"/usr/local/bin/condor_ce_{tool}", CE_TOOL % tool, 0o755)
        chroot.write(f"{SETTINGS}/20-today.conf", TODAY)
        chroot.write(f"{MAPFILES}/10-scitokens.conf", TODAY_MAPS)
        pool.write_policy(site)
        pool.trust({bearer.claims["iss"] for bearer in BEARERS})
        pool.start()
        assert pool.ping(_token(pool, CMS)) == f"{CMS.others}@users.htcondor.org"
        assert pool.log().started == ["OTHER"]
        chroot.write(OBSERVE_FILE, OBSERVE)
        _do(pool, TO_OBSERVE)
        wait_until(lambda: "observed: mapped to cms001" in _pinged(pool))
        chroot.path(DECISIONS).unlink()
        yield pool
    finally:
        pool.stop()


@pytest.fixture(scope="module")
def came(observing: Pool) -> Came:
    """The state after all users had submitted their jobs, and one user of this machine one without a token."""
    marks = {daemon: observing.mark(daemon) for daemon in ("Sched", "Collector")}
    submitted = {jti: _submit(observing, bearer, jti) for bearer in BEARERS for jti in bearer.ids()}
    local = ["setpriv", "--reuid=kept", "--regid=kept", "--clear-groups", "condor_submit", "-append", "name=local"]
    assert observing.as_root(*local, JOB_FILE).returncode == 0
    _all_ended(observing)
    daemons = [observing.log(mark, daemon) for daemon, mark in marks.items()]
    return Came(
        _records(observing),
        _table(observing),
        "".join(log.text for log in daemons),
        sum(log.started.count("VOMAP") for log in daemons),
        submitted,
    )


def test_the_guide_is_what_is_done() -> None:
    """The commands of the guide are those that are run here, each in its place, and its settings are these."""
    assert TO_OBSERVE[0].text.startswith("install ")
    assert [command.text.split()[0] for command in TO_COMPARE] == ["condor_ce_history", "vomap"]
    assert [command.text.split()[0] for command in TO_SWITCH] == ["rm", "cp", "condor_ce_reconfig"]
    assert f"`{OBSERVE_FILE}`:\n\n```text\n{OBSERVE}```" in TEXT


def test_a_dozen_come() -> None:
    """A dozen tokens of many identities, in every way that two plugins can agree and differ."""
    assert sum(bearer.tokens for bearer in BEARERS) >= 12
    assert len({(bearer.claims["iss"], bearer.claims["sub"]) for bearer in BEARERS}) >= 8
    assert {(bearer.others is None, bearer.vomaps in ("denied", "declined")) for bearer in BEARERS} == {
        *((False, False), (False, True), (True, False), (True, True))
    }


def test_every_job_runs_as_whom_the_other_plugin_says(observing: Pool, came: Came) -> None:
    """Each job is owned by, and was run as, the other plugin's account. A client that it declines is refused."""
    ran = {path.name: path.stat().st_uid for path in observing.chroot.path(RAN).iterdir()}
    uids = _uids(observing)
    assert ran == {"local": uids["kept"], **{jti: uids[account or ""] for jti, account in OWNERS.items()}}
    assert came.submitted == {jti: bearer.others is not None for bearer in BEARERS for jti in bearer.ids()}
    rows = [line.split("\t") for line in came.table.splitlines()]
    assert len(rows) == 1 + len(OWNERS)
    assert dict(rows) == {"undefined": "kept", **OWNERS}


def test_vomap_says_nothing_to_htcondor(came: Came) -> None:
    """HTCondor takes no name of vomap's, and hears nothing but `ask the next plugin`."""
    assert "Mapped identity from plugin VOMAP" not in came.daemons
    assert came.daemons.count("Plugin VOMAP did not match") == came.started >= len(OWNERS)
    assert came.daemons.count("vomap-htcondor: observed: ") == came.started


def test_every_decision_is_in_the_log(came: Came) -> None:
    """One record for each time that HTCondor asked, marked, with the token's id and what vomap would have answered."""
    assert len(came.records) == came.started
    assert all(record["observed"] is True for record in came.records)
    wanted = {jti: bearer.vomaps for bearer in BEARERS for jti in bearer.ids()}
    assert {record["jti"]: record["account"] or record["outcome"] for record in came.records} == wanted
    assert all(record["claims"]["scope"] for record in came.records)


def test_replay_names_the_differences(observing: Pool, came: Came) -> None:
    """`replay` reports each token for which vomap would answer otherwise, with both answers, and no other.

    The exit code is 1.
    """
    shown = _do(observing, TO_COMPARE, code=1)
    replay = [VOMAP, "replay", DECISIONS, "--against", "/root/owners", "--json"]
    told = json.loads(observing.chroot.run(replay, check=False).stdout)
    found: Counter[tuple[str, str, str]] = Counter()
    for change in told["changes"]:
        after = change["after"]["account"] or change["after"]["outcome"]
        found[change["first"]["subject"], change["before"]["account"], after] += change["count"]
    asked = Counter(record["jti"] for record in came.records)
    wanted: Counter[tuple[str, str, str]] = Counter()
    for bearer in DIFFERING:
        wanted[bearer.claims["sub"], bearer.others or "", bearer.vomaps] += sum(asked[jti] for jti in bearer.ids())
        answer = bearer.vomaps if bearer.vomaps in ("denied", "declined") else f"mapped to {bearer.vomaps}"
        assert f": mapped to {bearer.others} (by another plugin) -> {answer} (" in shown
        assert f" {bearer.claims['iss']} {bearer.claims['sub']}\n" in shown
    assert found == wanted
    assert "denied (ban: leaked key (T-123))" in shown
    assert told["same"] == sum(asked[jti] for bearer in AGREEING for jti in bearer.ids())
    unseen = sum(asked[jti] for bearer in BEARERS if bearer.others is None for jti in bearer.ids())
    assert told["left-out"] == {"the file of the other plugin does not name its token": unseen}


def test_the_audit_log_has_the_same_owners(observing: Pool, came: Came) -> None:
    """The table that the guide's program makes of HTCondor's audit log is that of the history."""
    program = TEXT.partition("as `owners.awk`:\n\n```text\n")[2].partition("```")[0]
    observing.chroot.write("/root/owners.awk", program)
    words = "awk -f /root/owners.awk /var/log/condor-ce/AuditLog | sort -u"
    told = observing.chroot.run(["sh", "-c", words]).stdout
    assert told.splitlines() == sorted(line for line in came.table.splitlines() if not line.startswith("undefined"))


def test_status_tells_that_vomap_only_observes(observing: Pool, came: Came) -> None:
    """Nothing is red, and what is yellow says where the switch is, who maps, and what is not there yet."""
    done = observing.chroot.run([VOMAP, "status", "--json"])
    lines = {line["what"]: line for line in json.loads(done.stdout) if line["colour"] != "green"}
    lines.pop("accounts", None)
    assert lines.keys() == {POLICY_SETTINGS, "observing"}
    assert {line["colour"] for line in lines.values()} == {"yellow"}
    assert OBSERVE_FILE in lines["observing"]["told"]
    assert "OTHER" in lines["observing"]["told"]


def test_what_fails_refuses_nobody(observing: Pool, came: Came) -> None:
    """A damaged policy, no log, and a name service that hangs: the other plugin maps as before."""
    chroot = observing.chroot
    policy, log = chroot.path("/var/lib/vomap/policy"), chroot.path(DECISIONS)
    whole = policy.read_bytes()
    try:
        policy.write_bytes(whole[: len(whole) // 2])
        assert "observed: error: " in _pinged(observing)
        policy.unlink()
        assert "observed: error: " in _pinged(observing)
    finally:
        policy.write_bytes(whole)
    with _moved(log):
        log.mkdir()
        assert "not logged: " in _pinged(observing)
        log.rmdir()
    chroot.write("/root/silent_nscd.py", (HERE / "silent_nscd.py").read_bytes())
    silent = chroot.start(["python3", "/root/silent_nscd.py"])
    wait_until(chroot.path(SOCKET).exists)
    try:
        assert "error: no answer after 4 s" in _pinged(observing)
    finally:
        chroot.run(["rm", "-rf", str(Path(SOCKET).parent)])
        silent.kill()
    assert "observed: mapped to cms001 for CMS" in _pinged(observing)


def test_no_differences(observing: Pool, came: Came) -> None:
    """For a log in which both agree, `replay` reports no change, and the exit code is 0."""
    with _moved(observing.chroot.path(DECISIONS)):
        assert all(_submit(observing, bearer, jti) for bearer in AGREEING for jti in bearer.ids(" again"))
        _all_ended(observing)
        _do(observing, TO_COMPARE)
        words = [VOMAP, "replay", DECISIONS, "--against", "/root/owners", "--json"]
        told = json.loads(observing.chroot.run(words).stdout)
        assert told["changes"] == []
        assert told["left-out"] == {}
        assert told["same"] == len(_records(observing)) >= len(AGREEING)


def test_a_line_of_a_map_file_that_stays(observing: Pool, came: Came) -> None:
    """Where a line of a map file maps today, and no plugin, the line has vomap asked, and then what prints its name."""
    issuer = CMS.claims["iss"].replace("/", r"\/").replace(".", r"\.")
    file = f"{MAPFILES}/04-observed.conf"
    observing.chroot.write(file, f"SCITOKENS /^{issuer},/ PLUGIN:VOMAP,KEEP\n")
    observing.as_root("condor_reconfig", "-all")
    try:
        assert "observed: mapped to cms001" in _pinged(observing, account="kept")
        assert observing.chroot.run([VOMAP, "status"]).returncode == 0
    finally:
        observing.chroot.path(file).unlink()
        observing.as_root("condor_reconfig", "-all")


def test_the_switch(observing: Pool, came: Came) -> None:
    """Without the setting, and with those of the policy, vomap answers.

    The other plugin gets only the declined clients.
    """
    _do(observing, TO_SWITCH)
    wait_until(lambda: observing.ping(_token(observing, ATLAS)) == "usatlas1@users.htcondor.org")
    for bearer in BEARERS:
        account = {"denied": "", "declined": bearer.others}.get(bearer.vomaps, bearer.vomaps)
        assert observing.ping(_token(observing, bearer)) == (f"{account}@users.htcondor.org" if account else "")
    assert "observed" not in _records(observing)[-1]


def _do(pool: Pool, todo: Sequence[Command], code: int = 0) -> str:
    """Follow the guide, as root. Return the output of the last command, which ends with this exit code."""
    for number, command in enumerate(todo, start=1):
        done = pool.chroot.run(["sh", "-c", f"cd /root && {command.text}"], check=False)
        assert done.returncode == (code if number == len(todo) else 0), (command, done)
    return done.stdout


def _token(pool: Pool, bearer: Bearer, jti: str = "ping") -> str:
    return pool.token({**bearer.claims, "jti": jti})


def _submit(pool: Pool, bearer: Bearer, jti: str) -> bool:
    """Submit a job with a new token. Return True if the CE took it."""
    words = ["condor_submit", "-name", CE_HOST, "-spool", "-append", f"name={jti}", JOB_FILE]
    return pool.as_client(_token(pool, bearer, jti), *words).returncode == 0


def _pinged(pool: Pool, account: str = "cms001") -> str:
    """Return what the schedd logs when CMS's pilot comes, who becomes just this account."""
    mark = pool.mark()
    assert pool.ping(_token(pool, CMS)) == f"{account}@users.htcondor.org"
    return pool.log(mark).text


def _table(pool: Pool) -> str:
    return pool.as_root("condor_history", "-af:t", "AuthTokenId", "Owner").stdout


def _records(pool: Pool) -> list[dict[str, Any]]:
    return [json.loads(line) for line in pool.chroot.path(DECISIONS).read_text("utf-8").splitlines()]


def _uids(pool: Pool) -> dict[str, int]:
    lines = pool.chroot.path("/etc/passwd").read_text().splitlines()
    return {line.split(":")[0]: int(line.split(":")[2]) for line in lines}


def _all_ended(pool: Pool) -> None:
    wait_until(lambda: not pool.as_root("condor_q", "-allusers", "-af", "Owner").stdout.strip())


@contextmanager
def _moved(file: Path) -> Iterator[None]:
    """Rotate a log away, and bring it back in the end."""
    aside = file.with_suffix(".1")
    file.rename(aside)
    try:
        yield
    finally:
        aside.replace(file)
