"""Each command that a message prints is run in a situation that prints it, and the machine is better afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from _pytest.mark import ParameterSet

from cli.advice.scan import PRODUCT, Command, find_commands
from cli.advice.situation import HERE, Machine, Situation, colours, commands_of, faults_of, read_situations
from owners import Owners, other_owners

SITUATIONS = read_situations()
# Commands that no unit test can run, each with the reason and, if there is one, with the test that runs it.
NOT_RUN = yaml.safe_load((HERE / "not_run.yaml").read_text("utf-8"))
# Commands that a text names without suggesting them.
NAMED = yaml.safe_load((HERE / "named.yaml").read_text("utf-8"))
_GREEN = "green"


def _parameter(situation: Situation) -> ParameterSet:
    marks = [pytest.mark.xfail(reason=situation.fault)] if situation.fault else []
    return pytest.param(situation, id=situation.name, marks=marks)


def _filled(command: str, situation: Situation, machine: Machine) -> str:
    for word, choice in situation.fill.items():
        command = command.replace(word, machine.filled(choice))
    return command


@pytest.fixture
def owners() -> Iterator[Owners]:
    """Return what gives files to other users."""
    with other_owners() as found:
        yield found


def _is_in(table: list[dict[str, str]], command: Command) -> bool:
    same = [entry for entry in table if entry["in"] == command.file and entry["command"].rstrip(" …") == command.name]
    return any(entry.get("says", "") in command.message for entry in same)


@pytest.mark.parametrize("situation", list(map(_parameter, SITUATIONS)))
def test_a_command_that_a_message_prints_helps(
    situation: Situation, tmp_path: Path, owners: Owners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs as it is printed. Then the message is gone, nothing that was green is not, and all holds that must."""
    machine = Machine(tmp_path, situation.ce, owners, monkeypatch)
    machine.prepare(situation)
    command, *others = commands_of(situation)
    before = machine.type(machine.filled(situation.print))
    assert command.pattern.search(before.text), before.text
    suggested = command.find_in(before.text)
    assert len(suggested) > situation.take, before.text
    chosen = [suggested[situation.take], *(other.find_in(before.text)[0] for other in others)]
    if situation.fix:
        machine.type(machine.filled(situation.fix))
    for typed in chosen:
        done = machine.follow(_filled(typed, situation, machine))
        assert done.code == situation.code, f"{typed}\n{done.text}"
    if not situation.once:
        after = machine.type(machine.filled(situation.print))
        is_gone = not command.pattern.search(after.text) or chosen[0] not in command.find_in(after.text)
        assert situation.stays or is_gone, after.text
        was, now = colours(before.text), colours(after.text)
        assert {what for what, colour in was.items() if colour == _GREEN and now.get(what) != _GREEN} == set()
    for expectation in situation.then:
        filled = {key: machine.filled_in(value) for key, value in expectation.items()}
        faults = faults_of(filled, machine.type(filled["run"]))
        assert not faults, "\n".join(faults)


def test_the_scan_finds_commands() -> None:
    """A scan that finds nothing proves nothing."""
    found = find_commands()
    assert len(found) >= 30
    assert {command.text.split()[0] for command in found} >= {"vomap", "chown", "chmod", "systemctl"}
    assert len({command.file for command in found}) >= 10


def test_each_command_has_a_situation() -> None:
    """Each command of each message is tried, or is in a table that says why not."""
    covered = {(each.message, each.text) for situation in SITUATIONS for each in commands_of(situation)}
    missing = [
        command
        for command in find_commands()
        if (command.message, command.text) not in covered
        and not any(_is_in(table, command) for table in (NOT_RUN, NAMED))
    ]
    how = (
        "Add an entry to a file in tests/cli/advice/situations: how a machine comes to print this command, and what "
        "must hold after somebody typed it (tests/cli/advice/situation.py has the keys). If no unit test can run it, "
        "add it to not_run.yaml with the reason. If the text only names it, add it to named.yaml."
    )
    assert not missing, "\n".join([*map(str, missing), how])


@pytest.mark.parametrize("table", ["not_run", "named"])
def test_the_tables_are_short_and_true(table: str) -> None:
    """Each entry is in the source and has a reason. A test that an entry names exists."""
    entries = {"not_run": NOT_RUN, "named": NAMED}[table]
    for entry in entries:
        assert any(_is_in([entry], command) for command in find_commands()), entry
        assert entry["why"]
        file, _, test = entry.get("run-by", "").partition("::")
        assert not file or f"def {test}(" in (PRODUCT.parent / "tests" / file).read_text("utf-8"), entry


def test_no_situation_is_left_over() -> None:
    """Each situation is about a command of the source, and has a name of its own."""
    for situation in SITUATIONS:
        assert commands_of(situation)
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('print(f"{x}: bad; run `vomap build`")', ["vomap build"]),
        ('print(f"{x}: bad: chmod go-w {y}")', ["chmod go-w …"]),
        ("print(f\"run `{advice.command('init', '--replace')}`\")", ["vomap init --replace…"]),
        ("x = advice.command('ban', 'add', y)", ["vomap ban add ……"]),
        ("x = ' && '.join(advice.command(*words) for words in y)", ["vomap ……"]),
        ("def f():\n    x = a.command('build')\n    y = f'run `{x}`'\n    print(f'bad; {y}')", ["vomap build…"]),
        ('words = ["vomap", "refresh", *said, "--accept", digest]', ["vomap refresh … --accept …"]),
        ('"""`vomap build`."""\nprint("vomap does not read this")', []),
        ('parser.add_argument("-x", help="`vomap build`")', []),
    ],
)
def test_what_the_scan_reads(source: str, texts: list[str], tmp_path: Path) -> None:
    """Commands in backticks, at the end of a line, in lists of words, and those of the owner of advice."""
    (tmp_path / "vomap").mkdir()
    (tmp_path / "vomap" / "x.py").write_text(source, "utf-8")
    assert [command.text for command in find_commands(tmp_path)] == texts
