"""From the VO files to a mapfile: which VOs, which issuers, which rules."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from vomap.osg.mapfile_text import Issuer, Mapfile, compose
from vomap.osg.problems import Problem, SourceError
from vomap.osg.rules import make_rules
from vomap.osg.token_names import find_token_names, read_exceptions
from vomap.osg.topology import open_source, read_topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vomap.osg.files import Files
    from vomap.osg.topology import Topology, VirtualOrganization
    from vomap.web import Web

DEFAULT_MULTI_VO = "Fermilab"


@dataclass(frozen=True)
class Generated:
    """A mapfile, its text, and what a person should be told about it."""

    mapfile: Mapfile
    text: str
    warnings: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The numbers, in words."""
        return f"{self.mapfile.vos} VOs, {len(self.mapfile.issuers)} issuers, {len(self.mapfile.rules)} entries"

    def report(self) -> dict[str, object]:
        """Return what was done, for a program."""
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
    source: str,
    *,
    only: Sequence[str] = (),
    multi_vos: Sequence[str] = (),
    skip_broken: bool = False,
    web: Web | None = None,
) -> Generated:
    """Return the mapfile of a topology. Raises SourceError with all that is wrong; UrlError, FetchError for a URL.

    Args:
        source: a topology checkout, its folder of VO files, or a tarball of it, or a VO file; the last two also as URL.
        only: the VOs to write; none given means all.
        multi_vos: VOs whose issuer speaks for their child VOs; none given means Fermilab, if it is among the VOs.
        skip_broken: go on without the VO files that are broken.
        web: how a URL is fetched; none given means with the user's own cache.

    """
    files = open_source(source, web)
    return generate_from(files, source, only=only, multi_vos=multi_vos, skip_broken=skip_broken)


def generate_from(
    files: Files, source: str, *, only: Sequence[str] = (), multi_vos: Sequence[str] = (), skip_broken: bool = False
) -> Generated:
    """Return the mapfile of files that are read, from `source`; all else is as for `generate`. Raises SourceError."""
    problems: list[Problem] = []
    topology = read_topology(files, problems)
    vos = _select(topology, only, problems)
    issuers = _declare(topology, vos, multi_vos, problems)
    broken = [problem for found in topology.broken.values() for problem in found]
    if problems or (broken and not skip_broken):
        raise SourceError([*([] if skip_broken else broken), *problems])
    if not vos:
        raise SourceError([f"{source}: no VO file here names a token issuer; expected a topology checkout"])
    mapfile = Mapfile(
        topology.provenance, len(topology.vos), tuple(topology.broken), len(vos), bool(only), issuers, make_rules(vos)
    )
    return Generated(mapfile, compose(mapfile), (*_broken_warnings(topology), *_stale_warnings(issuers)))


def _select(topology: Topology, only: Sequence[str], problems: list[Problem]) -> list[VirtualOrganization]:
    """Return the VOs to write: those asked for, or all that have token issuers."""
    if not only:
        return [vo for vo in topology.vos.values() if vo.entries]
    found = {}
    for name in only:
        vo = _look_up(topology, "--vo", name, problems)
        if vo is not None and not vo.entries:
            problems.append(Problem(f"--vo {name}", 0, 0, "", f"{vo.file} names no token issuer"))
        elif vo is not None:
            found[vo.name] = vo
    return [vo for vo in topology.vos.values() if vo.name in found]


def _look_up(topology: Topology, option: str, name: str, problems: list[Problem]) -> VirtualOrganization | None:
    """Return the VO that an option names; None, and a problem, if there is none."""
    vo = topology.find(name)
    if vo is None:
        broken = [file for file in topology.broken if file.lower() == f"{name.lower()}.yaml"]
        near = get_close_matches(name.lower(), topology.vos, 1)
        advice = f"; nearest is {topology.vos[near[0]].name}" if near else ""
        text = f"{broken[0]} is broken" if broken else f"the source has no such VO{advice}"
        problems.append(Problem(f"{option} {name}", 0, 0, "", text))
    return vo


def _declare(
    topology: Topology, vos: Iterable[VirtualOrganization], multi_vos: Sequence[str], problems: list[Problem]
) -> list[Issuer]:
    """Return the declarations of the VOs' issuers, by URL."""
    vos = list(vos)
    parents = _parents(topology, vos, multi_vos, problems)
    exceptions = read_exceptions() if parents else {}
    issuers = []
    for vo in vos:
        names = None
        if vo.name in parents:
            names = find_token_names(topology, vo, exceptions.get(vo.name, {}), problems)
        issuers += [Issuer(url, vo.name, names) for url in vo.issuers]
    return sorted(issuers, key=lambda issuer: issuer.url)


def _parents(
    topology: Topology, vos: Sequence[VirtualOrganization], multi_vos: Sequence[str], problems: list[Problem]
) -> set[str]:
    """Return the names of the VOs whose one issuer speaks for their children."""
    named = [vo for name in multi_vos if (vo := _look_up(topology, "--multi-vo", name, problems))]
    default = [] if multi_vos else [vo for vo in vos if vo.name == DEFAULT_MULTI_VO]
    for vo in [*named, *default]:
        option = f"--multi-vo {vo.name}"
        if len(vo.issuers) != 1:
            text = f"{vo.file} names {len(vo.issuers)} issuers; expected exactly one that speaks for the child VOs"
            problems.append(Problem(option, 0, 0, "", text))
        elif vo not in vos:
            problems.append(Problem(option, 0, 0, "", f"is not among the VOs to write: add --vo {vo.name}"))
    return {vo.name for vo in [*named, *default]}


def _broken_warnings(topology: Topology) -> list[str]:
    return [f"{file} is left out: {found[0]}" for file, found in topology.broken.items()]


def _stale_warnings(issuers: Iterable[Issuer]) -> list[str]:
    return [
        f"the exception {stale} of {issuer.vo} is left out: the source has no such VO"
        for issuer in issuers
        if issuer.names
        for stale in issuer.names.stale
    ]
