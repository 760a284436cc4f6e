"""Find the names of child VOs in the tokens of their parent's issuer: from FQANs, then from reviewed exceptions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from vomap.mapfile.findings import Findings
from vomap.osg.files import TopologyError, quoted
from vomap.osg.topology import REPORTING_GROUPS, Topology, VirtualOrganization
from vomap.osg.yaml_text import read_document, report_file

EXCEPTIONS = "exceptions.yaml"

# A group's name in the WLCG profile v1.3.
_TOKEN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
_NO_GROUP = ("Role=", "Capability=")


@dataclass(frozen=True)
class TokenNames:
    """The names that an issuer's tokens use, each with its VO.

    `unnamed` are the child VOs without a name, `stale` the exceptions whose VO is not in the topology.
    """

    vos: Mapping[str, str]
    unnamed: tuple[str, ...]
    stale: tuple[str, ...]


def find_token_names(
    topology: Topology,
    parent: VirtualOrganization,
    exceptions: Mapping[str, str],
    held: Mapping[str, str],
    findings: Findings,
) -> TokenNames:
    """Return the token names of a parent's VOs. A name that would mean two VOs is an error.

    `held` are the names of VOs whose files are broken: these keep what is in force, and no other VO gets it.
    """
    vos = {**held, parent.name.lower(): parent.name}
    unnamed = []
    children = [vo for vo in topology.vos.values() if vo.parent and vo.parent.lower() == parent.name.lower()]
    for child in children:
        names = _names_of(topology, parent, child, findings)
        for name in names:
            _add(vos, name, child.name, findings, file=child.file, key="ReportingGroups")
        if not names:
            unnamed.append(child.name)
    stale = []
    for name, text in sorted(exceptions.items()):
        vo = topology.vos.get(text.lower())
        if vo is None and name in held:
            continue
        if vo is None:
            stale.append(f"{name}: {text}")
        else:
            _add(vos, name, vo.name, findings, file=EXCEPTIONS, key=f"{parent.name}.{name}")
    named = set(vos.values())
    return TokenNames(dict(sorted(vos.items())), tuple(vo for vo in unnamed if vo not in named), tuple(stale))


def read_exceptions(content: bytes | None = None) -> dict[str, dict[str, str]]:
    """Return the reviewed exceptions: for each parent VO, the VO of each name in tokens. Raises TopologyError."""
    if content is None:
        content = resources.files("vomap.osg").joinpath(EXCEPTIONS).read_bytes()
    findings = Findings()
    document = read_document(EXCEPTIONS, content, findings)
    parents = document.entries("a mapping of parent VOs", findings) if document else {}
    found: dict[str, dict[str, str]] = {}
    for parent, value in parents.items():
        names = value.entries("names in tokens, each with its VO", findings)
        texts = {name: vo.text("a VO's name", findings) for name, vo in names.items()}
        found[parent] = {name: text for name, text in texts.items() if text is not None}
    if findings.all:
        raise TopologyError(findings.all)
    return found


def token_name(fqan: str, parent_group: str) -> str | None:
    """Return the part of an FQAN right after the parent's group, or None.

    `/fermilab/uboone` gives `uboone`. The topology also has `fermilab/captmnv` and `/fermilab/argoneut/Role=Analysis`.
    """
    parts = fqan.strip("/").split("/")
    if parts[0] != parent_group or len(parts) == 1 or parts[1].startswith(_NO_GROUP):
        return None
    return parts[1]


def _names_of(
    topology: Topology, parent: VirtualOrganization, child: VirtualOrganization, findings: Findings
) -> list[str]:
    names: dict[str, None] = {}
    for group in child.groups:
        for fqan in topology.reporting_groups.get(group, ()):
            name = token_name(fqan, parent.name.lower())
            if name is not None and not _TOKEN_NAME.fullmatch(name):
                text = f"{group}: the group {quoted(fqan)} has a malformed part; expected letters, digits, _ . -"
                report_file(REPORTING_GROUPS, text, findings)
            elif name is not None:
                names[name] = None
    return list(names)


def _add(vos: dict[str, str], name: str, vo: str, findings: Findings, *, file: str, key: str) -> None:
    known = vos.setdefault(name, vo)
    if known != vo:
        text = f"the token name {name} would mean {known} and {vo}: change one of the two, or leave one parent out"
        report_file(file, f"{key}: {text}", findings)
