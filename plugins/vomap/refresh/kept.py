"""Find what the VOs have in the mapfile in force, for the generator: a VO whose file is broken keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vomap.compile.check import check_policy
from vomap.mapfile.files import Mapfile
from vomap.osg.in_force import InForce
from vomap.osg.mapfile_text import is_as_generated
from vomap.osg.topology import TopologyEntry, VirtualOrganization
from vomap.refresh.meaning import is_generated_rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vomap.policy.documents import RuleDocument


def read_in_force(mapfile: Mapfile | None) -> InForce:
    """Return the VOs of a mapfile. One that other users can change, with errors, or edited by hand has none to keep."""
    if mapfile is None or mapfile.custody.faults or not is_as_generated(mapfile.text):
        return InForce()
    check = check_policy([mapfile])
    if check.findings.errors:
        return InForce()
    document = check.composition.document
    entries = _entries_of(document["rules"])
    owned: dict[str, tuple[str, list[TopologyEntry]]] = {}
    names = {}
    for url, issuer in document["issuers"].items():
        vo = None if issuer is None else issuer.get("vo") or issuer.get("default-vo")
        if issuer is None or vo is None:
            continue
        owned.setdefault(vo.lower(), (vo, []))[1].extend(entries.get(url, ()))
        if "vos" in issuer:
            names[url] = issuer["vos"]
    vos = {key: VirtualOrganization(vo, None, tuple(found), ()) for key, (vo, found) in owned.items() if found}
    return InForce(vos, names)


def _entries_of(rules: Iterable[RuleDocument]) -> dict[str, list[TopologyEntry]]:
    """Return the entries that the generator made the rules from, by issuer. The first rule of an identity decides."""
    found: dict[str, dict[str | None, TopologyEntry]] = {}
    for rule in rules:
        for issuer in rule["issuer"] if is_generated_rule(rule) else ():
            own = found.setdefault(issuer, {})
            subjects: Iterable[str | None] = rule.get("subject", [None])
            for subject in subjects if None not in own else ():
                # The generator makes the name of a rule from the description. So the rule keeps its name.
                own.setdefault(subject, TopologyEntry(issuer, subject, rule["account"], rule["name"]))
    return {issuer: list(own.values()) for issuer, own in found.items()}
