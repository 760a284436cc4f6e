"""The tutorial, word by word, in a fresh Debian bookworm with nothing installed, as root, by `make e2e`."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docs.console import DOCS, Command, Step, problems, script, steps
from e2e import chroot as harness
from e2e.chroot import FOLDER, Chroot, require_debian_root

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = DOCS.parent
SUITE = "bookworm"
READER = "reader"
_SECONDS = 900
# The way of this machine's pip to the package index. A chroot shares only the network.
_PIP = ("PIP_INDEX_URL", "PIP_CERT", "PIP_DEFAULT_TIMEOUT", "http_proxy", "https_proxy", "no_proxy")


class Bookworm(Chroot):
    """A Debian bookworm that is made anew each time: the smallest that debootstrap makes, and a reader's account."""

    def make(self) -> None:
        """Make it, with this checkout as a clone in the reader's home."""
        base = FOLDER / f"base-{SUITE}"
        base.parent.mkdir(parents=True, exist_ok=True)
        with harness._locked(base), pytest.MonkeyPatch.context() as patch:
            patch.setattr(harness, "SUITE", SUITE)
            harness._make_base(base)
        harness._begin(self.folder)
        harness._checked(["cp", "-a", "--reflink=auto", base / "root", self.root])
        self.run(["useradd", "--create-home", READER])
        self._copy_checkout(self.path(f"/home/{READER}/vomap"))
        self.run(["chown", "-R", f"{READER}:", f"/home/{READER}"])

    def _copy_checkout(self, to: Path) -> None:
        words = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(words, text=True).split("\0"):
            if (ROOT / name).is_file():
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, to / name)

    def reaches_the_index(self) -> dict[str, str]:
        """Return the variables by which pip reaches the package index, with this machine's certificates in place."""
        variables = {name: os.environ[name] for name in _PIP if name in os.environ}
        if "PIP_CERT" in variables:
            self.write("/etc/ssl/certs/machine.crt", Path(variables["PIP_CERT"]).read_bytes())
            variables["PIP_CERT"] = "/etc/ssl/certs/machine.crt"
        return variables


@pytest.fixture
def bookworm() -> Iterator[Bookworm]:
    """A fresh chroot, which is removed afterwards."""
    require_debian_root()
    made = Bookworm(FOLDER / "tutorial")
    try:
        made.make()
        yield made
    finally:
        shutil.rmtree(made.folder, ignore_errors=True)


def _is_roots(step: Step) -> bool:
    return isinstance(step, Command) and step.as_root


def test_the_tutorial_from_nothing(bookworm: Bookworm) -> None:
    """The commands of the tutorial, as root or as another user, print the output on the page."""
    todo = steps(DOCS / "tutorial.md")
    variables = {"DEBIAN_FRONTEND": "noninteractive", **bookworm.reaches_the_index()}
    found, told = [], ""
    for as_root, part in groupby(todo, _is_roots):
        parts = list(part)
        home = "/root" if as_root else f"/home/{READER}"
        user = [] if as_root else ["runuser", "-u", READER, "--"]
        words = ["env", f"HOME={home}", *user, "bash", "-c", f"cd {home}\n{script(parts)}"]
        done = bookworm.run(words, env=variables, check=False, seconds=_SECONDS)
        told += done.stdout + done.stderr
        found += problems(parts, done.stdout)
    assert "\n\n".join(found) == "", told[-5000:]
    assert "mapped to" in told
