"""Read compiled files of format 2 with the meaning of format 3, so that an update of vomap refuses no token.

A policy of format 2 lacks the entries `spelled` and `claims`, and has its rules in places that vomap still reads. Its
entry `site` calls the settings of the decision log `journal`. All bans of format 2 are in the head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vomap.policy.index import document_of_policy, index_bans, spelling_entries
from vomap.policy.model import CLAIMS, SPELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from vomap.store import CompiledFile


def policy_finder(file: CompiledFile) -> Callable[[str], Any]:
    """Return the function that finds an entry of a policy of format 2 by its key, as in format 3.

    For a token that needs an entry that the file lacks, it reads the whole file once. Few tokens do.
    """
    made: dict[str, Any] = {}

    def find(key: str) -> Any:
        if key.partition("\t")[0] not in (CLAIMS, SPELLED):
            return file.find(key)
        if not made:
            document = document_of_policy(dict(file.entries()))
            claims = {name: None for rule in document["rules"] for name in rule.get("claim", ())}
            made.update({**dict(spelling_entries(document)), CLAIMS: list(claims)})
        return made.get(key)

    return find


def ban_finder(file: CompiledFile) -> Callable[[str], Any]:
    """Return the function that finds an entry of bans of format 2 by its key, as in format 3."""
    return dict(index_bans({"bans": file.find("bans")})).get
