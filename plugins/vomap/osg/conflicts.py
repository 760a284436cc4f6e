"""Find VOs that claim the issuer of another VO. The mapfile in force decides, or else no VO gets the issuer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vomap.mapfile.findings import Findings
from vomap.osg.topology import BrokenFile, Topology, VirtualOrganization
from vomap.osg.yaml_text import report_file


def find_contested(
    topology: Topology, kept: Mapping[str, VirtualOrganization], owners: Mapping[str, str], *, heed_broken: bool
) -> dict[str, BrokenFile]:
    """Return the VO files that claim an issuer to which another VO has the same or a better claim, by their names.

    `kept` are VOs that keep what they have in force, `owners` the VO of each issuer in force, in lower case. With
    `heed_broken`, the text of a broken file is a claim, too: a VO whose file is broken must not lose its issuer to
    another VO.
    """
    claims: dict[str, list[VirtualOrganization]] = {}
    for vo in topology.vos.values():
        for issuer in vo.issuers:
            claims.setdefault(issuer, []).append(vo)
    kept_owners = {issuer: vo for vo in kept.values() for issuer in vo.issuers}
    named = _issuers_in_broken(topology) if heed_broken else {}
    found: dict[str, BrokenFile] = {}
    for issuer, vos in claims.items():
        owner = kept_owners.get(issuer) or next((vo for vo in vos if owners.get(issuer) == vo.name.lower()), None)
        for vo in vos:
            if vo is owner:
                continue
            rivals = [owner] if owner else [each for each in vos if each is not vo]
            files = [rival.file for rival in rivals] or named.get(issuer, [])
            if files:
                found.setdefault(vo.file, _contested(vo, issuer, files))
    return found


def _issuers_in_broken(topology: Topology) -> dict[str, list[str]]:
    """Return the broken files whose text has a URL, by the URL."""
    found: dict[str, list[str]] = {}
    for file, url in _urls(topology):
        found.setdefault(url, []).append(file)
    return found


def _urls(topology: Topology) -> Iterator[tuple[str, str]]:
    for file, broken in topology.broken.items():
        if not broken.names_no_issuer:
            yield from ((file, url) for url in broken.urls)


def _contested(vo: VirtualOrganization, issuer: str, files: list[str]) -> BrokenFile:
    findings = Findings()
    text = f"{issuer} is the issuer of {', '.join(files)} too: an issuer belongs to one VO"
    report_file(vo.file, f"Credentials.TokenIssuers: {text}", findings)
    return BrokenFile(tuple(findings.all), is_contested=True, vo=vo)
