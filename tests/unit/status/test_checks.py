"""What `vomap status` looks at, apart: lines that bypass vomap, the callout's user, the issuers' keys."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from unit.ces.ce_system import CeSystem
from unit.policy.composed import policy_document
from vomap.ces.kinds import Ce, known_ces
from vomap.status.checks import GREEN, RED, bypass_lines, callout_line, issuer_lines
from vomap.store.writer import CompiledDocument

ISSUER = "https://chtc.cs.wisc.edu"
POLICY = CompiledDocument(
    policy_document(
        "mapfile: 1\nsite: {audience: [ANY]}\nissuers:\n"
        f"  {ISSUER}: {{vo: GLOW}}\n  {ISSUER}/icecube: {{vo: IceCube}}\n  https://gone/: none\n"
    ),
    "d" * 64,
    "",
    {},
)
BANS: CompiledDocument[Any] = CompiledDocument({"bans": []}, "", "", {})
EARLY = "/etc/condor-ce/mapfiles.d/01-local.conf"


def _htcondor(root: Path) -> Ce:
    return known_ces(root)[0]


def _colour(root: Path, line: str, path: str = EARLY) -> str:
    CeSystem(root, htcondor=True).write(path, f"# a comment\n\n{line}\n")
    (found,) = bypass_lines(_htcondor(root), POLICY, BANS)
    assert (f"{path}:3" in found.told) == (found.colour == RED)
    return found.colour


@pytest.mark.parametrize(
    "line",
    [
        r"SCITOKENS /.*/ nobody",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,/ glow",
        r"SCITOKENS /^https:\/\/chtc.cs.wisc.edu.*/ glow",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,alice$/ alice",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu\/ice.*,alice$/ alice",
        r"SCITOKENS /^https:\/\/(chtc|other)\.cs\.wisc\.edu,bob$/ bob",
        r"SCITOKENS /^https:\/\/other\/,x$|,alice$/ alice",
        r"SCITOKENS /^https?:\/\/[[:alnum:].]+,bob/ bob",
        r"SCITOKENS /,alice$/ alice",
        r"SCITOKENS /^(.*),(.*)@fnal\.gov$/ \2",
        r"SCITOKENS /^HTTPS:\/\/CHTC\.CS\.WISC\.EDU,/i glow",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,(first last|alice)$/ alice",
        r"SCITOKENS /^\Qhttps://chtc.cs.wisc.edu\E,/ glow",
        r"SCITOKENS /(?i)^HTTPS:/ glow",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu(/ glow",
        r"SCITOKENS /[/ glow",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,",
        r"SCITOKENS https://chtc.cs.wisc.edu,alice alice",
        r'SCITOKENS "https://chtc.cs.wisc.edu/icecube,alice" alice',
        "SCITOKENS\t/^https:\\/\\/chtc\\.cs\\.wisc\\.edu,/\tglow",
        r"  scitokens /^https:\/\/chtc\.cs\.wisc\.edu,/ glow",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu,/ PLUGIN:OTHER",
    ],
)
def test_a_line_that_maps_past_vomap(tmp_path: Path, line: str) -> None:
    """Whatever matches some token of a declared issuer before vomap's line does, or cannot be understood, is told."""
    assert _colour(tmp_path, line) == RED


@pytest.mark.parametrize(
    "line",
    [
        r"FS /.*/ nobody",
        r"SSL /.*/ nobody",
        r"# SCITOKENS /.*/ nobody",
        r"SCITOKENS /^https:\/\/other\.example\/,/ other",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.edu\/other,/ other",
        r"SCITOKENS /^https:\/\/chtc\.cs\.wisc\.education,/ other",
        r"SCITOKENS /^https:\/\/gone\/,/ other",
        r"SCITOKENS https://chtc.cs.wisc.edu/other,alice alice",
        r"SCITOKENS https://chtc.cs.wisc.edu glow",
        r"SCITOKENS",
        r"",
    ],
)
def test_a_line_of_others(tmp_path: Path, line: str) -> None:
    """Other methods and other issuers, a longer one among them, are none of vomap's business."""
    assert _colour(tmp_path, line) == GREEN


def test_a_line_after_vomaps(tmp_path: Path) -> None:
    """What comes after vomap's line maps only what vomap is not asked about."""
    line = r"SCITOKENS /.*/ nobody"
    for name in ("05-vomap.conf.rpmsave", "10-scitokens.conf", "99-local.conf"):
        assert _colour(tmp_path, line, f"/etc/condor-ce/mapfiles.d/{name}") == GREEN


def test_a_line_of_the_map_file_itself(tmp_path: Path) -> None:
    """The map file includes the folders: what stands there before that comes before vomap, what follows does not."""
    line, include = r"SCITOKENS /.*/ nobody", "@include /etc/condor-ce/mapfiles.d/"
    assert _colour(tmp_path, f"{line}\n{include}", "/etc/condor-ce/condor_mapfile") == RED
    assert _colour(tmp_path, f"{include}\n{line}", "/etc/condor-ce/condor_mapfile") == GREEN


def test_another_file_that_the_map_file_includes(tmp_path: Path) -> None:
    """What is included before the folder that holds vomap's lines comes before vomap, a file or a folder."""
    system = CeSystem(tmp_path, htcondor=True)
    for target, file in (("/etc/extra.map", "/etc/extra.map"), ("/etc/extra.d/", "/etc/extra.d/1.map")):
        include = f"@include {target}\n@include /etc/condor-ce/mapfiles.d/\n"
        system.write("/etc/condor-ce/condor_mapfile", include)
        assert _colour(tmp_path, r"SCITOKENS /.*/ nobody", file) == RED
        assert _colour(tmp_path, r"FS /.*/ nobody", file) == GREEN


@pytest.mark.parametrize(
    ("file", "line", "colour"),
    [
        ("99-local.conf", "CERTIFICATE_MAPFILE = /etc/other.map", RED),
        ("01-local.conf", "CERTIFICATE_MAPFILE = /etc/other.map", RED),
        ("99-local.conf", "CERTIFICATE_MAPFILE = /etc/condor-ce/condor_mapfile", GREEN),
        ("99-local.conf", "sec_scitokens_plugin_vomap_command = /bin/true", RED),
        ("01-local.conf", "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /bin/true", GREEN),
        ("99-local.conf", "DENY_READ =", RED),
        ("51-local.conf", "DENY_READ =", RED),
        ("99-local.conf", "ALLOW_WRITE = *", GREEN),
    ],
)
def test_settings_that_lead_past_vomap(tmp_path: Path, file: str, line: str, colour: str) -> None:
    """Another map file, and a setting of vomap's that a later file changes, are told; other settings are not."""
    system = CeSystem(tmp_path, htcondor=True)
    system.write("/etc/condor-ce/config.d/50-vomap.conf", "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /v\nDENY_READ = x\n")
    system.write(f"/etc/condor-ce/config.d/{file}", f"{line}\n")
    (found,) = bypass_lines(_htcondor(tmp_path), POLICY, BANS)
    assert found.colour == colour


def test_what_is_no_text(tmp_path: Path) -> None:
    """A folder among the map files, and bytes that are no UTF-8, hide nothing and stop nothing."""
    system = CeSystem(tmp_path, htcondor=True)
    system.at("/etc/condor-ce/mapfiles.d/00-folder").mkdir()
    system.at("/etc/condor-ce/mapfiles.d/00-bytes").write_bytes(b"# caf\xe9\n")
    assert _colour(tmp_path, r"FS /.*/ nobody") == GREEN
    assert _colour(tmp_path, r"SCITOKENS /.*/ nobody") == RED


# the callout


def test_the_callout_runs_with_no_more_rights_than_the_ce_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its user, its group and its groups: with root's groups it could read what it cannot when the CE runs it."""
    me = pwd.getpwuid(os.getuid())
    runs: list[dict[str, Any]] = []

    def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        runs.append({"command": command, **how})
        return subprocess.CompletedProcess(command, 1, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    line = callout_line(replace(_htcondor(tmp_path), user=me.pw_name), "p", "p.bans", tmp_path)
    assert line.colour == GREEN
    (how,) = runs
    assert how["user"] in (me.pw_name, me.pw_uid)
    assert how["group"] in (me.pw_gid, pwd.getpwuid(os.getuid()).pw_gid)
    assert list(how["extra_groups"]) == os.getgrouplist(me.pw_name, me.pw_gid)
    assert set(how["env"]) == {"BEARER_TOKEN_0_ISSUER"}


def test_a_ce_without_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the CE's user is missing, nothing is run, least of all as root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(subprocess, "run", None)
    line = callout_line(replace(_htcondor(tmp_path), user="no-such-user"), "p", "p.bans", tmp_path)
    assert line.colour == RED
    assert "no user no-such-user" in line.told


# the issuers' keys


class Web:
    """Answers instead of the issuers: an answer's status and body, or an error, by its URL."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> None:
        """Take the place of `requests.get`."""
        self.answers, self.asked = answers, list[tuple[str, dict[str, Any]]]()
        monkeypatch.setattr(requests, "get", self.get)

    def get(self, url: str, **how: Any) -> requests.Response:
        """Answer one request."""
        self.asked.append((url, how))
        answer = self.answers.get(url, (404, b""))
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, response._content = answer
        return response


WELL_KNOWN, KEYS = f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/keys"
FOUND = (200, json.dumps({"jwks_uri": KEYS}).encode())


def test_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer that publishes keys is green; each request is bounded, and none goes where it is sent on to."""
    web = Web(monkeypatch, {WELL_KNOWN: FOUND, KEYS: (200, b'{"keys": [{}, {}]}')})
    (line,) = issuer_lines([ISSUER])
    assert (line.colour, line.what, line.told) == (GREEN, ISSUER, "publishes 2 keys")
    assert [url for url, _ in web.asked] == [WELL_KNOWN, KEYS]
    for _, how in web.asked:
        assert how["timeout"] <= 10
        assert how["allow_redirects"] is False
        assert how.get("verify", True) is True


def test_an_issuer_that_ends_with_a_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slash is not doubled (Discovery 1.0, section 4)."""
    Web(monkeypatch, {WELL_KNOWN: FOUND, KEYS: (200, b'{"keys": [{}]}')})
    assert [line.colour for line in issuer_lines([f"{ISSUER}/"])] == [GREEN]


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {WELL_KNOWN: requests.ConnectionError("unreachable")},
        {WELL_KNOWN: requests.Timeout("too slow")},
        {WELL_KNOWN: requests.exceptions.SSLError("no certificate")},
        {WELL_KNOWN: (500, b"")},
        {WELL_KNOWN: (302, b"")},
        {WELL_KNOWN: (200, b"<html>")},
        {WELL_KNOWN: (200, b"[]")},
        {WELL_KNOWN: (200, b"null")},
        {WELL_KNOWN: (200, b"{}")},
        {WELL_KNOWN: (200, b'{"jwks_uri": 1}')},
        {WELL_KNOWN: (200, b"\xff")},
        {WELL_KNOWN: (200, b'{"jwks_uri": "http://plain/"}'), "http://plain/": (200, b'{"keys": [{}]}')},
        {WELL_KNOWN: FOUND},
        {WELL_KNOWN: FOUND, KEYS: requests.ConnectionError("unreachable")},
        {WELL_KNOWN: FOUND, KEYS: (200, b"")},
        {WELL_KNOWN: FOUND, KEYS: (200, b'{"keys": []}')},
        {WELL_KNOWN: FOUND, KEYS: (200, b'{"keys": null}')},
        {WELL_KNOWN: FOUND, KEYS: (200, b'{"keys": 5}')},
        {WELL_KNOWN: FOUND, KEYS: (200, b'{"keys": "many"}')},
        {WELL_KNOWN: FOUND, KEYS: (200, b'{"keys": {"a": 1}}')},
        {WELL_KNOWN: FOUND, KEYS: (200, b"[]")},
    ],
)
def test_keys_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> None:
    """Unreachable, sent elsewhere, no JSON, without keys, or keys over a line that anybody can change: red."""
    Web(monkeypatch, answers)
    assert [(line.colour, line.what) for line in issuer_lines([ISSUER])] == [(RED, ISSUER)]


def test_each_issuer_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails keeps none of the others from being asked."""
    Web(monkeypatch, {WELL_KNOWN: FOUND, KEYS: (200, b'{"keys": [{}]}')})
    assert [line.colour for line in issuer_lines(["https://a/", ISSUER, "https://b/"])] == [RED, GREEN, RED]
