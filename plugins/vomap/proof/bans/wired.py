"""Bans whose tokens never come to vomap: the CEs ask it only about issuers that they are wired for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from vomap.mapfile.ban_file import is_published
from vomap.mapfile.issuer_urls import is_issuer_url

NOT_IN_FORCE = "not in force here: another plugin may map these tokens"


def is_wired(url: str, ban: Mapping[str, Any], declared: Collection[str]) -> bool:
    """Return whether the CEs are wired to ask vomap about an issuer that a ban, given as its document, names.

    `declared` are the issuers that the site declares, with `none` or otherwise. A list that others publish wires no
    other issuer; a ban of the site's own does, if its URL can be written into the configuration of a CE.
    """
    return url in declared or (is_issuer_url(url) and not is_published(file_of(ban)))


def unwired_issuers(bans: Iterable[Mapping[str, Any]], declared: Collection[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the issuers that some bans name and that no CE is wired for, each with its bans."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for ban in bans:
        for url in ban.get("issuer", ()):
            if not is_wired(url, ban, declared):
                found.setdefault(url, []).append(ban)
    return found


def unwired_sentence(bans: Iterable[Mapping[str, Any]], declared: Collection[str]) -> str:
    """Return how many bans name an issuer that no CE is wired for, as a sentence; "" if none does."""
    found = unwired_issuers(bans, declared)
    if not found:
        return ""
    count = len({ban["source"] for its_own in found.values() for ban in its_own})
    they = "1 ban names" if count == 1 else f"{count} bans name"
    issuers = "an issuer" if len(found) == 1 else f"{len(found)} issuers"
    return f"{they} {issuers} that the site does not declare ({next(iter(found))}): {NOT_IN_FORCE}"


def file_of(ban: Mapping[str, Any]) -> str:
    """Return the path of the file that a ban is written in."""
    source: str = ban["source"]
    return source.rpartition(":")[0]
