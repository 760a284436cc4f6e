"""A command that vomap prints keeps the options that the administrator gave, and each verb takes them."""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path

import pytest

from vomap.cli import VERBS, make_parser
from vomap.cli.arguments import advice_of
from vomap.compile.advice import VERB_OPTIONS, Advice
from vomap.files.shell import join_words

PARSER = make_parser({verb: import_module(f"vomap.cli.{verb}") for verb in VERBS})
ALL = Advice(Path("/r oot"), Path("/c o"), "/p", ["/m1", "/m2"], ["/b"])
# The words that each verb needs beside its places.
NEEDED = {"explain": ["--claims", "{}"], "diff": ["/old", "/new"], "ban": ["add", "--subject", "x", "--reason", "y"]}


@pytest.mark.parametrize("advice", [Advice(), ALL, Advice(root=Path("/r"))])
@pytest.mark.parametrize("verb", VERB_OPTIONS)
def test_each_command_is_one_of_vomap(verb: str, advice: Advice) -> None:
    """The parser of the verb takes each option, and understands what the administrator gave."""
    words = shlex.split(advice.command(*verb.split(), *NEEDED.get(verb, [])))
    assert words[0] == "vomap"
    assert set(VERB_OPTIONS[verb]) >= {word for word in words if word in {"--policy", "--mapfiles", "--root", "--bans"}}
    again = advice_of(PARSER.parse_args(words[1:]))
    if verb == "status":
        assert (again.root, again.callouts, again.policy) == (advice.root, advice.callouts, advice.policy)
        assert (again.mapfiles, again.bans) == (advice.mapfiles, advice.bans)


@pytest.mark.parametrize(
    ("advice", "words", "command"),
    [
        (Advice(), ["init", "--replace"], "vomap init --replace"),
        (Advice(policy="/var/lib/vomap/policy", bans=["/etc/vomap/bans.d"]), ["build"], "vomap build"),
        (ALL, ["init", "--replace"], "vomap init --replace --callouts '/c o' --root '/r oot'"),
        (ALL, ["build"], "vomap build --mapfiles /m1 /m2 --bans /b --output /p"),
        (ALL, ["build", "--rollback"], "vomap build --rollback --output /p"),
        (ALL, ["render", "arc"], "vomap render arc --policy /p --callout '/c o/vomap-arc'"),
        (ALL, ["ban", "add", "--subject", "x"], "vomap ban add --subject x --bans /b --policy /p"),
        (Advice(mapfiles=["/m"]), ["build"], "vomap build --mapfiles /m --bans /etc/vomap/bans.d"),
        (Advice(mapfiles=["/m"]), ["status"], "vomap status --mapfiles /m"),
        (
            Advice(root=Path("r")),
            ["build"],
            "vomap build --mapfiles r/etc/vomap/mapfiles.d --bans r/etc/vomap/bans.d --output r/var/lib/vomap/policy",
        ),
        (Advice(root=Path("/r")), ["status"], "vomap status --root /r"),
    ],
)
def test_the_command_to_type(advice: Advice, words: list[str], command: str) -> None:
    """Defaults are not repeated. A verb without --root gets the files below the root."""
    assert advice.command(*words) == command


def test_no_terminal_can_show_another_command() -> None:
    """Marks that a terminal would obey, or turn around, are written as escapes."""
    assert join_words(["a b", "\x1b[2J", "\u202e"]) == "'a b' $'\\033[2J' $'\\342\\200\\256'"
