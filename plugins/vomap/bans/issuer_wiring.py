"""Find bans without effect: a CE calls vomap only for issuers that are wired, that is, named in its configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from vomap.bans.ban_file import is_published
from vomap.mapfile.findings import Place
from vomap.mapfile.issuer_urls import is_issuer_url

_MOST_SHOWN = 3
NOT_IN_FORCE = "not in force here: another plugin may map these tokens"


def is_wired(url: str, ban: Mapping[str, Any], declared: Collection[str]) -> bool:
    """Return True if the CEs call vomap for an issuer that a ban names.

    `declared` are the issuers that the site declares, distrusted ones included. A published list wires no other issuer.
    A ban of the site itself does, if the URL is safe in the configuration of a CE.
    """
    return url in declared or (is_issuer_url(url) and not is_published(file_of(ban)))


def unwired_issuers(ban: Mapping[str, Any], declared: Collection[str]) -> list[str]:
    """Return the issuers of a ban for which no CE calls vomap."""
    return [url for url in ban.get("issuer", ()) if not is_wired(url, ban, declared)]


def unwired_sentence(bans: Iterable[Mapping[str, Any]], declared: Collection[str]) -> str:
    """Return a sentence with the number of bans that name issuers without wiring, or "" if there are none."""
    found = [issuers for ban in bans if (issuers := unwired_issuers(ban, declared))]
    if not found:
        return ""
    named = sorted({url for issuers in found for url in issuers})
    they = "1 ban names" if len(found) == 1 else f"{len(found)} bans name"
    what = "an issuer" if len(named) == 1 else f"{len(named)} issuers"
    shown = ", ".join([*named[:_MOST_SHOWN], *(["..."] if len(named) > _MOST_SHOWN else [])])
    return f"{they} {what} that the site does not declare ({shown}): {NOT_IN_FORCE}"


def file_of(ban: Mapping[str, Any]) -> str:
    """Return the path of the file that contains a ban."""
    return Place.of_source(ban["source"]).file
