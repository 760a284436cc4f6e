"""What verbs have in common that read the decision log: its files, the key of its pseudonyms, and what is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vomap.log.pseudonyms import PseudonymError, read_key, resolve_pseudonym
from vomap.log.reader import BrokenLine, Record, Resolve, read_log


def read_logs(logs: Iterable[str]) -> Iterator[tuple[str, Record | BrokenLine]]:
    """Yield what is found in logs, with the name of each. Raises LogError."""
    for log in logs:
        for found in read_log(log):
            yield log, found


def resolver(key_file: str | None) -> Resolve | None:
    """Return what finds the subject behind a pseudonym by a key; None without a key. Raises KeyFileError."""
    if key_file is None:
        return None
    key = read_key(key_file)

    def resolve(issuer: str, pseudonym: str) -> str | None:
        try:
            return resolve_pseudonym(key, issuer, pseudonym)
        except PseudonymError:
            return None

    return resolve
