"""Make the tests of a generated mapfile: a token for each entry, and tokens that are similar to one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.analysis.tokens.assembly import assemble_token
from vomap.osg.rules import GeneratedRule
from vomap.policy.authority import SCOPE_PATH

if TYPE_CHECKING:
    from vomap.analysis.tokens.assembly import Token

# The rules of each issuer, in their order.
RulesByIssuer = Mapping[str, Sequence[GeneratedRule]]

_AUDIENCE = {"audience": ("ANY",)}
_COMPUTING = ("compute.create", "compute.modify", "compute.cancel")


@dataclass(frozen=True)
class Case:
    """A token and its decision: the account of a rule for a VO, or declined without a rule."""

    token: Token
    rule: GeneratedRule | None = None
    vo: str | None = None


def rules_by_issuer(rules: Iterable[GeneratedRule]) -> RulesByIssuer:
    """Return the rules of each issuer, in their order."""
    found: dict[str, list[GeneratedRule]] = {}
    for rule in rules:
        found.setdefault(rule.issuer, []).append(rule)
    return found


def cases_of_entries(rules: Iterable[GeneratedRule], of_issuer: RulesByIssuer) -> list[Case]:
    """Return a token for each entry."""
    subjects = [rule.subject or _stranger(of_issuer[rule.issuer]) for rule in rules]
    return [Case(_token(rule.issuer, subject), rule, rule.vo) for rule, subject in zip(rules, subjects)]


def cases_of_strangers(of_issuer: RulesByIssuer) -> list[Case]:
    """Return an unknown subject for each issuer where every entry names one."""
    return [Case(_token(issuer, _stranger(own))) for issuer, own in sorted(of_issuer.items()) if _is_pinned(own)]


def cases_of_siblings(of_issuer: RulesByIssuer) -> list[Case]:
    """Return, for each issuer, its subject with a slash more or less in the issuer's URL, and with a longer URL."""
    found = []
    for issuer, own in sorted(of_issuer.items()):
        subject = own[0].subject or _stranger(own)
        stem, slash = (issuer[:-1], "/") if issuer.endswith("/") else (issuer, "")
        siblings = [stem if slash else f"{stem}/", f"{stem}-sibling{slash}"]
        found += [Case(_token(sibling, subject)) for sibling in siblings if sibling not in of_issuer]
    return found


def cases_of_names(own: Sequence[GeneratedRule], names: Mapping[str, str]) -> list[Case]:
    """Return tokens of one issuer, that of the rules, with each name in its tokens: the name selects its VO.

    A name alone maps no token. vomap declines a token with an unlisted name.
    """
    issuer, subject = own[0].issuer, own[0].subject or _stranger(own)
    found = [Case(_token(issuer, subject, name), own[0], vo) for name, vo in names.items()]
    found.append(Case(_token(issuer, subject, _absent("unlisted", "-too", names))))
    if _is_pinned(own):
        values = [{**_AUDIENCE, "scope": (f"storage.create:/{name}/data",)} for name in names]
        found += [Case(assemble_token(issuer, each, subject=_stranger(own))) for each in values]
    return found


def _token(issuer: str, subject: str, name: str | None = None) -> Token:
    """Return a token that may run jobs. `name` is the name of the VO in it, if any."""
    ways = () if name is None else ((SCOPE_PATH, name),)
    return assemble_token(issuer, _AUDIENCE, ways, subject=subject, compute=_COMPUTING)


def _is_pinned(rules: Iterable[GeneratedRule]) -> bool:
    return all(rule.subject is not None for rule in rules)


def _stranger(rules: Iterable[GeneratedRule]) -> str:
    """Return a subject that none of an issuer's rules names."""
    return _absent("anybody", "-else", {rule.subject for rule in rules})


def _absent(word: str, more: str, texts: Collection[str | None]) -> str:
    """Return a word that is not among these texts, with `more` added as often as needed."""
    while word in texts:
        word += more
    return word
