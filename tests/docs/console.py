"""The console blocks of the documentation: read them, run them in their order, and compare the output with the pages.

A command follows `$ `, or `# ` if root must type it. Its continuation follows `> `. The lines up to the next prompt are
its output. A line `...` there means any lines, and `...` within a line means any text. `$ echo $?` follows a command
with another exit code than 0. The test writes each file that the reader must write: `… as `PATH`:`, and then a block.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DOCS = Path(__file__).resolve().parents[2] / "docs"
# The placeholder for a block that needs the network or a chroot of its own, besides the prompt of root.
ELSEWHERE = "<!-- run in the chroot -->"
_FENCE = re.compile(
    r"(?:^(?P<mark><!--[^\n]*-->)\n)?^(?P<fence>`{3,})(?P<kind>[^\n]*)\n(?P<body>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_NAMED = re.compile(r"\bas\s+`([^`\s]+)`:\s*\Z")
_END_OF_FILE = "=-=-= end of file"
_SENTINEL = "=-=-= end of command"
# Each command is followed by this: it shows where its output ends and its exit code, and keeps that for `echo $?`.
_DONE = f"__done() {{ local code=$?; printf '\\n{_SENTINEL} %s\\n' $code; return $code; }}\n"


@dataclass
class Command:
    """A command of the documentation, with the output that is shown below it."""

    place: str
    text: str
    as_root: bool
    elsewhere: bool
    output: list[str] = field(default_factory=list)
    answered: bool = False  # whether `$ echo $?` follows


@dataclass(frozen=True)
class File:
    """A file that the reader writes."""

    place: str
    path: str
    text: str


Step = Union[Command, File]


def pages(folder: Path = DOCS) -> list[Path]:
    """Return every page of the documentation, in the order of their names."""
    return sorted(folder.rglob("*.md"))


def steps(page: Path, text: str | None = None) -> list[Step]:
    """Return what a page has its reader do: commands to type and files to write, in their order."""
    text = page.read_text("utf-8") if text is None else text
    return [step for match in _FENCE.finditer(text) for step in _steps_of(match, text, page)]


def commands(page: Path) -> list[Command]:
    """Return the commands of a page."""
    return [step for step in steps(page) if isinstance(step, Command)]


def _steps_of(match: re.Match[str], text: str, page: Path) -> Iterator[Step]:
    line = text.count("\n", 0, match.start("fence")) + 1
    place = f"{page.name}:{line}"
    if match["kind"].strip() == "console":
        yield from _commands_of(match["body"], page.name, line + 1, elsewhere=match["mark"] == ELSEWHERE)
        return
    named = _NAMED.search(text[: match.start()].rstrip() + "\n")
    if named:
        yield File(place, named[1], match["body"])


def _commands_of(body: str, name: str, line: int, *, elsewhere: bool) -> Iterator[Command]:
    found: list[Command] = []
    for number, shown in enumerate(body.splitlines(), line):
        if shown.startswith(("$ ", "# ")):
            found.append(Command(f"{name}:{number}", shown[2:], shown[0] == "#", elsewhere))
        elif not found:
            raise ValueError(f"{name}:{number}: a console block begins with a prompt, `$ ` or `# `")
        elif shown.startswith("> ") and not found[-1].output:
            found[-1].text += f"\n{shown[2:]}"
        else:
            found[-1].output.append(shown)
    for command, following in zip(found, found[1:]):
        command.answered = following.text == "echo $?"
    yield from found


def script(todo: Sequence[Step]) -> str:
    """Return a program for bash that does the steps in their order and shows where the output of each command ends."""
    return "exec 2>&1 </dev/null\n" + _DONE + "".join(map(_as_bash, todo))


def _as_bash(step: Step) -> str:
    if isinstance(step, Command):
        return f"{step.text}\n__done\n"
    return f"cat > {shlex.quote(step.path)} <<'{_END_OF_FILE}'\n{step.text}{_END_OF_FILE}\n"


def problems(steps_done: Sequence[Step], told: str) -> list[str]:
    """Return the differences between the commands on the pages and the output of their script."""
    todo = [step for step in steps_done if isinstance(step, Command)]
    pieces = re.split(rf"\n{_SENTINEL} (\d+)\n", told)
    found = [] if len(pieces) == 2 * len(todo) + 1 else [f"the script ended early: {told[-2000:]}"]
    for command, output, code in zip(todo, pieces[::2], pieces[1::2]):
        if code != "0" and not command.answered:
            found.append(f"{command.place}: exit {code} of `{command.text}`, and no `$ echo $?` follows:\n{output}")
        elif command.output and not _is_shown(command.output, output):
            shown = "\n".join(command.output)
            found.append(f"{command.place}: `{command.text}` prints\n{output}\n---- and the page shows\n{shown}")
    return found


def _is_shown(shown: Sequence[str], output: str) -> bool:
    """Return True if an output matches the page: `...` means any text, and alone on a line any lines."""
    expression = "".join(
        r"(?:[^\n]*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", r"[^\n]*") + r"\n" for line in shown
    )
    return re.fullmatch(expression, output.rstrip("\n") + "\n") is not None
