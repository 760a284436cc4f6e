"""The VOs of the mapfile in force: what a VO keeps while its file in the topology is not valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vomap.osg.topology import VirtualOrganization


@dataclass(frozen=True)
class InForce:
    """The VOs of the mapfile in force, by name in lower case.

    `names` has the names in the tokens of each issuer that speaks for several VOs, each with its VO.
    """

    vos: Mapping[str, VirtualOrganization] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def owners(self) -> dict[str, str]:
        """The VO of each issuer, in lower case."""
        return {issuer: key for key, vo in self.vos.items() for issuer in vo.issuers}

    @property
    def spellings(self) -> set[str]:
        """The names of all VOs as the mapfile spells them."""
        return {vo.name for vo in self.vos.values()} | {vo for names in self.names.values() for vo in names.values()}
