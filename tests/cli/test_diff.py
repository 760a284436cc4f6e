"""`vomap diff`: what may be compared, what is printed for people and for programs, and the exit codes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from vomap.analysis import diff
from vomap.cli import run

ROOT = Path(__file__).parents[2]
OLD = """\
mapfile: 1
site: {audience: [ANY], accounts: {must-exist: no}}
issuers:
  https://i/: {vo: V}
rules:
  - {name: one, vo: V, subject: one, account: acct1}
  - {name: two, vo: V, subject: two, account: acct2}
tests:
  - token: {iss: https://i/, sub: one, aud: ANY, scope: compute.read}
    expect: {account: acct1}
"""
SAME = OLD.replace("name: one", "name: first")
OTHER = OLD.replace("account: acct1}", "account: acct3}")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Write the mapfiles, and return their paths."""
    paths = {}
    for name, text in (("old", OLD), ("same", SAME), ("other", OTHER)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text, "utf-8")
        paths[name] = str(path)
    return paths


def _json(capsys: Capture) -> Any:
    return json.loads(capsys.readouterr().out)


def test_no_change(files: dict[str, str], capsys: Capture) -> None:
    """Two policies of one meaning are reported as proven equal, with exit 0."""
    assert run(["diff", files["old"], files["same"]]) == 0
    assert capsys.readouterr().out == "no change: both are proven to decide alike for every token\n"


def test_a_change(files: dict[str, str], capsys: Capture) -> None:
    """A line says what changes, for whom, by which rules of which lines, and shows a token; exit 1."""
    assert run(["diff", files["old"], files["other"]]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "account changes: issuer https://i/, VO V, subject one",
        f"  old: acct1, by rule one ({files['old']}:6)",
        f"  new: acct3, by rule one ({files['other']}:6)",
        '  token: {"iss": "https://i/", "sub": "one", "aud": "ANY", "scope": "compute.create"}',
    ]


def test_json(files: dict[str, str], capsys: Capture) -> None:
    """Programs read the same."""
    assert run(["diff", "--json", files["old"], files["other"]]) == 1
    answer = _json(capsys)
    assert (answer["equal"], answer["not-proven"]) == (False, [])
    (change,) = answer["changes"]
    assert change["change"] == "account changes"
    assert [(result["account"], result["rule"]) for result in change["new"]] == [("acct3", "one")]
    assert change["token"]["sub"] == "one"
    assert run(["diff", "--json", files["old"], files["same"]]) == 0
    assert _json(capsys) == {"equal": True, "changes": [], "not-proven": []}


def test_a_token_is_explained_so(files: dict[str, str], capsys: Capture) -> None:
    """The token of a line is one that `explain` takes, and decides as the line says."""
    run(["diff", "--json", files["old"], files["other"]])
    token = json.dumps(_json(capsys)["changes"][0]["token"])
    assert run(["explain", "--mapfiles", files["other"], "--claims", token]) == 0
    assert "mapped to acct3" in capsys.readouterr().out


def test_built_policies_and_folders(files: dict[str, str], tmp_path: Path, capsys: Capture) -> None:
    """A built policy, a folder of mapfiles and a mapfile are compared with one another."""
    folder = tmp_path / "mapfiles.d"
    folder.mkdir()
    shutil.copy(files["same"], folder / "10-site.yaml")
    bans = tmp_path / "bans.d"
    bans.mkdir()
    policy = str(tmp_path / "policy")
    assert run(["build", "--mapfiles", files["old"], "--bans", str(bans), "--output", policy]) == 0
    for first, second, code in (
        (policy, str(folder), 0),
        (str(folder), policy, 0),
        (policy, policy, 0),
        (policy, files["other"], 1),
    ):
        assert run(["diff", first, second]) == code
    assert f"by rule one ({files['old']}:6)" in capsys.readouterr().out


def test_what_cannot_be_read(files: dict[str, str], tmp_path: Path, capsys: Capture) -> None:
    """A file that is not there, an empty folder, a mapfile with errors and a damaged policy are exit 3."""
    (tmp_path / "empty").mkdir()
    for name, text in (("broken", "mapfile: 1\nrules: [{name: x}]\n"), ("damaged", "vomap-policy 2 0 0\n")):
        (tmp_path / name).write_text(text, "utf-8")
    for name in ("absent", "empty", "broken", "damaged"):
        assert run(["diff", files["old"], str(tmp_path / name)]) == 3
        printed = capsys.readouterr()
        assert printed.out == ""
        assert str(tmp_path / name) in printed.err


@pytest.mark.parametrize("words", [[], ["one"], ["one", "two", "three"]])
def test_usage(words: list[str]) -> None:
    """There are two to compare, neither more nor less."""
    assert run(["diff", *words]) == 2


def test_of_many_the_first_are_printed(tmp_path: Path, capsys: Capture) -> None:
    """For a change for many users, the text has the first of them and their number. Programs get all."""
    subjects = [f"s{at}" for at in range(20)]
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    text = OLD.replace("subject: one", f"subject: [{', '.join(subjects)}]").partition("tests:")[0]
    old.write_text(text, "utf-8")
    new.write_text(text.replace("acct1", "acct3"), "utf-8")
    assert run(["diff", str(old), str(new)]) == 1
    assert "    and 16 others\n" in capsys.readouterr().out
    assert run(["diff", "--json", str(old), str(new)]) == 1
    assert len(_json(capsys)["changes"][0]["who"]) == 20


@pytest.mark.parametrize("decides", [False, True])
def test_what_is_not_proven_is_told(tmp_path: Path, capsys: Capture, *, decides: bool) -> None:
    """A rule that others together make unused, or nearly so, is named, and "no change" is not printed.

    A token that may run jobs has at least one of six scopes. If each of the six has a rule, a rule behind them decides
    for no token. If one of them has none, that rule decides for some.
    """
    scopes = ["compute.read", "compute.create", "compute.modify", "compute.cancel", "condor:/READ", "condor:/WRITE"]
    if decides:
        scopes.pop(0)
    rules = [f"  - {{name: r{at}, vo: V, scope: '{scope}', account: acct{at}}}\n" for at, scope in enumerate(scopes)]
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    head = OLD.partition("rules:")[0] + "rules:\n"
    old.write_text(head + "".join(rules), "utf-8")
    new.write_text(head + "".join(rules) + "  - {name: late, vo: V, account: acct1}\n", "utf-8")
    assert run(["diff", str(old), str(new)]) == 1
    printed = capsys.readouterr().out
    assert f"not proven equal: rule late ({new}:{6 + len(rules)})" in printed
    assert "no change:" not in printed


def test_the_budget_of_overlaps_is_told(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """If not all overlaps are looked at, this is not proven to be all. A thorough comparison looks at all of them."""
    monkeypatch.setattr(diff, "MOST_WORK", 200)
    monkeypatch.setattr(diff, "_MORE_FOR_FEW", 1)
    rules = [f"  - {{name: g{at}, vo: V, group: /v/g{at}, account: acct{at}}}\n" for at in range(6)]
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    head = OLD.partition("rules:")[0] + "rules:\n"
    old.write_text(head + "".join(rules), "utf-8")
    new.write_text(head + "".join(rules[1:]), "utf-8")
    assert run(["diff", str(old), str(new)]) == 1
    words = "not proven equal: vomap did not try tokens of all changed rules, tokens that match two rules, "
    printed = capsys.readouterr().out
    assert words in printed
    (command,) = re.findall("^to try all, which takes minutes: `vomap (.*)`$", printed, re.MULTILINE)
    assert shlex.split(command) == ["diff", "--thorough", str(old), str(new)]
    assert run(shlex.split(command)) == 1
    assert "not proven equal" not in capsys.readouterr().out


def test_two_states_of_the_topology(tmp_path: Path, capsys: Capture) -> None:
    """Between mapfiles of two states of the topology just the issuers and accounts added and dropped are named."""
    topology = tmp_path / "topology"
    shutil.copytree(ROOT / "mapfiles" / "osg-topology", topology)
    vos = topology / "virtual-organizations"
    _replace(vos / "LIGO.yaml", "https://scitokens.org/ligo", "https://scitokens.example/ligo")
    _replace(vos / "IceCube.yaml", "DefaultUnixUser: icecube", "DefaultUnixUser: icecube2")
    clas12 = "  - URL: https://osg-htc.org/collabs/clas12\n    DefaultUnixUser: clas12\n"
    _replace(vos / "CLAS12.yaml", clas12, "")
    new = str(tmp_path / "osg.yaml")
    assert run(["generate", "osg", "--source", str(topology), "--output", new]) == 0
    capsys.readouterr()
    assert run(["diff", "--json", str(ROOT / "mapfiles" / "osg.yaml"), new]) == 1
    answer = _json(capsys)
    assert answer["not-proven"] == []
    told = [(change["change"], who) for change in answer["changes"] for who in change["who"]]
    gone, come = "https://scitokens.org/ligo", "https://scitokens.example/ligo"
    assert sorted(told) == [
        ("account changes", "issuer https://chtc.cs.wisc.edu/icecube, VO IceCube"),
        ("gains access", f"issuer {come}, VO LIGO"),
        ("issuer added", f"{come} for LIGO"),
        ("issuer dropped", "https://osg-htc.org/collabs/clas12 for CLAS12"),
        ("issuer dropped", f"{gone} for LIGO"),
        ("loses access", "issuer https://osg-htc.org/collabs/clas12, VO CLAS12"),
        ("loses access", f"issuer {gone}, VO LIGO"),
    ]
    accounts = {
        (change["change"], result["account"])
        for change in answer["changes"]
        for side in ("old", "new")
        for result in change[side]
        if result["account"] and "access" in change["change"]
    }
    assert accounts == {("gains access", "ligo"), ("loses access", "ligo"), ("loses access", "clas12")}


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
