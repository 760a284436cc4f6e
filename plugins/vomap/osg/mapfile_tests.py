"""The tests that a generated mapfile carries: every entry, and who is near to one without being it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.analysis.tokens.assembly import assemble_token
from vomap.policy.authority import SCOPE_PATH

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from vomap.analysis.tokens.assembly import Token
    from vomap.osg.rules import GeneratedRule

_AUDIENCE = {"audience": ("ANY",)}
_COMPUTING = ("compute.create", "compute.modify", "compute.cancel")


@dataclass(frozen=True)
class Case:
    """A token, and what becomes of it: a rule's account for a VO, or declined."""

    token: Token
    rule: GeneratedRule | None = None
    vo: str | None = None


def cases_of_entries(rules: Iterable[GeneratedRule]) -> list[Case]:
    """Return a token for each entry."""
    rules = list(rules)
    of_issuer = _by_issuer(rules)
    return [
        Case(_token(rule.issuer, rule.subject or _stranger(of_issuer[rule.issuer])), rule, rule.vo) for rule in rules
    ]


def cases_of_strangers(rules: Iterable[GeneratedRule]) -> list[Case]:
    """Return an unknown subject for each issuer where every entry names one."""
    of_issuer = _by_issuer(rules)
    return [Case(_token(issuer, _stranger(own))) for issuer, own in sorted(of_issuer.items()) if _is_pinned(own)]


def cases_of_siblings(rules: Iterable[GeneratedRule]) -> list[Case]:
    """Return, for each issuer, its subject at an issuer with a slash more or less, and at one that begins like it."""
    of_issuer = _by_issuer(rules)
    found = []
    for issuer, own in sorted(of_issuer.items()):
        subject = own[0].subject or _stranger(own)
        stem, slash = (issuer[:-1], "/") if issuer.endswith("/") else (issuer, "")
        siblings = [stem if slash else f"{stem}/", f"{stem}-sibling{slash}"]
        found += [Case(_token(sibling, subject)) for sibling in siblings if sibling not in of_issuer]
    return found


def cases_of_names(rules: Iterable[GeneratedRule], issuer: str, names: Mapping[str, str]) -> list[Case]:
    """Return, for each name that an issuer's tokens use, a path with it: whose VO it is, and that it maps nobody.

    A name that is not listed is no VO, and leaves the issuer's own out too.
    """
    own = _by_issuer(rules)[issuer]
    rule = own[0]
    subject = rule.subject or _stranger(own)
    found = [Case(_token(issuer, subject, name), rule, vo) for name, vo in names.items()]
    found.append(Case(_token(issuer, subject, _absent("unlisted", "-too", names))))
    if _is_pinned(own):
        values = [{**_AUDIENCE, "scope": (f"storage.create:/{name}/data",)} for name in names]
        found += [Case(assemble_token(issuer, each, subject=_stranger(own))) for each in values]
    return found


def _token(issuer: str, subject: str, name: str | None = None) -> Token:
    """Return a token that may run jobs; `name` is what it calls its VO, if it names one."""
    ways = () if name is None else ((SCOPE_PATH, name),)
    return assemble_token(issuer, _AUDIENCE, ways, subject=subject, compute=_COMPUTING)


def _by_issuer(rules: Iterable[GeneratedRule]) -> dict[str, list[GeneratedRule]]:
    """Return the rules of each issuer, in their order."""
    found: dict[str, list[GeneratedRule]] = {}
    for rule in rules:
        found.setdefault(rule.issuer, []).append(rule)
    return found


def _is_pinned(rules: Iterable[GeneratedRule]) -> bool:
    return all(rule.subject is not None for rule in rules)


def _stranger(rules: Iterable[GeneratedRule]) -> str:
    """Return a subject that none of an issuer's rules names."""
    return _absent("anybody", "-else", {rule.subject for rule in rules})


def _absent(word: str, more: str, texts: Collection[str | None]) -> str:
    """Return a word that is none of these texts; `more` is added to it until it is none."""
    while word in texts:
        word += more
    return word
