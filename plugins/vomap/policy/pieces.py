"""A policy in pieces: taken apart so that a decision reads what its token asks for, and nothing that grows with rules.

Keys and values, the parts of a key with a tab between them:

    site                          the site's settings
    issuers                       the issuers of which anything is declared; administrators' tools ask for it, callouts
                                  never do
    issuer URL                    what is declared of an issuer; "none" of a distrusted one
    owners VO                     the issuers that are declared for a VO (in lower case); "" for a distrusted one
    asked OWNER                   the aspects by which an owner's rules are found; an owner is `issuer<tab>URL`, or
                                  `vo<tab>VO` for rules that name no issuer
    OWNER ASPECT ANCHOR           the rules found so, as numbers, or as [number, value] where the rule's document leaves
                                  the list out that the value is of; aspects and anchors: matching.py, anchors_for
    rule NUMBER                   a rule's document; if it is found by a list of several values, `listed` is its key
    list NUMBER                   that list
    named ACCOUNT                 is there if rules or renames name the account
    pools                         all pools
    reserved-vos                  as in the document
    sources                       of a built policy: the mapfiles' paths and their sha256
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vomap.policy.matching import EVERY_TOKEN, AccountName, GroupPattern, Pattern
from vomap.policy.model import CLAIM, DISTRUSTED, Issuer, Policy, Site, with_list


def policy_of(document: Mapping[str, Any], digest: str = "") -> Policy:
    """Return the policy that a document says, held in memory."""
    return Policy(dict(take_apart(document)).get, digest)


def take_apart(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the pieces of a policy's document, keys and values; rules first, in their order."""
    declared = Declared(document)
    places: dict[str, list[Any]] = {}
    asked: dict[str, dict[str, None]] = {}
    named = {*document["site"]["rename"], *document["site"]["rename"].values()}
    for number, rule in enumerate(document["rules"]):
        named.update(declared.accounts_of(rule))
        key, found = _found_by(rule)
        several = len(found) > 1
        yield from _rule_pieces(number, rule, key, [value for _, _, value in found] if several else None)
        for owner in _owners(rule):
            for aspect, anchor, value in found:
                asked.setdefault(owner, {})[aspect] = None
                places.setdefault(f"{owner}\t{aspect}\t{anchor}", []).append([number, value] if several else number)
    yield from places.items()
    for owner, aspects in asked.items():
        yield f"asked\t{owner}", list(aspects)
    for account in named:
        yield f"named\t{account}", True
    yield "site", document["site"]
    yield "issuers", list(document["issuers"])
    for url, issuer in document["issuers"].items():
        yield f"issuer\t{url}", DISTRUSTED if issuer is None else issuer
    for vo, owners in declared.owners.items():
        yield f"owners\t{vo}", sorted(owners)
    if document["pools"]:
        yield "pools", document["pools"]
    if document.get("reserved-vos"):
        yield "reserved-vos", document["reserved-vos"]


def put_together(pieces: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that was taken apart. Raises KeyError, TypeError or ValueError for pieces of no document."""
    issuers = {}
    for key, value in pieces.items():
        kind, _, url = key.partition("\t")
        if kind == "issuer" and "\t" not in url:
            issuers[url] = None if value == DISTRUSTED else value
    rules: list[dict[str, Any]] = []
    while (rule := pieces.get(f"rule\t{len(rules)}")) is not None:
        listed = pieces.get(f"list\t{len(rules)}")
        rules.append(with_list(rule, listed) if listed else rule)
    return {
        "site": pieces["site"],
        "issuers": issuers,
        "reserved-vos": pieces.get("reserved-vos", []),
        "rules": rules,
        "pools": pieces.get("pools", {}),
    }


class Declared:
    """The issuers that a document declares, and what follows from them for VOs and accounts."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take a policy's document."""
        site = Site(document["site"])
        self.issuers = {
            url: Issuer(DISTRUSTED if declared is None else declared, site)
            for url, declared in document["issuers"].items()
        }
        self.owners: dict[str, set[str]] = {}
        for url, issuer in self.issuers.items():
            for vo in issuer.declared_vos():
                self.owners.setdefault(vo, set()).add(url)
        for vo in document.get("reserved-vos", ()):
            # No issuer has this name: the VO's own is distrusted, and nobody else may speak for it.
            self.owners.setdefault(vo.lower(), set()).add("")

    def accounts_of(self, rule: Mapping[str, Any]) -> list[str]:
        """Return the accounts that a rule names, before they are renamed; none that depend on a token's own words."""
        if "account" not in rule:
            return []
        account = AccountName(rule["account"])
        if not account.captures:
            return [account.text]
        if set(account.captures) != {"vo"}:
            return []
        return [account.expand({"vo": vo}) or "" for vo in self._spelled_vos(rule)]

    def _spelled_vos(self, rule: Mapping[str, Any]) -> Iterable[str]:
        """Return the VOs that the policy itself spells out for a rule: the rule's, or else those of its issuers."""
        if "vo" in rule:
            return [vo.lower() for vo in rule["vo"]]
        asked = [self.issuers[url] for url in rule.get("issuer", self.issuers) if url in self.issuers]
        return {vo for issuer in asked for vo in issuer.declared_vos()}


def _owners(rule: Mapping[str, Any]) -> list[str]:
    """Return whose rule it is: its issuers', or else its VOs'."""
    if "issuer" in rule:
        return [f"issuer\t{url}" for url in rule["issuer"]]
    return [f"vo\t{vo.lower()}" for vo in rule["vo"]]


def _found_by(rule: Mapping[str, Any]) -> tuple[str, list[tuple[str, str, str]]]:
    """Return the most telling condition that a rule can be found by, and the aspect, anchor and value of each value.

    A rule that has none is tried with every token.
    """
    claims = {CLAIM + name: values for name, values in rule.get("claim", {}).items()}
    for key in ("subject", *claims, "group", "first-group", "scope"):
        values = claims[key] if key in claims else rule.get(key, ())
        anchors = [_anchor(key, value) for value in values]
        if anchors and None not in anchors:
            found = [(anchor, value) for anchor, value in zip(anchors, values) if anchor is not None]
            return key, [(_aspect(key, *anchor), anchor[0], value) for anchor, value in found]
    return "", [(EVERY_TOKEN, "", "")]


def _aspect(key: str, anchor: str, whole: bool) -> str:
    return key if whole else f"{anchor.count('/') + 1}/{key}"


def _anchor(key: str, value: str) -> tuple[str, bool] | None:
    if key in ("group", "first-group"):
        return GroupPattern(value).anchor
    return Pattern(value, below=key == "scope", capture=True).anchor


def _rule_pieces(number: int, rule: Mapping[str, Any], key: str, values: list[str] | None) -> Iterator[tuple[str, Any]]:
    if values is None:
        yield f"rule\t{number}", rule
        return
    yield f"list\t{number}", values
    if key.startswith(CLAIM):
        claims = {name: texts for name, texts in rule["claim"].items() if CLAIM + name != key}
        yield f"rule\t{number}", {**rule, "claim": claims, "listed": key}
    else:
        yield f"rule\t{number}", {**{name: value for name, value in rule.items() if name != key}, "listed": key}
