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
from vomap.status import GREEN, RED
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
