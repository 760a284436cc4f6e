"""A HTCondor pool that is set up as HTCondor-CE sets up its own, on the loopback of a chroot, and its clients.

HTCondor-CE itself is not packaged for Debian: htcondor-ce/ holds its settings, in its folders, for HTCondor's daemons.
Behind it is a batch system, as on a real site: a second pool in the same chroot, with one node.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import sqlite3
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e import packaged
from e2e.chroot import ChrootError, wait_until
from e2e.packaged import VOMAP

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator, Mapping

    from e2e.chroot import Chroot

HERE = Path(__file__).resolve().parent
PACKAGES = ("condor",)
CE_HOST = "ce01.example.org"
CALLOUT = f"{packaged.CALLOUTS}/vomap-htcondor"
SETTINGS, MAPFILES = "/etc/condor-ce/config.d", "/etc/condor-ce/mapfiles.d"
MAP_FILE = "05-vomap.conf"
ADDED = f"{SETTINGS}/97-added.conf"
OSG = "htcondor-osg"  # what an OSG site has besides: the lines that map come after those that ban
LOGS = "/var/log/condor-ce"
CLIENT = "client"  # the user of the clients, which FS can map to no grid account
_KEYS = "/root/issuer.key"
_RUN = "/run/condor-ce"
_MASTER = f"{_RUN}/master.pid"
_CACHE = f"{_RUN}/cache/scitokens/scitokens_cpp.sqllite"
_CONFIG = {"CONDOR_CONFIG": "/etc/condor-ce/condor_config"}
_BATCH = {"CONDOR_CONFIG": "/etc/condor/condor_config"}
_TEN_YEARS = 10 * 365 * 86400

# A line of `condor_ping -table`: the level, how it was authenticated, encryption, integrity, ALLOW, and as whom.
_ALLOWED = re.compile(r"^\s*(?:READ|WRITE)\s+SCITOKENS\s+\S+\s+\S+\s+ALLOW\s+(\S+)\s*$", re.MULTILINE)
_STARTED = re.compile(r"AUTHENTICATE: Spawned plugin (\S+), pid=")
_ENDED = re.compile(r"SciTokens plugin pid \d+ exited with status (\d+)")
_MAPPED = re.compile(r"AUTHENTICATE: Mapped identity from plugin \S+: (\S+)")
_OUTCOMES = {1: "declined", 2: "denied", 3: "error"}
_READ_AGAIN = "Re-reading config"
_JOB = "AuthTokenId,ClusterId,Iwd,JobStatus,Owner,ProcId,RoutedFromJobId"
_COMPLETED = 4  # the JobStatus of a job that has ended


@dataclass(frozen=True)
class Log:
    """The daemons' log since some moment."""

    text: str

    @property
    def started(self) -> list[str]:
        """The plugins that were started, by name."""
        return _STARTED.findall(self.text)

    @property
    def exits(self) -> list[int]:
        """The exit codes of the plugins that ended by themselves. HTCondor logs wait statuses."""
        return [int(status) >> 8 for status in _ENDED.findall(self.text) if not int(status) & 0x7F]

    @property
    def became(self) -> str:
        """The result for the one token: an account, an outcome of the last plugin, or `not asked`."""
        accounts = _MAPPED.findall(self.text)
        if accounts:
            return str(accounts[-1])
        return _OUTCOMES.get(self.exits[-1], "killed") if self.exits else "killed" if self.started else "not asked"


@dataclass(frozen=True)
class Job:
    """A job: its owner in the CE and in the batch system, and the account that it ran as. "" is not yet known."""

    owner: str
    batch_owner: str
    ran_as: str


class Pool:
    """The daemons in a chroot, from `prepare` on. `start` and `stop` as often as the wiring changes."""

    def __init__(self, chroot: Chroot) -> None:
        self.chroot = chroot

    def prepare(self, accounts: Iterable[str]) -> None:
        """Put HTCondor-CE's settings, vomap's packages, accounts, a host certificate and the issuers' key in place."""
        self.chroot.build(PACKAGES)
        # A name without an address costs each daemon a minute.
        self.chroot.write("/etc/hosts", f"127.0.0.1 {CE_HOST} localhost {socket.gethostname()}\n")
        self.install()
        self.add_accounts({*accounts, CLIENT})
        self.chroot.path("/etc/grid-security").mkdir(exist_ok=True)
        self.chroot.run(["sh", "-ec", _MAKE_KEYS])

    def install(self) -> None:
        """Install HTCondor-CE's settings and then vomap's packages, as if for the first time."""
        self.install_ce()
        self.install_vomap()

    def install_ce(self, *more: str) -> None:
        """Put HTCondor-CE's settings in place as if just installed, and folders of more files. Remove vomap."""
        packaged.remove(self.chroot)
        for folder in ("/etc/condor-ce", "/usr/share/condor-ce"):
            shutil.rmtree(self.chroot.path(folder), ignore_errors=True)
        for files in ("htcondor-ce", *more):
            shutil.copytree(HERE / files, self.chroot.root, dirs_exist_ok=True)

    def install_vomap(self) -> None:
        """Install vomap's packages beside the CE that is there."""
        packaged.install(self.chroot, "vomap-htcondor-ce")

    def add_accounts(self, names: Iterable[str]) -> None:
        """Make those local accounts that are not there."""
        known = {line.partition(":")[0] for line in self.chroot.path("/etc/passwd").read_text().splitlines()}
        for name in sorted({*names} - known):
            self.chroot.run(["useradd", "--badname", "--create-home", name])

    def write_policy(self, site: Path) -> None:
        """Put the site's mapfile and bans in place, link the mapfile of OSG that came with its package, and build."""
        shutil.copy(site / "10-site.yaml", self.chroot.path("/etc/vomap/mapfiles.d"))
        shutil.copy(site / "bans.yaml", self.chroot.path("/etc/vomap/bans.d"))
        link = self.chroot.path("/etc/vomap/mapfiles.d/50-osg.yaml")
        link.unlink(missing_ok=True)
        link.symlink_to(f"{packaged.MAPFILES}/osg.yaml")
        self.chroot.run([VOMAP, "build"])

    def wire(self, *more: str, settings: str = "") -> None:
        """Wire the CE as `vomap render htcondor` says beside the package's settings, and with others after them."""
        words = [VOMAP, "render", "htcondor", "--json", *more]
        for name, text in json.loads(self.chroot.run(words).stdout).items():
            folder = MAPFILES if name == MAP_FILE else SETTINGS
            self.chroot.write(f"{folder}/{name}", text)
        self.chroot.write(f"{SETTINGS}/95-test.conf", settings)

    def start(self) -> None:
        """Start the CE and its batch system with empty logs and empty queues, and wait until the CE serves."""
        self.chroot.mount()
        self.chroot.run(["sh", "-ec", _MAKE_FOLDERS])
        self.chroot.start(["condor_master", "-f"], env=_BATCH)
        self.chroot.start(["condor_master", "-f", "-pidfile", _MASTER], env=_CONFIG)
        try:
            wait_until(self._serves)
        except ChrootError as error:
            logs = "".join(path.read_text()[-2000:] for path in self.chroot.path(LOGS).glob("*Log"))
            self.stop()
            raise ChrootError(f"the pool does not start: {error}\n{logs}") from error

    def _serves(self) -> bool:
        return bool(self.as_root("condor_status", "-schedd", "-af", "Name").stdout.strip())

    def stop(self) -> None:
        """End everything."""
        self.chroot.umount()

    def reconfigure(self) -> None:
        """Have the CE's daemons read their settings again, and wait until schedd and collector have.

        This is a signal, which counts with any settings. `condor_reconfig` may be refused by those that are in force.
        """
        marks = {daemon: self.mark(daemon) for daemon in ("Sched", "Collector")}
        self.chroot.run(["sh", "-c", f"kill -HUP $(cat {_MASTER})"])
        wait_until(lambda: all(_READ_AGAIN in self.log(mark, daemon).text for daemon, mark in marks.items()))
        # HTCondor keeps how it authenticates the level that was asked for last, until another level is asked for.
        for kind in ("SCHEDD", "COLLECTOR"):
            self.as_root("condor_ping", "-type", kind, "-table", "READ", "WRITE")

    @contextmanager
    def added(self, settings: str) -> Iterator[None]:
        """Add one more file of settings to those of the running CE, and take it away in the end."""
        try:
            self.chroot.write(ADDED, settings)
            self.reconfigure()
            yield
        finally:
            self.chroot.path(ADDED).unlink(missing_ok=True)
            self.reconfigure()

    def status(self, *words: str, vomap: str = VOMAP) -> list[dict[str, str]]:
        """Return the lines of `vomap status`, run as the CE's administrator runs it. A red line raises nothing."""
        done = self.chroot.run([vomap, "status", *words, "--json"], check=False)
        lines: list[dict[str, str]] = json.loads(done.stdout)
        return lines

    def as_root(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a tool as the CE's administrator does, without a token."""
        return self.chroot.run(words, env=_CONFIG, check=False)

    def as_client(self, token: str, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a client with a token, and no other credential. `settings` are HTCondor's, for this client alone."""
        given = {"SEC_CLIENT_AUTHENTICATION_METHODS": "SCITOKENS", **settings}
        environment = {f"_CONDOR_{name}": value for name, value in given.items()}
        enter = ["setpriv", f"--reuid={CLIENT}", f"--regid={CLIENT}", "--clear-groups"]
        home = {"HOME": f"/home/{CLIENT}", "BEARER_TOKEN": token}
        return self.chroot.run([*enter, *words], env={**_CONFIG, **environment, **home}, check=False)

    def ping(self, token: str, level: str = "WRITE", daemon: str = "SCHEDD") -> str:
        """Ask a daemon, in a session of its own, for the user with whom the token has this level, "" if none."""
        words = ["condor_ping", "-type", daemon, "-table", level]
        return "".join(_ALLOWED.findall(self.as_client(token, *words).stdout))

    def submit(self, token: str) -> subprocess.CompletedProcess[str]:
        """Submit a job to the CE as a remote client does."""
        return self.as_client(token, "condor_submit", "-name", CE_HOST, "-spool", "/home/client/job.sub")

    def jobs(self) -> dict[str, str]:
        """Return the owners of the jobs in the queue, by the ids (`jti`) of the tokens that brought them."""
        return {job["AuthTokenId"]: job["Owner"] for job in self._queue(_CONFIG, "condor_q", "-allusers")}

    def routed(self) -> dict[str, Job]:
        """Return the jobs in the queue, and what the batch system knows of them, by the ids (`jti`) of their tokens."""
        batch = [*self._queue(_BATCH, "condor_q", "-allusers"), *self._queue(_BATCH, "condor_history")]
        owners = {job.get("RoutedFromJobId"): job["Owner"] for job in batch}
        return {
            job["AuthTokenId"]: Job(
                job["Owner"],
                owners.get(f"{job['ClusterId']}.{job['ProcId']}", ""),
                self._output(job["Iwd"]) if job["JobStatus"] == _COMPLETED else "",
            )
            for job in self._queue(_CONFIG, "condor_q", "-allusers")
        }

    def _queue(self, config: Mapping[str, str], *words: str) -> list[dict[str, Any]]:
        done = self.chroot.run([*words, "-json", "-attributes", _JOB], env=dict(config), check=False)
        jobs: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        return jobs

    def _output(self, folder: str) -> str:
        """Return the output of a job that has ended."""
        path = self.chroot.path(f"{folder}/out")
        return path.read_text().strip() if path.is_file() else ""

    def token(self, claims: Mapping[str, Any], padded: int = 0) -> str:
        """Sign claims, with the times and the id that every token has. Pad the token to a length if one is given."""
        now = int(time.time())
        whole = {"iat": now, "nbf": now, "exp": now + 3600, "jti": str(uuid.uuid4()), **claims}
        short = self._signed(whole)
        if len(short) >= padded:
            return short
        # Base64 makes four characters of three bytes. The claim's name and its marks take 14 bytes.
        return self._signed({**whole, "padding": "x" * ((padded - len(short)) * 3 // 4 - 14)})

    def _signed(self, claims: Mapping[str, Any]) -> str:
        text = ".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "test"}, claims))
        words = ["sh", "-ec", f"openssl dgst -sha256 -sign {_KEYS} | base64 -w0"]
        signature = self.chroot.run(words, stdin=text).stdout
        return f"{text}.{signature.rstrip('=').replace('+', '-').replace('/', '_')}"

    def trust(self, issuers: Iterable[str]) -> None:
        """Put the key into the daemons' cache for these issuers, so that they do not fetch it."""
        words = ["openssl", "rsa", "-in", _KEYS, "-noout", "-modulus"]
        modulus = bytes.fromhex(self.chroot.run(words).stdout.strip().partition("=")[2])
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "test", "n": _base64(modulus), "e": "AQAB"}
        until = int(time.time()) + _TEN_YEARS
        keys = json.dumps({"jwks": {"keys": [key]}, "next_update": until, "expires": until})
        self.chroot.path(_CACHE).parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.chroot.path(_CACHE))
        with database:
            columns = "(issuer text UNIQUE PRIMARY KEY NOT NULL, keys text NOT NULL)"
            database.execute(f"CREATE TABLE IF NOT EXISTS keycache {columns}")
            database.executemany("REPLACE INTO keycache VALUES (?, ?)", [(issuer, keys) for issuer in issuers])
        database.close()
        self.chroot.run(["chown", "-R", "condor:condor", str(Path(_CACHE).parents[1])])

    def mark(self, daemon: str = "Sched") -> int:
        """Return how much a daemon has logged by now, to give to `log`."""
        return self.chroot.path(f"{LOGS}/{daemon}Log").stat().st_size

    def log(self, mark: int = 0, daemon: str = "Sched") -> Log:
        """Return what a daemon has logged since the mark."""
        with open(self.chroot.path(f"{LOGS}/{daemon}Log"), "rb") as log:
            log.seek(mark)
            return Log(log.read().decode("utf-8", "backslashreplace"))

    def running(self) -> list[str]:
        """Return the command lines of all that runs in the chroot."""
        told = self.chroot.run(["sh", "-c", "cd /proc && cat [0-9]*/cmdline | tr '\\0' ' '; true"])
        return told.stdout.split("  ")


_MAKE_KEYS = f"""
test -s {_KEYS} || openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {_KEYS}
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN={CE_HOST} -addext subjectAltName=DNS:{CE_HOST} \\
    -keyout /etc/grid-security/hostkey.pem -out /etc/grid-security/hostcert.pem 2>&1
printf '%s\\n' 'executable = /usr/bin/id' 'arguments = -un' 'output = out' 'transfer_executable = false' queue \\
    > /home/{CLIENT}/job.sub
"""
# The keys that the daemons trust stay, where HTCondor-CE keeps them.
_MAKE_FOLDERS = f"""
rm -rf {LOGS} /var/lib/condor-ce /run/lock/condor-ce /run/nscd
rm -rf /var/log/condor /var/lib/condor/execute /var/spool/condor /run/condor /run/lock/condor
install -d {_RUN}
find {_RUN} -mindepth 1 -maxdepth 1 -not -name cache -exec rm -rf {{}} +
for folder in {LOGS} /var/lib/condor-ce/spool /var/lib/condor-ce/execute {_RUN} /run/lock/condor-ce \\
    /var/log/condor /var/spool/condor /var/lib/condor/execute /run/condor /run/lock/condor
do install -d -o condor -g condor "$folder"; done
"""


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
