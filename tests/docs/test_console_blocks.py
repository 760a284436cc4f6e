"""Every command of the documentation runs, and prints the output on the page. The tests skip nothing in silence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.console import DOCS, Command, Step, commands, pages, problems, script, steps

ROOT = DOCS.parent
# The commands that an ordinary run of the tests cannot run, and the end-to-end test that runs each.
ELSEWHERE: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).resolve().parent / "elsewhere.yaml").read_text("utf-8")
)


def _name(page: Path) -> str:
    return str(page.relative_to(DOCS))


def _is_run_here(step: Step) -> bool:
    return not isinstance(step, Command) or not (step.as_root or step.elsewhere)


PAGES = [page for page in pages() if any(map(_is_run_here, commands(page)))]


def test_there_are_pages_with_commands() -> None:
    """A scan that finds nothing proves nothing: the tutorial and the guides have commands."""
    assert "tutorial.md" in map(_name, PAGES)
    assert len([page for page in PAGES if page.parent.name == "howto"]) >= 5
    assert sum(_is_run_here(command) for page in PAGES for command in commands(page)) >= 40


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_what_a_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    """The commands of a page, run in their order in a folder of its own, print what the page shows."""
    todo = [step for step in steps(page) if _is_run_here(step)]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    done = subprocess.run(
        ["bash", "-c", script(todo)],
        cwd=tmp_path,
        env={"PATH": programs, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stderr == ""
    assert "\n\n".join(problems(todo, done.stdout)) == ""


def test_what_is_not_run_here_is_run_elsewhere() -> None:
    """Each command that needs root, a CE or the network is listed with the test that runs it, and nothing else is."""
    left_out = {(_name(page), each.text) for page in pages() for each in commands(page) if not _is_run_here(each)}
    listed = {(entry["page"], entry["command"].rstrip("\n")) for entry in ELSEWHERE}
    assert left_out == listed


@pytest.mark.parametrize("entry", ELSEWHERE, ids=lambda entry: entry["command"].strip()[:40])
def test_the_test_that_runs_it_is_there(entry: dict[str, Any]) -> None:
    """A command that is run elsewhere names a test that exists, and the words that this test runs it by."""
    for reference in entry["run-by"]:
        file, _, test = reference["test"].partition("::")
        text = (ROOT / "tests" / file).read_text("utf-8")
        assert f"def {test}(" in text
        assert reference["words"] in text


def test_a_difference_is_found(tmp_path: Path) -> None:
    """The test of the pages reports other output, a command that fails, and a script that ends early."""
    page = tmp_path / "page.md"
    shown = ["$ echo one", "two", "$ false", "$ (exit 3)", "$ echo $?", "3", "$ echo a b c", "a ... c"]
    shown += [r"$ printf 'x\ny\n'", "...", "$ echo two \\", "> lines", "two lines", "$ true"]
    todo = steps(page, "\n".join(["```console", *shown, "```", ""]))
    told = subprocess.run(["bash", "-c", script(todo)], capture_output=True, text=True, check=True).stdout
    assert [problem.partition(" ")[0] for problem in problems(todo, told)] == ["page.md:2:", "page.md:4:"]
    assert "ended early" in problems(todo, told[:20])[0]
    with pytest.raises(ValueError, match="begins with a prompt"):
        steps(page, "```console\nno prompt\n```\n")


def test_files_are_written_where_the_page_says(tmp_path: Path) -> None:
    """A block below `… as `PATH`:` is a file of that text. Any other block is not."""
    blocks = [
        "Write it as `c.yaml`:",
        "```yaml\nx: $HOME\n```",
        "Also\nas `d`:",
        "```text\ny\n```",
        "Thus:",
        "```yaml\nz\n```",
    ]
    todo = steps(tmp_path / "page.md", "\n\n".join(blocks))
    subprocess.run(["bash", "-c", script(todo)], cwd=tmp_path, check=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"c.yaml": "x: $HOME\n", "d": "y\n"}


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_no_command_hides_in_another_block(page: Path) -> None:
    """Each command to type is in a console block, where the test runs it. The reference only quotes the help."""
    text = page.read_text("utf-8")
    kinds = set(re.findall(r"^`{3,}([^\n`]+)$", text, re.MULTILINE))
    assert kinds <= {"console", "yaml", "json", "text", "{toctree}", "{graphviz}"}
    if page.parent.name != "reference":
        blocks = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        assert not [line for block in blocks for line in block.splitlines() if re.match(r"[$#] |vomap", line)]
