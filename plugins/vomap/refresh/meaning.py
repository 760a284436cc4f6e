"""Whether two generated mapfiles mean the same: their issuers, the VOs these may name, and who runs as whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.osg.problems import Problem, SourceError
from vomap.osg.yaml_text import read_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vomap.osg.yaml_text import Value

    # What something is called (an issuer; an issuer and a subject), and what is said of it.
    Name = tuple[str, ...]

ANY_SUBJECT = "any subject"

_KEYS = ("mapfile", "issuers", "rules", "tests")
_RULE_KEYS = {"name", "issuer", "subject", "account"}
_NAME_PARTS = {"issuer": ("issuer",), "vos": ("issuer", "name"), "identity": ("issuer", "subject"), "other": ("key",)}


@dataclass(frozen=True)
class Difference:
    """One difference: in `what` (issuer, vos, identity, other), of what name, what it was and what it is."""

    what: str
    name: Name
    old: str | None
    new: str | None

    @property
    def change(self) -> str:
        """Added, dropped or changed; an identity that changes is re-pointed."""
        if self.old is None or self.new is None:
            return "added" if self.old is None else "dropped"
        return "re-pointed" if self.what == "identity" else "changed"

    def __str__(self) -> str:
        """Write the difference on one line."""
        values = " -> ".join(value for value in (self.old, self.new) if value)
        return f"{self.what} {self.change}: {', '.join(self.name)}{': ' if values else ''}{values}"

    def as_json(self) -> dict[str, str | None]:
        """Return the difference for a program."""
        parts = dict(zip(_NAME_PARTS[self.what], self.name))
        return {"what": self.what, "change": self.change, **parts, "old": self.old, "new": self.new}


@dataclass(frozen=True)
class Meaning:
    """What a mapfile means, as far as the generator writes such things; `other` is what it would never write.

    `owners` has the VO of each issuer that has one.
    """

    issuers: Mapping[Name, str]
    owners: Mapping[Name, str]
    vos: Mapping[Name, str]
    identities: Mapping[Name, str]
    other: Mapping[Name, str]


NOTHING = Meaning({}, {}, {}, {}, {})


def read_meaning(file: str, content: bytes) -> Meaning:
    """Return what a mapfile means. Raises SourceError if it is none."""
    problems: list[Problem] = []
    document = read_document(file, content, problems)
    keys = document.entries("a mapfile", problems) if document else {}
    if not problems and ("mapfile" not in keys or keys["mapfile"].written() != "1"):
        problems.append(Problem(file, 0, 0, "mapfile", "is missing or another version; expected mapfile: 1"))
    declared = keys["issuers"].entries("a mapping of issuers", problems) if "issuers" in keys else {}
    rules = keys["rules"].members("a list of rules", problems) if "rules" in keys else []
    others: dict[Name, str] = {(f"key {key}",): "" for key in keys if key not in _KEYS}
    identities, other_rules = _read_rules(rules, problems)
    vos = _read_vos(declared, problems)
    if problems:
        raise SourceError(problems)
    return Meaning(_read_issuers(declared), _read_owners(declared), vos, identities, {**others, **other_rules})


def compare(old: Meaning, new: Meaning) -> list[Difference]:
    """Return how the new meaning differs from the old."""
    return [
        *_differences("issuer", old.issuers, new.issuers),
        *_differences("vos", old.vos, new.vos),
        *_differences("identity", old.identities, new.identities),
        *_differences("other", old.other, new.other),
    ]


def _differences(what: str, old: Mapping[Name, str], new: Mapping[Name, str]) -> list[Difference]:
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return [Difference(what, name, old.get(name), new.get(name)) for name in names]


def _read_issuers(declared: Mapping[str, Value]) -> dict[Name, str]:
    """Return what each issuer is declared as, `vos` apart."""
    issuers: dict[Name, str] = {}
    for url, value in declared.items():
        keys = value.entries("a declaration", []) if value.is_mapping else {}
        described = ", ".join(f"{key}: {keys[key].written()}" for key in sorted(keys) if key != "vos")
        issuers[(url,)] = described or value.written()
    return issuers


def _read_owners(declared: Mapping[str, Value]) -> dict[Name, str]:
    """Return the VO that each issuer speaks for, or speaks for first."""
    owners: dict[Name, str] = {}
    for url, value in declared.items():
        keys = value.entries("a declaration", []) if value.is_mapping else {}
        for key in ("default-vo", "vo"):
            if key in keys:
                owners[(url,)] = keys[key].written()
    return owners


def _read_vos(declared: Mapping[str, Value], problems: list[Problem]) -> dict[Name, str]:
    """Return the VOs that an issuer's tokens may name, by issuer and name; in a list each is called what it is."""
    vos: dict[Name, str] = {}
    for url, value in declared.items():
        names = value.entries("a declaration", problems).get("vos") if value.is_mapping else None
        if names is not None and names.is_mapping:
            vos.update({(url, name): vo.written() for name, vo in names.entries("names", problems).items()})
        elif names is not None:
            vos.update({(url, vo.written()): vo.written() for vo in names.members("a list of VOs", problems)})
    return vos


def _read_rules(rules: list[Value], problems: list[Problem]) -> tuple[dict[Name, str], dict[Name, str]]:
    """Return the account of each identity, and the rules that say something else. The first rule that fits decides."""
    identities: dict[Name, str] = {}
    other: dict[Name, str] = {}
    for number, rule in enumerate(rules, 1):
        keys = rule.entries("a rule", problems)
        if not {"issuer", "account"} <= set(keys) <= _RULE_KEYS:
            other[(f"rule {keys['name'].written() if 'name' in keys else number}",)] = ""
            continue
        subjects = _texts(keys["subject"], problems) if "subject" in keys else [ANY_SUBJECT]
        for issuer in _texts(keys["issuer"], problems):
            if (issuer, ANY_SUBJECT) not in identities:
                for subject in subjects:
                    identities.setdefault((issuer, subject), keys["account"].written())
    return identities, other


def _texts(value: Value, problems: list[Problem]) -> list[str]:
    """Return the texts of a condition: one, or a list of which any will do."""
    members = [value] if value.is_text else value.members("text, or a list of texts", problems)
    texts = [member.text("text", problems) for member in members]
    return [text for text in texts if text is not None]
