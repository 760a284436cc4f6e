"""Parse command lines: the words of vomap, and the actions of a verb, each with its own options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from vomap.files.shell import join_words

_EXAMPLES, _EXIT_CODES = "examples:", "exit codes:"


class Parser(argparse.ArgumentParser):
    """A parser that refuses unknown words itself, so that argparse shows the usage of the right verb or action."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the words. An unknown word is an error of this parser. Raises SystemExit."""
        read, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word, hint = unknown[0], ""
            if not word.startswith("-") and "--subject" in self._option_string_actions:
                option = "--issuer" if word.startswith("https://") else "--subject"
                hint = f"; did you mean {option} {join_words([word])}?"
            self.error(f"unexpected argument {word!a}{hint}")
        return read, unknown


class Action(NamedTuple):
    """One action of a verb: its help, the functions that add its options and run it, and more help."""

    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    epilog: str = ""


def add_actions(parser: argparse.ArgumentParser, actions: Mapping[str, Action]) -> None:
    """Add the actions of a verb. The attribute `run` of the parsed arguments is the function that runs the action.

    The help of an action has its own examples of the verb's epilog, and the exit codes.
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
    """Yield the examples that begin with a command. Further lines of an example are indented more."""
    is_its_own = False
    for line in paragraph.splitlines()[1:]:
        if line.startswith("  vomap"):
            is_its_own = line.startswith(f"  {command} ") or line == f"  {command}"
        if is_its_own:
            yield line
