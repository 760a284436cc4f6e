"""Completions for bash and zsh, from the parsers: verbs, options, and the words or files that an option takes."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from tools.manual.verbs import action_parsers, actions_of, command_lines, help_of, verb_parsers

_PATHS = {"FILE", "FOLDER", "PATH", "DIR"}
_FILES = '$(compgen -f -- "$current")'
_HEAD = """\
# Completions of vomap for bash, written by `make manual`.
_vomap() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]-}
    case "$verb" in ACTIONS) if [ "$COMP_CWORD" -gt 2 ]; then verb="$verb ${COMP_WORDS[2]}"; fi ;; esac
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "VERBS --version --help" -- "$current"))
        return
    fi
    case "$verb $before" in
"""
_TAIL = """\
    esac
}
complete -o filenames -F _vomap vomap
"""


def bash_completions() -> str:
    """Return the program that bash reads."""
    parsers = verb_parsers()
    lines = command_lines()
    with_actions = {verb: list(actions) for verb, each in parsers.items() if (actions := action_parsers(each))}
    head = _HEAD.replace("VERBS", " ".join(parsers)).replace("ACTIONS", "|".join(with_actions))
    options = "".join(_option(words, action) for words, each in lines.items() for action in actions_of(each))
    verbs = "".join(_reply(verb, actions) for verb, actions in with_actions.items())
    verbs += "".join(_verb(words, parser) for words, parser in lines.items())
    return f'{head}{options}    esac\n    case "$verb" in\n{verbs}{_TAIL}'


def _option(verb: str, action: argparse.Action) -> str:
    """Return the words after an option: its values, or the verb's words for an option without a value."""
    if not action.option_strings or action.nargs == 0:
        return ""
    names = "|".join(f'"{verb} {name}"' for name in action.option_strings)
    return f"        {names}) {_values(action)}; return ;;\n"


def _verb(verb: str, parser: argparse.ArgumentParser) -> str:
    words = [word for action in actions_of(parser) for word in action.option_strings or action.choices or ()]
    files = any(action.nargs == "+" and _takes_paths(action) for action in actions_of(parser))
    # After the first of several files there may be more.
    return _reply(verb, words, _FILES if files else "")


def _reply(line: str, words: Iterable[str], more: str = "") -> str:
    """Return what follows the words of a command line: other words, and perhaps more."""
    reply = f'COMPREPLY=($(compgen -W "{" ".join([*words, "--help"])}" -- "$current")'
    return f'        "{line}") {reply} {more}'.rstrip() + ") ;;\n"


def _values(action: argparse.Action) -> str:
    if action.choices:
        return f'COMPREPLY=($(compgen -W "{" ".join(map(str, action.choices))}" -- "$current"))'
    return f"COMPREPLY=({_FILES})" if _takes_paths(action) else "COMPREPLY=()"


def _takes_paths(action: argparse.Action) -> bool:
    return not _PATHS.isdisjoint(str(action.metavar).split("|"))


def zsh_completions() -> str:
    """Return the function that zsh loads by its name."""
    parsers = verb_parsers()
    verbs = "".join(f"        {_quoted(f'{verb}:{_summary(parser)}')}\n" for verb, parser in parsers.items())
    cases = "".join(_case(verb, parser) for verb, parser in parsers.items())
    return f"{_ZSH_HEAD}{verbs}{_ZSH_MIDDLE}{cases}{_ZSH_TAIL}"


def _case(verb: str, parser: argparse.ArgumentParser) -> str:
    actions = action_parsers(parser)
    if not actions:
        return f"        {verb}) {_arguments(parser)} ;;\n"
    told = " ".join(_quoted(f"{name}:{_summary(each)}") for name, each in actions.items())
    cases = "".join(f"                {name}) {_arguments(each)} ;;\n" for name, each in actions.items())
    return _ZSH_ACTIONS.replace("VERB", verb).replace("TOLD", told).replace("CASES", cases)


def _arguments(parser: argparse.ArgumentParser) -> str:
    words = " ".join(_quoted(_spec(action)) for action in actions_of(parser))
    return f"_arguments {words} {_HELP}"


def _spec(action: argparse.Action) -> str:
    """Return the specification of an argument or option for `_arguments`."""
    choices = " ".join(map(str, action.choices or ()))
    does = f"({choices})" if choices else "_files" if _takes_paths(action) else " "
    value = f":{str(action.metavar or action.dest).replace('|', ' or ')}:{does}"
    if not action.option_strings:
        return value
    several = "*" if action.nargs == "+" or type(action).__name__ == "_AppendAction" else ""
    option = f"{several}{action.option_strings[-1]}[{_told(help_of(action))}]"
    return option if action.nargs == 0 else f"{option}{value}"


def _summary(parser: argparse.ArgumentParser) -> str:
    return _told((parser.description or "").rstrip("."))


def _told(text: str) -> str:
    """Return what is said of an option so that `_arguments` finds its end."""
    return text.translate({ord("["): "(", ord("]"): ")", ord("\\"): "/"})


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_ZSH_HEAD = """\
#compdef vomap
# Completions of vomap for zsh, written by `make manual`.
_vomap() {
    local curcontext=$curcontext state line
    local -a actions verbs=(
"""
_ZSH_MIDDLE = """\
    )
    local -a common=('--version[print the version]' '--help[print a short help]')
    _arguments -C $common '1:verb:->verb' '*::word:->words' && return
    case $state in
        verb) _describe verb verbs; return ;;
    esac
    case $line[1] in
"""
_HELP = "'--help[print a short help]'"
_ZSH_ACTIONS = """\
        VERB)
            actions=(TOLD)
            _arguments -C '--help[print a short help]' '1:action:->action' '*::word:->words' && return
            case $state in action) _describe action actions; return ;; esac
            case $line[1] in
CASES            esac ;;
"""
_ZSH_TAIL = """\
    esac
}
_vomap "$@"
"""
