"""Check that the declared issuers publish keys that vomap can use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from vomap import Error
from vomap.status.line import GREEN, RED, StatusLine
from vomap.verify.jwks import fetch_keys


def issuer_lines(issuers: Iterable[str], authorities: Path | None) -> Iterator[StatusLine]:
    """Fetch the keys of each issuer, with the limits and checks of `vomap-token`, and yield one line for each.

    `authorities` is a file of certificates to trust in place of the system's (PEM).
    """
    for issuer in issuers:
        yield _issuer_line(issuer, authorities)


def _issuer_line(issuer: str, authorities: Path | None) -> StatusLine:
    try:
        keys, _ = fetch_keys(issuer, authorities)
    except Error as error:
        return StatusLine(RED, issuer, f"vomap cannot fetch its keys: {error}")
    return StatusLine(GREEN, issuer, f"publishes {len(keys)} {'key' if len(keys) == 1 else 'keys'}")
