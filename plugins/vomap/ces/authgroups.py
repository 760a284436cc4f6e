"""Compare the authgroups of ARC: which tokens a group excludes, and which tokens a group has for certain.

Source: ARC's arc.conf.reference, blocks [authgroup]. Measured on ARC 7.0.0. The first rule of a group that matches a
token decides. `-` before a rule excludes the tokens that match, `!` inverts the rule. ARC ignores a rule with a blank
behind `-`, and the names of groups whose blocks begin after the group that names them. `subject` and `file` match the
text ISSUER/SUBJECT of a token. `voms` matches no token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from vomap.ces.arc_files import ArcLine
from vomap.ces.wiring import read_configuration

_BLOCK = "authgroup:"
_RULE = re.compile(r"([+-]?)(!?)(\w+)=(.*)")
_GROUP, _TOKENS, _ALL = "authgroup", "authtokens", "all"
# ARC unquotes words, and takes a backslash away (auth_otokens.cpp). vomap does not guess what is left.
_QUOTES = frozenset("\"'\\")


class Condition(NamedTuple):
    """A rule without its sign: tokens that match, or all others if it is `inverted`.

    A rule with a quote or a backslash is not `plain`: ARC unquotes its words, and any token may match.
    """

    kind: str
    words: tuple[str, ...]
    inverted: bool = False
    is_plain: bool = True

    @property
    def is_group(self) -> bool:
        """True for the members of other groups."""
        return self.kind == _GROUP and not self.inverted and self.is_plain

    def __str__(self) -> str:
        """Return the condition as a rule of arc.conf."""
        return f"{'!' if self.inverted else ''}{self.kind} = {' '.join(self.words)}"


class Rule(NamedTuple):
    """A rule of an authgroup."""

    line: ArcLine
    condition: Condition
    excludes: bool


class Exclusion(NamedTuple):
    """A rule that keeps the tokens of a condition out of a group."""

    line: ArcLine
    condition: Condition


class AuthGroups:
    """The authgroups of a CE, with their rules."""

    def __init__(self, lines: Iterable[ArcLine], root: Path) -> None:
        """Take the lines of the configuration, and the root of the CE's system for files of `file` rules."""
        self._root = root
        self._rules: dict[str, list[Rule]] = {}
        for line in lines:
            if line.block.startswith(_BLOCK):
                name = line.block[len(_BLOCK) :]
                self._rules.setdefault(name, [])
                self._rules[name] += self._parsed(line, name)

    def _parsed(self, line: ArcLine, group: str) -> Iterator[Rule]:
        if not (match := _RULE.fullmatch(line.text)):
            return
        words = tuple(match[4].split())
        is_plain = not _QUOTES.intersection(match[4])
        if match[3] == _GROUP and is_plain:
            earlier = list(self._rules)[: list(self._rules).index(group)]
            words = tuple(word for word in words if word in earlier)
        if words:
            yield Rule(line, Condition(match[3], words, bool(match[2]), is_plain), match[1] == "-")

    def exclusions(self, group: str) -> Iterator[Exclusion]:
        """Yield the rules that keep tokens out of a group that its other rules could put there."""
        rules = self._rules.get(group, [])
        for place, (line, condition, excludes) in enumerate(rules):
            if condition.kind == _ALL or self._cover(rules[:place], condition):
                continue
            if excludes and any(not rule.excludes for rule in rules[place:]):
                yield Exclusion(line, condition)
            elif not excludes and condition.inverted:
                yield Exclusion(line, condition._replace(inverted=False))
            elif not excludes and condition.is_group:
                for name in condition.words:
                    yield from self.exclusions(name)

    def covers(self, group: str, condition: Condition) -> bool:
        """Return True if all tokens of a condition are certainly in a group."""
        rules = list(takewhile(lambda rule: not rule.excludes, self._rules.get(group, ())))
        if condition.is_group:
            return all(name == group or self._cover_group(rules, name) for name in condition.words)
        return self._cover(rules, condition)

    def _cover(self, rules: Sequence[Rule], condition: Condition) -> bool:
        """Return True if each token of a condition matches one of these rules, whatever the sign of the rule."""
        if any(self._rule_covers(rule.condition, condition) for rule in rules):
            return True
        return condition.is_group and all(self._cover_group(rules, name) for name in condition.words)

    def _cover_group(self, rules: Sequence[Rule], name: str) -> bool:
        """Return True if each token of a group matches one of these rules."""
        if any(self._rule_covers(rule.condition, Condition(_GROUP, (name,))) for rule in rules):
            return True
        members = [rule.condition for rule in self._rules.get(name, ()) if not rule.excludes]
        return bool(members) and all(self._cover(rules, each) for each in members)

    def _rule_covers(self, own: Condition, condition: Condition) -> bool:
        """Return True if each token of a condition meets a rule's own condition."""
        if own in (condition, Condition(_ALL, ("yes",))):
            return True
        if own.inverted or condition.inverted or not (own.is_plain and condition.is_plain):
            return False
        if own.kind == condition.kind == _TOKENS and len(own.words) == len(condition.words):
            return all(word in ("*", other) for word, other in zip(own.words, condition.words))
        return own.kind == _GROUP and any(self.covers(name, condition) for name in own.words)

    def may_have(self, group: str, issuers: Collection[str]) -> bool:
        """Return True if a token of one of these issuers could be in a group."""
        return any(not rule.excludes and self.may_match(rule.condition, issuers) for rule in self._rules.get(group, ()))

    def may_match(self, condition: Condition, issuers: Collection[str]) -> bool:
        """Return True if a token of one of these issuers could meet a condition."""
        kind, words, inverted, is_plain = condition
        if inverted or not is_plain:
            return True
        if kind == _GROUP:
            return any(self.may_have(name, issuers) for name in words)
        if kind == _TOKENS:
            return {*words[1:2]} <= {"*", *issuers}
        if kind == _ALL:
            return words == ("yes",)
        if kind == "subject":
            return any(issuer in " ".join(words) for issuer in issuers)
        if kind == "file":
            return self._names(words[0], issuers)
        return kind != "voms"

    def _names(self, path: str, issuers: Collection[str]) -> bool:
        """Return True if a file of a `file` rule contains one of these issuers."""
        file = self._root / path.lstrip("/")
        text = read_configuration(file) if file.is_file() else ""
        return any(issuer in text for issuer in issuers)
