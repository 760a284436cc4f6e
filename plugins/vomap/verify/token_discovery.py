"""The bearer's token, where the user's programs look for it: WLCG Bearer Token Discovery 1.0."""

from __future__ import annotations

import os
from collections.abc import Mapping

from vomap.claims import TokenError
from vomap.files import FileError, open_trusted
from vomap.verify.jws import LONGEST_TOKEN

_TEMPORARY = "/tmp"  # noqa: S108 - the specification's; the file must be ours  # nosec B108


def discover_token(environment: Mapping[str, str], user: int, temporary: str = _TEMPORARY) -> bytes:
    """Return the token of a user: of the first place that there is, and of no other if that one is of no use.

    Raises TokenError if there is none, or if its file cannot be read or trusted.
    """
    if "BEARER_TOKEN" in environment:
        return os.fsencode(environment["BEARER_TOKEN"])
    if "BEARER_TOKEN_FILE" in environment:
        return read_token_file(environment["BEARER_TOKEN_FILE"])
    runtime = environment.get("XDG_RUNTIME_DIR")
    for folder in (runtime, temporary) if runtime else (temporary,):
        path = os.path.join(folder, f"bt_u{user}")
        if os.path.lexists(path):
            return read_token_file(path)
    raise TokenError("token: none is found: no BEARER_TOKEN, no BEARER_TOKEN_FILE, no file bt_u with the user's number")


def read_token_file(path: str) -> bytes:
    """Return what a file holds that only root and ourselves can have written.

    Raises TokenError for any other, and for one that holds more than a token.
    """
    try:
        descriptor, size = open_trusted(path)
        try:
            content = os.read(descriptor, LONGEST_TOKEN + 1)
        finally:
            os.close(descriptor)
    except (FileError, OSError, ValueError) as error:
        raise TokenError(f"token: {error}") from None
    if size > LONGEST_TOKEN:
        raise TokenError(f"token: {path}: holds more than {LONGEST_TOKEN} bytes")
    return content
