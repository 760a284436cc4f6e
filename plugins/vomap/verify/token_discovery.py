"""Find the token of a user as other grid tools do: WLCG Bearer Token Discovery 1.0."""

from __future__ import annotations

import os
from collections.abc import Mapping

from vomap.claims import TokenError
from vomap.files import FileError, open_trusted
from vomap.verify.jws import LONGEST_TOKEN

_TEMPORARY = "/tmp"  # noqa: S108 - as specified, and the file must be ours  # nosec B108


def discover_token(environment: Mapping[str, str], user: int, temporary: str = _TEMPORARY) -> bytes:
    """Return the token at the first place that exists. If that token cannot be used, no other place is tried.

    `environment` is that of the process, `user` a uid. Raises TokenError if no place exists, or if vomap cannot read or
    trust the file.
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
    raise TokenError(
        f"token: not found: set BEARER_TOKEN or BEARER_TOKEN_FILE, or write the file {temporary}/bt_u{user}"
    )


def read_token_file(path: str) -> bytes:
    """Return the content of a file that only root and ourselves can write.

    Raises TokenError for any other file, and for one that is longer than a token.
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
        raise TokenError(f"token: {path}: longer than {LONGEST_TOKEN} bytes")
    return content
