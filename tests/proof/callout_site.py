"""A site with a built policy and built bans, its callouts as processes, and libraries put before the C library."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ces import arc_environment, htcondor_payload
from unit.policy.composed import bans_document, policy_document
from vomap import store
from vomap.store import writer

HTCONDOR, ARC_MAP, ARC_AUTHORIZE = ("vomap-htcondor",), ("vomap-arc", "map"), ("vomap-arc", "authorize")
CALLOUTS = (HTCONDOR, ARC_MAP, ARC_AUTHORIZE)
ISSUER = "https://i.example/"
# An account that every machine has; its uid is lower than those of users.
ACCOUNT = "daemon"
TOKEN: dict[str, Any] = {"iss": ISSUER, "sub": "known", "aud": "ANY", "scope": "compute.read"}
POLICY = f"""\
mapfile: 1
site: {{audience: [ANY], accounts: {{minimum-uid: 1}}}}
issuers:
  {ISSUER}: {{vo: Nova}}
rules:
  - {{name: known, vo: Nova, subject: known, account: {ACCOUNT}}}
  - {{name: unknown, vo: Nova, subject: unknown, account: vomap-nobody-has-this}}
"""
BANS = "mapfile: 1\nbans:\n  - {subject: banned, reason: leaked}\n"
SHIMS = Path(__file__).parent / "shims"
# Far more than what is promised: a hang is a failure, and no hang of the tests.
PATIENCE = 60


@dataclass(frozen=True)
class Answer:
    """What a callout answered, and how long it took."""

    code: int
    out: bytes
    err: bytes
    seconds: float

    @property
    def account(self) -> bytes:
        """The account, as either CE reads it."""
        return self.out.strip()

    def assert_error(self, words: Sequence[str], says: str = "") -> None:
        """Nothing but an error, told in one line: exit 3; an authgroup of ARC knows no such thing, so 1 will do."""
        told = (words, self)
        assert self.out == b"", told
        assert self.code == 3 or (self.code == 1 and words == ARC_AUTHORIZE), told
        assert self.err.count(b"\n") == 1, told
        assert self.err.startswith(words[0].encode()), told
        assert b": error" in self.err, told
        assert b"Traceback" not in self.err, told
        assert says in self.err.decode("ascii"), told


class CalloutSite:
    """A folder with a built policy and built bans, and the callouts that read them."""

    def __init__(self, folder: Path, policy: str = POLICY) -> None:
        """Build both."""
        folder.mkdir(mode=0o755, exist_ok=True)
        self.policy, self.bans = folder / "policy", folder / "policy.bans"
        writer.write_compiled(str(self.policy), store.POLICY, policy_document(policy), sources={}, built="now")
        writer.write_compiled(str(self.bans), store.BANS, bans_document(BANS), sources={}, built="now")

    def command(self, words: Sequence[str]) -> list[str]:
        """Return the command line of a callout."""
        return [executable(words[0]), *words[1:], "--policy", str(self.policy), "--bans", str(self.bans)]

    def run(
        self,
        words: Sequence[str],
        token: Mapping[str, Any] = TOKEN,
        *,
        stdin: Any = None,
        shim: Path | None = None,
        **how: Any,
    ) -> Answer:
        """Run a callout to its end; its standard input is the payload, unless it is named."""
        payload = htcondor_payload(dict(token)) if words == HTCONDOR and stdin is None else None
        pipes = {"stdin": subprocess.PIPE if stdin is None else stdin, "stdout": subprocess.PIPE, **how}
        command = pipes.pop("command", None) or self.command(words)
        environment = pipes.pop("env", None) or self.environment(words, token, shim)
        begun = time.monotonic()
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, **pipes) as process:
            try:
                out, err = process.communicate(payload, timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Answer(process.returncode, out or b"", err, time.monotonic() - begun)

    def environment(
        self, words: Sequence[str], token: Mapping[str, Any], shim: Path | None = None
    ) -> dict[bytes, bytes]:
        """Return what a CE puts into the environment, and perhaps a library before the C library."""
        shown = {} if words == HTCONDOR else arc_environment(dict(token))
        preloaded = {b"LD_PRELOAD": bytes(shim)} if shim else {}
        return {b"PATH": os.environb.get(b"PATH", b"/usr/bin:/bin"), **preloaded, **shown}


def executable(name: str) -> str:
    """Return the path of an installed program."""
    path = Path(sys.executable).parent / name
    assert path.is_file(), f"{path} is missing: install vomap into this interpreter's environment (pip install .)"
    return str(path)


def compiled(folder: Path, name: str, *definitions: str) -> Path:
    """Compile one of the libraries in shims/ and return its path; without a compiler there is no proof."""
    library = folder / f"{name}.so"
    command: list[str | Path] = [
        "cc",
        "-shared",
        "-fPIC",
        "-O1",
        "-o",
        library,
        SHIMS / f"{name}.c",
        *definitions,
        "-ldl",
    ]
    subprocess.run(command, check=True)
    return library
