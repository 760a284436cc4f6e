"""Bans whose tokens never come to vomap: the CEs ask it only about issuers that they are wired for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from vomap.bans.ban_file import is_published
from vomap.mapfile.issuer_urls import is_issuer_url

_MOST_SHOWN = 3
NOT_IN_FORCE = "not in force here: another plugin may map these tokens"


def is_wired(url: str, ban: Mapping[str, Any], declared: Collection[str]) -> bool:
    """Return whether the CEs are wired to ask vomap about an issuer that a ban, given as its document, names.

    `declared` are the issuers that the site declares, with `none` or otherwise. A list that others publish wires no
    other issuer; a ban of the site's own does, if its URL can be written into the configuration of a CE.
    """
    return url in declared or (is_issuer_url(url) and not is_published(file_of(ban)))


def unwired_issuers(ban: Mapping[str, Any], declared: Collection[str]) -> list[str]:
    """Return the issuers that a ban names and that no CE is wired for."""
    return [url for url in ban.get("issuer", ()) if not is_wired(url, ban, declared)]


def unwired_sentence(bans: Iterable[Mapping[str, Any]], declared: Collection[str]) -> str:
    """Return how many bans name an issuer that no CE is wired for, as a sentence; "" if none does."""
    found = [issuers for ban in bans if (issuers := unwired_issuers(ban, declared))]
    if not found:
        return ""
    named = sorted({url for issuers in found for url in issuers})
    they = "1 ban names" if len(found) == 1 else f"{len(found)} bans name"
    what = "an issuer" if len(named) == 1 else f"{len(named)} issuers"
    return f"{they} {what} that the site does not declare ({_shown(named)}): {NOT_IN_FORCE}"


def _shown(issuers: Sequence[str]) -> str:
    return ", ".join(issuers[:_MOST_SHOWN]) + (", ..." if len(issuers) > _MOST_SHOWN else "")


def file_of(ban: Mapping[str, Any]) -> str:
    """Return the path of the file that a ban is written in."""
    source: str = ban["source"]
    return source.rpartition(":")[0]
