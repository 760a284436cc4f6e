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
from vomap.mapfile.reader import Node

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
    issuers = root.member("issuers")
    for url, issuer in _members(issuers):
        yield from _refused_in_issuer(issuers.keys[url] if issuers else root.place, url, issuer)
    tests = root.member("tests")
    for test, values in zip(tests.items() if tests else (), plain.get("tests", ())):
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
    sources = issuer.member("vo-from")
    for source in sources.items() if sources else ():
        if source.value not in _VO_FROM:
            yield Refusal(source.place, f"`vo-from`: {source.value}")
    entitlements = issuer.member("entitlements")
    for entry in entitlements.items() if entitlements else ():
        yield from _others(entry, _ENTITLEMENTS)


def _others(node: Node, allowed: tuple[str, ...]) -> Iterator[Refusal]:
    """Yield the keys of a mapping that are not allowed."""
    for key, _ in _members(node):
        if key not in allowed:
            yield Refusal(node.keys[key], f"`{key}`")


def _members(node: Node | None) -> list[tuple[str, Node]]:
    return list(node.value.items()) if node is not None and isinstance(node.value, dict) else []
