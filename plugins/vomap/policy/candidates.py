"""For which VOs a token speaks: what its issuer may name, and what it names."""

from __future__ import annotations

from vomap.claims.vo import named_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vomap.claims.memberships import Membership
    from vomap.policy.model import Issuer, Policy


class Naming:
    """The VOs that a token speaks for, by their names in lower case, and whether it names any at all.

    `names_any` is true as well for names that the issuer may not use: such a token says something, only not to us.
    """

    __slots__ = ("names_any", "vos")

    def __init__(self, vos: Iterable[str], *, names_any: bool) -> None:
        """Take the VOs in the token's order."""
        self.vos = {vo.lower(): vo for vo in vos}
        self.names_any = names_any


def find_vos(policy: Policy, url: str, memberships: Iterable[Membership], scopes: Sequence[str]) -> Naming:
    """Find the VOs that a token of the issuer `url` speaks for.

    The first source that names a VO decides; the default VO holds only if no source names anything, listed or not.
    """
    issuer = policy.issuers[url]
    if issuer.vo is not None:
        return Naming([issuer.vo], names_any=True)
    names_any = False
    for source in issuer.sources:
        names = named_in(source, memberships, scopes)
        names_any = names_any or bool(names)
        vos = [vo for vo in (vo_of(policy, url, name) for name in names) if vo is not None]
        if vos:
            return Naming(vos, names_any=True)
    if not names_any and issuer.default_vo is not None:
        return Naming([issuer.default_vo], names_any=True)
    return Naming([], names_any=names_any)


def vo_of(policy: Policy, url: str, name: str) -> str | None:
    """Return the VO that a name in a token of the issuer `url` means, or None if it is none that it may speak for.

    An issuer without `vos` may speak for every VO but those that another issuer is declared for.
    """
    issuer = policy.issuers[url]
    if issuer.vos is not None:
        return issuer.vos.get(name)
    owners = policy.vo_owners.get(name.lower(), ())
    return None if set(owners) - {url} else name


def chosen_by_token(issuer: Issuer) -> bool:
    """Tell whether the VO's name is the token's own word, rather than one that the policy spells out."""
    return bool(issuer.sources) and issuer.vos is None
