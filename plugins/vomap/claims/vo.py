"""The names of VOs that a token holds; which of them its issuer may use, the policy says."""

from __future__ import annotations

from vomap.claims.scopes import storage_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vomap.claims.memberships import Membership


SOURCES = ("group", "scope-path")


def named_in(source: str, memberships: Iterable[Membership], scopes: Sequence[str]) -> list[str]:
    """Return the names that one of the SOURCES holds, in the token's order, each once."""
    if source == "group":
        names: Iterable[str | None] = (membership.root for membership in memberships)
    else:
        names = (storage_root(scope) for scope in scopes)
    return list(dict.fromkeys(name for name in names if name is not None))
