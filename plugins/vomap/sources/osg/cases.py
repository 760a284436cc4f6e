"""The tests that a generated mapfile carries: every entry, and who is near to one without being it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vomap.sources.osg.rules import Rule

_COMPUTING = "compute.create compute.modify compute.cancel"


@dataclass(frozen=True)
class Case:
    """A token, and what becomes of it: a rule's account for a VO, or declined."""

    token: Mapping[str, str]
    rule: Rule | None = None
    vo: str | None = None


def cases_of_entries(rules: Iterable[Rule]) -> list[Case]:
    """Return a token for each entry."""
    rules = list(rules)
    return [Case(_token(rule.issuer, rule.subject or _stranger(rules, rule.issuer)), rule, rule.vo) for rule in rules]


def cases_of_strangers(rules: Sequence[Rule]) -> list[Case]:
    """Return an unknown subject for each issuer where every entry names one."""
    return [Case(_token(issuer, _stranger(rules, issuer))) for issuer in _issuers(rules) if _is_pinned(rules, issuer)]


def cases_of_siblings(rules: Sequence[Rule]) -> list[Case]:
    """Return, for each issuer, its subject at an issuer with a slash more or less, and at one that begins like it."""
    issuers = _issuers(rules)
    found = []
    for issuer in issuers:
        subject = next(rule.subject for rule in rules if rule.issuer == issuer) or _stranger(rules, issuer)
        stem, slash = (issuer[:-1], "/") if issuer.endswith("/") else (issuer, "")
        siblings = [stem if slash else f"{stem}/", f"{stem}-sibling{slash}"]
        found += [Case(_token(sibling, subject)) for sibling in siblings if sibling not in issuers]
    return found


def cases_of_names(rules: Sequence[Rule], issuer: str, names: Mapping[str, str]) -> list[Case]:
    """Return, for each name that an issuer's tokens use, a path with it: whose VO it is, and that it maps nobody.

    A name that is not listed is no VO, and leaves the issuer's own out too.
    """
    rule = next(rule for rule in rules if rule.issuer == issuer)
    subject = rule.subject or _stranger(rules, issuer)
    found = [
        Case(_token(issuer, subject, f"{_COMPUTING} storage.read:/{name}"), rule, vo) for name, vo in names.items()
    ]
    found.append(Case(_token(issuer, subject, f"{_COMPUTING} storage.read:/{_unlisted(names)}")))
    if _is_pinned(rules, issuer):
        scopes = [f"compute.create storage.create:/{name}/data" for name in names]
        found += [Case(_token(issuer, _stranger(rules, issuer), scope)) for scope in scopes]
    return found


def _token(issuer: str, subject: str, scope: str = _COMPUTING) -> dict[str, str]:
    return {"iss": issuer, "sub": subject, "aud": "ANY", "scope": scope}


def _issuers(rules: Iterable[Rule]) -> list[str]:
    return sorted({rule.issuer for rule in rules})


def _is_pinned(rules: Iterable[Rule], issuer: str) -> bool:
    return all(rule.subject is not None for rule in rules if rule.issuer == issuer)


def _unlisted(names: Mapping[str, str]) -> str:
    name = "unlisted"
    while name in names:
        name += "-too"
    return name


def _stranger(rules: Iterable[Rule], issuer: str) -> str:
    """Return a subject that no entry of this issuer names."""
    named = {rule.subject for rule in rules if rule.issuer == issuer}
    subject = "anybody"
    while subject in named:
        subject += "-else"
    return subject
