"""The pages of `vomap` and its verbs, from the parsers that read the command line and print `--help`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from importlib import import_module
from textwrap import dedent

from tools.manual.facts import exit_codes, files_section
from tools.manual.model import Block, Code, Items, Page, Paragraph, Section, Terms

from vomap.cli import VERBS, make_parser

_EXAMPLES, _EXIT_CODES = "examples:", "exit codes:"
_ALWAYS = ("vomap(1)", "vomap-mapfile(5)")


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    return make_parser({verb: import_module(f"vomap.cli.{verb}") for verb in VERBS})


def verb_parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each verb, in the order of `vomap --help`."""
    return action_parsers(command_parser())


def action_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each action of a verb, or of each verb of the command."""
    return {name: each for action in _actions(parser) if _is_choice(action) for name, each in _nested(action).items()}


def actions_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return a parser's arguments and options, but not `--help`, what is hidden, and the actions of a verb."""
    shown = [each for each in _actions(parser) if each.dest != "help" and each.help != argparse.SUPPRESS]
    return [each for each in shown if not _is_choice(each)]


def command_lines() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each verb, or of each of its actions, by the words that begin the command line."""
    found = {}
    for verb, parser in verb_parsers().items():
        actions = action_parsers(parser)
        found.update({f"{verb} {action}": each for action, each in actions.items()} if actions else {verb: parser})
    return found


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return list(parser._actions)  # noqa: SLF001 - there is no other way


def _is_choice(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)  # noqa: SLF001 - there is no other way


def _nested(action: argparse.Action) -> dict[str, argparse.ArgumentParser]:
    assert isinstance(action.choices, dict)
    return dict(action.choices)


def command_page() -> Page:
    """Return the page of `vomap` itself."""
    parsers = verb_parsers()
    verbs = Terms([(verb, import_module(f"vomap.cli.{verb}").HELP) for verb in parsers])
    sections = [
        Section("Description", [Paragraph(_DESCRIPTION)]),
        Section("Verbs", [verbs, Paragraph("`vomap VERB --help` describes each, with examples.")]),
        Section("Options", [Terms([("--version", "print the version"), ("-h, --help", "print a short help")])]),
        Section("Exit codes", [exit_codes()]),
        files_section(),
    ]
    also = [f"vomap-{verb}(1)" for verb in parsers] + [
        "vomap-mapfile(5)",
        "vomap-htcondor(8)",
        "vomap-arc(8)",
        "vomap-token(8)",
    ]
    return Page("vomap", 1, "decide which local account a token runs as", ["vomap VERB [OPTIONS]"], sections, also)


def verb_pages() -> list[Page]:
    """Return the page of each verb."""
    return [_verb_page(verb, parser) for verb, parser in verb_parsers().items()]


def _verb_page(verb: str, parser: argparse.ArgumentParser) -> Page:
    epilog = _paragraphs(parser)
    actions = action_parsers(parser)
    sections = [
        Section("Description", _description(parser)),
        *(_action_section(f"vomap {verb} {name}", each) for name, each in actions.items()),
        *_section("Arguments", _arguments(parser)),
        *_section("Options", _options(parser)),
        *(Section("Examples", [Code(_examples(part))]) for part in epilog if part.startswith(_EXAMPLES)),
        *(Section("Exit codes", [Paragraph(_codes(part))]) for part in epilog if part.startswith(_EXIT_CODES)),
    ]
    lines = {f"{verb} {name}": each for name, each in actions.items()} or {verb: parser}
    synopsis = [line for words, each in lines.items() for line in _synopsis(words, each)]
    return Page(f"vomap {verb}", 1, import_module(f"vomap.cli.{verb}").HELP, synopsis, sections, _ALWAYS)


def _action_section(command: str, parser: argparse.ArgumentParser) -> Section:
    """Return the part of a verb's page about one of its actions."""
    terms = [(spelled(action), help_of(action)) for action in (*_arguments(parser), *_options(parser))]
    return Section(command, [*_description(parser), Terms(terms)])


def _description(parser: argparse.ArgumentParser) -> list[Block]:
    blocks = [block for part in _paragraphs(parser) if not _is_list(part) for block in _blocks(part)]
    return [Paragraph(parser.description or ""), *blocks]


def _blocks(part: str) -> Iterator[Block]:
    """Yield a paragraph of an epilog, and the list that may follow it: each line of a list begins with `- `."""
    text, *items = re.split(r"^- ", part, flags=re.MULTILINE)
    if text:
        yield Paragraph(" ".join(text.split()))
    if items:
        yield Items([" ".join(item.split()) for item in items])


def _paragraphs(parser: argparse.ArgumentParser) -> list[str]:
    return [part for part in (parser.epilog or "").strip().split("\n\n") if part]


def _arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in actions_of(parser) if not action.option_strings]


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in actions_of(parser) if action.option_strings]


def _is_list(part: str) -> bool:
    return part.startswith((_EXAMPLES, _EXIT_CODES))


def _examples(part: str) -> str:
    return dedent(part[len(_EXAMPLES) :].strip("\n"))


def _codes(part: str) -> str:
    text = " ".join(part[len(_EXIT_CODES) :].split())
    return f"{text[0].upper()}{text[1:]}."


def _section(title: str, actions: list[argparse.Action]) -> Iterator[Section]:
    if actions:
        yield Section(title, [Terms([(spelled(action), help_of(action)) for action in actions])])


def help_of(action: argparse.Action) -> str:
    """Return the text of `--help` about an argument or option."""
    return (action.help or "") % {**vars(action), "prog": "vomap"}


def spelled(action: argparse.Action) -> str:
    """Return an argument or option as it is typed, with the name of its value."""
    value = value_name(action)
    if not action.option_strings:
        return value
    return ", ".join(action.option_strings) + (f" {value}" if value else "")


def value_name(action: argparse.Action) -> str:
    """Return the name of an option's value, "" if it takes none."""
    if action.nargs == 0:
        return ""
    choices = "|".join(map(str, action.choices or ()))
    name = str(action.metavar or (choices or action.dest.upper()))
    return f"{name}..." if action.nargs in ("+", "*") else name


def _synopsis(verb: str, parser: argparse.ArgumentParser) -> list[str]:
    words = [f"vomap {verb}"]
    for action in sorted(actions_of(parser), key=lambda each: bool(each.option_strings)):
        text = value_name(action) if not action.option_strings else f"{action.option_strings[-1]} {value_name(action)}"
        text = text.strip()
        words.append(text if action.required or not action.option_strings else f"[{text}]")
    return list(_wrapped(words))


def _wrapped(words: list[str], width: int = 90) -> Iterator[str]:
    line = words[0]
    for word in words[1:]:
        if len(line) + len(word) + 1 > width:
            yield line
            line = "   "
        line += f" {word}"
    yield line


_DESCRIPTION = (
    "A grid Compute Element (CE) receives a job with a bearer token, and needs a local account for the job. vomap "
    "gives the account, by the same mapfiles on HTCondor-CE and ARC CE. You can check, test and explain the mapfiles "
    "before they are in force. This command writes, checks, tests, builds and explains a policy, and bans. The CEs "
    "call `vomap-htcondor` and `vomap-arc`. Other services with a token call `vomap-token`."
)
