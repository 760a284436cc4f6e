"""The policy and the bans as the engine reads them, made from the plain document that a mapfile or a built file holds.

The documents are checked before they get here (mapfile/); a document that does not fit is damage, and raises.
"""

from __future__ import annotations

from binascii import a2b_base64, crc32

from vomap.claims import GROUPS_CLAIM
from vomap.policy.matching import AccountName, GroupPattern, Pattern, anchors_for, is_account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from vomap.claims.memberships import EntitlementForm, GroupForm
    from vomap.policy.documents import LogDocument
    from vomap.policy.matching import AnyView, BanView, View
    from vomap.policy.pools import Pool

    # Where a key begins that rules are found by, and what tells how it ends for a token.
    _Place = tuple[str, Callable[[AnyView], Iterable[str]]]
    # Rules or bans by their numbers, each with the values of its long list that matter, None if it has none.
    _Found = dict[int, Any]

DISTRUSTED = "none"
JTI = "jti"
# Conditions of bans whose literal values a token has or has not, the one that the fewest tokens have first.
BAN_OWNERS = (JTI, "client", "subject", "issuer", "vo")
_NO_GROUPS, _COMMA_SEPARATED = "none", "comma-separated"
# A condition on a claim is named `claim` and the claim's name.
CLAIM = "claim "
# So many values of a token are looked up without asking a sieve first.
FEW = 16
# How many rules and issuers a process keeps that decides for many tokens; more are read again.
_KEPT = 20_000
# Root; and whoever is not known, in 16 bits and in 32: nobody, as whom NFS and user namespaces show strangers, and -1.
_NEVER_UIDS = (0, 0xFFFE, 0xFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


class AccountLimits:
    """What the site demands of every account: that it exists, its least uid, and names that are never answered."""

    __slots__ = ("minimum_uid", "must_exist", "never")

    def __init__(self, *, must_exist: bool, minimum_uid: int, never: Iterable[str]) -> None:
        """Take the site's `accounts`."""
        self.must_exist = must_exist
        self.minimum_uid = minimum_uid
        self.never = frozenset(never)

    def refusal(self, account: str) -> str | None:
        """Return why an account's name may not be answered, or None if it may."""
        if not is_account(account):
            return f"{account!a} is no legal account name"
        if account == "root":
            return "root is never answered"
        return f"the site never answers {account}" if account in self.never else None

    def uid_refusal(self, uid: int) -> str | None:
        """Return why an account with this uid may not be answered, or None if it may."""
        if uid < self.minimum_uid:
            return f"uid {uid}, under {self.minimum_uid}"
        return f"uid {uid}, which is never answered" if uid in _NEVER_UIDS else None


class Site:
    """What the site demands of every token and every account."""

    __slots__ = ("accounts", "audience", "log", "maximum_lifetime", "rename", "serve")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the document of `site`; `audience` None is unchecked, `serve` None is everybody."""
        accounts = document["accounts"]
        self.audience = _frozen(document["audience"])
        self.serve = None if document["serve"] is None else frozenset(vo.lower() for vo in document["serve"])
        self.rename: dict[str, str] = document["rename"]
        self.accounts = AccountLimits(
            must_exist=accounts["must-exist"], minimum_uid=accounts["minimum-uid"], never=accounts["never"]
        )
        self.maximum_lifetime: int | None = document["maximum-lifetime"]
        self.log: LogDocument | None = document.get("log")


class Naming:
    """The VOs that a token speaks for, its candidates, by their names in lower case.

    `names_any` is true as well for names that the issuer may not use: such a token says something, only not to us.
    """

    __slots__ = ("candidates", "names_any")

    def __init__(self, candidates: Iterable[str], *, names_any: bool) -> None:
        """Take the VOs in the token's order."""
        self.candidates = {vo.lower(): vo for vo in candidates}
        self.names_any = names_any


NOTHING_NAMED = Naming((), names_any=False)


class Issuer:
    """What an issuer may say: for which VOs it speaks, how it writes entitlements, which checks it is excused from."""

    __slots__ = (
        "accept_without_audience",
        "accept_without_compute",
        "audience",
        "default_vo",
        "entitlements",
        "groups_claim",
        "groups_comma_separated",
        "only",
        "sources",
        "trusted",
        "vo",
        "vos",
    )

    def __init__(self, declared: Mapping[str, Any] | str, site: Site) -> None:
        """Take the document of an issuer, or DISTRUSTED."""
        self.trusted = not isinstance(declared, str)
        document: Mapping[str, Any] = {} if isinstance(declared, str) else declared
        form = document.get("entitlements")
        self.vo: str | None = document.get("vo")
        # What a token names, whatever it says, where the issuer speaks for one VO.
        self.only = None if self.vo is None else Naming((self.vo,), names_any=True)
        self.sources: tuple[str, ...] = tuple(document.get("vo-from", ()))
        self.vos: dict[str, str] | None = document.get("vos")
        self.default_vo: str | None = document.get("default-vo")
        self.audience = _frozen(document["audience"]) if "audience" in document else site.audience
        self.accept_without_audience: bool = document.get("without-audience", False)
        self.accept_without_compute: bool = document.get("without-compute", False)
        self.entitlements = None if form is None else _entitlement_form(form)
        # Groups have neither authority nor namespace: where entitlements are declared, they must not go around these.
        groups = document.get("groups", _NO_GROUPS if form is not None else {})
        self.groups_claim: str | None = None if groups == _NO_GROUPS else groups.get("claim", GROUPS_CLAIM)
        self.groups_comma_separated: bool = groups != _NO_GROUPS and groups.get("form") == _COMMA_SEPARATED

    @property
    def group_form(self) -> GroupForm | None:
        """How the issuer writes its groups, None if it writes none that count."""
        # Many tokens have no groups.
        from vomap.claims.memberships import GroupForm

        if self.groups_claim is None:
            return None
        return GroupForm(self.groups_claim, comma_separated=self.groups_comma_separated)

    @property
    def names_vos_freely(self) -> bool:
        """Whether a VO's name is the token's own word, rather than one that the policy spells out."""
        return bool(self.sources) and self.vos is None

    def declared_vos(self) -> set[str]:
        """Return the VOs that this issuer is declared to speak for by name, in lower case."""
        names = {*(self.vos or {}).values(), self.vo, self.default_vo}
        return {name.lower() for name in names if name is not None}


def _entitlement_form(form: Mapping[str, Any]) -> EntitlementForm:
    # Most issuers write none, and most tokens are not asked for any.
    from vomap.claims.memberships import EntitlementForm

    return EntitlementForm(form["namespace"], form.get("authority"), in_scope=form.get("in-scope", False))


class Conditions:
    """What a rule or a ban asks of a token: every key must hold, and within a key any of its values does.

    `asked` has each key that is asked for, in the order of a mapfile's reference, with what is compared; `vo` apart,
    in lower case, as it chooses what part of the token the others see.
    """

    __slots__ = ("asked", "vo")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the conditions from a rule's or a ban's document."""
        if not _KNOWN.issuperset(document):
            # A condition that this version does not know would make the rule wider than it was meant.
            raise ValueError(f"unknown condition {sorted(set(document) - _KNOWN)}")
        # Only an account can use what is captured.
        capture = "account" in document
        self.vo = tuple(vo.lower() for vo in document["vo"]) if "vo" in document else None
        asked: list[tuple[str, Any]] = [
            (key, _COMPILED[key](document[key], capture)) for key in _COMPILED if key in document
        ]
        for name, texts in document.get("claim", {}).items():
            asked.append((CLAIM + name, _patterns(texts, capture)))
        self.asked = tuple(asked)


class Rule:
    """One rule: conditions, and an account, a pool or a refusal."""

    __slots__ = ("account", "conditions", "deny", "name", "pool", "source")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take a rule's document."""
        self.name: str = document["name"]
        self.source: str = document["source"]
        self.conditions = Conditions(document)
        self.account = AccountName(document["account"]) if "account" in document else None
        self.pool: str | None = document.get("pool")
        self.deny: str | None = document.get("deny")


class Ban:
    """One ban: conditions, the reason, and the last second at which it holds.

    `only_vos` are the VOs of a ban that asks for nothing else.
    """

    __slots__ = ("conditions", "only_vos", "reason", "source", "until")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take a ban's document."""
        self.conditions = Conditions(document)
        if self.conditions.vo is None and not self.conditions.asked:
            raise ValueError("a ban without a condition bans everybody")
        self.only_vos = (self.conditions.vo or ()) if not self.conditions.asked else ()
        self.reason: str = document["reason"]
        self.until: int | None = document.get("until")
        self.source: str = document["source"]

    def holds_at(self, now: float) -> bool:
        """Tell whether the ban holds at a time; its last second is part of it."""
        return self.until is None or int(now) <= self.until


class Policy:
    """All that the site decides, bans apart: a decision reads of it the pieces that its token asks for (pieces.py)."""

    __slots__ = ("_find", "_issuers", "_known_places", "_pools", "_rules", "digest", "site")

    def __init__(self, find: Callable[[str], Any], digest: str) -> None:
        """Take what finds a piece of the policy by its key, or None where there is none, and the policy's digest."""
        self._find = find
        self.digest = digest
        self.site = Site(find("site"))
        self._issuers: dict[str, Issuer] = {}
        self._known_places: dict[str, list[_Place]] = {}
        self._rules: dict[int, Rule] = {}
        self._pools: list[Pool] | None = None

    def piece(self, key: str) -> Any:
        """Return a piece of the policy as it is kept (pieces.py), or None if there is none."""
        return self._find(key)

    def issuer(self, url: str) -> Issuer | None:
        """Return what is declared of an issuer, or None if nothing is."""
        issuer = self._issuers.get(url)
        if issuer is None:
            declared = self._find(f"issuer\t{url}")
            if declared is not None:
                _make_room(self._issuers)
                issuer = self._issuers[url] = Issuer(declared, self.site)
        return issuer

    def ask_for(self, name: str) -> bool:
        """Return True if any rule asks for a claim by this name."""
        return name in (self._find("claims") or ())

    def candidates(self, url: str, whole: View, vos: Iterable[str], part: Callable[[str], View]) -> Iterator[Rule]:
        """Yield, in order, the rules that may match a token of the issuer `url` that speaks for some VOs.

        `whole` is all of the token, `part` returns what the rules of one VO see. No other rule can match. Of a long
        list in a rule they hold the values that matter here.
        """
        found: _Found = {}
        for place, anchors in self._places(f"issuer\t{url}"):
            _collect(found, self._find, place, anchors(whole))
        for vo in vos:
            for place, anchors in self._places(f"vo\t{vo}"):
                _collect(found, self._find, place, anchors(part(vo)))
        for number, listed in sorted(found.items()):
            yield self._rule(number, listed)

    def rules(self) -> Iterator[Rule]:
        """Yield all rules, in order, each with all that it lists."""
        number = 0
        while self._find(f"rule\t{number}") is not None:
            yield self._rule(number, self._find(f"list\t{number}"))
            number += 1

    def names(self, account: str) -> bool:
        """Tell whether a rule, a rename or a pool names this account: then no capture may give it."""
        if self._pools is None:
            from vomap.policy.pools import Pool

            self._pools = [Pool(pool["accounts"]) for pool in (self._find("pools") or {}).values()]
        return self._find(f"named\t{account}") is not None or any(pool.holds(account) for pool in self._pools)

    def _places(self, owner: str) -> list[_Place]:
        """Return where to look for the rules of an owner: an issuer, or a VO if the rule names no issuer."""
        places = self._known_places.get(owner)
        if places is None:
            aspects = self._find(f"asked\t{owner}") or ()
            places = [(f"{owner}\t{aspect}\t", anchors_for(aspect)) for aspect in aspects]
            _make_room(self._known_places)
            self._known_places[owner] = places
        return places

    def _rule(self, number: int, listed: list[str] | None) -> Rule:
        """Return a rule; `listed` are the values to put where its document leaves a list out."""
        rule = self._rules.get(number)
        if rule is not None:
            return rule
        document = self._find(f"rule\t{number}")
        if listed:
            return Rule(with_list(document, listed))
        _make_room(self._rules)
        rule = self._rules[number] = Rule(document)
        return rule


def _collect(found: _Found, find: Callable[[str], Any], place: str, anchors: Iterable[str]) -> None:
    """Add the rules or bans that lie at anchors in a place."""
    for anchor in anchors:
        for entry in find(place + anchor) or ():
            if isinstance(entry, int):
                found[entry] = None
            else:
                found.setdefault(entry[0], []).append(entry[1])


def with_list(document: Mapping[str, Any], listed: list[str]) -> dict[str, Any]:
    """Return a rule's document with values where it leaves a list out; `listed` of the document says where that is."""
    whole = dict(document)
    key: str = whole.pop("listed")
    if key.startswith(CLAIM):
        whole["claim"] = {**whole.get("claim", {}), key[len(CLAIM) :]: listed}
    else:
        whole[key] = listed
    return whole


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= _KEPT:
        kept.clear()


class Bans:
    """All bans: a decision reads of them those that its token may meet (pieces.py)."""

    __slots__ = ("_bans", "_find", "asked", "claims", "digest")

    def __init__(self, find: Callable[[str], Any], digest: str) -> None:
        """Take what finds a piece of the bans by its key, or None where there is none, and the digest of the bans.

        `asked` are the conditions of literal values that bans are found by, none if there is no ban; `claims` are the
        names of the claims that any of them asks for by name.
        """
        self._find = find
        self.digest = digest
        self.asked: Sequence[str] = find("asked") or ()
        if not {*BAN_OWNERS, ""}.issuperset(self.asked):
            raise ValueError("bans are found by a condition that this version does not know")
        self._bans: dict[int, Ban] = {}
        self.claims: Sequence[str] = find("claims") or ()

    def ask_for(self, name: str) -> bool:
        """Return True if any ban asks for the claim of this name. Each that asks for `jti` is found by it."""
        return name in self.claims or (name == JTI and JTI in self.asked)

    def matching(self, view: BanView, now: float) -> list[Ban]:
        """Return, in order, the bans in force that may match a token; no other can.

        Of a long list in a ban they hold the values that matter here.
        """
        found: _Found = {}
        for kind in self.asked:
            owners = [f"{kind}\t{value}" for value in view.values(kind)] if kind else [""]
            for owner in self._through(kind, owners):
                for aspect in self._find(f"asked\t{owner}") or ():
                    anchors = self._through(f"{owner}\t{aspect}", list(anchors_for(aspect)(view)))
                    _collect(found, self._find, f"{owner}\t{aspect}\t", anchors)
        bans = [self._ban(number, listed) for number, listed in sorted(found.items())]
        return [ban for ban in bans if ban.holds_at(now)]

    def _through(self, name: str, texts: Sequence[str]) -> Sequence[str]:
        """Return those of a token's values that may have bans.

        Of a thousand groups hardly any has a ban, and each is a look-up in the file. A sieve, which has a bit for the
        checksum of each value that has a ban, leaves out nearly all others, and never one of these.
        """
        sieve = self._find(f"sieve\t{name}") if len(texts) > FEW else None
        if sieve is None:
            return texts
        bits = a2b_base64(sieve)
        last = len(bits) * 8 - 1
        return [each for each in texts if bits[(bit := crc32(each.encode()) & last) >> 3] >> (bit & 7) & 1]

    def documents(self) -> Iterator[dict[str, Any]]:
        """Yield the document of every ban, in order, with all that it lists."""
        number = 0
        while (document := self._find(f"ban\t{number}")) is not None:
            listed = self._find(f"list\t{number}")
            yield with_list(document, listed) if listed else document
            number += 1

    def all(self) -> Iterator[Ban]:
        """Yield every ban, in order."""
        return map(Ban, self.documents())

    def _ban(self, number: int, listed: list[str] | None) -> Ban:
        ban = self._bans.get(number)
        if ban is not None:
            return ban
        document = self._find(f"ban\t{number}")
        if listed:
            return Ban(with_list(document, listed))
        _make_room(self._bans)
        ban = self._bans[number] = Ban(document)
        return ban


NO_BANS = Bans(lambda _: None, "")


def _frozen(values: Iterable[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _literals(texts: Iterable[str], _capture: object) -> frozenset[str]:
    return frozenset(texts)


def _patterns(texts: Iterable[str], capture: bool) -> tuple[Pattern, ...]:
    return tuple(Pattern(text, capture=capture) for text in texts)


def _paths(texts: Iterable[str], _capture: object) -> tuple[Pattern, ...]:
    return tuple(Pattern(text, below=True) for text in texts)


def _groups(texts: Iterable[str], _capture: object) -> tuple[GroupPattern, ...]:
    return tuple(GroupPattern(text) for text in texts)


_COMPILED: dict[str, Callable[[list[str], bool], object]] = {
    "issuer": _literals,
    "subject": _patterns,
    "group": _groups,
    "first-group": _groups,
    "scope": _paths,
    "audience": _literals,
    "jti": _literals,
    "client": _literals,
}
_KNOWN = frozenset({*_COMPILED, "vo", "claim", "name", "source", "account", "pool", "deny", "reason", "until"})
