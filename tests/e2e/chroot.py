"""A Debian trixie chroot for one CE: made once, kept in a folder, with mounts, processes and network of its own.

Nothing that is started in it can outlive it or be reached from outside, and the machine never sees a mount of it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("VOMAP_E2E") or CHECKOUT / "build" / "e2e")
SUITE = "trixie"
# The Debian packages that vomap's packages and any CE's chroot need: a certificate maker, a way to raise the
# loopback. Without the packages, vomap is installed in a venv.
PACKAGES = (
    *("python3", "python3-yaml", "python3-jsonschema", "python3-jwt", "python3-requests", "python3-cryptography"),
    *("passwd", "systemd-standalone-sysusers", "ca-certificates", "openssl", "iproute2", "python3-venv"),
)
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
# The first process of a mounted chroot: it says what number the machine knows it by, reaps orphans, and waits.
_HOLDER = """read number rest < /proc/self/stat
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" || exit
echo "$number"
exec env --ignore-signal=CHLD sleep infinity"""
_ONCE = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
_CLAIMED: dict[Path, int] = {}
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


class ChrootError(Exception):
    """The machine cannot have a chroot, or a command in it failed."""


class Chroot:
    """One chroot in a folder of its own.

    `run` before `mount` has the machine's network, for apt-get. After it, there is only a loopback of this chroot, and
    `umount` ends all processes that were started since.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.root = self.folder / "root"
        self._holder: subprocess.Popen[str] | None = None
        self._target = ""
        self._started: list[subprocess.Popen[bytes]] = []

    def path(self, inside: str) -> Path:
        """Return where a path of the chroot lies for the machine."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file of the chroot, with its folders."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)

    def build(self, packages: Sequence[str]) -> None:
        """Make the chroot with these packages, unless the folder has exactly these. A half-made one never counts.

        From then on the folder belongs to this process, until it ends. Another run of the tests waits.
        """
        require_debian_root()
        _claim(self.folder)
        wanted = " ".join(("vomap-e2e-1", SUITE, *PACKAGES, *packages))
        if _state(self.folder) == wanted:
            return
        base = self.folder.parent / f"base-{SUITE}"
        with _locked(base):
            _make_base(base)
        _begin(self.folder)
        _checked(["cp", "-a", "--reflink=auto", base / "root", self.root])
        self.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.0.1 {socket.gethostname()}\n")
        self._install(packages)
        _finish(self.folder, wanted)

    def _install(self, packages: Sequence[str]) -> None:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        words = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *PACKAGES, *packages]
        for command in (["apt-get", "-q", "update"], words, ["apt-get", "clean"]):
            self.run(command, env=quiet, seconds=1800)

    def mount(self) -> None:
        """Give the chroot /proc, /dev, processes and a loopback of its own, until `umount`."""
        if self._holder:
            raise ChrootError("mounted already")
        # If this process dies, the holder is killed, and with it the kernel ends everything in there.
        words = ["setpriv", "--pdeathsig", "KILL", *_ALONE, "--net", "sh", "-c", _HOLDER, str(self.root)]
        self._holder = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout
        self._target = self._holder.stdout.readline().strip()
        if not self._target:
            self.umount()
            raise ChrootError("namespaces cannot be made here; unshare says why above")
        self.run(["ip", "link", "set", "lo", "up"])

    def umount(self) -> None:
        """End every process that was started since `mount`. The mounts and the loopback go with them."""
        if self._holder:
            self._holder.kill()
            self._holder.communicate()
        for process in self._started:
            process.wait()
        self._holder, self._target = None, ""
        self._started.clear()

    def words(self, command: Sequence[str | Path]) -> list[str]:
        """Return the words that run a command in the chroot, for callers that start a process themselves."""
        if self._target:
            enter = ["nsenter", f"--target={self._target}", "--mount", "--pid", "--net", "chroot", str(self.root)]
        else:
            enter = [*_ALONE, "sh", "-c", _ONCE, str(self.root)]
        return [*enter, *map(str, command)]

    def run(
        self,
        command: Sequence[str | Path],
        *,
        env: dict[str, str] | None = None,
        stdin: str | bytes = b"",
        check: bool = True,
        seconds: int = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, within so many seconds (exit 124 or 137 after them), and return what it said.

        Raises ChrootError if it fails, unless `check` is false.
        """
        done = subprocess.run(
            self.words(["timeout", "--kill-after=5", str(seconds), *command]),
            check=False,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**ENVIRONMENT, **(env or {})},
        )
        told = subprocess.CompletedProcess(command, done.returncode, _text(done.stdout), _text(done.stderr))
        return _accepted(told) if check else told

    def start(self, command: Sequence[str | Path], *, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command that runs until `umount`, without its output."""
        if not self._target:
            raise ChrootError("what goes on must be started in a mounted chroot, which ends it")
        quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        process = subprocess.Popen(self.words(command), env={**ENVIRONMENT, **(env or {})}, **quiet)
        self._started.append(process)
        return process


def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition is true. Raises ChrootError if it is false for so long."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise ChrootError(f"still not true after {seconds:g} s: {holds}")
        time.sleep(0.1)


def require_debian_root() -> None:
    """Have what makes a chroot, or say what is missing. Raises ChrootError."""
    if os.geteuid() != 0:
        raise ChrootError("the end-to-end tests make chroots: run them as root")
    if not os.path.exists("/etc/debian_version") or not shutil.which("apt-get"):
        raise ChrootError("the end-to-end tests make chroots of Debian: run them on Debian")
    if not shutil.which("debootstrap"):
        _checked(["apt-get", "-q", "update"])
        _checked(["apt-get", "-q", "-y", "--no-install-recommends", "install", "debootstrap", "debian-archive-keyring"])


def _make_base(folder: Path) -> None:
    """Make what all chroots are copied from: Debian's smallest, with this machine's way to the archive."""
    if _state(folder) == SUITE:
        return
    _begin(folder)
    root = folder / "root"
    proxy = _apt_setting("Acquire::http::Proxy")
    environment = {**os.environ, **({"http_proxy": proxy} if proxy else {})}
    words = ["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, str(root), _mirror()]
    _checked([*_ALONE, "--mount-proc", *words], environment)
    (root / "etc/apt/apt.conf.d/50machine").write_text(_apt_access())
    no_services = root / "usr/sbin/policy-rc.d"
    no_services.write_text("#!/bin/sh\nexit 101\n")
    no_services.chmod(0o755)
    _finish(folder, SUITE)


def _mirror() -> str:
    """Return the archive that this machine's own apt uses for Debian."""
    found = _sources()
    if not found:
        # apt lists no source whose lists it has not fetched.
        _checked(["apt-get", "-q", "update"])
        found = _sources()
    if not found:
        raise ChrootError("this machine's apt has no source of Debian's own archive (…/debian)")
    return found[0]


def _sources() -> list[str]:
    places = _checked(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    ).split()
    return [place for place in places if re.search(r"/debian(/\d{8}T\d{6}Z)?/?$", place)]


def _apt_access() -> str:
    """Return how this machine's apt reaches the archive (proxies, dates), as a file of settings."""
    kept = ("Acquire::http", "Acquire::https", "Acquire::Check-")
    return "".join(f"{line}\n" for line in _checked(["apt-config", "dump"]).splitlines() if line.startswith(kept))


def _apt_setting(name: str) -> str:
    words = shlex.split(_checked(["apt-config", "shell", "VALUE", name]))
    return words[0].partition("=")[2] if words else ""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder that is being made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _claim(folder: Path) -> None:
    """Keep other runs out of a folder until this process ends."""
    if folder not in _CLAIMED:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _CLAIMED[folder] = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(_CLAIMED[folder], fcntl.LOCK_EX)


def _state(folder: Path) -> str:
    """Return what a folder holds, "" if it was never finished."""
    try:
        return (folder / "holds").read_text()
    except FileNotFoundError:
        return ""


def _begin(folder: Path) -> None:
    """Empty a folder that is ours. Raises ChrootError if it is not: other users' files stay."""
    ours = folder / "made-by-vomap-e2e"
    if folder.exists():
        if not ours.exists():
            raise ChrootError(f"{folder} exists and was not made by these tests")
        (folder / "holds").unlink(missing_ok=True)
        shutil.rmtree(folder / "root", ignore_errors=True)
    folder.mkdir(exist_ok=True)
    ours.touch()


def _finish(folder: Path, holds: str) -> None:
    """Mark a folder as complete; written last."""
    (folder / "holds").write_text(holds)


def _checked(command: Sequence[str | Path], env: dict[str, str] | None = None) -> str:
    """Run a command of the machine and return what it printed. Raises ChrootError if it fails."""
    done = subprocess.run(
        list(map(str, command)), check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env
    )
    return _accepted(done).stdout


def _accepted(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    if done.returncode:
        told = (done.stdout + done.stderr)[-4000:]
        raise ChrootError(f"exit {done.returncode} of {' '.join(map(str, done.args))}:\n{told}")
    return done


def _text(output: bytes) -> str:
    return output.decode("utf-8", "backslashreplace")
