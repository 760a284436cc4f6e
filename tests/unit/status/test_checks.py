"""`vomap status` runs the callout with the rights of the CE."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vomap.ces.kinds import Ce, known_ces
from vomap.compile.advice import Advice
from vomap.status import GREEN, RED, checks
from vomap.status.checks import callout_line


def _htcondor(root: Path) -> Ce:
    return known_ces(root)[0]


def test_the_callout_runs_with_no_more_rights_than_the_ce_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs with the CE's user, group and groups: root's groups would open files that the CE cannot open."""
    me = pwd.getpwuid(os.getuid())
    runs: list[dict[str, Any]] = []

    def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        runs.append({"command": command, **how})
        return subprocess.CompletedProcess(command, 1, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    line = callout_line(replace(_htcondor(tmp_path), user=me.pw_name), "p", "p.bans", Advice(callouts=tmp_path))
    assert line.colour == GREEN
    (how,) = runs
    assert how["user"] in (me.pw_name, me.pw_uid)
    assert how["group"] in (me.pw_gid, pwd.getpwuid(os.getuid()).pw_gid)
    assert list(how["extra_groups"]) == os.getgrouplist(me.pw_name, me.pw_gid)
    assert set(how["env"]) == {"BEARER_TOKEN_0_ISSUER"}


def test_a_ce_without_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the CE's user is missing, vomap runs nothing, least of all as root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(subprocess, "run", None)
    line = callout_line(replace(_htcondor(tmp_path), user="no-such-user"), "p", "p.bans", Advice(callouts=tmp_path))
    assert line.colour == RED
    assert "no user no-such-user" in line.text


def test_a_policy_that_the_ce_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line has the command that lets the CE's user read it. Without such a fault it has none."""
    me = pwd.getpwuid(os.getuid())
    policy = tmp_path / "policy"
    policy.touch()
    tried: list[Path] = []

    def unreadable(root: Path, paths: list[Path], user: pwd.struct_passwd) -> frozenset[Path]:
        assert (root, user) == (Path("/"), me)
        tried.extend(paths)
        return frozenset(paths if policy.stat().st_size == 0 else ())

    failed = subprocess.CompletedProcess(["x"], 3, "", "Permission denied")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(checks, "unreadable_paths", unreadable)
    ce, advice = replace(_htcondor(tmp_path), user=me.pw_name), Advice(callouts=tmp_path)
    line = callout_line(ce, str(policy), f"{tmp_path}/none", advice)
    assert tried == [policy]
    assert (line.colour, line.text.partition("; ")[2]) == (RED, f"run `chmod a+r {policy}`")
    policy.write_text("x")
    line = callout_line(ce, str(policy), f"{tmp_path}/none", advice)
    assert line.text.endswith("; after the repair, run `vomap status --callouts " + f"{tmp_path}`")
