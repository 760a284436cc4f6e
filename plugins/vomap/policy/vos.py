"""For which VOs a token speaks: what its issuer may name, and what it names."""

from __future__ import annotations

from vomap.claims.scopes import first_name, is_malformed, storage_root
from vomap.policy.model import Naming

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vomap.claims.memberships import Membership
    from vomap.policy.matching import View
    from vomap.policy.model import Issuer, Policy


SCOPE_PATH = "scope-path"
SOURCES = ("group", SCOPE_PATH)


def find_vos(policy: Policy, url: str, issuer: Issuer, token: View) -> Naming:
    """Find the VOs that a token of an issuer with `vo-from`, `url`, speaks for.

    The first source that names a VO decides; the default VO holds only if no source names anything, listed or not. A
    malformed storage scope names no VO, but something, and so does a text among the groups that is no group.
    """
    names_any = False
    for source in issuer.sources:
        names = named_in(source, token.memberships, token.scopes)
        vos = [vo for vo in [policy.vo_of(url, issuer, name) for name in names] if vo]
        if vos:
            return Naming(vos, names_any=True)
        names_any = names_any or bool(names) or _names_no_vo(source, issuer, token)
    if not names_any and issuer.default_vo is not None:
        return Naming([issuer.default_vo], names_any=True)
    return Naming((), names_any=names_any)


def _names_no_vo(source: str, issuer: Issuer, token: View) -> bool:
    """Return True if a source says something of VOs, but not which."""
    if source == SCOPE_PATH:
        return any(map(is_malformed, token.scopes))
    if issuer.groups_claim is None or not token.claims.values(issuer.groups_claim):
        return False
    # Few tokens come here that have groups.
    from vomap.claims.memberships import has_malformed_groups

    return has_malformed_groups(token.claims, issuer.group_form)


def mentioned_vos(
    policy: Policy, url: str, issuer: Issuer, memberships: Sequence[Membership], scopes: Sequence[str]
) -> set[str]:
    """Return the VOs, in lower case, that a token names anywhere, even if it does not speak for them, as bans ask.

    `memberships` and `scopes` are those that bans see. Spelling means nothing, and a path names the VO that it begins
    with however it is written.
    """
    names = {name for source in SOURCES for name in named_in(source, memberships, scopes)}
    names.update(name for name in map(first_name, scopes) if name is not None)
    vos = (policy.owned_vo(url, issuer, name) for name in names)
    return {vo for vo in vos if vo is not None}


def named_in(source: str, memberships: Iterable[Membership], scopes: Sequence[str]) -> list[str]:
    """Return the names that one of the SOURCES holds, in the token's order, each once."""
    if source == "group":
        return list(dict.fromkeys([membership.root for membership in memberships]))
    return list(dict.fromkeys([root for root in map(storage_root, scopes) if root is not None]))
