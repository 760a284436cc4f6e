"""Find rules for tokens that never reach them: their issuer is not declared, or their VO not served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from vomap.analysis.admission import Admission
from vomap.analysis.lint.context import LintContext, warning
from vomap.mapfile.findings import Finding, SimilarWords

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument

UNDECLARED_ISSUER, UNKNOWN_VO, UNSERVED_VO = "undeclared-issuer", "unknown-vo", "unserved-vo"
SERVE_WITHOUT_ISSUER, SERVE_WITHOUT_RULE = "serve-without-issuer", "serve-without-rule"


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


def unused_serves(context: LintContext) -> Iterator[Finding]:
    """Warn of served VOs that no declared issuer may speak for, or that no rule maps."""
    place = context.site_places.get("serve")
    served = context.document["site"]["serve"]
    if not context.is_whole or place is None or served is None:
        return
    mapping = [rule for rule in context.rules if "deny" not in rule]
    named = {vo.lower(): vo for rule in mapping for vo in rule.get("vo", ())}
    is_ruled = _issuers_with_rules(context, mapping)
    like_issued = SimilarWords(map(context.admission.spelled, sorted(context.authority.declared_vos()))).hint
    like_named = SimilarWords(named.values()).hint
    for vo in served:
        if not context.authority.speakers(vo.lower()):
            message = f"`serve: {vo}`: no issuer is declared that may speak for this VO, so it maps no token"
            how = like_issued(vo) or "; declare its issuer: `issuers: {URL: {vo: NAME}}`"
            yield warning(SERVE_WITHOUT_ISSUER, place, f"{message}{how}")
        elif vo.lower() not in named and not is_ruled(vo.lower()):
            message = f"`serve: {vo}`: no rule maps a token of this VO"
            how = like_named(vo) or f"; write a rule: `vo: {vo}` and `account: NAME`, or delete it from `serve`"
            yield warning(SERVE_WITHOUT_RULE, place, f"{message}{how}")


def _issuers_with_rules(context: LintContext, rules: Iterable[RuleDocument]) -> Callable[[str], bool]:
    """Return the function that is true if a rule without `vo` is for an issuer that may speak for a VO."""
    urls = {url for rule in rules if "vo" not in rule for url in rule["issuer"]}
    issuers = [issuer for url, issuer in context.admission.issuers.items() if url in urls]
    declared = {vo for issuer in issuers for vo in issuer.declared_vos()}
    any_free = any(issuer.names_vos_freely for issuer in issuers)
    return lambda vo: vo in declared or (any_free and vo not in context.authority.owners)
