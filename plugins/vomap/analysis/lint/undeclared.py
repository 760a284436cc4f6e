"""Find rules for tokens that never reach them: their issuer is not declared, or their VO not served."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from vomap.analysis.admission import Admission
from vomap.analysis.lint.context import LintContext, warning
from vomap.mapfile.findings import Finding, SimilarWords

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument

UNDECLARED_ISSUER, UNKNOWN_VO, UNSERVED_VO = "undeclared-issuer", "unknown-vo", "unserved-vo"


def undeclared_names(context: LintContext) -> Iterator[Finding]:
    """Warn of the site's own rules whose issuers or VOs are not declared, not trusted or not served."""
    if not context.is_whole:
        return
    looked_up = _Names(context)
    for rule in context.rules:
        if not context.is_distributed(rule):
            yield from looked_up.issuers(rule) or looked_up.vos(rule) or looked_up.served(rule)


class _Names:
    """The issuers and VOs that a policy declares. A similar name for a missing one is looked up once."""

    def __init__(self, context: LintContext) -> None:
        self._context = context
        self._declared = context.document["issuers"]
        # The issuers that the site trusts, as if it served every VO.
        self._all = Admission({**context.document, "site": {**context.document["site"], "serve": None}})
        known = sorted(context.authority.declared_vos())
        vos = dict.fromkeys(each for name in known for each in (name, self._all.spelled(name)))
        self._like_issuer = lru_cache(maxsize=None)(SimilarWords(self._declared).hint)
        self._like_vo = lru_cache(maxsize=None)(SimilarWords(vos).hint)

    def issuers(self, rule: RuleDocument) -> list[Finding]:
        found = []
        for url in rule.get("issuer", ()):
            if url in self._all.issuers:
                continue
            if url not in self._declared:
                why = f"is not declared, so vomap declines its tokens{self._like_issuer(url)}"
            else:
                place = self._context.issuer_places[url]
                why = f"is distrusted by `none` in {place.file}:{place.line}, so vomap declines its tokens"
            found.append(warning(UNDECLARED_ISSUER, rule, f"rule {rule['name']}: issuer {url} {why}"))
        return found

    def vos(self, rule: RuleDocument) -> list[Finding]:
        found = []
        for vo in rule.get("vo", ()):
            speakers = self._all.speakers(vo.lower())
            if not speakers:
                why = f"no issuer is declared that may speak for VO {vo}{self._like_vo(vo)}"
            elif "issuer" in rule and not set(speakers).intersection(rule["issuer"]):
                some = f"{speakers[0]} may" if len(speakers) == 1 else f"{speakers[0]} and others may"
                why = f"{' or '.join(rule['issuer'])} may not speak for VO {vo}; {some}"
            else:
                continue
            found.append(warning(UNKNOWN_VO, rule, f"rule {rule['name']}: {why}"))
        return found

    def served(self, rule: RuleDocument) -> list[Finding]:
        """Warn of a rule if the site serves none of its VOs, or none of its issuers' VOs."""
        if "vo" in rule:
            served = any(self._context.admission.serves(vo.lower()) for vo in rule["vo"])
            why = f"the site does not serve {' or '.join(rule['vo'])}"
        else:
            served = any(self._context.served_of(url) != set() for url in rule["issuer"])
            why = f"the site serves no VO that {' or '.join(rule['issuer'])} may speak for"
        if served:
            return []
        return [warning(UNSERVED_VO, rule, f"rule {rule['name']}: {why}; add it to `serve`, or delete the rule")]
