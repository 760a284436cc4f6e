"""Generate a mapfile from the VO files of a topology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypedDict

from vomap.mapfile.findings import Findings
from vomap.osg.files import TopologyError, TopologyFiles
from vomap.osg.mapfile_text import GeneratedIssuer, GeneratedMapfile, write_mapfile
from vomap.osg.rules import make_rules
from vomap.osg.token_names import find_token_names, read_exceptions
from vomap.osg.topology import Topology, VirtualOrganization, read_topology
from vomap.osg.yaml_text import report_file

DEFAULT_MULTI_VO = "Fermilab"


class GenerationReport(TypedDict):
    """The report of `vomap generate --json`. `unnamed` has the child VOs without a name in tokens, by parent VO."""

    repository: str
    commit: str
    date: str
    changed: bool
    files: int
    vos: int
    issuers: int
    entries: int
    unnamed: dict[str, list[str]]
    skipped: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class Generation:
    """A generated mapfile, its text, and the warnings about it."""

    mapfile: GeneratedMapfile
    text: str
    warnings: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The numbers of VOs, issuers and entries, in words."""
        vos, issuers, entries = self.mapfile.vos, len(self.mapfile.issuers), len(self.mapfile.rules)
        parts = ((vos, "VO", "VOs"), (issuers, "issuer", "issuers"), (entries, "entry", "entries"))
        return ", ".join(f"{number} {one if number == 1 else several}" for number, one, several in parts)

    def report(self) -> GenerationReport:
        """Return the report as a JSON object."""
        mapfile, source = self.mapfile, self.mapfile.provenance
        return {
            "repository": source.repository,
            "commit": source.commit,
            "date": source.date,
            "changed": source.changed,
            "files": mapfile.files,
            "vos": mapfile.vos,
            "issuers": len(mapfile.issuers),
            "entries": len(mapfile.rules),
            "unnamed": {issuer.vo: list(issuer.names.unnamed) for issuer in mapfile.issuers if issuer.names},
            "skipped": list(mapfile.broken),
            "warnings": list(self.warnings),
        }


def generate(
    files: TopologyFiles,
    source: str,
    *,
    only: Sequence[str] = (),
    multi_vos: Sequence[str] = (),
    skip_broken: bool = False,
) -> Generation:
    """Return the mapfile of the files that `open_source` read from `source`. Raises TopologyError with all errors.

    `only` are the VOs to write (default: all). `multi_vos` are the VOs whose issuer speaks for their child VOs
    (default: Fermilab, if it is among the VOs). `skip_broken` leaves out VO files that are not valid.
    """
    findings = Findings()
    topology = read_topology(files, findings)
    vos = _select(topology, only, findings)
    issuers = _declare(topology, vos, multi_vos, findings)
    broken = [] if skip_broken else [finding for found in topology.broken.values() for finding in found]
    if findings.all or broken:
        raise TopologyError([*broken, *findings.all])
    if not vos:
        raise TopologyError([f"{source}: no VO file here names a token issuer; expected a topology checkout"])
    mapfile = GeneratedMapfile(
        topology.provenance, len(topology.vos), tuple(topology.broken), len(vos), bool(only), issuers, make_rules(vos)
    )
    warnings = [f"{file} is left out: {found[0]}" for file, found in topology.broken.items()]
    for issuer in issuers:
        stale = issuer.names.stale if issuer.names else ()
        warnings += [f"the exception {each} of {issuer.vo} is left out: the source has no such VO" for each in stale]
    return Generation(mapfile, write_mapfile(mapfile), tuple(warnings))


def _select(topology: Topology, only: Sequence[str], findings: Findings) -> list[VirtualOrganization]:
    """Return the VOs to write: those of `only`, or all that have token issuers."""
    if not only:
        return [vo for vo in topology.vos.values() if vo.entries]
    found = {}
    for name in only:
        vo = _look_up(topology, "--vo", name, findings)
        if vo is not None and not vo.entries:
            report_file(f"--vo {name}", f"{vo.file} names no token issuer", findings)
        elif vo is not None:
            found[vo.name] = vo
    return [vo for vo in topology.vos.values() if vo.name in found]


def _look_up(topology: Topology, option: str, name: str, findings: Findings) -> VirtualOrganization | None:
    """Return the VO that an option names, or None and an error if there is none."""
    vo = topology.vos.get(name.lower())
    if vo is None:
        broken = [file for file in topology.broken if file.lower() == f"{name.lower()}.yaml"]
        near = get_close_matches(name.lower(), topology.vos, 1)
        advice = f"; nearest is {topology.vos[near[0]].name}" if near else ""
        text = f"{broken[0]} is broken" if broken else f"the source has no such VO{advice}"
        report_file(f"{option} {name}", text, findings)
    return vo


def _declare(
    topology: Topology, vos: Sequence[VirtualOrganization], multi_vos: Sequence[str], findings: Findings
) -> list[GeneratedIssuer]:
    """Return the declarations of the VOs' issuers, by URL."""
    parents = _parents(topology, vos, multi_vos, findings)
    exceptions = read_exceptions() if parents else {}
    issuers = []
    for vo in vos:
        its_own = exceptions.get(vo.name, {})
        names = find_token_names(topology, vo, its_own, findings) if vo.name in parents else None
        issuers += [GeneratedIssuer(url, vo.name, names) for url in vo.issuers]
    return sorted(issuers, key=lambda issuer: issuer.url)


def _parents(
    topology: Topology, vos: Sequence[VirtualOrganization], multi_vos: Sequence[str], findings: Findings
) -> set[str]:
    """Return the names of the VOs whose one issuer speaks for their children."""
    named = [vo for name in multi_vos if (vo := _look_up(topology, "--multi-vo", name, findings))]
    default = [] if multi_vos else [vo for vo in vos if vo.name == DEFAULT_MULTI_VO]
    for vo in [*named, *default]:
        option = f"--multi-vo {vo.name}"
        if len(vo.issuers) != 1:
            text = f"{vo.file} names {len(vo.issuers)} issuers; expected exactly one that speaks for the child VOs"
            report_file(option, text, findings)
        elif vo not in vos:
            report_file(option, f"is not among the VOs to write: add --vo {vo.name}", findings)
    return {vo.name for vo in [*named, *default]}
