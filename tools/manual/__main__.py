"""Write the reference, the man pages and the completions: `python -m tools.manual`, which `make manual` runs."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from tools.manual.callouts import callout_pages
from tools.manual.completions import bash_completions, zsh_completions
from tools.manual.facts import SHIPPED, callout_exit_codes, exit_codes, files_table, trust_of_files, trust_of_sources
from tools.manual.lint import INTRODUCTION, lint_sections
from tools.manual.mapfile import mapfile_page
from tools.manual.markdown import document, page_part, section_part
from tools.manual.model import Page, Paragraph, Section, Terms
from tools.manual.roff import roff
from tools.manual.verbs import command_page, verb_pages

from vomap import __version__

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def main() -> int:
    """Write the pages. With `--check`, print the pages that differ from the code, and return 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.manual", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build", help="where man/ and completions/ go")
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="where the pages of the reference go")
    parser.add_argument("--check", action="store_true", help="write nothing; is the reference as the code has it?")
    parser.add_argument("--lint", action="store_true", help="have `man` read each page, and fail if it warns")
    arguments = parser.parse_args()
    if arguments.check:
        return _check(arguments.reference)
    for name, text in reference().items():
        _write(arguments.reference / name, text)
    manual = [_write(arguments.output / "man" / name, text) for name, text in man_pages().items()]
    _write(arguments.output / "completions" / "bash" / "vomap", bash_completions())
    _write(arguments.output / "completions" / "zsh" / "_vomap", zsh_completions())
    return _lint(manual) if arguments.lint else 0


def reference() -> dict[str, str]:
    """Return the generated pages of the reference by their names."""
    verbs = [page_part(page) for page in verb_pages()]
    callouts = [page_part(page) for page in callout_pages()]
    mapfile = mapfile_page()
    return {
        "commands.md": document("The command vomap", _COMMANDS, verbs),
        "callouts.md": document("The callouts", _CALLOUTS, callouts),
        "mapfile.md": document("The mapfile", _MAPFILE, [section_part(each, 2) for each in mapfile.sections]),
        "lint.md": document(
            "The warnings of the linter", INTRODUCTION, [section_part(each, 2) for each in lint_sections()]
        ),
        "exit-codes.md": document("Exit codes", _EXIT_CODES, [section_part(each, 2) for each in _exit_sections()]),
        "files.md": document("Files and their modes", _FILES, [section_part(each, 2) for each in _file_sections()]),
    }


def man_pages() -> dict[str, str]:
    """Return every man page by the name of its file."""
    pages = [command_page(), *verb_pages(), *callout_pages(), mapfile_page()]
    return {f"{_file_name(page)}.{page.volume}": roff(_named(page), __version__) for page in pages}


def _named(page: Page) -> Page:
    return Page(_file_name(page), page.volume, page.summary, page.synopsis, page.sections, page.see_also)


def _file_name(page: Page) -> str:
    return page.name.replace(" ", "-")


def _exit_sections() -> list[Section]:
    arc = Paragraph(
        'For HTCondor, 0 is an account and 1 is "ask the next plugin". Any other code is a refusal. For the mapping of '
        'ARC, 0 is an account and 1 is "no mapping". Any other code is a refusal. For an authgroup of ARC, 0 is a '
        "member. Any other code is not a member."
    )
    return [Section("vomap", [exit_codes()]), Section("The callouts", [callout_exit_codes(), arc])]


def _file_sections() -> list[Section]:
    return [
        Section("On a CE", [files_table(), trust_of_files(), trust_of_sources()]),
        Section(
            "Files that vomap installs",
            [Terms(SHIPPED), Paragraph("PREFIX is the folder of the installation, such as `/opt/vomap`.")],
        ),
    ]


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def _check(folder: Path) -> int:
    stale = [name for name, text in reference().items() if _text(folder / name) != text]
    for name in stale:
        print(f"{folder / name} is not as the code has it; run `make manual`", file=sys.stderr)
    return 1 if stale else 0


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def _lint(manual: list[Path]) -> int:
    """Return 1 if `man` warns of anything in one of the pages, or if there is no `man` to ask."""
    if shutil.which("man") is None:
        print("there is no man: install man-db", file=sys.stderr)
        return 1
    warned = 0
    for path in manual:
        words = ["man", "--warnings", "--encoding=UTF-8", "--local-file", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if done.returncode or done.stderr or not done.stdout.strip():
            print(f"{path}: {done.stderr or 'nothing is shown'}", file=sys.stderr)
            warned = 1
    return warned


_COMMANDS = "Each verb as `vomap VERB --help` shows it. Every verb ends with one of these [exit codes](exit-codes.md)."
_CALLOUTS = (
    "The programs that the CEs call, and the program for services with a raw token. "
    "[The design](../design/callouts.md) has the reasons."
)
_MAPFILE = (
    "Generated from [the schema](../../schemas/mapfile-1.schema.json). `vomap check` and editors use the same schema. "
    "[The semantics](../explanation/semantics.md) explain issuers, VOs and memberships."
)
_EXIT_CODES = "The exit codes of the programs, generated from their tables."
_FILES = "The default places of files. An option can name another place for each path that the command reads or writes."

if __name__ == "__main__":
    sys.exit(main())
