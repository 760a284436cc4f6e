"""What a token of an issuer must pass before any rule is asked, in a form in which equal things are written equally."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vomap.claims.memberships import normalise_percent
from vomap.policy.authority import Authority
from vomap.policy.index import find_spellings
from vomap.policy.model import DISTRUSTED, Issuer, Site

if TYPE_CHECKING:
    from collections.abc import Mapping


class Admission:
    """The issuers of a policy that it trusts and serves, and for which VOs each may speak."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take a policy's document."""
        self.site = Site(document["site"])
        self.authority = Authority(document)
        self.issuers = {
            url: Issuer(declared, self.site)
            for url, declared in document["issuers"].items()
            if declared not in (None, DISTRUSTED)
        }
        self.forms = {url: document["issuers"][url].get("entitlements") for url in self.issuers}
        self._spellings = find_spellings(document)
        self.known_vos = sorted(self._spellings)

    def serves(self, vo: str) -> bool:
        """Tell whether the site serves a VO, given in lower case."""
        return self.site.serve is None or vo in self.site.serve

    def speakers(self, vo: str) -> list[str]:
        """Return the trusted issuers that may speak for a VO, given in lower case, if the site serves it."""
        return self.authority.speakers(vo) if self.serves(vo) else []

    def spelled(self, vo: str) -> str:
        """Return a VO's name as the policy spells it; of several spellings the last."""
        return self._spellings.get(vo, [vo])[-1]

    def spellings_of(self, url: str) -> dict[str, frozenset[str]]:
        """Return the VOs that tokens of an issuer without `vos` must spell as the policy does, each with the ways.

        They are in lower case, are served, and are spelled otherwise somewhere.
        """
        return {
            vo: frozenset(spellings)
            for vo, spellings in self._spellings.items()
            if spellings != [vo] and self.serves(vo) and self.authority.may_name(url, vo)
        }

    def may_mean(self, url: str, vo: str, name: str) -> bool:
        """Tell whether a name in a token of an issuer means a VO, given in lower case; one with one VO has no names."""
        issuer = self.issuers[url]
        if issuer.vo is not None:
            return True
        if issuer.vos is not None:
            return issuer.vos.get(name, "").lower() == vo
        return name in self._spellings.get(vo, [vo])

    def names(self, url: str, vo: str | None) -> list[str]:
        """Return what tokens of an issuer call a VO, or, for None, all that they may call any VO that is known."""
        issuer = self.issuers.get(url)
        if issuer is None or not issuer.sources:
            return []
        if issuer.vos is not None:
            return [name for name, meant in issuer.vos.items() if vo in (None, meant.lower())]
        vos = self.known_vos if vo is None else [vo]
        return [self.spelled(each) for each in vos if self.authority.may_name(url, each)]

    def served_vos(self) -> dict[str, list[str]]:
        """Return the VOs that the policy spells out and serves, in lower case, with the issuers that may name each."""
        found = {vo: self.speakers(vo) for vo in self.known_vos}
        return {vo: urls for vo, urls in found.items() if urls}

    def of(self, url: str) -> dict[str, object]:
        """Return what a token of an issuer must pass, by the names that a mapfile has for it.

        Empty, if each of its tokens is declined before anything else is asked. Equal admission mean that all tokens
        come as far as the rules in the same way, bans apart.
        """
        issuer = self.issuers.get(url)
        if issuer is None or (issuer.vo is not None and not self.serves(issuer.vo.lower())):
            return {}
        named = self._naming(url, issuer) if issuer.vo is None else {"vo": issuer.vo.lower()}
        return {
            **named,
            "groups": (issuer.groups_claim, issuer.groups_comma_separated),
            "entitlements": _form(self.forms[url]),
            "audience": issuer.audience,
            "without-audience": issuer.audience is None or issuer.accept_without_audience,
            "without-compute": issuer.accept_without_compute,
            "maximum-lifetime": self.site.maximum_lifetime,
        }

    def _naming(self, url: str, issuer: Issuer) -> dict[str, object]:
        """Return what decides for which VOs a token of an issuer with `vo-from` speaks."""
        serve = self.site.serve
        said: dict[str, object] = {
            "vo-from": issuer.sources,
            "default-vo": issuer.default_vo and issuer.default_vo.lower(),
        }
        if issuer.vos is None:
            others = frozenset(self.authority.vos_of_others(url))
            said["spelling"] = self.spellings_of(url)
            # It is all one why a VO is not the token's to name.
            return {**said, "VOs of other issuers": others} if serve is None else {**said, "serve": serve - others}
        vos = issuer.declared_vos()
        not_served = frozenset(vo for vo in vos if not self.serves(vo))
        # A token that names no VO is declined by a site that says whom it serves.
        also_nobody = serve is None and issuer.default_vo is None
        return {
            **said,
            "vos": frozenset((name, vo.lower()) for name, vo in issuer.vos.items()),
            "serve": (not_served, also_nobody),
        }


def _form(form: Mapping[str, Any] | None) -> tuple[object, ...] | None:
    if form is None:
        return None
    return normalise_percent(form["namespace"]).lower(), form.get("authority"), bool(form.get("in-scope", False))
