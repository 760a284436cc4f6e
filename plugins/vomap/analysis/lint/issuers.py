"""Find issuers that look alike, issuers without https, and VOs with two spellings."""

from __future__ import annotations

from collections.abc import Iterator

from vomap.analysis.lint.context import LintContext, warning
from vomap.mapfile.findings import Finding

SIMILAR_ISSUERS, HTTP_ISSUER, TWO_SPELLINGS = "similar-issuers", "http-issuer", "two-spellings"
UNCHECKED_AUDIENCE, CAPITAL_HOST = "unchecked-audience", "capital-host"
_HTTPS = "https://"


def similar_issuers(context: LintContext) -> Iterator[Finding]:
    """Warn of issuers that differ by a slash at the end, or of one VO where the URL of one begins the other.

    A host and a path on it are often the issuers of different VOs, which is not a mistake.
    """
    declared = context.document["issuers"]
    for url in declared:
        beginnings = (url[:end] for end in range(len(_HTTPS), len(url)))
        for other in (begins for begins in beginnings if begins in declared):
            place = context.issuer_places[other]
            vos = [context.authority.issuers[each].declared_vos() for each in (url, other)]
            if url == f"{other}/":
                how = "differs by a slash at the end alone from"
            elif not vos[0].isdisjoint(vos[1]):
                how = "begins with, and speaks for the same VO as,"
            else:
                continue
            message = f"issuer {url} {how} {other} ({place.file}:{place.line}): tokens have just one of them"
            yield warning(SIMILAR_ISSUERS, context.issuer_places[url], message)


def http_issuers(context: LintContext) -> Iterator[Finding]:
    """Warn of trusted issuers whose keys cannot be fetched over https."""
    for url in context.admission.issuers:
        if not url.startswith(_HTTPS):
            message = f"issuer {url} does not begin with {_HTTPS}, so an attacker can serve keys of their own"
            yield warning(HTTP_ISSUER, context.issuer_places[url], message)


def vos_with_two_spellings(context: LintContext) -> Iterator[Finding]:
    """Warn of VOs that the policy spells in two ways, and that tokens of an issuer without `vos` may name."""
    warned: set[str] = set()
    for url, issuer in context.admission.issuers.items():
        for vo, ways in context.admission.spellings_of(url).items() if issuer.names_vos_freely else ():
            if len(ways) > 1 and vo not in warned:
                warned.add(vo)
                several = " and ".join(sorted(ways))
                message = f"issuer {url} may name the VO {vo}, which these mapfiles spell {several}; write one of them"
                yield warning(TWO_SPELLINGS, context.issuer_places[url], message)


def unchecked_audiences(context: LintContext) -> Iterator[Finding]:
    """Warn of issuers whose audience vomap does not check, and HTCondor neither, as their tokens are foreign to it."""
    for url, issuer in context.admission.issuers.items() if context.is_whole else ():
        declared = context.document["issuers"][url] or {}
        how = "`profile: other`" if declared.get("profile") == "other" else "`entitlements`"
        if issuer.audience is None and ("entitlements" in declared or declared.get("profile") == "other"):
            message = (
                f"issuer {url} has {how}, so HTCondor does not check the audience of its tokens, and vomap neither"
            )
            advice = "write the audience of this site as `audience` of the issuer"
            yield warning(UNCHECKED_AUDIENCE, context.issuer_places[url], f"{message}; {advice}")


def capital_hosts(context: LintContext) -> Iterator[Finding]:
    """Warn of issuers with capital letters in their host, and of two that differ only by them."""
    lower: dict[str, str] = {}
    for url, place in context.issuer_places.items():
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        other = lower.setdefault(f"{scheme}://{host.lower()}{slash}{path}", url)
        if other != url:
            there = context.issuer_places[other]
            message = f"issuer {url} differs by capital letters in the host alone from {other}"
            yield warning(
                SIMILAR_ISSUERS, place, f"{message} ({there.file}:{there.line}): tokens have just one of them"
            )
        elif host != host.lower():
            message = f"issuer {url} has capital letters in its host, and vomap compares issuers byte for byte"
            how = f"write the `iss` of a token, probably {scheme}://{host.lower()}{slash}{path}"
            yield warning(CAPITAL_HOST, place, f"{message}: {how}")
