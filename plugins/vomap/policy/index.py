"""The index of a policy: entries of a key and a value, so that a decision reads only those that its token asks for.

The entries of a policy, the words of a key with a tab between them. OWNER is `issuer URL`, or `vo VO` for rules that
name no issuer. VOs are in lower case.

    site                          the document of the site
    issuers                       the URLs of all declared issuers, for the administrator's tools
    issuer URL                    the document of an issuer; "none" of a distrusted one
    owners VO                     the issuers that are declared for a VO; "" for a distrusted one
    spelled VO                    the spellings of a VO in the policy, if any is not in lower case
    claims                        the names of the claims that rules have conditions on
    asked OWNER                   the aspects by which the rules of an owner are found
    OWNER ASPECT ANCHOR           the rules found there, as numbers, or as [number, value] if the document of the rule
                                  leaves out the list of the value (aspects and anchors: anchors_for in matching.py)
    rule NUMBER                   the document of a rule; if a list of several values finds it, `listed` is its key
    list NUMBER                   that list
    named ACCOUNT                 exists if rules or renames name the account
    pools                         the documents of all pools
    reserved-vos                  as in the document
    sources                       in a compiled policy: the paths of the mapfiles and their sha256

The entries of bans. OWNER is `KIND VALUE`, or "" for bans without literal values.

    asked                         the kinds of owners: conditions of bans with literal values, "" for bans without any
    asked OWNER                   the aspects by which the bans of an owner are found
    OWNER ASPECT ANCHOR           the bans found there
    ban NUMBER, list NUMBER       as of rules
    claims                        the names of the claims that bans have conditions on
    sieve KIND, sieve OWNER ASPECT
                                  a bit for the checksum of each owner or anchor, if they are many, in base64
    sources                       in compiled bans: the paths of the files and their sha256

This module makes the entries, and makes documents of them again. The callouts only read entries (model.py), so they do
not load it. The first words of the keys, and `key_of` which joins them, are in model.py for both.
"""

from __future__ import annotations

from binascii import b2a_base64, crc32
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from vomap.policy.authority import Authority
from vomap.policy.matching import CLAIM, EVERY_TOKEN, AccountName, Pattern, compile_condition
from vomap.policy.model import (
    ASKED,
    BAN,
    BAN_OWNERS,
    CLAIMS,
    DISTRUSTED,
    FEW,
    ISSUER,
    LIST,
    NAMED,
    OWNERS,
    POOLS,
    RULE,
    SIEVE,
    SITE,
    SPELLED,
    VO,
    Bans,
    Policy,
    document_of,
    documents,
    key_of,
)

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument, BansDocument, IssuerDocument, PolicyDocument, RuleDocument

    _Find = Callable[[str], Any]
    # The key and the value of an entry.
    _Entry = tuple[str, object]
    # A condition that a rule or a ban is found by: its key, and of each value the aspect, the anchor and the value.
    _FoundBy = tuple[str, list[tuple[str, str, str]]]

ISSUERS, RESERVED_VOS, SOURCES = "issuers", "reserved-vos", "sources"
_NO_CONDITION: _FoundBy = ("", [(EVERY_TOKEN, "", "")])
# The bits of a sieve for each of its texts. Of that many other texts, one passes.
_BITS_OF_EACH = 16
# The conditions that rules, and the bans of one owner, are found by, the most selective first. `claim` is each claim.
_SELECTIVE = ("subject", CLAIM, "group", "first-group", "scope")
# A ban with more pairs of an owner and a value is found by its owner alone.
_MOST_PLACES = 10_000


def policy_of(document: Mapping[str, Any], digest: str = "") -> Policy:
    """Return a document as a policy in memory."""
    return Policy(dict(index_policy(document)).get, digest)


def bans_of(document: Mapping[str, Any], digest: str = "") -> Bans:
    """Return a document as bans in memory."""
    return Bans(dict(index_bans(document)).get, digest)


def index_policy(document: Mapping[str, Any]) -> Iterator[_Entry]:
    """Yield the entries of a policy, keys and values. Rules come first, in their order."""
    authority = Authority(document)
    places = _RulePlaces()
    for number, rule in enumerate(document["rules"]):
        yield from places.add(number, rule)
    yield from places.entries()
    for account in all_named_accounts(document, authority):
        yield key_of(NAMED, account), True
    yield SITE, document["site"]
    yield ISSUERS, list(document["issuers"])
    for url, issuer in document["issuers"].items():
        yield key_of(ISSUER, url), DISTRUSTED if issuer is None else issuer
    for vo, owners in authority.owners.items():
        yield key_of(OWNERS, vo), sorted(owners)
    yield from spelling_entries(document)
    if document["pools"]:
        yield POOLS, document["pools"]
    if document.get("reserved-vos"):
        yield RESERVED_VOS, document["reserved-vos"]


def spelling_entries(document: Mapping[str, Any]) -> Iterator[_Entry]:
    """Yield the entries for the spellings of VOs."""
    for vo, spellings in find_spellings(document).items():
        if spellings != [vo]:
            yield key_of(SPELLED, vo), spellings


def document_of_policy(entries: Mapping[str, Any]) -> PolicyDocument:
    """Return the document of a policy by its entries.

    Raises KeyError, TypeError or ValueError for entries that are not those of a document.
    """
    issuers: dict[str, IssuerDocument | None] = {}
    for key, value in entries.items():
        kind, _, url = key.partition("\t")
        if kind == ISSUER and "\t" not in url:
            issuers[url] = None if value == DISTRUSTED else value
    return {
        "site": entries[SITE],
        "issuers": issuers,
        "reserved-vos": entries.get(RESERVED_VOS, []),
        "rules": list(documents(RULE, entries.get)),
        "pools": entries.get(POOLS, {}),
    }


def issuers_document(find: _Find) -> PolicyDocument | None:
    """Return the document of a policy without its rules and pools, by the function that finds an entry by its key.

    None if the entries do not list the issuers, as those of an older vomap do not.
    """
    urls = find(ISSUERS)
    if urls is None:
        return None
    declared = {url: find(key_of(ISSUER, url)) for url in urls}
    return {
        "site": find(SITE),
        "issuers": {url: None if each == DISTRUSTED else each for url, each in declared.items()},
        "reserved-vos": find(RESERVED_VOS) or [],
        "rules": [],
        "pools": {},
    }


def document_of_bans(entries: Mapping[str, Any]) -> BansDocument:
    """Return the document of bans by their entries. Raises as `document_of_policy` does."""
    return {"bans": list(documents(BAN, entries.get))}


def read_rule(find: _Find, number: int) -> RuleDocument | None:
    """Return the document of the rule with a number, or None. `find` returns the value of an entry by its key."""
    rule: RuleDocument | None = document_of(RULE, find, number)
    return rule


def count_rules(find: _Find) -> int:
    """Return the number of rules, which have the numbers from 0. It takes few look-ups."""
    most = 1
    while find(key_of(RULE, str(most - 1))) is not None:
        most *= 2
    least = most // 2
    while least < most:
        middle = (least + most) // 2
        if find(key_of(RULE, str(middle))) is None:
            most = middle
        else:
            least = middle + 1
    return least


def rules_found_by(find: _Find, owner: str, aspect: str, anchor: str) -> list[int]:
    """Return the numbers of the rules at one place of the index."""
    return [entry if isinstance(entry, int) else entry[0] for entry in find(key_of(owner, aspect, anchor)) or ()]


def find_spellings(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return each VO that a policy names, in lower case, with all its spellings, in the policy's order."""
    named: list[str | None] = list(document["site"]["serve"] or ())
    for rule in document["rules"]:
        named += rule.get("vo", ())
    for declared in document["issuers"].values():
        if declared is not None:
            named += [*declared.get("vos", {}).values(), *declared.get("subjects", {}).values()]
            named += [declared.get("vo"), declared.get("default-vo")]
    named += document.get("reserved-vos", ())
    found: dict[str, dict[str, None]] = {}
    for vo in named:
        if vo is not None:
            found.setdefault(vo.lower(), {})[vo] = None
    return {vo: list(spellings) for vo, spellings in found.items()}


def all_named_accounts(document: Mapping[str, Any], authority: Authority) -> dict[str, None]:
    """Return the accounts that the rules and the renames of a policy name, before and after they are renamed."""
    rename = document["site"]["rename"]
    accounts = RuleAccounts(authority)
    named = dict.fromkeys([*rename, *rename.values()])
    for of_rule in dict.fromkeys(map(accounts.of, document["rules"])):
        named.update(dict.fromkeys(of_rule))
    return named


class RuleAccounts:
    """The accounts that rules name, before they are renamed. None depends on a token's own words.

    They are found once for all rules with the same account, issuers and VOs: an issuer may have thousands of VOs.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._known: dict[tuple[Any, ...], frozenset[str]] = {}

    def of(self, rule: Mapping[str, Any]) -> frozenset[str]:
        """Return the accounts that a rule names."""
        about = (rule.get("account"), *(tuple(rule[key]) if key in rule else None for key in ("issuer", "vo")))
        if about not in self._known:
            self._known[about] = frozenset(_named_accounts(rule, self._authority))
        return self._known[about]


def _named_accounts(rule: Mapping[str, Any], authority: Authority) -> list[str]:
    if "account" not in rule:
        return []
    account = AccountName(rule["account"])
    if not account.captures:
        return [account.text]
    if set(account.captures) != {"vo"}:
        return []
    return [account.expand({"vo": vo}) or "" for vo in _spelled_vos(rule, authority)]


def _spelled_vos(rule: Mapping[str, Any], authority: Authority) -> Iterable[str]:
    """Return the VOs that the policy itself spells out for a rule: the rule's, or else those of its issuers."""
    if "vo" in rule:
        return [vo.lower() for vo in rule["vo"]]
    urls = rule.get("issuer", authority.issuers)
    return {vo for url in urls if url in authority.issuers for vo in authority.issuers[url].declared_vos()}


class _RulePlaces:
    """The places of rules in the index, and the names of the claims that they have conditions on."""

    def __init__(self) -> None:
        self._found: dict[str, list[Any]] = {}
        self._claims: dict[str, None] = {}
        self._aspects: dict[str, dict[str, None]] = {}

    def add(self, number: int, rule: RuleDocument) -> Iterator[_Entry]:
        """Yield the entries of one rule."""
        key, found = next(_ways_to_find(rule, _SELECTIVE), _NO_CONDITION)
        several = len(found) > 1
        self._claims.update(dict.fromkeys(rule.get("claim", ())))
        for owner in _owners(rule):
            for aspect, anchor, value in found:
                self._aspects.setdefault(owner, {})[aspect] = None
                place = key_of(owner, aspect, anchor)
                self._found.setdefault(place, []).append([number, value] if several else number)
        yield from _entries_of(RULE, number, rule, key, [each[2] for each in found] if several else None)

    def entries(self) -> Iterator[_Entry]:
        """Yield the entries of all places, and of the claims."""
        yield from self._found.items()
        if self._claims:
            yield CLAIMS, list(self._claims)
        for owner, aspects in self._aspects.items():
            yield key_of(ASKED, owner), list(aspects)


def _owners(rule: RuleDocument) -> list[str]:
    """Return the owners of a rule: its issuers, or else its VOs."""
    if "issuer" in rule:
        return [key_of(ISSUER, url) for url in rule["issuer"]]
    return [key_of(VO, vo.lower()) for vo in rule["vo"]]


def index_bans(document: Mapping[str, Any]) -> Iterator[_Entry]:
    """Yield the entries of bans, keys and values. Bans come first, in their order."""
    places = _BanPlaces()
    for number, ban in enumerate(document["bans"]):
        yield from places.add(number, ban)
    yield from places.entries()


class _BanPlaces:
    """The places of bans in the index, and the names of the claims that they have conditions on."""

    def __init__(self) -> None:
        self._found: dict[str, list[Any]] = {}
        self._owners: dict[str, set[str]] = {}
        self._anchors: dict[str, dict[str, set[str]]] = {}
        self._claims: dict[str, None] = {}

    def add(self, number: int, ban: BanDocument) -> Iterator[_Entry]:
        """Yield the entries of one ban: it is found by a literal value, then by its most selective other condition."""
        self._claims.update(dict.fromkeys(ban.get("claim", ())))
        kind, values = _owners_of_ban(ban)
        key, found = next(_ways_to_find(ban, [each for each in _SELECTIVE if each != kind]), _NO_CONDITION)
        if len(values) * len(found) > _MOST_PLACES:
            key, found = _NO_CONDITION
        by_owner = len(values) >= len(found)
        several = max(len(values), len(found)) > 1
        for named, (aspect, anchor, value) in product(values, found):
            owner = key_of(kind, named.lower() if kind == VO else named) if kind else ""
            self._owners.setdefault(kind, set()).add(owner)
            self._anchors.setdefault(owner, {}).setdefault(aspect, set()).add(anchor)
            entry = [number, named if by_owner else value] if several else number
            self._found.setdefault(key_of(owner, aspect, anchor), []).append(entry)
        listed = (kind, values) if by_owner else (key, [value for _, _, value in found])
        yield from _entries_of(BAN, number, ban, listed[0], listed[1] if several else None)

    def entries(self) -> Iterator[_Entry]:
        """Yield the entries of all places, the sieves, and the entry of the claims."""
        yield from self._found.items()
        yield ASKED, list(self._owners)
        yield CLAIMS, list(self._claims)
        many = dict(self._owners)
        for owner, anchors in self._anchors.items():
            yield key_of(ASKED, owner), list(anchors)
            many.update({key_of(owner, aspect): each for aspect, each in anchors.items()})
        yield from ((key_of(SIEVE, name), _sieve(texts)) for name, texts in many.items() if len(texts) > FEW)


def _owners_of_ban(ban: BanDocument) -> tuple[str, list[str]]:
    """Return a condition of literal values that every token must meet to match a ban, and its values; "" if none."""
    conditions: Mapping[str, Any] = ban
    for kind in BAN_OWNERS:
        values = conditions.get(kind)
        if values and (kind != "subject" or all(Pattern(value, below=True).is_literal for value in values)):
            return kind, values
    return "", [""]


def _sieve(texts: Collection[str]) -> str:
    """Return the bits of a sieve, in base64. The bit of each text's checksum is set (see Bans in model.py)."""
    bits = bytearray(1 << (len(texts) * _BITS_OF_EACH // 8).bit_length())
    last = len(bits) * 8 - 1
    for text in texts:
        bit = crc32(text.encode()) & last
        bits[bit >> 3] |= 1 << (bit & 7)
    return b2a_base64(bits, newline=False).decode()


def _ways_to_find(entry: RuleDocument | BanDocument, selective: Iterable[str]) -> Iterator[_FoundBy]:
    """Yield the conditions that a rule or a ban can be found by, the most selective first.

    Every token must try an entry that has none.
    """
    conditions: Mapping[str, Any] = entry
    claims = {CLAIM + name: values for name, values in entry.get("claim", {}).items()}
    for key in (key for kind in selective for key in (claims if kind == CLAIM else (kind,))):
        patterns: Any = compile_condition(key, claims.get(key) or conditions.get(key, ()), capture=True)
        found = [(*pattern.found_by(key), pattern.text) for pattern in patterns]
        if found and all(aspect != EVERY_TOKEN for aspect, _, _ in found):
            yield key, found


def _entries_of(
    kind: str, number: int, entry: RuleDocument | BanDocument, key: str, values: list[str] | None
) -> Iterator[_Entry]:
    """Yield the entries of one rule or ban. `values` is the long list of its condition `key`, an entry of its own."""
    if values is None:
        yield key_of(kind, str(number)), entry
        return
    yield key_of(LIST, str(number)), values
    if key.startswith(CLAIM):
        claims = {name: texts for name, texts in entry["claim"].items() if CLAIM + name != key}
        yield key_of(kind, str(number)), {**entry, "claim": claims, "listed": key}
    else:
        rest = {name: value for name, value in entry.items() if name != key}
        yield key_of(kind, str(number)), {**rest, "listed": key}
