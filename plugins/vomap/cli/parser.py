"""Verbs with actions: each action is a command line of its own, which refuses the options of the others."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

_EXAMPLES, _EXIT_CODES = "examples:", "exit codes:"


class Parser(argparse.ArgumentParser):
    """A command line that refuses what it does not know by itself, so that its own usage is shown."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read the words; a word that is left is an error here, not of the whole command. Raises SystemExit."""
        read, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unexpected argument {unknown[0]!a}{self._meant(unknown[0])}")
        return read, unknown

    def _meant(self, word: str) -> str:
        """Return which option a word may belong to, where a command line has options for tokens."""
        if word.startswith("-") or "--subject" not in self._option_string_actions:
            return ""
        option = "--issuer" if word.startswith("https://") else "--subject"
        return f"; did you mean {option} {shlex.quote(word)}?"


class Action(NamedTuple):
    """One action of a verb: what it does, what adds its options, what runs it, and more help."""

    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    epilog: str = ""


def add_actions(parser: argparse.ArgumentParser, actions: Mapping[str, Action]) -> None:
    """Add the actions of a verb, by their names; `run` of the namespace then has what runs the one that was named.

    Each gets the examples of the verb's epilog that are about it, and its exit codes.
    """
    added = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, action in actions.items():
        its_own = added.add_parser(
            name,
            help=action.help,
            description=f"{action.help[0].upper()}{action.help[1:]}.",
            epilog="\n\n".join(_help(f"{parser.prog} {name}", parser.epilog or "", action.epilog)) + "\n",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        action.configure(its_own)
        its_own.set_defaults(run=action.run)


def _help(command: str, of_verb: str, its_own: str) -> Iterator[str]:
    """Yield the paragraphs of an action's help."""
    for paragraph in of_verb.rstrip().split("\n\n"):
        if paragraph.startswith(_EXAMPLES):
            yield "\n".join([_EXAMPLES, *_examples(command, paragraph)])
            yield from filter(None, [its_own.rstrip()])
        elif paragraph.startswith(_EXIT_CODES):
            yield paragraph


def _examples(command: str, paragraph: str) -> Iterator[str]:
    """Yield the lines of the examples that begin with a command; further lines of one are indented more."""
    is_its_own = False
    for line in paragraph.splitlines()[1:]:
        if line.startswith("  vomap"):
            is_its_own = line.startswith(f"  {command} ") or line == f"  {command}"
        if is_its_own:
            yield line
