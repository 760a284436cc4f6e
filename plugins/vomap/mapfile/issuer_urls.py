"""The URLs of issuers that can be written anywhere, whoever has chosen them."""

from __future__ import annotations

import re

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_URL = re.compile(rf"https://{_HOST}(?:\.{_HOST})*(?::[0-9]{{1,5}})?(?:/[A-Za-z0-9._~%:@+=-]*)*", re.ASCII)


def is_issuer_url(text: str) -> bool:
    """Return whether a text is an https URL of a host, perhaps with a port and a path.

    Nothing in it ends a word, a line or a regular expression in the configuration of a CE: quotes, blanks, commas, `*`,
    `$`, `#` and backslashes are not taken. The host may have capital letters, as issuers are compared byte for byte.
    """
    return _URL.fullmatch(text) is not None
