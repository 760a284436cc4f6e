"""During an update of vomap, no callout refuses a token, with compiled files of the old or the new format."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import threading
from binascii import crc32
from collections.abc import Mapping
from pathlib import Path

from ces import htcondor_payload
from threads import helping
from unit.policy.composed import bans_document, policy_document
from vomap.files.atomic import replace_file
from vomap.policy.index import index_policy
from vomap.store import BANS, POLICY
from vomap.store.writer import write_compiled

MAPFILE = """\
mapfile: 1
site: {audience: unchecked, accounts: {minimum-uid: 1}}
issuers:
  https://i.example/: {vo: V}
rules:
  - {name: jo, vo: V, subject: jo, account: daemon}
"""
TOKEN = {"iss": "https://i.example/", "sub": "jo", "scope": "compute.create"}
AT_A_TIME, UPDATES = 8, 10


def _write_as_before(path: Path, kind: str, document: Mapping[str, object]) -> None:
    """Write a compiled file in the old format, with all pieces in the head."""
    pieces = dict(index_policy(document)) if kind == POLICY else document
    body = json.dumps({"built": "then", "digest": "d", "pieces": pieces, "buckets": 0, "rest": 0}).encode()
    replace_file(str(path), f"{kind} 2 {crc32(body):08x} {len(body)}\n".encode() + body)


def test_an_update_refuses_nobody(tmp_path: Path) -> None:
    """Eight parallel callouts always print the account, in whichever format the files are at the moment."""
    policy, bans = tmp_path / "policy", tmp_path / "policy.bans"
    documents = {policy: (POLICY, policy_document(MAPFILE)), bans: (BANS, bans_document(None))}
    script = shutil.which("vomap-htcondor", path=sysconfig.get_path("scripts"))
    assert script is not None
    words = [sys.executable, script, "--policy", str(policy)]
    answers: list[tuple[int, bytes, bytes]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            done = subprocess.run(words, input=htcondor_payload(TOKEN), capture_output=True, check=False)
            answers.append((done.returncode, done.stdout, done.stderr))

    for path, (kind, document) in documents.items():
        _write_as_before(path, kind, document)
    askers = [threading.Thread(target=ask) for _ in range(AT_A_TIME)]
    with helping(*askers):
        try:
            for _ in range(UPDATES):
                for path, (kind, document) in documents.items():
                    seen = len(answers)
                    write_compiled(str(path), kind, document, sources={}, built="now")
                    while len(answers) < seen + AT_A_TIME and any(asker.is_alive() for asker in askers):
                        over.wait(0.01)
                    _write_as_before(path, kind, document)
        finally:
            over.set()
    assert len(answers) >= UPDATES * AT_A_TIME
    assert [answer for answer in answers if answer[:2] != (0, b"daemon\n")] == []
