"""URLs that mean one thing, whoever reads them."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

# Plain ASCII without a backslash, which some take for a slash: then another host is asked than is looked at.
_PLAIN = re.compile(r"https?://[!-\[\]-~]{1,2000}", re.ASCII | re.IGNORECASE)


def split_url(url: str) -> SplitResult | None:
    """Return the parts of an http or https URL in plain ASCII with a host; None for all else."""
    try:
        parts = urlsplit(url)
        is_whole = parts.port != 0 and parts.hostname is not None
    except ValueError:
        return None
    return parts if is_whole and _PLAIN.fullmatch(url) else None


def has_user(parts: SplitResult) -> bool:
    """Tell whether a URL names a user, or a password: what looks like its host is none then."""
    return "@" in parts.netloc


def is_this_machine(host: str) -> bool:
    """Tell whether a host is this very machine, by an address that leads nowhere else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
