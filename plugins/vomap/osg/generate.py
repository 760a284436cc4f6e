"""Generate a mapfile from the VO files of a topology."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypedDict

from vomap.mapfile.findings import Findings
from vomap.osg.files import TopologyError, TopologyFiles
from vomap.osg.in_force import InForce
from vomap.osg.mapfile_text import GeneratedIssuer, GeneratedMapfile, write_mapfile
from vomap.osg.plan import Plan, Request, make_plan
from vomap.osg.rules import make_rules
from vomap.osg.topology import BrokenFile, VirtualOrganization, read_topology, vo_of
from vomap.osg.yaml_text import report_file

_MOST_WARNINGS = 100


class GenerationReport(TypedDict):
    """The report of `vomap generate --json`. `unnamed` has the child VOs without a name in tokens, by parent VO.

    `skipped` are the broken VO files that are left out, `kept` the VOs that keep what they had before.
    """

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
    kept: list[str]
    warnings: list[str]


class BrokenFilesError(TopologyError):
    """Broken VO files, which `skip_broken` would leave out, and no other error."""


class ContestedFilesError(TopologyError):
    """Broken VO files, some of which claim what another VO file claims. `skip_broken` leaves out none of these."""


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
            "kept": list(mapfile.kept),
            "warnings": list(self.warnings),
        }


def generate(
    files: TopologyFiles,
    source: str,
    *,
    only: Sequence[str] = (),
    multi_vos: Sequence[str] = (),
    skip_broken: bool = False,
    in_force: InForce | None = None,
) -> Generation:
    """Return the mapfile of the files that `open_source` read from `source`. Raises TopologyError with all errors.

    `only` are the VOs to write (default: all). `multi_vos` are the VOs whose issuer speaks for their child VOs
    (default: Fermilab, if it is among the VOs). `in_force` are the VOs of the mapfile that this one replaces, if any.

    A broken VO file is an error if its VO is in `only`. Without `only` it is an error if it may name an issuer, except
    with `skip_broken` or `in_force`. Other broken files are left out with a warning. A VO in force keeps what it has
    while its file is broken, except with `skip_broken`.
    """
    request = Request(tuple(only), tuple(multi_vos), skip_broken, in_force)
    plan = make_plan(read_topology(files, in_force.spellings if in_force else ()), request)
    findings = Findings()
    vos = _select(plan, only, findings)
    _check_parents(plan, vos, multi_vos, findings)
    broken = list(_broken_errors(plan, request))
    if broken or findings.all:
        problems = [*(finding for each in broken for finding in each.findings), *findings.all]
        if findings.all:
            raise TopologyError(problems)
        raise (ContestedFilesError if any(each.is_contested for each in broken) else BrokenFilesError)(problems)
    if not vos:
        raise TopologyError([f"{source}: no VO file here names a token issuer; expected a topology checkout"])
    issuers = [GeneratedIssuer(url, vo.name, plan.names.get(url)) for vo in vos for url in vo.issuers]
    issuers.sort(key=lambda issuer: issuer.url)
    kept = sorted({*(vo.name for vo in vos if plan.keeps(vo)), *plan.held}, key=str.lower)
    left_out = tuple(file for file in plan.topology.broken if vo_of(file) not in map(str.lower, kept))
    topology = plan.topology
    mapfile = GeneratedMapfile(
        topology.provenance, len(topology.vos), left_out, tuple(kept), len(vos), bool(only), issuers, make_rules(vos)
    )
    return Generation(mapfile, write_mapfile(mapfile), _limited([*_warnings(plan, mapfile)]))


def _select(plan: Plan, only: Sequence[str], findings: Findings) -> list[VirtualOrganization]:
    """Return the VOs to write: those of `only`, or all that have token issuers."""
    if not only:
        return [vo for vo in plan.vos.values() if vo.entries]
    found = {}
    for name in only:
        vo = _look_up(plan, "--vo", name, findings)
        if vo is not None and not vo.entries:
            # A VO in conflict may have nothing left to keep. Other VOs go on.
            if not plan.keeps(vo):
                report_file(f"--vo {name}", f"{vo.file} names no token issuer", findings)
        elif vo is not None:
            found[vo.name] = vo
    return [vo for vo in plan.vos.values() if vo.name in found]


def _look_up(plan: Plan, option: str, name: str, findings: Findings) -> VirtualOrganization | None:
    """Return the VO that an option names, or None and an error if there is none."""
    vo = plan.vos.get(name.lower())
    if vo is None:
        broken = [each.findings[0] for file, each in plan.topology.broken.items() if vo_of(file) == name.lower()]
        near = get_close_matches(name.lower(), plan.vos, 1)
        advice = f"; nearest is {plan.vos[near[0]].name}" if near else ""
        text = f"{name}.yaml is broken: {broken[0]}" if broken else f"the source has no such VO{advice}"
        report_file(f"{option} {name}", text, findings)
    return vo


def _check_parents(
    plan: Plan, vos: Sequence[VirtualOrganization], multi_vos: Sequence[str], findings: Findings
) -> None:
    """Check that each VO of `multi_vos` is among the VOs to write, and has an issuer that can speak for others."""
    for name in multi_vos:
        vo = _look_up(plan, "--multi-vo", name, findings)
        option = f"--multi-vo {name}"
        if vo is None or (plan.keeps(vo) and not vo.entries):
            continue
        if not vo.entries:
            report_file(option, f"{vo.file} names 0 issuers; expected exactly one", findings)
        elif vo not in vos:
            report_file(option, f"is not among the VOs to write: add --vo {vo.name}", findings)


def _broken_errors(plan: Plan, request: Request) -> Iterator[BrokenFile]:
    """Yield the broken files that are errors. `_select` reports those that `only` names."""
    if request.only or request.in_force is not None:
        return
    for file, broken in plan.topology.broken.items():
        is_excused = broken.names_no_issuer or (request.skip_broken and not broken.is_contested)
        if vo_of(file) not in plan.vos and not is_excused:
            yield broken


def _warnings(plan: Plan, mapfile: GeneratedMapfile) -> Iterator[str]:
    kept = {vo.lower(): vo for vo in mapfile.kept}
    for file, broken in plan.topology.broken.items():
        vo = kept.get(vo_of(file))
        problem, part = ("in conflict", ", if the file still names it") if broken.vo else ("not valid", "")
        does = f"is {problem}, so {vo} keeps what the mapfile in force has{part}" if vo else "is left out"
        yield f"{file} {does}: {broken.findings[0]}"
    if not any(issuer.names for issuer in mapfile.issuers):
        yield from (f"{finding}. No VO here needs this file" for finding in plan.topology.unreadable_groups[:1])
    yield from (f"{finding.place}: {finding.message}" for finding in plan.topology.remarks)
    for issuer in mapfile.issuers:
        for each in issuer.names.stale if issuer.names else ():
            yield f"the exception {each} of {issuer.vo} is left out: the source has no such VO"


def _limited(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return warnings, or the first of very many: the authors of a topology cannot fill a log."""
    more = len(warnings) - _MOST_WARNINGS
    return (*warnings[:_MOST_WARNINGS], *([f"and {more} more"] if more > 0 else []))
