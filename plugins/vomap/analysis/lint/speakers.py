"""Find rules and declarations that let more issuers, or more users of an issuer, speak for a VO than it seems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vomap.analysis.lint.context import LintContext, is_for_one, warning
from vomap.analysis.tokens.patterns import split_role
from vomap.claims import GROUPS_CLAIM
from vomap.mapfile.findings import Finding
from vomap.policy.matching import AccountName

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument
    from vomap.policy.model import Issuer

GROUP_WITHOUT_VO, VO_WITHOUT_ISSUER = "group-without-vo", "vo-without-issuer"
SUBJECT_OF_TWO_ISSUERS, GROUPS_WITHOUT_VOS = "subject-of-two-issuers", "groups-without-vos"
DEFAULT_WITHOUT_VOS, UNSERVED_DEFAULT, TAKEN_VO = "default-without-vos", "unserved-default", "taken-vo"
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


def default_vos(context: LintContext) -> Iterator[Finding]:
    """Warn of a default VO that the site does not serve, and of one of an issuer whose tokens may name any VO."""
    for url, issuer in context.admission.issuers.items():
        place, vo = context.issuer_places[url], issuer.default_vo
        if vo is None:
            continue
        if issuer.names_vos_freely:
            message = (
                f"issuer {url} has `default-vo: {vo}` and no `vos`, so a token with another group is for another VO"
            )
            how = f"write `vo: {vo}` if all its tokens are for {vo}, or list its VOs with `vos`"
            yield warning(DEFAULT_WITHOUT_VOS, place, f"{message}: {how}")
        is_here = context.is_whole and not context.is_in_distributed(place)
        if is_here and not context.admission.serves(vo.lower()):
            message = (
                f"issuer {url}: the site does not serve `default-vo: {vo}`, so tokens that name no VO are declined"
            )
            yield warning(UNSERVED_DEFAULT, place, f"{message}; add {vo} to `serve`, or delete `default-vo`")


def taken_vos(context: LintContext) -> Iterator[Finding]:
    """Warn of VOs that an issuer declares, and that rules expect from an issuer which may use any other name."""
    if not context.is_whole:
        return
    free = {url: None for url, issuer in context.admission.issuers.items() if issuer.names_vos_freely}
    expected = _Expected(context, free)
    for url, issuer in context.admission.issuers.items() if free else ():
        place = context.issuer_places[url]
        taken = [vo for vo in expected.of(issuer) if context.admission.serves(vo.lower())]
        loser = next((other for other in free if other != url), None)
        if taken and loser is not None and not context.is_in_distributed(place):
            which = f"VO {taken[0]}" if len(taken) == 1 else f"VO {taken[0]} and {len(taken) - 1} more"
            message = f"issuer {url} declares {which}, so {loser}, which may use any other name, may not speak for it"
            how = f"if its users belong to {taken[0]}, list all VOs of {loser} with `vos`"
            yield warning(TAKEN_VO, place, f"{message}: vomap declines its tokens for {taken[0]}; {how}")


class _Expected:
    """The VOs that rules expect from issuers of free names: a rule names such an issuer, or a VO and no issuer."""

    def __init__(self, context: LintContext, free: Mapping[str, None]) -> None:
        of_free = [rule for rule in context.rules if any(url in free for url in rule.get("issuer", ()))]
        self._named = {vo.lower() for rule in of_free for vo in rule.get("vo", ())}
        self._any = any("vo" not in rule for rule in of_free)
        self._of_any_issuer = {vo.lower() for rule in context.rules if "issuer" not in rule for vo in rule["vo"]}

    def of(self, issuer: Issuer) -> list[str]:
        """Return the VOs of an issuer that rules expect from others. A table of clients lacks the VO's users."""
        listed = dict.fromkeys((issuer.vos or {}).values())
        found = {vo: None for vo in (*listed, *issuer.subjects.values()) if self._any or vo.lower() in self._named}
        clients = (vo for vo in issuer.subjects.values() if vo not in listed and vo.lower() in self._of_any_issuer)
        return [*dict.fromkeys((*found, *clients))]
