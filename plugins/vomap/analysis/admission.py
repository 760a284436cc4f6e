"""Describe the admission of an issuer's tokens: the checks before any rule, in a form that two policies can compare."""

from __future__ import annotations

from functools import cached_property
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

from vomap.policy.authority import Authority
from vomap.policy.index import find_spellings
from vomap.policy.model import SUBJECT, Issuer, Site

if TYPE_CHECKING:
    from vomap.policy.documents import PolicyDocument


class Admission:
    """The trusted issuers of a policy, the VOs that each may speak for, and the checks of their tokens."""

    def __init__(self, document: PolicyDocument) -> None:
        self.site = Site(document["site"])
        self.authority = Authority(document)
        trusted = {url: declared for url, declared in document["issuers"].items() if declared is not None}
        self.issuers = {url: self.authority.issuers[url] for url in trusted}
        self.forms = {url: issuer.entitlements for url, issuer in self.issuers.items()}
        self._spellings = find_spellings(document)
        self.known_vos = sorted(self._spellings)
        self._names: dict[str, dict[str, list[str]]] = {}

    def knows(self, vo: str) -> bool:
        """Return True if the policy names a VO, given in lower case."""
        return vo in self._spellings

    def serves(self, vo: str) -> bool:
        """Return True if the site serves a VO, given in lower case."""
        return self.site.serve is None or vo in self.site.serve

    def speakers(self, vo: str) -> list[str]:
        """Return the trusted issuers that may speak for a VO, given in lower case, if the site serves it."""
        return self.authority.speakers(vo) if self.serves(vo) else []

    def may_speak(self, url: str, vo: str) -> bool:
        """Return True if an issuer may speak for a VO, given in lower case, and the site serves it."""
        return self.serves(vo) and self.authority.may_speak(url, vo)

    def spelled(self, vo: str) -> str:
        """Return a VO's name as the policy spells it. Of several spellings, return the last."""
        return self._spellings.get(vo, [vo])[-1]

    def spellings_of(self, url: str) -> dict[str, frozenset[str]]:
        """Return the VOs that tokens of an issuer without `vos` must spell as the policy does, each with its spellings.

        These are the served VOs, in lower case, that the policy also spells with capitals.
        """
        its_own = self.authority.vos_of_alone(url)
        return {**self._unowned_spellings, **{vo: self._capitals[vo] for vo in its_own if vo in self._capitals}}

    @cached_property
    def _capitals(self) -> dict[str, frozenset[str]]:
        """The spellings of each served VO that the policy also spells with capitals."""
        return {vo: frozenset(each) for vo, each in self._spellings.items() if each != [vo] and self.serves(vo)}

    @cached_property
    def _unowned_spellings(self) -> dict[str, frozenset[str]]:
        return {vo: each for vo, each in self._capitals.items() if vo not in self.authority.owners}

    @cached_property
    def _unowned(self) -> list[str]:
        """The known VOs that any issuer without `vos` may name."""
        return [vo for vo in self.known_vos if vo not in self.authority.owners]

    def may_mean(self, url: str, vo: str, name: str) -> bool:
        """Return True if a name in a token of an issuer means a VO, given in lower case.

        The names in tokens of an issuer with `vo` make no difference.
        """
        issuer = self.issuers[url]
        if issuer.vo is not None:
            return True
        if issuer.vos is not None:
            return issuer.vos.get(name, "").lower() == vo
        return issuer.names_vos_freely and name in self._spellings.get(vo, [vo])

    def names(self, url: str, vo: str | None, most: int) -> list[str]:
        """Return at most this number of names of a VO in groups and paths of an issuer. None means all known VOs.

        There are as many for each of thousands of issuers, so that no caller asks for all of them.
        """
        issuer = self.issuers.get(url)
        if issuer is None or not issuer.sources:
            return []
        if issuer.vos is not None:
            return list(islice(issuer.vos if vo is None else self._names_of(url, issuer.vos).get(vo, []), most))
        if not issuer.names_vos_freely:
            return []
        if vo is not None:
            return [self.spelled(vo)][:most] if self.authority.may_name(url, vo) else []
        its_own = sorted(each for each in self.authority.vos_of_alone(url) if each in self._spellings)
        return [self.spelled(each) for each in islice(merge(self._unowned, its_own), most)]

    def ways(self, url: str, vo: str | None, most: int) -> list[tuple[str, str]]:
        """Return how tokens of an issuer name a VO, or for None all known VOs: the VO source, and the name or subject.

        `most` limits the names of each source.
        """
        issuer = self.issuers.get(url)
        if issuer is None:
            return []
        named = self.names(url, vo, most)
        listed = (subject for subject, meant in issuer.subjects.items() if vo in (None, meant.lower()))
        subjects = list(islice(listed, most))
        return [(source, name) for source in issuer.sources for name in (subjects if source == SUBJECT else named)]

    def meaning_of(self, url: str, source: str, name: str) -> str | None:
        """Return the VO, in lower case, that a name or a subject in tokens of an issuer means, or None."""
        issuer = self.issuers.get(url)
        if issuer is None or not issuer.sources:
            return None
        table = issuer.subjects if source == SUBJECT else issuer.vos
        if table is not None:
            return table[name].lower() if name in table else None
        vo = name.lower()
        is_known = vo in self._spellings and self.spelled(vo) == name and self.authority.may_name(url, vo)
        return vo if is_known and issuer.names_vos_freely else None

    def _names_of(self, url: str, vos: dict[str, str]) -> dict[str, list[str]]:
        """Return the names of each VO, in lower case, in the `vos` of an issuer."""
        if url not in self._names:
            self._names[url] = {}
            for name, meant in vos.items():
                self._names[url].setdefault(meant.lower(), []).append(name)
        return self._names[url]

    def served_vos(self) -> dict[str, list[str]]:
        """Return the served VOs that the policy names, in lower case, each with the issuers that may speak for it."""
        return {vo: urls for vo in self.known_vos if (urls := self.speakers(vo))}

    def admits(self, url: str) -> bool:
        """Return True unless vomap declines every token of an issuer."""
        issuer = self.issuers.get(url)
        return issuer is not None and (issuer.vo is None or self.serves(issuer.vo.lower()))

    def of(self, url: str) -> dict[str, object]:
        """Return the checks that a token of an issuer must pass, by the keys of the mapfile language.

        Empty if vomap declines every token of the issuer. If two policies return the same, the same tokens reach the
        rules, bans apart.
        """
        if not self.admits(url):
            return {}
        issuer = self.issuers[url]
        named = self._naming(url, issuer) if issuer.vo is None else {"vo": issuer.vo.lower()}
        return {
            **named,
            "groups": (issuer.groups_claim, issuer.groups_comma_separated),
            "entitlements": frozenset((form.prefix, form.authority, form.in_scope) for form in self.forms[url]),
            "audience": issuer.audience,
            "without-audience": issuer.audience is None or issuer.accept_without_audience,
            "without-compute": issuer.accept_without_compute,
            "maximum-lifetime": self.site.maximum_lifetime,
        }

    def _naming(self, url: str, issuer: Issuer) -> dict[str, object]:
        """Return the settings that decide for which VOs a token of an issuer with `vo-from` speaks."""
        serve = self.site.serve
        checks: dict[str, object] = {
            "vo-from": issuer.sources,
            "default-vo": issuer.default_vo and issuer.default_vo.lower(),
            "subjects": frozenset((subject, vo.lower()) for subject, vo in issuer.subjects.items()),
        }
        if issuer.names_vos_freely:
            others = frozenset(self.authority.vos_of_others(url))
            checks["spelling"] = self.spellings_of(url)
            # The reason why a token may not name a VO makes no difference.
            return {**checks, "VOs of other issuers": others} if serve is None else {**checks, "serve": serve - others}
        vos = issuer.declared_vos()
        not_served = frozenset(vo for vo in vos if not self.serves(vo))
        # A site with `serve` declines a token that names no VO.
        also_nobody = serve is None and issuer.default_vo is None
        return {
            **checks,
            "vos": frozenset((name, vo.lower()) for name, vo in (issuer.vos or {}).items()),
            "serve": (not_served, also_nobody),
        }
