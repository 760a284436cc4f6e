"""For which VOs a token speaks: what its issuer may name, and what it names."""

from __future__ import annotations

from vomap.claims.scopes import storage_root
from vomap.policy.model import Naming
from vomap.policy.patterns import is_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vomap.claims.memberships import Membership
    from vomap.policy.model import Issuer, Policy


SOURCES = ("group", "scope-path")


def find_vos(
    policy: Policy, url: str, issuer: Issuer, memberships: Sequence[Membership], scopes: Sequence[str]
) -> Naming:
    """Find the VOs that a token of an issuer with `vo-from`, `url`, speaks for.

    The first source that names a VO decides; the default VO holds only if no source names anything, listed or not.
    """
    names_any = False
    for source in issuer.sources:
        names = named_in(source, memberships, scopes)
        vos = [vo for vo in (vo_of(policy, url, issuer, name) for name in names) if vo]
        if vos:
            return Naming(vos, names_any=True)
        names_any = names_any or bool(names)
    if not names_any and issuer.default_vo is not None:
        return Naming([issuer.default_vo], names_any=True)
    return Naming((), names_any=names_any)


def mentioned_vos(
    policy: Policy, url: str, issuer: Issuer, memberships: Sequence[Membership], scopes: Sequence[str]
) -> set[str]:
    """Return the VOs, in lower case, that a token names anywhere, even if it does not speak for them, as bans ask."""
    names = (name for source in SOURCES for name in named_in(source, memberships, scopes))
    vos = (vo_of(policy, url, issuer, name) for name in names)
    return {vo.lower() for vo in vos if vo}


def vo_of(policy: Policy, url: str, issuer: Issuer, name: str) -> str | None:
    """Return the VO that a name in a token of an issuer, `url`, means, or None if it is none that it may speak for.

    An issuer without `vos` may speak for every VO but those that another issuer is declared for.
    """
    if issuer.vos is not None:
        return issuer.vos.get(name)
    # Only ASCII has case here: str.lower() makes a `k` of a Kelvin sign.
    if not is_word(name):
        return None
    for owner in policy.owners(name.lower()):
        if owner != url:
            return None
    return name


def named_in(source: str, memberships: Iterable[Membership], scopes: Sequence[str]) -> list[str]:
    """Return the names that one of the SOURCES holds, in the token's order, each once."""
    if source == "group":
        names: Iterable[str | None] = (membership.root for membership in memberships)
    else:
        names = (storage_root(scope) for scope in scopes)
    return list(dict.fromkeys(name for name in names if name is not None))
