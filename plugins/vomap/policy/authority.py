"""Which issuer may speak for which VO, and for which VOs a token of it speaks.

An issuer that declares `vo`, `vos` or a table of `subjects` speaks for these VOs. An issuer without `vos` whose groups
name VOs (`vo-from`) also speaks for every VO that no other issuer is declared for. A reserved VO belongs to a
distrusted issuer: no issuer speaks for it unless it declares the VO itself.

The callouts load this module only for issuers whose tokens name their VOs.
"""

from __future__ import annotations

from vomap.claims.scopes import first_name, is_malformed, storage_root
from vomap.policy.matching import is_word
from vomap.policy.model import DISTRUSTED, OWNERS, SPELLED, SUBJECT, Issuer, NamedVos, Site, key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

    from vomap.claims.memberships import Membership
    from vomap.claims.scopes import NamePaths
    from vomap.policy.matching import View
    from vomap.policy.model import Policy

GROUP, SCOPE_PATH = "group", "scope-path"
# The sources with names of VOs. A subject (SUBJECT) is not the name of a VO.
SOURCES = (GROUP, SCOPE_PATH)
# The owner of a reserved VO. No issuer has this URL.
_NO_ISSUER = ""


def may_name(owners: Sequence[str], url: str) -> bool:
    """Return True if an issuer without `vos` may speak for a VO that its tokens name.

    `owners` are the issuers that are declared for the VO, `url` is the issuer of the token.
    """
    return owners.count(url) == len(owners)


class Authority:
    """Which issuer may speak for which VO, by the document of a policy. VOs are given and returned in lower case.

    `issuers` are all declared issuers, distrusted ones included. `owners` has each VO that is declared or reserved,
    with the issuers that are declared for it, in the document's order. A reserved VO has the owner "" as well.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take a policy's document."""
        site = Site(document["site"])
        self.issuers = {
            url: Issuer(DISTRUSTED if declared is None else declared, site)
            for url, declared in document["issuers"].items()
        }
        self._free = [url for url, issuer in self.issuers.items() if issuer.names_vos_freely]
        self.owners: dict[str, list[str]] = {}
        for url, issuer in self.issuers.items():
            for vo in issuer.declared_vos():
                self.owners.setdefault(vo, []).append(url)
        for vo in {vo.lower() for vo in document.get("reserved-vos", ())}:
            self.owners.setdefault(vo, []).append(_NO_ISSUER)

    def may_name(self, url: str, vo: str) -> bool:
        """Return True if an issuer without `vos` may speak for a VO that its tokens name."""
        return may_name(self.owners.get(vo, ()), url)

    def may_speak(self, url: str, vo: str) -> bool:
        """Return True if tokens of an issuer may speak for a VO."""
        issuer = self.issuers.get(url)
        if issuer is None:
            return False
        return url in self.owners.get(vo, ()) or (issuer.names_vos_freely and self.may_name(url, vo))

    def speakers(self, vo: str) -> list[str]:
        """Return the issuers that may speak for a VO, in the document's order. All of them are trusted."""
        owners = self.owners.get(vo, ())
        if owners:
            # Of several issuers without `vos`, only the one that owns the VO alone may name it: it is an owner already.
            return [url for url in dict.fromkeys(owners) if url != _NO_ISSUER]
        return list(self._free)

    def vos_of(self, url: str, served: Collection[str] | None) -> set[str] | None:
        """Return the VOs that an issuer may speak for, of those that the site serves (None: it serves every VO).

        The result None means any VO.
        """
        issuer = self.issuers[url]
        if not issuer.names_vos_freely:
            return {vo for vo in issuer.declared_vos() if served is None or vo in served}
        return None if served is None else {vo for vo in served if self.may_speak(url, vo)}

    def vos_of_others(self, url: str) -> set[str]:
        """Return the VOs that an issuer without `vos` may not speak for: those of other issuers, and reserved ones."""
        return set(self.owners).difference(self.vos_of_alone(url))

    def vos_of_alone(self, url: str) -> list[str]:
        """Return the VOs that an issuer is declared for, and no other one. No VO that is reserved is among them."""
        return [vo for vo in self.issuers[url].declared_vos() if self.may_name(url, vo)]

    def declared_vos(self) -> set[str]:
        """Return the VOs that any issuer is declared for."""
        return {vo for vo, owners in self.owners.items() if owners != [_NO_ISSUER]}


def vo_of(policy: Policy, url: str, issuer: Issuer, name: str) -> str | None:
    """Return the VO that a name in a token of an issuer, `url`, means, or None if it means none that it may name.

    Without `vos`, the name is the token's own word. It must have a spelling of the policy, or be in lower case if the
    policy has no other spelling. The reason: `<vo>` puts the name into an account in lower case, so two spellings would
    share an account.
    """
    if issuer.vos is not None:
        return issuer.vos.get(name)
    vo = owned_vo(policy, url, issuer, name)
    if vo is None:
        return None
    spelled = policy.find(key_of(SPELLED, vo))
    return name if (name == vo if spelled is None else name in spelled) else None


def owned_vo(policy: Policy, url: str, issuer: Issuer, name: str) -> str | None:
    """Return the VO, in lower case, that a name means without regard to its spelling, as bans and owners do.

    None if the issuer, `url`, may not speak for it.
    """
    if issuer.vos is not None:
        vo = issuer.vos.get(name)
        return None if vo is None else vo.lower()
    # Only ASCII has case here: str.lower() makes a `k` of a Kelvin sign.
    if not issuer.names_vos_freely or not is_word(name):
        return None
    vo = name.lower()
    return vo if may_name(policy.find(key_of(OWNERS, vo)) or (), url) else None


def find_named_vos(policy: Policy, url: str, issuer: Issuer, token: View) -> NamedVos:
    """Find the VOs that a token of an issuer with `vo-from`, `url`, speaks for.

    The first VO source that names a VO decides. The default VO counts only if no source has any name, in `vos` or not.
    A malformed storage scope, or a malformed group, is such a name, but not that of a VO.
    """
    names_any = False
    for source in issuer.sources:
        if source == SUBJECT:
            vo = issuer.subjects.get(token.claims.texts.get("sub", ""))
            if vo is not None:
                return NamedVos([vo], names_any=True)
            # A subject outside the table names nothing.
            continue
        names = named_in(source, token.memberships, token.scopes, issuer.name_paths)
        vos = [vo for vo in [vo_of(policy, url, issuer, name) for name in names] if vo]
        if vos:
            return NamedVos(vos, names_any=True)
        names_any = names_any or bool(names) or _names_no_vo(source, issuer, token)
    if not names_any and issuer.default_vo is not None:
        return NamedVos([issuer.default_vo], names_any=True)
    return NamedVos((), names_any=names_any)


def _names_no_vo(source: str, issuer: Issuer, token: View) -> bool:
    """Return True if a VO source has a name, but not that of a VO."""
    if source == SCOPE_PATH:
        return any(map(is_malformed, token.scopes))
    if issuer.groups_claim is None or not token.claims.values(issuer.groups_claim):
        return False
    # Few tokens with groups come here.
    from vomap.claims.memberships import has_malformed_groups

    return has_malformed_groups(token.claims, issuer.group_form)


def mentioned_vos(
    policy: Policy, url: str, issuer: Issuer, memberships: Sequence[Membership], scopes: Sequence[str]
) -> set[str]:
    """Return the VOs, in lower case, that bans find in groups and paths, even if the token does not speak for them.

    `memberships` and `scopes` are those that bans see. Any spelling counts. A path names the VO that it begins with,
    also if it is malformed.
    """
    paths = issuer.name_paths
    names = {name for source in SOURCES for name in named_in(source, memberships, scopes, paths)}
    if paths is None:
        names.update(name for name in map(first_name, scopes) if name is not None)
    else:
        names.update(name for scope in scopes for name in paths.named_in_any_reading(scope))
    vos = (owned_vo(policy, url, issuer, name) for name in names)
    return {vo for vo in vos if vo is not None}


def named_in(
    source: str, memberships: Iterable[Membership], scopes: Sequence[str], names: NamePaths | None = None
) -> list[str]:
    """Return the names in one of the SOURCES, in the token's order, each once.

    `names` are the names of VOs of the issuer, if any has several parts. The memberships have their roots already.
    """
    if source == GROUP:
        return list(dict.fromkeys([membership.root for membership in memberships]))
    return list(dict.fromkeys([root for scope in scopes if (root := storage_root(scope, names)) is not None]))
