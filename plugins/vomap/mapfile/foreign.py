"""Refuse entries of a mapfile of another user, except issuers, rules with plain accounts, and tests marked `alone`.

Everything else changes the site's own settings or the declarations of other files. The lists here name the allowed
keys, so that vomap refuses a new key of the language until it is added here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vomap.files.trusted import Custody
from vomap.mapfile.findings import Findings, Place
from vomap.mapfile.reader import Node, list_items, mapping_entries

_KEYS = ("mapfile", "issuers", "rules", "tests")
_ISSUER = ("vo", "vo-from", "vos", "default-vo", "entitlements")
_VO_FROM = ("group", "scope-path")
_ENTITLEMENTS = ("namespace", "authority")
# Not `claim`: its claims would go to the decision log as well.
_RULE = ("name", "issuer", "vo", "subject", "group", "first-group", "scope", "account")
_TEST = ("token", "expect", "at", "alone")


# The place of a forbidden entry, and its description.
Refusal = tuple[Place, str]


@dataclass(frozen=True)
class Guard:
    """Report the forbidden entries of a foreign file. `findings` gets an error for each."""

    custody: Custody
    findings: Findings

    def refuse_hiding(self, url: str, place: Place, later: Place) -> None:
        """Refuse a declaration of an issuer that overrides a later one of root's."""
        hidden = f"{later.file}:{later.line}"
        what = f"{url}: a declaration that overrides a later one ({hidden}; rename this file to be read later)"
        self.refuse([(place, what)])

    def refuse(self, refusals: Iterable[Refusal]) -> None:
        """Report the forbidden entries of the file."""
        why = f"is refused in a file that {self.custody.owner} can write"
        allowed = "such a file may contain only issuers, rules with plain accounts, and tests with `alone: yes`"
        for place, what in refusals:
            self.findings.error(place, f"{what} {why}; {allowed}. If you trust the content: `{self.custody.chown}`")


def refused_in_document(root: Node, plain: Any) -> Iterator[Refusal]:
    """Yield the forbidden entries of a foreign file except rules. `plain` is the file with the types of the schema."""
    yield from _others(root, _KEYS)
    for url, place, issuer in mapping_entries(root.member("issuers")):
        yield from _refused_in_issuer(place, url, issuer)
    for test, values in zip(list_items(root.member("tests")), plain.get("tests", ())):
        yield from _others(test, _TEST)
        if values.get("alone") is not True:
            yield test.place, "a test without `alone: yes`"


def refused_in_rule(rule: Node) -> Iterator[Refusal]:
    """Yield the forbidden entries of a foreign file's rule."""
    yield from _others(rule, _RULE)
    account = rule.member("account")
    if account is not None and "<" in str(account.value):
        yield account.place, f"`account: {account.value}`"


def _refused_in_issuer(place: Place, url: str, issuer: Node) -> Iterator[Refusal]:
    if not isinstance(issuer.value, dict):
        yield place, f"{url}: {issuer.value}"
        return
    yield from _others(issuer, _ISSUER)
    for source in list_items(issuer.member("vo-from")):
        if source.value not in _VO_FROM:
            yield source.place, f"`vo-from`: {source.value}"
    for entry in list_items(issuer.member("entitlements")):
        yield from _others(entry, _ENTITLEMENTS)


def _others(node: Node, allowed: tuple[str, ...]) -> Iterator[Refusal]:
    """Yield the keys of a mapping that are not allowed."""
    for key, place, _ in mapping_entries(node):
        if key not in allowed:
            yield place, f"`{key}`"
