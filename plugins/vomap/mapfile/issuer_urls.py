"""Check that an issuer's URL is safe to write into any configuration file of a CE."""

from __future__ import annotations

import re

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_URL = re.compile(rf"https://{_HOST}(?:\.{_HOST})*(?::[0-9]{{1,5}})?(?:/[A-Za-z0-9._~%:@+=-]*)*", re.ASCII)


def is_issuer_url(text: str) -> bool:
    """Return True if a text is an https URL of a host, with or without port and path.

    Quotes, blanks, commas, `*`, `$`, `#` and backslashes are not allowed: no URL can end a word, a line or a regular
    expression in the configuration of a CE. The host may have capital letters: issuers are compared byte for byte.
    """
    return _URL.fullmatch(text) is not None
