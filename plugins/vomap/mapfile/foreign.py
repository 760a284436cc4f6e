"""Refuse what a mapfile of another user may not contain: all but issuers, plain accounts and its own tests.

Everything else decides about the site itself, or about what others declare. These are lists of what is allowed: a key
that the language gains is refused until it is listed here.
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
# Not `claim`, whose claims the decision log keeps as well.
_RULE = ("name", "issuer", "vo", "subject", "group", "first-group", "scope", "account")
_TEST = ("token", "expect", "at", "alone")


@dataclass(frozen=True)
class Refusal:
    """Something that a foreign file may not contain: its place, and what it is."""

    place: Place
    what: str


@dataclass(frozen=True)
class Guard:
    """Report what a foreign file may not contain; `findings` gets an error for each."""

    custody: Custody
    findings: Findings

    def check_document(self, root: Node, plain: Any) -> None:
        """Check a file but for its rules; `plain` is the file as the schema types it."""
        self._refuse(refused_in_document(root, plain))

    def check_rule(self, rule: Node) -> None:
        """Check one rule."""
        self._refuse(refused_in_rule(rule))

    def refuse_hiding(self, url: str, place: Place, later: Place) -> None:
        """Refuse a declaration that holds instead of a later one of root's."""
        hidden = f"{later.file}:{later.line}"
        self._refuse(
            [Refusal(place, f"{url}: a declaration that hides a later one ({hidden}; read this file after it)")]
        )

    def _refuse(self, refusals: Iterable[Refusal]) -> None:
        why = f"is refused in a file that {self.custody.owner} can write"
        allowed = "such a file may contain only issuers, rules with plain accounts and `alone` tests"
        for each in refusals:
            message = f"{each.what} {why}; {allowed}. If you trust what it says: {self.custody.chown}"
            self.findings.error(each.place, message)


def refused_in_document(root: Node, plain: Any) -> Iterator[Refusal]:
    """Yield what a foreign file may not contain besides its rules; `plain` is the file as the schema types it."""
    yield from _others(root, _KEYS)
    for url, place, issuer in mapping_entries(root.member("issuers")):
        yield from _refused_in_issuer(place, url, issuer)
    for test, values in zip(list_items(root.member("tests")), plain.get("tests", ())):
        yield from _others(test, _TEST)
        if values.get("alone") is not True:
            yield Refusal(test.place, "a test without `alone: yes`")


def refused_in_rule(rule: Node) -> Iterator[Refusal]:
    """Yield what a rule of a foreign file may not contain."""
    yield from _others(rule, _RULE)
    account = rule.member("account")
    if account is not None and "<" in str(account.value):
        yield Refusal(account.place, f"`account: {account.value}`")


def _refused_in_issuer(place: Place, url: str, issuer: Node) -> Iterator[Refusal]:
    if not isinstance(issuer.value, dict):
        yield Refusal(place, f"{url}: {issuer.value}")
        return
    yield from _others(issuer, _ISSUER)
    for source in list_items(issuer.member("vo-from")):
        if source.value not in _VO_FROM:
            yield Refusal(source.place, f"`vo-from`: {source.value}")
    for entry in list_items(issuer.member("entitlements")):
        yield from _others(entry, _ENTITLEMENTS)


def _others(node: Node, allowed: tuple[str, ...]) -> Iterator[Refusal]:
    """Yield the keys of a mapping that are not allowed."""
    for key, place, _ in mapping_entries(node):
        if key not in allowed:
            yield Refusal(place, f"`{key}`")
