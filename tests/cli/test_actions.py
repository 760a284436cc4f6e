"""The rule of all verbs: what a command line does not use, it refuses, and changes nothing."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

import pytest

from vomap.cli import VERBS, make_parser, run

Capture = pytest.CaptureFixture[str]
_PARSER = make_parser({verb: import_module(f"vomap.cli.{verb}") for verb in VERBS})


def _nested(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a parser's actions, or of the command's verbs, by their names."""
    found = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def _options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {name: each for each in parser._actions for name in each.option_strings}


def _needed(parser: argparse.ArgumentParser) -> list[str]:
    """Return the words without which a command line is refused anyway."""
    needed = [each for each in parser._actions if each.required]
    return [word for each in needed for word in (*each.option_strings[-1:], "x")]


LINES = {verb: _nested(parser) for verb, parser in _nested(_PARSER).items()}
FOREIGN = [
    (verb, name, option)
    for verb, actions in LINES.items()
    for name, parser in actions.items()
    for option in sorted({option for each in actions.values() for option in _options(each)} - set(_options(parser)))
]


def test_actions_are_command_lines() -> None:
    """No verb takes an action as a plain word, beside options that only another action uses."""
    assert {verb for verb, actions in LINES.items() if actions} == {"ban", "generate", "log", "render"}
    for parser in _nested(_PARSER).values():
        words = [each for each in parser._actions if not each.option_strings]
        assert not [each for each in words if each.choices and not _nested(parser)]


@pytest.mark.parametrize(("verb", "action", "option"), FOREIGN)
def test_an_action_refuses_the_options_of_others(capsys: Capture, verb: str, action: str, option: str) -> None:
    """The option is named, with the usage of the action, and the exit code is 2."""
    assert run([verb, action, *_needed(LINES[verb][action]), option]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"usage: vomap {verb} {action} ")
    assert f"vomap {verb} {action}: error: unexpected argument '{option}'" in printed.err


def test_there_are_such_options() -> None:
    """The test above tries each of `ban`'s."""
    assert {("ban", "add", "--dry-run"), ("ban", "lift", "--dry-run"), ("ban", "lift", "--until")} <= set(FOREIGN)
    assert {("render", "arc", "--then"), ("render", "htcondor", "--vo")} <= set(FOREIGN)


@pytest.mark.parametrize("words", [["add", "--subject", "s", "--reason", "r"], ["lift", "--subject", "kept"]])
def test_a_dry_run_of_what_has_none(tmp_path: Path, capsys: Capture, words: list[str]) -> None:
    """Only `ban fetch` has a dry run. Another action with that option changes nothing."""
    bans, policy = tmp_path / "bans.d", tmp_path / "policy"
    bans.mkdir()
    places = ["--bans", str(bans), "--policy", str(policy)]
    assert run(["ban", "add", "--subject", "kept", "--reason", "r", *places]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run(["ban", *words, "--dry-run", *places]) == 2
    assert "usage: " in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_rollback_refuses_what_it_does_not_use(tmp_path: Path, capsys: Capture) -> None:
    """`build --rollback` only exchanges two policies: it takes where they lie, and how to print that."""
    policy = str(tmp_path / "policy")
    used = {"--rollback", "--output", "--json", "--help", "-h"}
    for option in sorted(set(_options(_nested(_PARSER)["build"])) - used):
        words = [option] if option == "--automatic" else [option, str(tmp_path)]
        assert run(["build", "--rollback", "--output", policy, *words]) == 2
        assert option in capsys.readouterr().err


@pytest.mark.parametrize("action", ["add", "lift"])
@pytest.mark.parametrize("words", [["--first-group", "/a"], ["--first-group=/a"], ["--first-group"]])
def test_first_group_is_no_condition_of_a_ban(capsys: Capture, action: str, words: list[str]) -> None:
    """A ban has no `--first-group`, because the bearer chooses the order.

    The error names `--group`, and help lists only it.
    """
    assert run(["ban", action, *words, "--subject", "s"]) == 2
    assert "--first-group: a ban reads every group of a token, in any order: use --group" in capsys.readouterr().err
    assert run(["ban", action, "--help"]) == 0
    assert "first-group" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["add", "alice@egi.eu"], "did you mean --subject alice@egi.eu?"),
        (["lift", "a b"], "did you mean --subject 'a b'?"),
        (["add", "https://i/"], "did you mean --issuer https://i/?"),
        (["list", "alice"], "unexpected argument 'alice'\n"),
    ],
)
def test_a_word_without_its_option(capsys: Capture, words: list[str], meant: str) -> None:
    """An unexpected argument is refused. If it may be a subject or an issuer, the error offers that option."""
    assert run(["ban", *words]) == 2
    assert meant in capsys.readouterr().err


def test_a_key_without_a_log(capsys: Capture) -> None:
    """The key of pseudonyms is for a log."""
    assert run(["ban", "add", "--subject", "s", "--reason", "r", "--key", "k"]) == 2
    assert "--key goes with --log" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["add", "list", "lift", "fetch"])
def test_the_help_of_an_action(capsys: Capture, action: str) -> None:
    """Each has its own examples, and no others, and the exit codes."""
    assert run(["ban", action, "--help"]) == 0
    told = capsys.readouterr().out
    examples = told.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    assert all(line.startswith(f"  vomap ban {action}") for line in examples)
    assert "exit codes: " in told
