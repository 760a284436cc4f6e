"""The design in docs/design matches the code. vomap checks, compiles and tests its example mapfile and bans."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from vomap import cli
from vomap.cli import VERBS, make_parser

ROOT = Path(__file__).parents[2]
DESIGN = ROOT / "docs" / "design"
ROOMS = ROOT / "plugins" / "vomap"
_DECISION = json.loads((ROOT / "schemas" / "decision-1.schema.json").read_text("utf-8"))


def _page(name: str) -> str:
    return (DESIGN / f"{name}.md").read_text("utf-8")


def _example(page: str) -> str:
    """Return the one mapfile, or file of bans, that a page shows."""
    (example,) = re.findall(r"```yaml\n(mapfile: 1\n.*?)```", _page(page), re.DOTALL)
    return str(example)


def _rooms() -> list[str]:
    """Return the rooms that the design lists, in its order."""
    return re.findall(r"^\| `(\w+)` \|", _page("architecture"), re.MULTILINE)


def _named_files() -> list[tuple[str, str]]:
    """Return each page with a file of the code, of the tests or of the schemas that it names."""
    names = re.compile(r"`([\w./-]+\.(?:py|json)|(?:tests|mapfiles|schemas|packaging)/[\w./-]*)`")
    return [
        (page.stem, name) for page in sorted(DESIGN.glob("*.md")) for name in names.findall(page.read_text("utf-8"))
    ]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Write the mapfile and the bans of the design, each in its folder."""
    for folder, text in (("mapfiles.d", _example("mapfile")), ("bans.d", _example("bans"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "10-example.yaml").write_text(text, "utf-8")
    return tmp_path


def _sources(example: Path) -> list[str]:
    return ["--mapfiles", str(example / "mapfiles.d"), "--bans", str(example / "bans.d")]


def test_the_example_is_checked(example: Path) -> None:
    """The example has neither errors nor warnings."""
    assert cli.run(["check", *_sources(example)]) == 0


def test_the_example_passes_its_tests(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example passes its own tests."""
    assert cli.run(["test", *_sources(example)]) == 0
    assert capsys.readouterr().out.startswith("2 tests")


def test_the_example_is_built(example: Path) -> None:
    """`vomap build` compiles the example, and the compiled policy maps a token of its tests."""
    policy = str(example / "policy")
    assert cli.run(["build", *_sources(example), "--output", policy]) == 0
    token = '{"iss": "https://cilogon.org/fermilab", "sub": "x@fnal.gov", "aud": "ANY", "scope": "compute.create"}'
    assert cli.run(["explain", "--policy", policy, "--claims", token]) == 0


def test_every_verb_is_in_the_design() -> None:
    """The list of verbs in the design has each verb of the command."""
    listed = re.findall(r"^    vomap (\w+)", _page("command-line"), re.MULTILINE)
    assert set(VERBS) <= set(listed)


def test_every_room_is_in_the_design() -> None:
    """Each package of the code is a room of the design."""
    assert {path.parent.name for path in ROOMS.glob("*/__init__.py")} == set(_rooms())


def test_a_room_imports_only_from_rooms_above_it() -> None:
    """No module imports from a room below its own, nor from cli or callouts."""
    listed = _rooms()
    for path in ROOMS.glob("*/**/*.py"):
        room = path.relative_to(ROOMS).parts[0]
        for other in re.findall(r"^\s*(?:from|import) vomap\.(\w+)", path.read_text("utf-8"), re.MULTILINE):
            if other in listed and other != room:
                assert listed.index(other) < listed.index(room), f"{path.name} imports from {other}"
                assert other not in ("cli", "callouts"), path.name


def test_every_field_of_a_decision_is_in_the_design() -> None:
    """The tables of fields list each member of the schema of a decision once, and no others."""
    section = _page("decision").split("## Fields of a decision")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE)
    assert sorted(listed) == sorted(_DECISION["properties"])
    always = section.split("Records of")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", always, re.MULTILINE) == _DECISION["required"]


def test_the_first_words_of_reasons_are_in_the_design() -> None:
    """The design lists the first words of reasons in the order of the schema."""
    listed = re.search(r"The first word of `reason` is one of (.*?)\.\n", _page("decision"), re.DOTALL)
    (words,) = re.findall(r"\((.*?)\)", _DECISION["properties"]["reason"]["pattern"])
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed[1]) == words.split("|")


@pytest.mark.parametrize(("page", "name"), _named_files())
def test_a_named_file_exists(page: str, name: str) -> None:
    """A file that a page of the design names is in the repository, in vomap's package or among the long proofs."""
    folders = (ROOT, ROOMS, ROOT / "tests" / "proof")
    assert any((folder / name).exists() for folder in folders), f"{page} names {name}"


def test_the_schema_knows_every_key_of_the_example() -> None:
    """The example shows each top-level key except bans, because bans have a file of their own."""
    assert set(yaml.safe_load(_example("mapfile"))) == {"mapfile", "site", "issuers", "rules", "pools", "tests"}


def test_help_has_examples_and_exit_codes() -> None:
    """The help of each verb shows an example and the meaning of the exit codes."""
    from importlib import import_module

    parser = make_parser({verb: import_module(f"vomap.cli.{verb}") for verb in VERBS})
    (verbs,) = [action for action in parser._actions if action.dest == "verb"]
    assert isinstance(verbs.choices, dict)
    for verb in VERBS:
        text = verbs.choices[verb].format_help()
        assert f"\n  vomap {verb}" in text
        assert "exit codes:" in text
