"""The example of the README prints the output that the README shows, and the links lead to files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from vomap import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_example_prints_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of the example, with its mapfile, prints the output below it."""
    ((mapfile,),) = [re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    ((session,),) = [re.findall(r"```console\n\$ (.*?)```", README, re.DOTALL)]
    command, output = re.fullmatch(r"(.*?\}')\n(.*)", session, re.DOTALL).groups()  # type: ignore[union-attr]
    (tmp_path / "example.yaml").write_text(mapfile, "utf-8")
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(command)
    assert program == ".venv/bin/vomap"
    assert cli.run(words) == 0
    assert capsys.readouterr().out == output


def test_its_two_commands_are_two() -> None:
    """The README names `make demo` and `make test` for newcomers. The gate reads the two commands from there."""
    assert re.findall(r"^    (make [a-z]+) ", README, re.MULTILINE) == ["make demo", "make test"]


@pytest.mark.parametrize("target", re.findall(r"\]\(([^):#]+)\)", README))
def test_its_links_lead_somewhere(target: str) -> None:
    """Each relative link names a file or folder of the repository."""
    assert (ROOT / target).exists()
