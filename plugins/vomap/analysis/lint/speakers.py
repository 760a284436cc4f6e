"""Find rules and declarations that let more issuers, or more users of an issuer, speak for a VO than it seems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vomap.analysis.lint.context import LintContext, is_for_one, warning
from vomap.analysis.tokens.patterns import split_role
from vomap.claims import GROUPS_CLAIM
from vomap.mapfile.findings import Finding
from vomap.policy.matching import AccountName

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument

GROUP_WITHOUT_VO, VO_WITHOUT_ISSUER = "group-without-vo", "vo-without-issuer"
SUBJECT_OF_TWO_ISSUERS, GROUPS_WITHOUT_VOS = "subject-of-two-issuers", "groups-without-vos"
_TWO = 2


def groups_without_vo(context: LintContext) -> Iterator[Finding]:
    """Warn of rules without `vo` for a group of an issuer of several VOs: they see the groups of every VO."""
    for rule in context.rules:
        names_vo = "vo" in rule or "vo" in AccountName(rule.get("account", "")).captures
        if "group" not in rule or names_vo or "deny" in rule or is_for_one(rule):
            continue
        for url, _ in context.issuers_of(rule):
            vos = context.served_of(url)
            if vos is None or len(vos) > 1:
                message = f"rule {rule['name']} asks for a group and not for a VO, so it sees the groups of every VO of"
                how = _vo_to_write(context, rule, url)
                yield warning(GROUP_WITHOUT_VO, rule, f"{message} {url}, whatever VO the token speaks for: {how}")
                break


def _vo_to_write(context: LintContext, rule: RuleDocument, url: str) -> str:
    """Return the text to write: the VOs whose names the groups of a rule begin with, if each group has such a name."""
    issuer = context.admission.issuers[url]
    roots = dict.fromkeys(split_role(group)[0].split("/")[1] for group in rule["group"])
    named = [root if issuer.vos is None else issuer.vos.get(root, "") for root in roots]
    if any(not vo or "*" in vo for vo in named):
        return "name the VO with `vo`, or write <vo> in the account"
    vos = list(dict.fromkeys(named))
    return f"add `vo: {vos[0]}`" if len(vos) == 1 else f"write a rule for each VO, with `vo: {vos[0]}` and so on"


def vos_without_issuer(context: LintContext) -> Iterator[Finding]:
    """Warn of rules for a VO that no issuer is declared for, if issuers may use any name: each manager there may."""
    if not context.is_whole:
        return
    free = [url for url, issuer in context.admission.issuers.items() if issuer.names_vos_freely]
    for rule in context.rules if free else ():
        if "issuer" in rule or "deny" in rule:
            continue
        vo = next((vo for vo in rule["vo"] if _is_open(context, vo.lower())), None)
        if vo is not None:
            some = free[0] if len(free) == 1 else f"{free[0]} and {len(free) - 1} more"
            message = f"rule {rule['name']} names no issuer, no issuer is declared for VO {vo}, and {some} may use any"
            how = f"add `issuer: {free[0]}`, or declare the issuer of {vo}"
            yield warning(
                VO_WITHOUT_ISSUER, rule, f"{message} name: each user who creates a VO {vo} there matches; {how}"
            )


def _is_open(context: LintContext, vo: str) -> bool:
    return vo not in context.authority.owners and context.admission.serves(vo)


def subjects_of_two_issuers(context: LintContext) -> Iterator[Finding]:
    """Warn of rules for a subject of a VO that two issuers speak for: each may have another user of that name."""
    speakers: dict[str, list[str]] = {}
    for rule in context.rules:
        if "subject" not in rule or "issuer" in rule or "deny" in rule:
            continue
        for vo in rule["vo"]:
            urls = speakers.setdefault(vo.lower(), context.admission.speakers(vo.lower())[:_TWO])
            if len(urls) == _TWO:
                message = f"rule {rule['name']} is for subject {rule['subject'][0]} of VO {vo}, for which {urls[0]} and"
                why = f"{urls[1]} speak: each may give this subject to another user"
                yield warning(SUBJECT_OF_TWO_ISSUERS, rule, f"{message} {why}; add `issuer: {urls[0]}`, or the other")
                break


def groups_without_vos(context: LintContext) -> Iterator[Finding]:
    """Warn of issuers whose groups come from a claim of their own, and name VOs freely."""
    for url, issuer in context.admission.issuers.items():
        if issuer.names_vos_freely and issuer.groups_claim not in (None, GROUPS_CLAIM):
            message = f"issuer {url} takes groups from the claim {issuer.groups_claim}, and each of them may name a VO"
            how = "list the VOs of the issuer: `vos: [NAME, ...]`, or `vo: NAME` if it has one"
            yield warning(GROUPS_WITHOUT_VOS, context.issuer_places[url], f"{message}: {how}")
