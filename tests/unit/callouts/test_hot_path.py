"""A callout imports only the modules of a fixed list, because each import takes longer than the decision."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vomap
from ces import arc_environment, htcondor_payload
from unit.policy.composed import bans_document, policy_document
from vomap import store
from vomap.store import writer

PEOPLE, GROUPS, FREE = "https://people.example/", "https://groups.example/", "https://free.example/"
POLICY = f"""\
mapfile: 1
site: {{audience: unchecked, accounts: {{minimum-uid: 1}}}}
issuers:
  {PEOPLE}: {{vo: One}}
  {GROUPS}: {{vo-from: [group], entitlements: {{namespace: "urn:mace:egi.eu"}}}}
  {FREE}: {{vo-from: [group]}}
rules:
  - {{name: person, issuer: {PEOPLE}, subject: jo, account: daemon}}
  - {{name: paths, issuer: {PEOPLE}, scope: "storage.read:/x", account: daemon}}
  - {{name: member, vo: two, group: /two, account: daemon}}
  - {{name: made, issuer: {FREE}, subject: <user>, account: <user>}}
"""
# Modules of the interpreter itself. With -S it loads very few of them.
INTERPRETER = {"__future__", "_json", "_socket", "_thread", "binascii", "gc", "posix", "pwd", "time"}
ALWAYS = {
    "vomap",
    "vomap.accounts",
    "vomap.files",
    "vomap.store",
    "vomap.callouts",
    "vomap.claims",
    "vomap.log",
    "vomap.policy",
    "vomap.policy.decide",
    "vomap.policy.model",
    "vomap.policy.matching",
}
OF_CALLOUT = {
    "htcondor": {"vomap.callouts.htcondor", "vomap.claims.strict_json", "vomap.claims.htcondor_payload"},
    "arc": {"vomap.callouts.arc", "vomap.claims.arc_environment"},
}
WITH_GROUPS = {"vomap.claims.memberships", "vomap.claims.scopes", "vomap.policy.authority"}
TOKENS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a subject": ({"iss": PEOPLE, "sub": "jo"}, set()),
    "a path in a scope": ({"iss": PEOPLE, "sub": "x", "scope": "storage.read:/x"}, {"vomap.claims.scopes"}),
    "a group": ({"iss": GROUPS, "sub": "x", "wlcg.groups": ["/two"]}, WITH_GROUPS),
    "an entitlement": ({"iss": GROUPS, "sub": "x", "entitlements": ["urn:mace:egi.eu:group:two"]}, WITH_GROUPS),
    "a capture": (
        {"iss": FREE, "sub": "nobody2"},
        {"vomap.claims.scopes", "vomap.policy.authority", "vomap.policy.pools"},
    ),
}
_DRIVER = """\
import sys
before = set(sys.modules)
sys.path.append({folder!r})
import vomap.callouts.{callout} as callout
# As root, ARC's becomes a user; this one is there everywhere.
callout.USER = "root"
# Where a file system in user space is mounted, a child answers.
sys.modules["vomap.callouts"].has_fuse_mount = lambda: False
callout.main()
print()
print(*sorted(set(sys.modules) - before))
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    """Compile a policy with each kind of rule that needs a module of its own."""
    path = tmp_path / "policy"
    writer.write_compiled(str(path), store.POLICY, policy_document(POLICY), sources={}, built="now")
    writer.write_compiled(f"{path}.bans", store.BANS, bans_document(None), sources={}, built="now")
    return str(path)


@pytest.mark.parametrize("callout", OF_CALLOUT)
@pytest.mark.parametrize("kind", TOKENS)
def test_what_an_answer_loads(policy: str, callout: str, kind: str) -> None:
    """For each kind of token, vomap imports exactly these modules, and no other modules of the interpreter."""
    claims, more = TOKENS[kind]
    token = {**claims, "scope": f"compute.create {claims.get('scope', '')}"}
    environment: Any = arc_environment(token) if callout == "arc" else {}
    folder = str(Path(vomap.__file__).parents[1])
    words = [sys.executable, "-I", "-S", "-c", _DRIVER.format(folder=folder, callout=callout)]
    words += (["map"] if callout == "arc" else []) + ["--policy", policy]
    payload = htcondor_payload(token) if callout == "htcondor" else b""
    done = subprocess.run(words, input=payload, env=environment, capture_output=True, check=True)
    loaded = set(done.stdout.decode().splitlines()[-1].split())
    if kind == "a capture":
        # The account does not exist, and the check of that imports more modules.
        loaded = {name for name in loaded if name.startswith("vomap")}
    assert {name for name in loaded if name.startswith("vomap")} == ALWAYS | OF_CALLOUT[callout] | more, done.stderr
    assert {name for name in loaded if not name.startswith("vomap")} <= INTERPRETER
