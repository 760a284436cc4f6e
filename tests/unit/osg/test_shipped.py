"""The mapfile and the snapshot that ship say what the VO files say. The test reads them without the generator."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

import pytest
import yaml

from osg_mapfile import generate

REPOSITORY = Path(__file__).parents[3]
MAPFILE = REPOSITORY / "mapfiles" / "osg.yaml"
SNAPSHOT = REPOSITORY / "mapfiles" / "osg-topology"
FOLDER = SNAPSHOT / "virtual-organizations"

WriteTopology = Callable[..., Path]
WriteEntry = Callable[..., str]


def load(path: Path) -> Any:
    """Read a YAML file as text alone."""
    return yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)


def entries_of_vo_files() -> list[tuple[str, str, str | None, str]]:
    """Return VO, issuer, subject and account of each entry, read in the plainest way."""
    found = []
    for path in FOLDER.glob("*.yaml"):
        if path.name != "REPORTING_GROUPS.yaml":
            for entry in load(path).get("Credentials", {}).get("TokenIssuers", []):
                found.append((path.stem, entry["URL"], entry.get("Subject"), entry["DefaultUnixUser"]))  # noqa: PERF401
    return found


@pytest.fixture(scope="module")
def strip_topology() -> ModuleType:
    """Return the script that makes the snapshot."""
    spec = importlib.util.spec_from_file_location("strip_topology", REPOSITORY / "tools" / "strip_topology.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_entry_of_the_vo_files_is_in_the_mapfile() -> None:
    """All 38 entries, of 22 issuers and 16 VO files, with the accounts and VOs that the files name."""
    mapfile = load(MAPFILE)
    entries = entries_of_vo_files()
    assert len(entries) == 38
    assert len({issuer for _, issuer, _, _ in entries}) == 22
    assert len({vo for vo, _, _, _ in entries}) == 16
    rules = [(rule["issuer"], rule.get("subject"), rule["account"]) for rule in mapfile["rules"]]
    assert sorted(rules, key=str) == sorted((entry[1:] for entry in entries), key=str)
    vos = {url: declared.get("vo", declared.get("default-vo")) for url, declared in mapfile["issuers"].items()}
    assert vos == {issuer: vo for vo, issuer, _, _ in entries}


def test_every_entry_is_tested_in_the_mapfile() -> None:
    """For each entry the mapfile has a test that expects the account, the rule and the VO."""
    mapfile = load(MAPFILE)
    accounts = {(rule["issuer"], rule.get("subject", "anybody")): rule for rule in mapfile["rules"]}
    owners = {issuer: vo for vo, issuer, _, _ in entries_of_vo_files()}
    tested = {}
    for test in mapfile["tests"]:
        assert test["alone"] == "yes"
        token = test["token"]
        if test["expect"] != "declined" and "storage" not in token["scope"]:
            tested[token["iss"], token["sub"]] = test["expect"]
    assert tested == {
        (issuer, subject): {"account": rule["account"], "rule": rule["name"], "vo": owners[issuer]}
        for (issuer, subject), rule in accounts.items()
    }


def test_the_issuer_of_fermilab_speaks_for_its_vos() -> None:
    """Some names, as known from the field: MicroBooNE is `uboone`, DUNE is not a child, FermiGrid has no name."""
    declared = load(MAPFILE)["issuers"]["https://cilogon.org/fermilab"]
    vos = declared.pop("vos")
    assert declared == {"vo-from": ["scope-path", "group"], "default-vo": "Fermilab"}
    known = {"fermilab": "Fermilab", "uboone": "MicroBooNE", "nova": "Nova", "mu2e": "Mu2e", "dune": "DUNE"}
    assert {**vos, **known, "captmnv": "Captmnv", "argoneut": "Argoneut", "mars": "mars", "test": "FermiTest"} == vos
    assert not {"FermiGrid", "VLab", "ADMX"} & set(vos.values())
    assert all((FOLDER / f"{vo}.yaml").is_file() for vo in vos.values())


def test_the_shipped_mapfile_is_generated_from_the_shipped_snapshot() -> None:
    """The generator writes mapfiles/osg.yaml, byte for byte, from the files of the repository."""
    assert generate(str(SNAPSHOT)).text == MAPFILE.read_text("utf-8")


def test_the_snapshot_is_the_one_that_was_stated() -> None:
    """SNAPSHOT.yaml holds the sha256 of the sorted lines `sha256  name` of its files."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(FOLDER.glob("*.yaml"))
    ]
    stated = load(SNAPSHOT / "SNAPSHOT.yaml")
    assert stated["stripped-sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert (stated["repository"], stated["commit"], stated["date"]) == (
        "opensciencegrid/topology",
        "5270db32f",
        "2026-08-21",
    )
    assert "# commit: 5270db32f\n# date: 2026-08-21\n" in MAPFILE.read_text("utf-8")


def test_the_snapshot_holds_no_persons() -> None:
    """Of a VO file only parent, token issuers and reporting groups remain. Of a group only FQANs remain."""
    for path in FOLDER.glob("*.yaml"):
        content = load(path)
        if path.name == "REPORTING_GROUPS.yaml":
            fqans = [fqan for group in content.values() for fqan in group["FQANs"] if group["FQANs"] != "null"]
            assert {tuple(fqan) for fqan in fqans} == {("GroupName",)}
            assert {tuple(group) for group in content.values()} == {("FQANs",)}
        else:
            assert set(content) <= {"ParentVO", "Credentials", "ReportingGroups"}
            assert set(content.get("ParentVO", {})) <= {"Name"}
    addresses = {word for path in SNAPSHOT.rglob("*.yaml") for word in re.findall(r"\S+@\S+", path.read_text("utf-8"))}
    assert {address for address in addresses if not address.endswith("pilot@fnal.gov")} == set()


def test_stripping_keeps_what_the_generator_reads(
    strip_topology: ModuleType, write_topology: WriteTopology, entry: WriteEntry, tmp_path: Path
) -> None:
    """From a full checkout and from its snapshot the generator gives the same bytes."""
    source = write_topology(
        Fermilab=f"Contacts: {{a: x@example.org}}\n{entry(Subject='0815', Description='no')}",
        Nova="ParentVO: {ID: 9, Name: Fermilab}\nReportingGroups: [nova]\n",
        Plain="ReportingGroups: {ReportingGroup: {Name: null}}\nCredentials:\n",
        REPORTING_GROUPS="nova: {Contacts: [a], FQANs: [{GroupName: /fermilab/nova, Role: a}]}\nb: {FQANs: null}\n",
    )
    target = tmp_path / "snapshot"
    (target / "virtual-organizations").mkdir(parents=True)
    (target / "virtual-organizations" / "Old.yaml").write_text("{}")
    assert strip_topology.main([str(source), str(target), "--commit", "5270db32f", "--date", "2026-08-21"]) == 0
    (source / "SNAPSHOT.yaml").write_bytes((target / "SNAPSHOT.yaml").read_bytes())
    text = generate(str(target)).text
    assert generate(str(source)).text == text
    assert "# commit: 5270db32f\n" in text
    assert not any(b"x@example.org" in path.read_bytes() for path in target.rglob("*.yaml"))
    assert strip_topology.main([str(target), str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "SNAPSHOT.yaml").is_file()


def test_stripping_wants_to_know_the_commit(
    strip_topology: ModuleType,
    write_topology: WriteTopology,
    entry: WriteEntry,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a commit, or from a broken checkout, no snapshot is written."""
    target = tmp_path / "snapshot"
    assert strip_topology.main([str(write_topology(A=entry())), str(target)]) == 3
    assert "give --commit and --date" in capsys.readouterr().err
    known = ["--commit", "5270db32f", "--date", "2026-08-21"]
    assert strip_topology.main([str(write_topology(B="[")), str(target), *known]) == 3
    assert "B.yaml:1:" in capsys.readouterr().err
    assert not target.exists()
