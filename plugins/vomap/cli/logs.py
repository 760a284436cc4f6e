"""Read decision logs, and resolve their pseudonyms, for the verbs that need it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vomap.log.pseudonyms import PseudonymError, read_key, resolve_pseudonym
from vomap.log.reader import BrokenLine, Record, Resolve, read_log


def read_logs(logs: Iterable[str]) -> Iterator[tuple[str, Record | BrokenLine]]:
    """Yield each line of logs, with the name of its log. Raises LogError."""
    for log in logs:
        for found in read_log(log):
            yield log, found


def resolver(key_file: str | None) -> Resolve | None:
    """Return a function that finds the subject of a pseudonym, or None without a key. Raises KeyFileError."""
    if key_file is None:
        return None
    key = read_key(key_file)

    def resolve(issuer: str, pseudonym: str) -> str | None:
        try:
            return resolve_pseudonym(key, issuer, pseudonym)
        except PseudonymError:
            return None

    return resolve
