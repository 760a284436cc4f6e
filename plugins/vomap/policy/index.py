"""A policy in pieces: taken apart so that a decision reads what its token asks for, and nothing that grows with rules.

Keys and values, the parts of a key with a tab between them:

    site                          the site's settings
    issuers                       the issuers of which anything is declared; administrators' tools ask for it, callouts
                                  never do
    issuer URL                    what is declared of an issuer; "none" of a distrusted one
    owners VO                     the issuers that are declared for a VO (in lower case); "" for a distrusted one
    spelled VO                    how the policy spells a VO (in lower case), if anywhere otherwise than in lower case
    claims                        the claims that rules ask for by name
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

Bans lie in pieces of the same kind:

    asked                         the kinds of owners: conditions of bans with literal values, "" for bans without any
    asked OWNER                   the aspects by which an owner's bans are found; an owner is `KIND<tab>VALUE`, or ""
    OWNER ASPECT ANCHOR           the bans found so
    ban NUMBER, list NUMBER       as of rules
    claims                        the claims that bans ask for by name
    sieve KIND, sieve OWNER ASPECT
                                  a bit for the checksum of each owner or anchor, if they are many, in base64
    sources                       of built bans: the files' paths and their sha256
"""

from __future__ import annotations

from binascii import b2a_base64, crc32
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from vomap.policy.authority import Authority
from vomap.policy.matching import EVERY_TOKEN, AccountName, GroupPattern, Pattern
from vomap.policy.model import BAN_OWNERS, CLAIM, DISTRUSTED, FEW, Bans, Policy, with_list

# A condition that a rule or a ban is found by: its key, and of each value the aspect, the anchor and the value itself.
_Way = tuple[str, list[tuple[str, str, str]]]
_TRIED_WITH_ALL: _Way = ("", [(EVERY_TOKEN, "", "")])
_RULE, _BAN = "rule", "ban"
# Of the texts that are not in a sieve, so many leave through it one.
_BITS_OF_EACH = 16
# The conditions that rules, and the bans of one owner, are found by, the most telling first; `claim` is each claim.
_TELLING_OF_RULES = ("subject", CLAIM, "group", "first-group", "scope")
# A ban of more pairs of an owner and a value is found by its owner alone.
_MOST_PLACES = 10_000


def policy_of(document: Mapping[str, Any], digest: str = "") -> Policy:
    """Return the policy that a document says, held in memory."""
    return Policy(dict(take_apart(document)).get, digest)


def bans_of(document: Mapping[str, Any], digest: str = "") -> Bans:
    """Return the bans that a document says, held in memory."""
    return Bans(dict(take_bans_apart(document)).get, digest)


def take_bans_apart(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the pieces of a document of bans, keys and values; bans first, in their order."""
    places = _BanPlaces()
    for number, ban in enumerate(document["bans"]):
        yield from places.add(number, ban)
    yield from places.pieces()


class _BanPlaces:
    """Where bans are found that are taken apart one by one, and which claims they ask for by name."""

    def __init__(self) -> None:
        self._entries: dict[str, list[Any]] = {}
        self._owners: dict[str, set[str]] = {}
        self._anchors: dict[str, dict[str, set[str]]] = {}
        self._claims: dict[str, None] = {}

    def add(self, number: int, ban: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield the pieces of one ban: it is found by a literal value, and then by the most telling other condition."""
        self._claims.update(dict.fromkeys(ban.get("claim", ())))
        kind, values = _owners_of_ban(ban)
        telling = [key for key in _TELLING_OF_RULES if key != kind]
        key, found = next(_ways_to_find(ban, telling), _TRIED_WITH_ALL)
        if len(values) * len(found) > _MOST_PLACES:
            key, found = _TRIED_WITH_ALL
        by_owner = len(values) >= len(found)
        several = max(len(values), len(found)) > 1
        for named, (aspect, anchor, value) in product(values, found):
            owner = f"{kind}\t{named.lower() if kind == 'vo' else named}" if kind else ""
            self._owners.setdefault(kind, set()).add(owner)
            self._anchors.setdefault(owner, {}).setdefault(aspect, set()).add(anchor)
            entry = [number, named if by_owner else value] if several else number
            self._entries.setdefault(f"{owner}\t{aspect}\t{anchor}", []).append(entry)
        listed = (kind, values) if by_owner else (key, [value for _, _, value in found])
        yield from _entry_pieces(_BAN, number, ban, listed[0], listed[1] if several else None)

    def pieces(self) -> Iterator[tuple[str, Any]]:
        """Yield the places of all bans that were added, the sieves, and the claims that they ask for."""
        yield from self._entries.items()
        yield "asked", list(self._owners)
        yield "claims", list(self._claims)
        many = dict(self._owners)
        for owner, anchors in self._anchors.items():
            yield f"asked\t{owner}", list(anchors)
            many.update({f"{owner}\t{aspect}": each for aspect, each in anchors.items()})
        yield from ((f"sieve\t{name}", _sieve(texts)) for name, texts in many.items() if len(texts) > FEW)


def _owners_of_ban(ban: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the condition of literal values without which no token can meet a ban, and these; no condition has one."""
    for kind in BAN_OWNERS:
        values = ban.get(kind)
        if values and (kind != "subject" or all(Pattern(value).is_literal for value in values)):
            return kind, values
    return "", [""]


def _sieve(texts: Collection[str]) -> str:
    """Return the bits of a sieve, in base64: that of each text's checksum is set; see `Bans`."""
    bits = bytearray(1 << (len(texts) * _BITS_OF_EACH // 8).bit_length())
    last = len(bits) * 8 - 1
    for text in texts:
        bit = crc32(text.encode()) & last
        bits[bit >> 3] |= 1 << (bit & 7)
    return b2a_base64(bits, newline=False).decode()


def put_bans_together(pieces: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of bans that was taken apart. Raises as `put_together` does."""
    return {"bans": _entries(_BAN, pieces)}


def take_apart(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the pieces of a policy's document, keys and values; rules first, in their order."""
    authority = Authority(document)
    places = _RulePlaces()
    named = {*document["site"]["rename"], *document["site"]["rename"].values()}
    for number, rule in enumerate(document["rules"]):
        named.update(named_accounts(rule, authority))
        yield from places.add(number, rule)
    yield from places.pieces()
    for owner, aspects in places.asked.items():
        yield f"asked\t{owner}", list(aspects)
    for account in named:
        yield f"named\t{account}", True
    yield "site", document["site"]
    yield "issuers", list(document["issuers"])
    for url, issuer in document["issuers"].items():
        yield f"issuer\t{url}", DISTRUSTED if issuer is None else issuer
    yield from _vo_pieces(document, authority)
    if document["pools"]:
        yield "pools", document["pools"]
    if document.get("reserved-vos"):
        yield "reserved-vos", document["reserved-vos"]


def _vo_pieces(document: Mapping[str, Any], authority: Authority) -> Iterator[tuple[str, Any]]:
    for vo, owners in authority.owners.items():
        yield f"owners\t{vo}", sorted(owners)
    for vo, spellings in find_spellings(document).items():
        if spellings != [vo]:
            yield f"spelled\t{vo}", spellings


def put_together(pieces: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that was taken apart. Raises KeyError, TypeError or ValueError for pieces of no document."""
    issuers = {}
    for key, value in pieces.items():
        kind, _, url = key.partition("\t")
        if kind == "issuer" and "\t" not in url:
            issuers[url] = None if value == DISTRUSTED else value
    return {
        "site": pieces["site"],
        "issuers": issuers,
        "reserved-vos": pieces.get("reserved-vos", []),
        "rules": _entries(_RULE, pieces),
        "pools": pieces.get("pools", {}),
    }


def find_spellings(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return each VO that a policy names, in lower case, with every way that it spells it, in the policy's order."""
    named: list[str | None] = list(document["site"]["serve"] or ())
    for rule in document["rules"]:
        named += rule.get("vo", ())
    for declared in document["issuers"].values():
        if isinstance(declared, Mapping):
            named += [*(declared.get("vos") or {}).values(), declared.get("vo"), declared.get("default-vo")]
    named += document.get("reserved-vos", ())
    found: dict[str, dict[str, None]] = {}
    for vo in named:
        if vo is not None:
            found.setdefault(vo.lower(), {})[vo] = None
    return {vo: list(spellings) for vo, spellings in found.items()}


def _entries(kind: str, pieces: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the documents of rules or bans, in their order."""
    entries: list[dict[str, Any]] = []
    while (entry := pieces.get(f"{kind}\t{len(entries)}")) is not None:
        listed = pieces.get(f"list\t{len(entries)}")
        entries.append(with_list(entry, listed) if listed else entry)
    return entries


def named_accounts(rule: Mapping[str, Any], authority: Authority) -> list[str]:
    """Return the accounts that a rule names, before they are renamed; none that depend on a token's own words."""
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


def _owners(rule: Mapping[str, Any]) -> list[str]:
    """Return whose rule it is: its issuers', or else its VOs'."""
    if "issuer" in rule:
        return [f"issuer\t{url}" for url in rule["issuer"]]
    return [f"vo\t{vo.lower()}" for vo in rule["vo"]]


class _RulePlaces:
    """Where rules are found that are taken apart one by one, and which claims they ask for by name.

    `asked` has for each owner the aspects by which its rules are found.
    """

    def __init__(self) -> None:
        self._found: dict[str, list[Any]] = {}
        self._claims: dict[str, None] = {}
        self.asked: dict[str, dict[str, None]] = {}

    def add(self, number: int, rule: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield the pieces of one rule."""
        key, found = next(_ways_to_find(rule, _TELLING_OF_RULES), _TRIED_WITH_ALL)
        several = len(found) > 1
        self._claims.update(dict.fromkeys(rule.get("claim", ())))
        for owner in _owners(rule):
            for aspect, anchor, value in found:
                self.asked.setdefault(owner, {})[aspect] = None
                place = f"{owner}\t{aspect}\t{anchor}"
                self._found.setdefault(place, []).append([number, value] if several else number)
        yield from _entry_pieces(_RULE, number, rule, key, [each[2] for each in found] if several else None)

    def pieces(self) -> Iterator[tuple[str, Any]]:
        """Yield the places of all that was added, and the claims that it asks for."""
        yield from self._found.items()
        if self._claims:
            yield "claims", list(self._claims)


def _ways_to_find(entry: Mapping[str, Any], telling: Iterable[str]) -> Iterator[_Way]:
    """Yield the conditions that a rule or a ban can be found by, the most telling first.

    What has none is tried with every token.
    """
    claims = {CLAIM + name: values for name, values in entry.get("claim", {}).items()}
    for key in (key for kind in telling for key in (claims if kind == CLAIM else (kind,))):
        found = [(*_place(key, value), value) for value in claims.get(key) or entry.get(key, ())]
        if found and all(aspect != EVERY_TOKEN for aspect, _, _ in found):
            yield key, found


def _place(key: str, value: str) -> tuple[str, str]:
    """Return the aspect and the anchor by which a value of a condition is found."""
    if key in ("group", "first-group"):
        return GroupPattern(value).found_by(key)
    return Pattern(value, below=key == "scope", capture=True).found_by(key)


def _entry_pieces(
    kind: str, number: int, entry: Mapping[str, Any], key: str, values: list[str] | None
) -> Iterator[tuple[str, Any]]:
    if values is None:
        yield f"{kind}\t{number}", entry
        return
    yield f"list\t{number}", values
    if key.startswith(CLAIM):
        claims = {name: texts for name, texts in entry["claim"].items() if CLAIM + name != key}
        yield f"{kind}\t{number}", {**entry, "claim": claims, "listed": key}
    else:
        yield f"{kind}\t{number}", {**{name: value for name, value in entry.items() if name != key}, "listed": key}
