"""What both CEs need to know of a policy: whose tokens come to vomap at all, and for whom they may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vomap import Error
from vomap.bans.issuer_wiring import is_wired

# Where the packages put the callouts.
LIBEXEC = Path("/usr/libexec/vomap")


class WiringError(Error):
    """A CE cannot be wired as it was asked."""

    exit_code = 2


@dataclass(frozen=True)
class Fragment:
    """A part of a CE's configuration: the file's name there, and its text."""

    name: str
    text: str


def issuers_to_ask_for(document: Mapping[str, Any], bans: Mapping[str, Any]) -> list[str]:
    """Return the issuers whose tokens vomap is asked about: the declared ones, and those that a ban names.

    An issuer that nobody declared must not even reach the callout. One that a ban of the site's own names must be
    refused, not left to others; a published list may name only those that the site declares, with `none` or otherwise.
    """
    known = document["issuers"]
    declared = [url for url, issuer in document["issuers"].items() if issuer is not None]
    banned = [url for ban in bans["bans"] for url in ban.get("issuer", ()) if is_wired(url, ban, known)]
    return sorted({*declared, *banned})


def audiences(document: Mapping[str, Any]) -> list[str]:
    """Return every audience that the policy accepts from any issuer, in the policy's order."""
    lists = [document["site"]["audience"], *(issuer.get("audience") for issuer in _trusted(document).values())]
    return list(dict.fromkeys(audience for accepted in lists for audience in accepted or ()))


def foreign_issuers(document: Mapping[str, Any]) -> list[str]:
    """Return the issuers whose tokens are neither WLCG tokens nor SciTokens, or whose audience HTCondor must not check.

    HTCondor makes no checks of its own for these but signature and times; vomap's are then the only ones.
    """
    site_audience = document["site"]["audience"]
    return sorted(
        url
        for url, issuer in _trusted(document).items()
        if "entitlements" in issuer or issuer.get("without-audience") or issuer.get("audience", site_audience) is None
    )


def callout_path(path: str) -> str:
    """Return a callout's path if both CEs can run it: from the root, and without what they split, expand or unquote.

    Raises WiringError otherwise.
    """
    if not path.startswith("/") or not all(mark.isalnum() or mark in "/._+-" for mark in path):
        raise WiringError(f"{path!a} is no path of a callout: it begins with / and has only letters, digits and /._+-")
    return path


def heading(command: str, place: str) -> str:
    """Return the comment that begins every fragment: who wrote it, when to do so again, and where it belongs."""
    return (
        f"# Written by `vomap render {command}`; to be written again when issuers or audiences change.\n"
        f"# It belongs {place}.\n"
    )


def _trusted(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {url: issuer for url, issuer in document["issuers"].items() if issuer is not None}
