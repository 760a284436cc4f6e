"""Decide what a generated mapfile contains: the valid VOs, and VOs that keep what they have in force."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from vomap.mapfile.findings import Findings
from vomap.osg.conflicts import find_contested
from vomap.osg.in_force import InForce
from vomap.osg.token_names import TokenNames, find_token_names, read_exceptions
from vomap.osg.topology import BrokenFile, Topology, VirtualOrganization, vo_of
from vomap.osg.yaml_text import report_file

DEFAULT_MULTI_VO = "Fermilab"


@dataclass(frozen=True)
class Request:
    """The choices of the caller of `generate`."""

    only: tuple[str, ...]
    multi_vos: tuple[str, ...]
    skip_broken: bool
    in_force: InForce | None

    def is_parent(self, vo: VirtualOrganization) -> bool:
        """Return True if the issuer of a VO speaks for its child VOs, and if the mapfile has this VO."""
        if not vo.entries or (self.only and vo.name.lower() not in map(str.lower, self.only)):
            return False
        return vo.name.lower() in map(str.lower, self.multi_vos) if self.multi_vos else vo.name == DEFAULT_MULTI_VO


@dataclass(frozen=True)
class Plan:
    """A topology without conflicts, and the parts of the mapfile in force that stay.

    Args:
        topology: the valid VOs, and the broken files, to which files in conflict belong.
        kept: the VOs that keep what they have in force, by name in lower case.
        names: the names in the tokens of each issuer that speaks for several VOs.
        held: VOs whose names in these tokens stay as they are in force.

    """

    topology: Topology
    kept: Mapping[str, VirtualOrganization]
    names: Mapping[str, TokenNames]
    held: tuple[str, ...]

    @property
    def vos(self) -> dict[str, VirtualOrganization]:
        """All VOs that the mapfile can have, by name in lower case."""
        return dict(sorted({**self.kept, **self.topology.vos}.items()))

    def keeps(self, vo: VirtualOrganization) -> bool:
        """Return True if a VO keeps what it has in force."""
        return self.kept.get(vo.name.lower()) is vo


def make_plan(topology: Topology, request: Request) -> Plan:
    """Move VOs with conflicts to the broken files until no conflict is left.

    It takes several rounds: a VO whose file turns out to be broken keeps its issuers, which others may claim by now. It
    keeps no issuer and no subject that its file drops: else a rival of the new ones could keep the old ones.
    """
    in_force = InForce() if request.in_force is None or request.skip_broken else request.in_force
    while True:
        lost = topology.broken_vos - topology.vos.keys()
        kept = _kept(topology, lost, in_force)
        owners = (request.in_force or InForce()).owners
        broken = find_contested(topology, kept, owners, heed_broken=not request.skip_broken)
        names: dict[str, TokenNames] = {
            url: TokenNames(in_force.names[url], (), ()) for url in _issuers(kept, in_force)
        }
        held: dict[str, str] = {}
        for parent in [vo for vo in topology.vos.values() if not broken and request.is_parent(vo)]:
            own = {
                name: vo
                for name, vo in in_force.names.get(parent.issuers[0], {}).items()
                if vo.lower() in lost and vo.lower() != parent.name.lower()
            }
            found = _names_of(topology, parent, own)
            if isinstance(found, BrokenFile):
                broken[parent.file] = found
            else:
                names[parent.issuers[0]] = found
                held.update(own)
        if not broken:
            return Plan(topology, kept, names, tuple(sorted(set(held.values()))))
        topology = topology.without(broken)


def _kept(topology: Topology, lost: Collection[str], in_force: InForce) -> dict[str, VirtualOrganization]:
    """Return what VOs without a usable file keep. A file in conflict is valid by itself: what it drops is not kept."""
    stated = {vo_of(file): broken.vo for file, broken in topology.broken.items() if broken.vo is not None}
    vos = {key: vo for key, vo in in_force.vos.items() if key in lost}
    return {key: _still_named(vo, stated[key]) if key in stated else vo for key, vo in vos.items()}


def _still_named(vo: VirtualOrganization, stated: VirtualOrganization) -> VirtualOrganization:
    """Return a VO with the entries in force whose subject, or any subject of the issuer, its file names."""
    named = {(entry.issuer, entry.subject) for entry in stated.entries}
    still = (each for each in vo.entries if not named.isdisjoint({(each.issuer, each.subject), (each.issuer, None)}))
    return replace(vo, entries=tuple(still))


def _issuers(kept: Mapping[str, VirtualOrganization], in_force: InForce) -> Iterator[str]:
    return (issuer for vo in kept.values() for issuer in vo.issuers if issuer in in_force.names)


def _names_of(topology: Topology, parent: VirtualOrganization, held: Mapping[str, str]) -> TokenNames | BrokenFile:
    """Return the names in the tokens of a parent's one issuer, or why they are unknown."""
    findings = Findings()
    if len(parent.issuers) != 1:
        text = f"{parent.file} names {len(parent.issuers)} issuers; expected exactly one that speaks for the child VOs"
        report_file(f"--multi-vo {parent.name}", text, findings)
        return BrokenFile(tuple(findings.all), is_contested=True, vo=parent)
    findings.extend(topology.unreadable_groups)
    names = find_token_names(topology, parent, read_exceptions().get(parent.name, {}), held, findings)
    return BrokenFile(tuple(findings.all), is_contested=True, vo=parent) if findings.all else names
