"""The policy and the bans as the engine reads them: objects made from the documents of a compiled policy.

A document was checked before it was compiled (mapfile/). One that is not valid is damage, and raises KeyError,
TypeError or ValueError.
"""

from __future__ import annotations

from binascii import a2b_base64, crc32

from vomap.claims import GROUPS_CLAIM
from vomap.policy.matching import CLAIM, AccountName, Conditions, anchors_for, is_account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from vomap.claims.memberships import EntitlementForm, GroupForm
    from vomap.claims.scopes import NamePaths
    from vomap.policy.documents import (
        EntitlementsDocument,
        IssuerDocument,
        LogDocument,
        RuleDocument,
        SiteDocument,
    )
    from vomap.policy.matching import AnyView, BanView, View
    from vomap.policy.pools import Pool

    # The key of a place in the index without its anchor, and the function that returns the anchors of a token there.
    _Place = tuple[str, Callable[[AnyView], Iterable[str]]]
    # Rules or bans by their numbers, each with those values of its long list that matter. None: it has no such list.
    _Found = dict[int, Any]

# The first words of the keys of the index, which policy/index.py describes. Only key_of joins keys.
SITE, ISSUER, OWNERS, SPELLED, POOLS = "site", "issuer", "owners", "spelled", "pools"
VO, RULE, BAN, LIST, NAMED, CLAIMS, ASKED, SIEVE = "vo", "rule", "ban", "list", "named", "claims", "asked", "sieve"

DISTRUSTED = "none"
# The VO source that takes the VO of a token from a table of subjects.
SUBJECT = "subject"
JTI = "jti"
# Conditions of bans with literal values. The condition that the fewest tokens have comes first.
BAN_OWNERS = (JTI, "client", "subject", ISSUER, VO)
_NO_GROUPS: Any = "none"
_COMMA_SEPARATED = "comma-separated"
# This many values of a token are looked up without a sieve.
FEW = 16
# The most rules, and the most issuers, that a process keeps. It reads others again.
_MOST_CACHED = 20_000
# Root, the overflow uids of 16 and of 32 bits, which NFS and user namespaces show for unknown users, and -1.
_NEVER_UIDS = (0, 0xFFFE, 0xFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


def key_of(*words: str) -> str:
    """Return the key of an entry of the index: its words, joined by tabs."""
    return "\t".join(words)


class AccountLimits:
    """The demands of the site on every account: that it exists, its lowest uid, and names that no token may get."""

    __slots__ = ("minimum_uid", "must_exist", "never")

    def __init__(self, *, must_exist: bool, minimum_uid: int, never: Iterable[str]) -> None:
        """Take the site's `accounts`."""
        self.must_exist = must_exist
        self.minimum_uid = minimum_uid
        self.never = frozenset(never)

    def refusal(self, account: str) -> str | None:
        """Return why no token may be mapped to an account of this name, or None if tokens may."""
        if not is_account(account):
            return f"{account!a} is not a legal account name"
        if account == "root":
            return "root is never answered"
        return f"the site never answers {account}" if account in self.never else None

    def uid_refusal(self, uid: int) -> str | None:
        """Return why no token may be mapped to an account with this uid, or None if tokens may."""
        if uid < self.minimum_uid:
            return f"uid {uid}, under {self.minimum_uid}"
        return f"uid {uid}, which is never answered" if uid in _NEVER_UIDS else None


class Site:
    """The demands of the site on every token and every account."""

    __slots__ = ("accounts", "audience", "log", "maximum_lifetime", "rename", "serve")

    def __init__(self, document: SiteDocument) -> None:
        """Take the document of `site`. With `audience` None no audience is checked, `serve` None is every VO."""
        accounts = document["accounts"]
        self.audience = _frozen(document["audience"])
        self.serve = None if document["serve"] is None else frozenset(vo.lower() for vo in document["serve"])
        self.rename: dict[str, str] = document["rename"]
        self.accounts = AccountLimits(
            must_exist=accounts["must-exist"], minimum_uid=accounts["minimum-uid"], never=accounts["never"]
        )
        self.maximum_lifetime: int | None = document["maximum-lifetime"]
        self.log: LogDocument | None = document.get("log")


class NamedVos:
    """The VOs that a token speaks for, by their names in lower case.

    `names_any` is True as well for a token with other names: those of VOs that its issuer may not speak for. Such a
    token names a VO, but none that counts.
    """

    __slots__ = ("names_any", "vos")

    def __init__(self, vos: Iterable[str], *, names_any: bool) -> None:
        """Take the VOs in the token's order."""
        self.vos = {vo.lower(): vo for vo in vos}
        self.names_any = names_any


NO_VOS = NamedVos((), names_any=False)


class Issuer:
    """The declaration of an issuer: the VOs that it speaks for, its form of groups, and the checks that it may fail."""

    __slots__ = (
        "accept_without_audience",
        "accept_without_compute",
        "audience",
        "default_vo",
        "entitlements",
        "groups_claim",
        "groups_comma_separated",
        "name_paths",
        "only",
        "sources",
        "subjects",
        "trusted",
        "vo",
        "vos",
    )

    def __init__(self, declared: IssuerDocument | str, site: Site) -> None:
        """Take the document of an issuer, or DISTRUSTED."""
        self.trusted = not isinstance(declared, str)
        document: IssuerDocument = {} if isinstance(declared, str) else declared
        entitlements = entitlement_documents(document)
        self.vo: str | None = document.get("vo")
        # The named VOs of every token of an issuer that speaks for one VO.
        self.only = None if self.vo is None else NamedVos((self.vo,), names_any=True)
        self.sources: tuple[str, ...] = tuple(document.get("vo-from", ()))
        self.vos: dict[str, str] | None = document.get("vos")
        # None if each name is the first part of a group, as for most issuers.
        self.name_paths = _name_paths(self.vos) if self.vos and "/" in "".join(self.vos) else None
        self.subjects: dict[str, str] = document.get("subjects", {})
        self.default_vo: str | None = document.get("default-vo")
        self.audience = _frozen(document["audience"]) if "audience" in document else site.audience
        self.accept_without_audience: bool = document.get("without-audience", False)
        self.accept_without_compute: bool = document.get("without-compute", False)
        # Most issuers have no entitlements.
        self.entitlements: tuple[EntitlementForm, ...] = _entitlement_forms(entitlements) if entitlements else ()
        # A group has no authority and no namespace, which an issuer with entitlements must show: so groups do not
        # count there unless they are declared as well.
        groups = document.get("groups", _NO_GROUPS if entitlements else {})
        if isinstance(groups, str):
            self.groups_claim, self.groups_comma_separated = None, False
        else:
            self.groups_claim = groups.get("claim", GROUPS_CLAIM)
            self.groups_comma_separated = groups.get("form") == _COMMA_SEPARATED

    @property
    def group_form(self) -> GroupForm | None:
        """The form of the issuer's groups, None if it has none that count."""
        # Many tokens have no groups.
        from vomap.claims.memberships import GroupForm

        if self.groups_claim is None:
            return None
        return GroupForm(self.groups_claim, comma_separated=self.groups_comma_separated)

    @property
    def names_vos_freely(self) -> bool:
        """Whether a VO's name is the token's own word, rather than one that the policy spells out."""
        return self.vos is None and any(source != SUBJECT for source in self.sources)

    def declared_vos(self) -> set[str]:
        """Return the VOs that this issuer is declared to speak for by name, in lower case."""
        names = {*(self.vos or {}).values(), *self.subjects.values(), self.vo, self.default_vo}
        return {name.lower() for name in names if name is not None}


def _name_paths(names: Iterable[str]) -> NamePaths:
    from vomap.claims.scopes import NamePaths

    return NamePaths(names)


def entitlement_documents(issuer: IssuerDocument) -> Sequence[EntitlementsDocument]:
    """Return the ways in which an issuer writes entitlements. An older vomap compiled the only one, not a list."""
    entitlements: Any = issuer.get("entitlements", ())
    only: Sequence[EntitlementsDocument] = (entitlements,)
    return only if isinstance(entitlements, dict) else entitlements


def _entitlement_forms(entitlements: Iterable[EntitlementsDocument]) -> tuple[EntitlementForm, ...]:
    from vomap.claims.memberships import EntitlementForm

    return tuple(
        EntitlementForm(each["namespace"], each.get("authority"), in_scope=each.get("in-scope", False))
        for each in entitlements
    )


class Rule:
    """One rule: conditions, and an account, a pool or a refusal."""

    __slots__ = ("account", "conditions", "deny", "name", "pool", "source")

    def __init__(self, document: RuleDocument) -> None:
        """Take a rule's document."""
        self.name: str = document["name"]
        self.source: str = document["source"]
        self.conditions = Conditions(document)
        self.account = AccountName(document["account"]) if "account" in document else None
        self.pool: str | None = document.get("pool")
        self.deny: str | None = document.get("deny")


class Ban:
    """One ban: conditions, the reason, and its last second (since 1970), None if it does not end.

    `only_vos` are the VOs of a ban that has no other condition.
    """

    __slots__ = ("conditions", "only_vos", "reason", "source", "until")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take a ban's document."""
        self.conditions = Conditions(document)
        if self.conditions.vo is None and not self.conditions.asked:
            raise ValueError("a ban without a condition would ban every token")
        self.only_vos = (self.conditions.vo or ()) if not self.conditions.asked else ()
        self.reason: str = document["reason"]
        self.until: int | None = document.get("until")
        self.source: str = document["source"]

    def is_in_force(self, now: float) -> bool:
        """Return True if the ban has not ended at a time. Its last second is part of it."""
        return self.until is None or int(now) <= self.until


class Policy:
    """A compiled policy: all that the site decides, bans apart. A decision reads the entries that its token asks for.

    `find` returns the value of an entry of the index (policy/index.py) by its key, or None if there is no such entry.
    """

    __slots__ = ("_issuers", "_known_places", "_pools", "_rules", "digest", "find", "site")

    def __init__(self, find: Callable[[str], Any], digest: str) -> None:
        """Take the function that finds an entry of the index, and the digest of the policy."""
        self.find = find
        self.digest = digest
        self.site = Site(find(SITE))
        self._issuers: dict[str, Issuer] = {}
        self._known_places: dict[tuple[str, str], list[_Place]] = {}
        self._rules: dict[int, Rule] = {}
        self._pools: list[Pool] | None = None

    def issuer(self, url: str) -> Issuer | None:
        """Return the declaration of an issuer, or None if it is not declared."""
        issuer = self._issuers.get(url)
        if issuer is None:
            declared = self.find(key_of(ISSUER, url))
            if declared is not None:
                _make_room(self._issuers)
                issuer = self._issuers[url] = Issuer(declared, self.site)
        return issuer

    def asks_for(self, name: str) -> bool:
        """Return True if any rule has a condition on the claim of this name."""
        return name in (self.find(CLAIMS) or ())

    def matching_rules(self, url: str, whole: View, vos: Iterable[str], part: Callable[[str], View]) -> Iterator[Rule]:
        """Return, in order, the rules that may match a token of the issuer `url` that speaks for some VOs.

        `whole` is all of the token, `part` returns the part that rules about one VO see. No other rule can match. Of a
        long list in a rule they have the values that matter for this token.
        """
        found: _Found = {}
        for place, anchors in self._places(ISSUER, url):
            _collect(found, self.find, place, anchors(whole))
        for vo in vos:
            for place, anchors in self._places(VO, vo):
                _collect(found, self.find, place, anchors(part(vo)))
        numbers = sorted(found)
        # Rules are made as they are asked for. A generator that most decisions end early would cost 2 % of each.
        return map(self._rule, numbers, map(found.__getitem__, numbers))

    def rules(self) -> Iterator[Rule]:
        """Yield all rules, in order, each with all that it lists."""
        number = 0
        while self.find(key_of(RULE, str(number))) is not None:
            yield self._rule(number, self.find(key_of(LIST, str(number))))
            number += 1

    def names(self, account: str) -> bool:
        """Return True if a rule, a rename or a pool names this account: then no capture may make it."""
        if self._pools is None:
            from vomap.policy.pools import Pool

            self._pools = [Pool(pool["accounts"]) for pool in (self.find(POOLS) or {}).values()]
        return self.find(key_of(NAMED, account)) is not None or any(pool.has(account) for pool in self._pools)

    def _places(self, kind: str, owner: str) -> list[_Place]:
        """Return where to look for the rules of an owner: an issuer, or a VO if the rule names no issuer."""
        places = self._known_places.get((kind, owner))
        if places is None:
            name = key_of(kind, owner)
            aspects = self.find(key_of(ASKED, name)) or ()
            places = [(key_of(name, aspect, ""), anchors_for(aspect)) for aspect in aspects]
            _make_room(self._known_places)
            self._known_places[kind, owner] = places
        return places

    def _rule(self, number: int, listed: list[str] | None) -> Rule:
        """Return a rule. `listed` are the values to put where its document leaves a list out."""
        rule = self._rules.get(number)
        if rule is not None:
            return rule
        document = self.find(key_of(RULE, str(number)))
        if listed:
            return Rule(_with_list(document, listed))
        _make_room(self._rules)
        rule = self._rules[number] = Rule(document)
        return rule


def _collect(found: _Found, find: Callable[[str], Any], place: str, anchors: Iterable[str]) -> None:
    """Add the rules or bans at the anchors of a place."""
    for anchor in anchors:
        for entry in find(place + anchor) or ():
            if isinstance(entry, int):
                found[entry] = None
            else:
                found.setdefault(entry[0], []).append(entry[1])


def documents(kind: str, find: Callable[[str], Any]) -> Iterator[Any]:
    """Yield the documents of all rules or bans, in order, each with all that it lists."""
    number = 0
    while (document := document_of(kind, find, number)) is not None:
        yield document
        number += 1


def document_of(kind: str, find: Callable[[str], Any], number: int) -> Any:
    """Return the document of the rule or the ban with a number, with all that it lists, or None."""
    document = find(key_of(kind, str(number)))
    if document is None or "listed" not in document:
        # Without a look-up: to read all rules takes half of the time.
        return document
    return _with_list(document, find(key_of(LIST, str(number))))


def _with_list(document: Mapping[str, Any], listed: list[str]) -> Any:
    """Return the document of a rule or a ban with values where it leaves a list out, which its key `listed` names."""
    whole = dict(document)
    key: str = whole.pop("listed")
    if key.startswith(CLAIM):
        whole["claim"] = {**whole.get("claim", {}), key[len(CLAIM) :]: listed}
    else:
        whole[key] = listed
    return whole


def _make_room(cache: dict[Any, Any]) -> None:
    if len(cache) >= _MOST_CACHED:
        cache.clear()


class Bans:
    """All compiled bans. A decision reads those that its token may match."""

    __slots__ = ("_bans", "asked", "claims", "digest", "find")

    def __init__(self, find: Callable[[str], Any], digest: str) -> None:
        """Take the function that finds an entry of the index of bans by its key (policy/index.py), and their digest.

        `asked` are the conditions of literal values that bans are found by, none if there is no ban. `claims` are the
        names of the claims that any of them has a condition on.
        """
        self.find = find
        self.digest = digest
        self.asked: Sequence[str] = find(ASKED) or ()
        if not {*BAN_OWNERS, ""}.issuperset(self.asked):
            raise ValueError("bans are found by a condition that this version does not know")
        self._bans: dict[int, Ban] = {}
        self.claims: Sequence[str] = find(CLAIMS) or ()

    def asks_for(self, name: str) -> bool:
        """Return True if any ban has a condition on the claim of this name. Every ban on `jti` is found by it."""
        return name in self.claims or (name == JTI and JTI in self.asked)

    def matching_bans(self, view: BanView, now: float) -> list[Ban]:
        """Return, in order, the bans in force that may match a token. No other ban can match.

        Of a long list in a ban they have the values that matter for this token.
        """
        found: _Found = {}
        for kind in self.asked:
            owners = [key_of(kind, value) for value in view.values(kind)] if kind else [""]
            for owner in self._sieve(kind, owners):
                for aspect in self.find(key_of(ASKED, owner)) or ():
                    place = key_of(owner, aspect)
                    anchors = self._sieve(place, list(anchors_for(aspect)(view)))
                    _collect(found, self.find, key_of(place, ""), anchors)
        bans = [self._ban(number, found[number]) for number in sorted(found)]
        return [ban for ban in bans if ban.is_in_force(now)]

    def _sieve(self, name: str, texts: Sequence[str]) -> Sequence[str]:
        """Return those of a token's values that may have bans.

        A token may have a thousand groups, hardly any of them has a ban, and each costs a look-up in the file. A sieve
        has one bit for the checksum of each value with a ban. It leaves out nearly all other values, and never one with
        a ban.
        """
        sieve = self.find(key_of(SIEVE, name)) if len(texts) > FEW else None
        if sieve is None:
            return texts
        bits = a2b_base64(sieve)
        last = len(bits) * 8 - 1
        return [each for each in texts if bits[(bit := crc32(each.encode()) & last) >> 3] >> (bit & 7) & 1]

    def all(self) -> Iterator[Ban]:
        """Yield every ban, in order."""
        return map(Ban, documents(BAN, self.find))

    def _ban(self, number: int, listed: list[str] | None) -> Ban:
        ban = self._bans.get(number)
        if ban is not None:
            return ban
        document = self.find(key_of(BAN, str(number)))
        if listed:
            return Ban(_with_list(document, listed))
        _make_room(self._bans)
        ban = self._bans[number] = Ban(document)
        return ban


NO_BANS = Bans(lambda _: None, "")


def _frozen(values: Iterable[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
