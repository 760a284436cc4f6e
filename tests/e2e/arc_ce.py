"""A real ARC CE in a chroot: A-REX and its REST interface, with a test CA, and every issuer of tokens, on loopback.

The site's arc.conf is here. `vomap render arc` writes its wiring to vomap, into ARC 7's folder of fragments.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from e2e import packaged
from e2e.chroot import Chroot, ChrootError
from e2e.packaged import VOMAP

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent
PACKAGES = ("nordugrid-arc-arex", "nordugrid-arc-plugins-needed")
USER = "vomap"
CALLOUT = f"{packaged.CALLOUTS}/vomap-arc"
POLICY, BANS = "/var/lib/vomap/policy", "/var/lib/vomap/bans"
FRAGMENTS = "/etc/arc.conf.d"
FRAGMENT, LAST_FRAGMENT = f"{FRAGMENTS}/50-vomap.conf", f"{FRAGMENTS}/99-vomap.conf"
POOL, ENTRIES = "/srv/empty-pool", "/srv/no-entries"
QUEUES = ("fork", "cms", "nova")

_HOST = "ce.example"
_STATE, _INSIDE = "/root/e2e", "/root/e2e/arc_inside.py"
_CONTROL, _SESSIONS = "/var/spool/arc/jobstatus", "/var/spool/arc/sessiondir"
# Any user that A-REX runs as can write here.
_PIDS = "/run/arc-e2e"
_LOG, _JOB_LOG = "/var/log/arc/ws-interface.log", "/var/log/arc/arex-jobs.log"
_JOB = '&(executable="/usr/bin/id")(arguments="-un")(stdout="who")(outputfiles=("who" ""))(queue="{queue}")'
# ARC closes all possible descriptors, one by one, before it starts a plugin.
_DESCRIPTORS = 4096
_PATIENCE = 180.0

# The callout, and before it a program that records the IDs of the policy's reader: users, groups, supplementary groups.
WATCHED, SEEN = "/usr/local/sbin/watched-vomap-arc", "/var/log/watched"
_WATCHED = f"""\
#!/usr/bin/python3 -IS
import os, runpy, sys
seen = os.open({SEEN!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
def watch(event, arguments):
    if event == "open" and arguments[0] == {POLICY!r}:
        os.write(seen, f"{{os.getresuid()}} {{os.getresgid()}} {{os.getgroups()}}\\n".encode())
sys.addaudithook(watch)
runpy.run_path({CALLOUT!r}, run_name="__main__")
"""

# A-REX's own log level is [arex]'s, whatever [arex/ws] says. DEBUG logs the end of every child.
_CONF = f"""\
[common]
hostname={_HOST}
x509_host_cert=/etc/grid-security/hostcert.pem
x509_host_key=/etc/grid-security/hostkey.pem

[lrms]
lrms=fork

[arex]
loglevel=DEBUG
user={{user}}
pidfile={_PIDS}/arched-arex.pid

[arex/ws]
wsurl=https://{_HOST}:4443/arex
pidfile={_PIDS}/arched-arex-ws.pid

[arex/ws/jobs]

[infosys]

[infosys/glue2]

[infosys/cluster]
"""
_KEYS = f"""
umask 077
mkdir -p {_STATE} {_CONTROL} /etc/grid-security/certificates
cd {_STATE}
rm -f /etc/grid-security/certificates/* {FRAGMENTS}/*
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
by="-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE"
openssl req -x509 $new -keyout ca.key -out ca.pem -subj '/DC=example/CN=Test CA' -addext keyUsage=critical,keyCertSign
name="-subj /DC=example/CN={_HOST} -addext subjectAltName=DNS:{_HOST}"
openssl req -x509 $new $by -keyout host.key -out host.pem $name
# A-REX refuses a client's key on another curve than its own.
rsa="-newkey rsa:2048 -nodes -days 30"
openssl req -x509 $rsa $by -keyout user.key -out user.pem -subj '/DC=example/CN=Some User'
install -m 644 ca.pem /etc/grid-security/certificates/$(openssl x509 -in ca.pem -noout -hash).0
install -m 644 host.pem /etc/grid-security/hostcert.pem
install -m 600 host.key /etc/grid-security/hostkey.pem
# Without these, ARC makes parameters of its own at its first start, for minutes.
touch {_CONTROL}/version2
openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out {_CONTROL}/dhparam.pem
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out token.key
python3 -c '
import json, jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
key = load_pem_private_key(open("token.key", "rb").read(), None).public_key()
key = {{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key)), "kid": "e2e", "use": "sig", "alg": "RS256"}}
print(json.dumps({{"keys": [key]}}))' > keys.json
"""


@dataclass(frozen=True)
class Client:
    """A client that asks for a job: a token's claims, a certificate, both or neither, and the queue of the job."""

    token: Mapping[str, Any] | None
    certificate: bool = False
    padded: int = 0
    queue: str = QUEUES[0]

    def request(self) -> dict[str, Any]:
        """Return the request as the client inside the chroot reads it."""
        job = _JOB.format(queue=self.queue)
        return {"token": self.token, "certificate": self.certificate, "padded": self.padded, "job": job}


@dataclass(frozen=True)
class Answer:
    """The CE's result for a request: its status, its text about the job, and the job's account if it took the job."""

    status: int
    reason: str
    job: str = ""
    account: str = ""


class ArcCE:
    """One ARC CE. It runs from `open` to `close`. `wire` starts its REST interface, again if the wiring is another."""

    def __init__(self, folder: Path) -> None:
        self.chroot = Chroot(folder)
        self._wiring: dict[str, str] = {}
        self._user = "root"
        self._issuers: subprocess.Popen[bytes] | None = None

    def open(self, issuers: Sequence[str], accounts: Sequence[str]) -> None:
        """Make the chroot with vomap's packages, accounts, keys and issuers, without files of an earlier run."""
        self.chroot.build(PACKAGES)
        self.install_vomap()
        hosts = sorted({_HOST, *(urlsplit(issuer).hostname or "" for issuer in issuers)})
        self.chroot.write("/etc/hosts", "".join(f"127.0.0.1 {name}\n" for name in ("localhost", *hosts)))
        self.chroot.mount()
        self.chroot.run(["sh", "-c", f"rm -rf /var/spool/arc/* /var/log/arc/* {_PIDS} {SEEN}"])
        self.chroot.run(["sh", "-ec", _KEYS])
        self.chroot.run(
            ["sh", "-ec", f"mkdir -p {POOL}; : > {POOL}/pool; : > {ENTRIES}; mkdir {_PIDS}; chmod 777 {_PIDS}"]
        )
        self.add_accounts(accounts)
        self.chroot.write(WATCHED, _WATCHED, 0o755)
        self.chroot.write(_INSIDE, (HERE / "arc_inside.py").read_bytes())
        self._issuers = self.chroot.start(["python3", _INSIDE, "issuers"])
        self._wait_for_port(443)

    def close(self) -> None:
        """End the CE and whatever it has started."""
        self.chroot.umount()
        if self._issuers:
            self._issuers.wait()

    def add_accounts(self, accounts: Sequence[str]) -> None:
        """Add accounts for jobs, first.last among them."""
        for account in sorted({*accounts} - self._accounts().keys()):
            self.chroot.run(["useradd", "--create-home", "--badname", account])

    # ---- vomap

    def install_vomap(self) -> None:
        """Install vomap's packages into a CE that is not wired to them."""
        for fragment in (FRAGMENT, LAST_FRAGMENT):
            self.chroot.path(fragment).unlink(missing_ok=True)
        self._wiring = {}
        packaged.install(self.chroot, "vomap-arc")

    def install_policy(self, site: Path, shipped: Sequence[str]) -> None:
        """Put a site's policy and bans where they belong, link mapfiles that ship beside them, and build."""
        self.chroot.write("/etc/vomap/mapfiles.d/10-site.yaml", (site / "10-site.yaml").read_bytes())
        self.chroot.write("/etc/vomap/bans.d/bans.yaml", (site / "bans.yaml").read_bytes())
        for name in shipped:
            link = self.chroot.path(f"/etc/vomap/mapfiles.d/50-{name}.yaml")
            link.symlink_to(f"{packaged.MAPFILES}/{name}.yaml")
        self.build_policy()

    def build_policy(self) -> None:
        """Build the policy and the bans in place."""
        self.chroot.run([VOMAP, "build"])

    def rendered(self, *options: str, callout: str = CALLOUT) -> str:
        """Return the fragment of arc.conf that vomap writes. The last one, with `--more-rules`, is `last_rendered`."""
        return self._rendered(FRAGMENT, callout, options)

    def last_rendered(self) -> str:
        """Return the fragment that comes after the rules of the site."""
        return self._rendered(LAST_FRAGMENT, CALLOUT, ["--more-rules"])

    def _rendered(self, fragment: str, callout: str, options: Sequence[str]) -> str:
        words = [VOMAP, "render", "arc", "--callout", callout, "--json", *options]
        return str(json.loads(self.chroot.run(words).stdout)[Path(fragment).name])

    # ---- A-REX

    def wire(
        self, fragment: str, *, queues: Mapping[str, str] | None = None, own: str = "", more: str = "", last: str = ""
    ) -> None:
        """Run the REST interface with this wiring.

        `queues` has the users of queues. `own` is the end of arc.conf, `more` comes after the wiring, and `last` is
        vomap's own last fragment.
        """
        blocks = "".join(f"\n[queue:{queue}]\n{(queues or {}).get(queue, '')}\n" for queue in QUEUES)
        files = {
            "/etc/arc.conf": _CONF.format(user=self._user) + blocks + own,
            FRAGMENT: fragment,
            f"{FRAGMENTS}/60-site.conf": more,
            LAST_FRAGMENT: last,
        }
        if files != self._wiring:
            self._stop("arched-arex-ws")
            for path, content in files.items():
                self.chroot.path(path).unlink(missing_ok=True)
                if content:
                    self.chroot.write(path, content)
            self._start("arc-arex-ws-start")
            self._wait_for_port(4443)
            self._wiring = files

    @contextmanager
    def running_as(self, user: str) -> Iterator[None]:
        """Run the REST interface as another user, from the next `wire` on."""
        self._give_to(user)
        try:
            yield
        finally:
            self._give_to("root")

    def _give_to(self, user: str) -> None:
        self._stop("arched-arex-ws")
        self._user, self._wiring = user, {}
        all_of_them = f"{_CONTROL} /var/log/arc /etc/grid-security/hostcert.pem /etc/grid-security/hostkey.pem"
        self.chroot.run(["sh", "-c", f"chown -R {user} {all_of_them}; chown {user} /var/spool/arc {_SESSIONS}"])

    @contextmanager
    def running_jobs(self) -> Iterator[None]:
        """Run the jobs that the REST interface has taken. Without this they wait."""
        self._start("arc-arex-start")
        try:
            yield
        finally:
            self._stop("arched-arex")

    def ask(self, clients: Sequence[Client], *, at_a_time: int = 1) -> list[Answer]:
        """Submit a job for each client, on a connection of its own, and return the answers in the clients' order."""
        asked = json.dumps({"at_a_time": at_a_time, "requests": [client.request() for client in clients]})
        done = self.chroot.run(["python3", _INSIDE, "ask"], stdin=asked, seconds=900)
        return [self._answer(reply) for reply in json.loads(done.stdout)]

    def _answer(self, reply: dict[str, Any]) -> Answer:
        if reply["status"] != 201:
            return Answer(reply["status"], reply["reason"])
        (job,) = json.loads(reply["body"])["job"]
        if job["status-code"] != "201":
            return Answer(int(job["status-code"]), job["reason"])
        return Answer(201, job["reason"], job["id"], self.owner(f"{_SESSIONS}/{job['id']}"))

    def owner(self, inside: str) -> str:
        """Return the account that a file or folder of the chroot belongs to."""
        number = self.chroot.path(inside).stat().st_uid
        return next(name for name, (own, _) in self._accounts().items() if own == number)

    def numbers_of(self, account: str) -> tuple[int, int]:
        """Return an account's uid and gid in the chroot."""
        return self._accounts()[account]

    def _accounts(self) -> dict[str, tuple[int, int]]:
        entries = [line.split(":") for line in self.chroot.path("/etc/passwd").read_text().splitlines()]
        return {name: (int(user), int(group)) for name, _, user, group, *_ in entries}

    def output_of(self, job: str) -> str:
        """Return what a job printed, once it has ended."""
        output = self.chroot.path(f"{_SESSIONS}/{job}/who")
        self._eventually(lambda: self._has_ended(job), f"the end of job {job}")
        return output.read_text().strip()

    def job_log(self) -> str:
        """Return A-REX's record of jobs, which begins with the first one."""
        log = self.chroot.path(_JOB_LOG)
        return log.read_text() if log.exists() else ""

    def _has_ended(self, job: str) -> bool:
        return any(f"Finished - job id: {job}," in line for line in self.job_log().splitlines())

    # ---- the log

    def mark(self) -> int:
        """Return where the REST interface's log ends now."""
        return self.chroot.path(_LOG).stat().st_size

    def log_since(self, mark: int) -> str:
        """Return what the REST interface has logged since a mark."""
        with open(self.chroot.path(_LOG), "rb") as log:
            log.seek(mark)
            return log.read().decode("utf-8", "backslashreplace")

    def said_since(self, mark: int) -> list[str]:
        """Return what plugins have said since a mark, as far as A-REX logs it: it hides it of those that mapped."""
        return re.findall(r"\[ERROR\] \S+ Plugin \S+ error: (.+)", self.log_since(mark))

    def starts_since(self, mark: int, *, expected: int) -> int:
        """Return the number of plugins that A-REX has started since a mark.

        A-REX logs the end of each, so this waits for the ends.
        """

        def ended() -> int:
            return len(re.findall(r"\[Arc\.Run\] \[DEBUG\] .* Child monitoring child \d+ exited", self.log_since(mark)))

        self._eventually(lambda: ended() >= expected, f"the end of {expected} plugins")
        time.sleep(1)  # one too many would be logged by now
        return ended()

    # ---- processes

    def _start(self, script: str) -> None:
        words = f"ulimit -n {_DESCRIPTORS}; exec /usr/share/arc/{script} > /var/log/arc/{script}.log 2>&1"
        self.chroot.path("/var/log/arc").mkdir(exist_ok=True)
        self.chroot.run(["bash", "-c", words])

    def _stop(self, name: str) -> None:
        """End a daemon of A-REX and wait until it is gone, in the chroot, where this can end no other daemon."""
        pid_file = f"{_PIDS}/{name}.pid"
        if self.chroot.path(pid_file).exists():
            words = (
                f"read pid < {pid_file}; kill $pid; while [ -e /proc/$pid/exe ]; do sleep 0.1; done; rm -f {pid_file}"
            )
            self.chroot.run(["sh", "-c", words])

    def _wait_for_port(self, port: int) -> None:
        words = ["python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}))"]
        self._eventually(lambda: self.chroot.run(words, check=False).returncode == 0, f"port {port}")

    def _eventually(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not done():
            if time.monotonic() > end:
                raise ChrootError(f"{what} did not come in {_PATIENCE:g} s; A-REX says:\n{self._last_words()}")
            time.sleep(0.1)

    def _last_words(self) -> str:
        logs = sorted(self.chroot.path("/var/log/arc").glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-2000:]}" for log in logs)
