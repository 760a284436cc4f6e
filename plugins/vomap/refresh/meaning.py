"""The meaning of a generated mapfile: its issuers, the VOs in their tokens, and the account of each identity.

`vomap diff` (analysis/diff) asks another question: for which tokens does the decision change. The limits of `vomap
refresh` count what the generator writes: an identity that two rules map in the same way is still one identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.compile.check import check_policy
from vomap.mapfile.compose import Composition
from vomap.mapfile.files import Mapfile

if TYPE_CHECKING:
    from vomap.policy.documents import IssuerDocument, RuleDocument

# The name of what a mapfile states: an issuer, an issuer and a name in its tokens, an issuer and a subject.
Name = tuple[str, ...]

ANY_SUBJECT = "any subject"

_RULE_KEYS = {"name", "source", "issuer", "subject", "account"}
_NAME_PARTS = {"issuer": ("issuer",), "vos": ("issuer", "name"), "identity": ("issuer", "subject"), "other": ("key",)}


@dataclass(frozen=True)
class MapfileChange:
    """One difference between two mapfiles: the value in the old and in the new one, or None if it is not there.

    `what` is issuer, vos, identity or other. `name` is the issuer, with the name in its tokens or the subject. For
    other, it is the key or the rule.
    """

    what: str
    name: Name
    old: str | None
    new: str | None

    @property
    def kind(self) -> str:
        """Added, dropped or changed. An identity that changes is re-pointed."""
        if self.old is None or self.new is None:
            return "added" if self.old is None else "dropped"
        return "re-pointed" if self.what == "identity" else "changed"

    def __str__(self) -> str:
        """Return the change on one line."""
        values = " -> ".join(value for value in (self.old, self.new) if value)
        return f"{self.what} {self.kind}: {', '.join(self.name)}{': ' if values else ''}{values}"

    def as_json(self) -> dict[str, str | None]:
        """Return the change as a JSON object."""
        parts = dict(zip(_NAME_PARTS[self.what], self.name))
        return {"what": self.what, "change": self.kind, **parts, "old": self.old, "new": self.new}


@dataclass(frozen=True)
class Meaning:
    """The meaning of a mapfile, as far as the generator writes it.

    Args:
        issuers: the declaration of each issuer in words, without `vos`.
        owners: the VO of each issuer that has `vo` or `default-vo`.
        vos: the VO of each issuer and name in `vos`.
        identities: the account of each issuer and subject.
        other: the keys and rules that the generator never writes.

    """

    issuers: Mapping[Name, str]
    owners: Mapping[Name, str]
    vos: Mapping[Name, str]
    identities: Mapping[Name, str]
    other: Mapping[Name, str]


NOTHING = Meaning({}, {}, {}, {}, {})


def read_meaning(mapfiles: Sequence[Mapfile]) -> Meaning:
    """Compose mapfiles and return their meaning. Raises MapfileError for mapfiles with errors."""
    check = check_policy(mapfiles)
    check.findings.raise_errors()
    return meaning_of(check.composition)


def meaning_of(composition: Composition) -> Meaning:
    """Return the meaning of composed mapfiles, which have no errors."""
    issuers, rules = composition.document["issuers"], composition.document["rules"]
    declared = {url: issuer for url, issuer in issuers.items() if issuer is not None}
    return Meaning(
        {(url,): describe_issuer(issuer) for url, issuer in issuers.items()},
        {(url,): vo for url, issuer in declared.items() if (vo := issuer.get("vo") or issuer.get("default-vo"))},
        {(url, name): vo for url, issuer in declared.items() for name, vo in issuer.get("vos", {}).items()},
        identities_of(rules),
        {(key,): "" for key in _find_other(composition, rules)},
    )


def find_changes(old: Meaning, new: Meaning) -> list[MapfileChange]:
    """Return how the new meaning differs from the old."""
    stated = {
        "issuer": (old.issuers, new.issuers),
        "vos": (old.vos, new.vos),
        "identity": (old.identities, new.identities),
        "other": (old.other, new.other),
    }
    return [
        MapfileChange(what, name, before.get(name), after.get(name))
        for what, (before, after) in stated.items()
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def describe_issuer(issuer: IssuerDocument | None) -> str:
    """Return an issuer's declaration on one line, without `vos`, whose names are compared one by one."""
    if issuer is None:
        return "none"
    return ", ".join(f"{key}: {_written(value)}" for key, value in sorted(issuer.items()) if key != "vos")


def identities_of(rules: Iterable[RuleDocument]) -> dict[Name, str]:
    """Return the account of each identity (issuer and subject) of the rules that the generator can write.

    The first rule that matches an identity decides.
    """
    identities: dict[Name, str] = {}
    for rule in rules:
        for issuer in rule["issuer"] if is_generated_rule(rule) else ():
            if (issuer, ANY_SUBJECT) not in identities:
                for subject in rule.get("subject", [ANY_SUBJECT]):
                    identities.setdefault((issuer, subject), rule["account"])
    return identities


def _find_other(composition: Composition, rules: Iterable[RuleDocument]) -> Iterator[str]:
    """Yield the keys and the rules of a mapfile that the generator never writes."""
    if composition.site_places:
        yield "key site"
    if composition.document["pools"]:
        yield "key pools"
    yield from (f"issuer {url}: none" for url, issuer in composition.document["issuers"].items() if issuer is None)
    yield from (f"rule {rule['name']}" for rule in rules if not is_generated_rule(rule))


def is_generated_rule(rule: RuleDocument) -> bool:
    """Return True for a rule that the generator can write."""
    return {"issuer", "account"} <= rule.keys() <= _RULE_KEYS


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(each)}" for key, each in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unchecked" if value is None else str(value)
