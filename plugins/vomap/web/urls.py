"""Split URLs that every program reads in the same way."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

# Plain ASCII without a backslash: some programs read it as a slash, and connect to another host than vomap checks.
_PLAIN = re.compile(r"https?://[!-\[\]-~]{1,2000}", re.ASCII | re.IGNORECASE)


def split_url(url: str) -> SplitResult | None:
    """Return the parts of an http or https URL in plain ASCII with a host, or None for any other text."""
    try:
        parts = urlsplit(url)
        is_whole = parts.port != 0 and parts.hostname is not None
    except ValueError:
        return None
    return parts if is_whole and _PLAIN.fullmatch(url) else None


def has_user(parts: SplitResult) -> bool:
    """Return True if a URL contains a user or a password. The text that looks like its host can be the user."""
    return "@" in parts.netloc


def is_this_machine(host: str) -> bool:
    """Return True if a host is this machine, by an address that leads nowhere else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
