"""The format before this one, read with today's meaning: an update must refuse nobody.

A policy of format 2 lacks the entries `spelled` and `claims`, and keeps rules in places that are still understood. Its
entry `site` calls the settings of the decision log `journal`. Its bans lie in the head as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vomap.policy.index import document_of_policy, index_bans, spelling_entries
from vomap.policy.model import CLAIMS, SPELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from vomap.store import CompiledFile


def rename_log(entries: dict[str, Any]) -> None:
    """Give the settings of the decision log the key that they have today, in the entries of a head of format 2."""
    site = entries.get("site", {})
    if "journal" in site:
        site["log"] = site.pop("journal")


def policy_finder(file: CompiledFile) -> Callable[[str], Any]:
    """Return what finds an entry of a policy of format 2 by its key, as of a policy of today's format.

    All of the file is read, once, for a token that asks for what the file lacks; few do.
    """
    made: dict[str, Any] = {}

    def find(key: str) -> Any:
        if key.partition("\t")[0] not in (CLAIMS, SPELLED):
            return file.find(key)
        if not made:
            made.update(_missing_entries(file))
        return made.get(key)

    return find


def ban_finder(file: CompiledFile) -> Callable[[str], Any]:
    """Return what finds an entry of bans of format 2 by its key, as of bans of today's format."""
    return dict(index_bans({"bans": file.find("bans")})).get


def _missing_entries(file: CompiledFile) -> dict[str, Any]:
    """Return the entries that a policy of format 2 lacks; `claims` is always there."""
    document = document_of_policy(dict(file.entries()))
    claims = {name: None for rule in document["rules"] for name in rule.get("claim", ())}
    return {**dict(spelling_entries(document)), CLAIMS: list(claims)}
