"""The table of figures counts what its labels say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.figures.__main__ import figures, main  # noqa: E402 - the tool is not part of vomap
from tools.figures.rooms import PAGE, read_rooms  # noqa: E402
from tools.figures.source import Figure  # noqa: E402

FILES = {
    PAGE.as_posix(): "# Architecture\n\n## The rooms\n\n| room | content |\n| --- | --- |\n| `files` | safe files |\n"
    "| `policy` | the engine |\n| `cli` | the verbs |\n\n## The other folders\n\n| `tests` | no room |\n",
    "plugins/bin/vomap-x": "#!/usr/bin/python3\nimport vomap\n",
    "plugins/vomap/__init__.py": '"""A product."""\n',
    "plugins/vomap/files/__init__.py": '"""Files."""\n\nfrom vomap import policy\n',
    "plugins/vomap/policy/__init__.py": '"""The engine."""\n\nfrom vomap.policy import one\n',
    "plugins/vomap/policy/one.py": '"""One.\n\nTwo lines more.\n"""\n\nfrom vomap.policy import two\n\n# A comment.\n\n'
    '\ndef decide(ab: str) -> dict[str, Any]:\n    """Decide."""\n    return {ab: "dict[str, Any]"}\n',
    "plugins/vomap/policy/two.py": "from vomap.policy import one\n\n\ndef decide(abcd, efgh):\n"
    + "    efgh = abcd  # not a line of its own\n" * 51
    + "    return efgh\n",
    "plugins/vomap/cli/__init__.py": f"from vomap.files import x\n\nlonger = '{'x' * 91}'\n",
    "plugins/vomap/strange/__init__.py": "class _Private: ...\n",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a small checkout."""
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    return tmp_path


def test_the_figures(checkout: Path) -> None:
    """Each label has the number that a reader counts by hand."""
    assert {figure.label: figure.value for figure in figures(checkout, checkout)} == {
        # All of plugins/vomap, and the scripts in plugins/bin.
        "modules": "8",
        "lines": "82",
        "lines that are not blank": "72",
        # From `def` to the end, without the docstring.
        "functions": "2",
        "function length, median": "27.5",
        "function length, 90th percentile": "53",
        "function length, longest": "53",
        "functions over 50 lines": "1",
        "functions with a return type (%)": "50.0",
        # All arguments and the return value.
        "functions with full types (%)": "50.0",
        # In annotations and in strings.
        "`dict[str, Any]`": "2",
        # Lines with nothing but a comment, of those that are not blank.
        "share of comment lines, # (%)": "2.8",
        # With the blank lines in them.
        "share of docstring lines (%)": "11.1",
        "lines over 100 characters": "1",
        # policy.one and policy.two import each other.
        "import circles": "1",
        "import circles, with TYPE_CHECKING": "1",
        # `files` imports `policy`, which is below it in the table.
        "upward imports": "1",
        "unknown rooms": "1",
        # The identifiers are decide, ab, decide, abcd, efgh, longer and _Private.
        "identifier length, mean": "5.1",
        "identifier length, median": "6",
        "identifier length, 90th percentile": "8",
        "public names defined in several modules": "1",
        "private classes defined in several modules": "0",
    }


def test_the_places(checkout: Path) -> None:
    """Each figure lists the places that it counts as file:line."""
    found = {figure.label: figure.offenders for figure in figures(checkout, checkout)}
    assert found["functions over 50 lines"] == ("plugins/vomap/policy/two.py:4: decide has 53 lines",)
    assert found["functions with full types (%)"] == ("plugins/vomap/policy/two.py:4: decide",)
    assert found["upward imports"] == ("plugins/vomap/files/__init__.py:3: files imports vomap.policy",)
    assert found["unknown rooms"] == ("plugins/vomap/strange/__init__.py:1: unknown room 'strange'",)
    assert found["lines over 100 characters"] == ("plugins/vomap/cli/__init__.py:3: 102 characters",)
    assert found["`dict[str, Any]`"] == ("plugins/vomap/policy/one.py:11", "plugins/vomap/policy/one.py:13")
    (names,) = found["public names defined in several modules"]
    assert names == "plugins/vomap/policy/one.py:11: decide, also plugins/vomap/policy/two.py:4"


def test_imports_in_functions_and_for_types(checkout: Path) -> None:
    """A circle needs imports at the top. An upward import counts anywhere, and has a note if it is for types only."""
    late = "from __future__ import annotations\n\n\ndef f() -> None:\n    from vomap.policy import one\n"
    (checkout / "plugins/vomap/policy/two.py").write_text(late, "utf-8")
    types = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from vomap import policy\n"
    (checkout / "plugins/vomap/files/__init__.py").write_text(types, "utf-8")
    found = {figure.label: figure for figure in figures(checkout, checkout)}
    assert found["import circles"] == Figure("import circles", "0")
    assert found["upward imports"].offenders == (
        "plugins/vomap/files/__init__.py:3: files imports vomap.policy (types only)",
    )


def test_the_order_of_the_rooms() -> None:
    """The order is that of the table in the design, and each room of the table is a package."""
    rooms = read_rooms(ROOT)
    assert (rooms[0], rooms[-1]) == ("files", "cli")
    assert all((ROOT / "plugins" / "vomap" / room).is_dir() for room in rooms)


def test_two_checkouts_side_by_side(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With two checkouts, the table has a column for each, and `--list` prints the places of both."""
    monkeypatch.setattr(sys, "argv", ["figures", str(checkout), str(checkout), "--list"])
    assert main() == 0
    head, first, *rest = capsys.readouterr().out.splitlines()
    assert head.split() == ["before", "after"]
    assert first.split() == ["modules", "8", "8"]
    assert rest.count(f"functions over 50 lines, {checkout}:") == 2


def test_a_folder_that_is_not_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other folder is wrong usage."""
    monkeypatch.setattr(sys, "argv", ["figures", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        main()
