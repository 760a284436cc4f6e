"""The format before this one, read with today's meaning: an update must refuse nobody.

A policy of format 2 lacks the pieces `spelled` and `claims`, and keeps rules in places that are still understood. Its
piece `site` calls the settings of the decision log `journal`. Its bans lie in the head as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vomap.policy.index import find_spellings, put_together, take_bans_apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from vomap.store import BuiltFile

_SPELLED = "spelled\t"
_CLAIMS = "claims"


def rename_log(pieces: dict[str, Any]) -> None:
    """Give the settings of the decision log the key that they have today, in the pieces of a head of format 2."""
    site = pieces.get("site", {})
    if "journal" in site:
        site["log"] = site.pop("journal")


def policy_finder(file: BuiltFile) -> Callable[[str], Any]:
    """Return what finds a piece of a policy of format 2 by its key, as of a policy of today's format.

    All of the file is read, once, for a token that asks for what the file lacks; few do.
    """
    made: dict[str, Any] = {}

    def find(key: str) -> Any:
        if key != _CLAIMS and not key.startswith(_SPELLED):
            return file.find(key)
        if not made:
            made.update(_missing_pieces(file))
        return made.get(key)

    return find


def ban_finder(file: BuiltFile) -> Callable[[str], Any]:
    """Return what finds a piece of bans of format 2 by its key, as of bans of today's format."""
    return dict(take_bans_apart({"bans": file.find("bans")})).get


def _missing_pieces(file: BuiltFile) -> dict[str, Any]:
    """Return the pieces that a policy of format 2 lacks; `claims` is always there."""
    document = put_together(dict(file.pieces()))
    spelled = {f"{_SPELLED}{vo}": spellings for vo, spellings in find_spellings(document).items()}
    claims = {name: None for rule in document["rules"] for name in rule.get("claim", ())}
    return {**spelled, _CLAIMS: list(claims)}
