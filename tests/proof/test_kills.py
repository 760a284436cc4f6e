"""`kill -9` at any moment of build, ban and refresh: who reads meanwhile gets the old or the new, and nothing between.

`make proof` kills 500 times and prints what the kills met. VOMAP_SEED=N repeats the moments of a run.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proof.callout_site import BANS, ISSUER, compiled, executable
from proof.counts import count
from unit.web.server import WebServer, serving, without_variables
from vomap.store import BANS as BUILT_BANS
from vomap.store import POLICY as BUILT_POLICY
from vomap.store.writer import read_compiled

POLICY = """\
mapfile: 1
site: {audience: [ANY], accounts: {must-exist: no}}
issuers:
  %s: {vo: Nova}
rules:
  - {name: known, vo: Nova, subject: known, account: v%d}
"""
VO_FILE = """\
Credentials:
  TokenIssuers:
  - {URL: https://osg.example.org, DefaultUnixUser: osg%s}
"""
READERS = ("inside",) * 6 + ("vomap-htcondor", "vomap-arc map")
KINDS = ("build", "ban", "refresh")
# What is run after a kill: a ban that was only written is brought in force by a build; what refresh left in its cache
# goes when something else is fetched.
MENDING = {"build": ("build",), "ban": ("build", "ban"), "refresh": ("refresh", "refresh")}
TESTS = Path(__file__).parents[1]
PATIENCE = 60


def topology(name: str) -> bytes:
    """Return a tarball with one VO file."""
    packed, text = io.BytesIO(), (VO_FILE % name).encode()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("topology/virtual-organizations/OSG.yaml")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return packed.getvalue()


@dataclass
class Site:
    """A site whose policy, bans and refreshed mapfile change with each command."""

    folder: Path
    server: WebServer
    version: int = 0
    bans: int = 0
    topology: str = "x"
    mapfiles: dict[str, bytes] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Build and refresh once of each, so that there is something old."""
        for name in ("mapfiles.d", "bans.d", "state", "built"):
            (self.folder / name).mkdir(mode=0o755)
        self.policy, self.built_bans = self.folder / "built" / "policy", self.folder / "built" / "policy.bans"
        self.refreshed, self.kept = self.folder / "state" / "osg.yaml", self.folder / "bans.d" / "vomap-ban.yaml"
        (self.folder / "bans.d" / "10-first.yaml").write_text(BANS)
        self.write_policy()
        for _ in range(2):
            digest = self.digest_to_accept()
            self.digests[self.topology] = digest
            self.topology = "y" if self.topology == "x" else "x"
            self.run("refresh")
            self.mapfiles[self.topology] = self.refreshed.read_bytes()
        (self.folder / "mapfiles.d" / "50-osg.yaml").symlink_to(self.refreshed)
        self.run("build")
        self.run("ban")

    def command(self, kind: str) -> list[str]:
        """Prepare what changes next, and return the command line that changes it."""
        if kind == "build":
            self.version += 1
            self.write_policy()
            named = ["--mapfiles", "mapfiles.d", "--bans", "bans.d", "--output", self.policy]
            return [executable("vomap"), "build", *map(str, named)]
        if kind == "ban":
            self.bans += 1
            named = ["--bans", "bans.d", "--policy", self.policy, "--reason", "kills", "--subject", f"b{self.bans}"]
            return [executable("vomap"), "ban", "add", *map(str, named)]
        self.topology = "y" if self.topology == "x" else "x"
        self.server.put("/t.tar.gz", topology(self.topology), headers={"ETag": self.topology})
        named = ["--output", self.refreshed, "--cache", "cache", "--mapfiles", "mapfiles.d"]
        # A person has looked at both topologies, as each brings what would wait for one.
        accepted = (
            ["--accept", self.digests[self.topology]] if self.topology in self.digests else ["--dry-run", "--json"]
        )
        return [executable("vomap"), "refresh", "--source", f"{self.server.url}/t.tar.gz", *map(str, named), *accepted]

    def digest_to_accept(self) -> str:
        """Return the digest by which a person accepts what the next topology gives, after a look."""
        with self.start("refresh") as process:
            told, _ = process.communicate(timeout=PATIENCE)
        digest: str = json.loads(told[told.index(b"{") : told.rindex(b"}") + 1])["digest"]
        return digest

    def write_policy(self) -> None:
        """Write the site's own mapfile, of the version that is to be built next."""
        (self.folder / "mapfiles.d" / "10-site.yaml").write_text(POLICY % (ISSUER, self.version))

    def start(self, kind: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a command that changes something, in a process group of its own."""
        return subprocess.Popen(
            self.command(kind),
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, kind: str) -> float:
        """Run a command to its end, which is a good one, and return how long it took."""
        begun = time.monotonic()
        with self.start(kind) as process:
            told, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, (kind, told.decode())
        return time.monotonic() - begun

    def state(self) -> tuple[int, int, int, str]:
        """Return the version that is built, the bans that are built and those that are written, and the topology.

        Everything is looked at as a whole: each checksum and each digest holds, or this raises.
        """
        policy = read_compiled(str(self.policy), BUILT_POLICY).document
        accounts = [rule["account"] for rule in policy["rules"] if rule["name"] == "known"]
        bans = read_compiled(str(self.built_bans), BUILT_BANS).document["bans"]
        content = self.refreshed.read_bytes()
        (name,) = (name for name, text in self.mapfiles.items() if text == content)
        return int(accounts[0][1:]), len(bans), 1 + len(re.findall(r"\bb\d+\b", self.kept.read_text())), name

    def assert_old_or_new(self, kind: str, before: tuple[int, int, int, str]) -> str:
        """Only what the command changes has changed, as a whole or not at all; return which, in a word."""
        version, built, written, name = state = self.state()
        if kind == "build":
            # A ban that was written when a kill came is brought in force by the next build.
            assert version in (before[0], self.version), (before, state)
            assert built in (before[1], before[2]), (before, state)
            assert (written, name) == before[2:], (before, state)
        elif kind == "ban":
            assert (version, name) == (before[0], before[3]), (before, state)
            assert written in (before[2], before[2] + 1), (before, state)
            assert built in (before[1], written), (before, state)
            if built != written:
                return "half"
        else:
            assert state[:3] == before[:3], (before, state)
            assert name in (before[3], self.topology), (before, state)
        return "old" if state == before else "new"

    def left_behind(self) -> list[str]:
        """Return what lies about that is neither a source nor in force."""
        return [
            str(path.relative_to(self.folder))
            for name in ("built", "state", "bans.d", "cache")
            for path in (self.folder / name).iterdir()
            if path.name.startswith(".")
        ]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a site on which each command has run once."""
    without_variables(monkeypatch)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    with serving() as server:
        yield Site(tmp_path, server)


@contextmanager
def reading(site: Site) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Read all the time, in eight processes; in the end each of them must have seen nothing but old and new."""
    checksums = [hashlib.sha256(content).hexdigest() for content in site.mapfiles.values()]
    named = [str(path) for path in (site.policy, site.built_bans, site.refreshed)]
    path = {**os.environ, "PYTHONPATH": str(TESTS)}
    readers = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("reader.py")), how, *named, *checksums],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=path,
        )
        for how in READERS
    ]
    try:
        yield readers
        assert all(reader.poll() is None for reader in readers), "a reader has died"
        for how, reader in zip(READERS, readers):
            found = json.loads(reader.communicate(timeout=PATIENCE)[0])
            print(f"reader {how:<16} {found['answers']:>7} answers, {found['versions']:>4} policies")
            assert found["wrong"] == [], how
            assert found["answers"] > 0, how
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate()


def killed(process: subprocess.Popen[bytes], after: float) -> bool:
    """Kill a command and all that it started, after so many seconds; return whether it was not over by then."""
    with process:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
            return True
    return False


def assert_mended(site: Site, orders: Sequence[str]) -> None:
    """After whatever kills, the next run of each command works, brings all in force and leaves nothing behind."""
    for kind in orders:
        site.run(kind)
    version, built, written, name = site.state()
    assert (version, name) == (site.version, site.topology)
    assert built == written
    assert site.left_behind() == []


def test_kills_at_random_moments(site: Site) -> None:
    """Killed at random moments, the commands leave what was or what is to be, and all readers see just that."""
    seed = int(os.environ.get("VOMAP_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"\nVOMAP_SEED={seed}")
    chance, met, most = random.Random(seed), Counter[tuple[str, str]](), 0
    with reading(site):
        durations = {kind: max(site.run(kind) for _ in range(3)) for kind in KINDS}
        for _ in range(count(full=500, reduced=30)):
            kind, before = chance.choice(KINDS), site.state()
            process = site.start(kind)
            was_running = killed(process, chance.uniform(0, 1.2 * durations[kind]))
            met[kind, site.assert_old_or_new(kind, before) if was_running else "over"] += 1
            most = max(most, len(site.left_behind()))
        assert_mended(site, (*KINDS, "refresh"))
    print(f"durations under readers: { {kind: f'{seconds:.2f} s' for kind, seconds in durations.items()} }")
    for (kind, state), times in sorted(met.items()):
        print(f"{kind:<8} {state:<5} {times}")
    print(f"at most {most} files left behind by kills at any time; 0 in the end")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_at_each_step(site: Site, kind: str, tmp_path: Path) -> None:
    """Killed before each call that changes a file, and half way through each write, it leaves the old or the new.

    After each kill the same command is run again, and works.
    """
    shim = str(compiled(tmp_path, "die"))
    met: list[str] = []
    while True:
        before = site.state()
        with site.start(kind, LD_PRELOAD=shim, DIE_AT=str(len(met) + 1)) as process:
            told, _ = process.communicate(timeout=PATIENCE)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, told.decode()
        met.append(site.assert_old_or_new(kind, before))
        assert_mended(site, MENDING[kind])
    print(f"\n{kind}: {len(met)} steps: {' '.join(met)}")
    assert len(met) > 5
    assert {"old", "new"} <= set(met)


def test_replaced_while_read(site: Site) -> None:
    """Without any kill: files that are replaced as fast as can be are read as one or the other."""
    with reading(site):
        for _ in range(count(full=60, reduced=6)):
            for kind in KINDS:
                site.run(kind)
    assert site.left_behind() == []
