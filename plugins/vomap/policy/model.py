"""The policy and the bans as the engine reads them, made from the plain document that a mapfile or a built file holds.

The documents are checked before they get here (mapfile/); a document that does not fit is damage, and raises.
"""

from __future__ import annotations

from vomap.claims.memberships import EntitlementForm
from vomap.policy.accounts import AccountLimits, Pool
from vomap.policy.patterns import AccountName, GroupPattern, Pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


class Site:
    """What the site demands of every token and every account."""

    __slots__ = ("accounts", "audience", "maximum_lifetime", "rename", "serve")

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


class Issuer:
    """What an issuer may say: for which VOs it speaks, how it writes entitlements, which checks it is excused from."""

    __slots__ = (
        "accept_without_audience",
        "accept_without_compute",
        "audience",
        "default_vo",
        "entitlements",
        "sources",
        "trusted",
        "vo",
        "vos",
    )

    def __init__(self, document: Mapping[str, Any] | None, site: Site) -> None:
        """Take the document of an issuer; None is an issuer that the site distrusts."""
        self.trusted = document is not None
        document = document or {}
        form = document.get("entitlements")
        self.vo: str | None = document.get("vo")
        self.sources: tuple[str, ...] = tuple(document.get("vo-from", ()))
        self.vos: dict[str, str] | None = document.get("vos")
        self.default_vo: str | None = document.get("default-vo")
        self.audience = _frozen(document["audience"]) if "audience" in document else site.audience
        self.accept_without_audience: bool = document.get("without-audience", False)
        self.accept_without_compute: bool = document.get("without-compute", False)
        self.entitlements = (
            EntitlementForm(form["namespace"], form.get("authority"), in_scope=form.get("in-scope", False))
            if form is not None
            else None
        )

    @property
    def names_vos_freely(self) -> bool:
        """Whether a VO's name is the token's own word, rather than one that the policy spells out."""
        return bool(self.sources) and self.vos is None

    def declared_vos(self) -> set[str]:
        """Return the VOs that this issuer is declared to speak for by name, in lower case."""
        names = {*(self.vos or {}).values(), self.vo, self.default_vo}
        return {name.lower() for name in names if name is not None}


class Conditions:
    """What a rule or a ban asks of a token: every key must hold, and within a key any of its values does.

    `asked` has each key that is asked for, in the order of a mapfile's reference, with what is compared; `vo` apart,
    in lower case, as it chooses what part of the token the others see.
    """

    __slots__ = ("asked", "vo")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the conditions from a rule's or a ban's document."""
        unknown = set(document) - set(_COMPILED) - _NO_CONDITIONS
        if unknown:
            # A condition that this version does not know would make the rule wider than it was meant.
            raise ValueError(f"unknown condition {sorted(unknown)}")
        # Only an account can use what is captured.
        capture = "account" in document
        self.vo = tuple(vo.lower() for vo in document["vo"]) if "vo" in document else None
        asked: list[tuple[str, Any]] = [
            (key, _COMPILED[key](document[key], capture)) for key in _COMPILED if key in document
        ]
        for name, texts in document.get("claim", {}).items():
            asked.append(("claim", (name, _patterns(texts, capture))))
        self.asked = tuple(asked)

    def only_vo(self) -> bool:
        """Tell whether nothing but a VO is asked for."""
        return self.vo is not None and not self.asked


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

    def named_accounts(self, vos: Iterable[str]) -> list[str]:
        """Return the accounts that the rule names whatever the token: its text, `<vo>` put in for each of `vos`."""
        if self.account is None or set(self.account.captures) - {"vo"}:
            return []
        if not self.account.captures:
            return [self.account.text]
        return [self.account.expand({"vo": vo}) or "" for vo in vos]


class Ban:
    """One ban: conditions, the reason, and the last second at which it holds."""

    __slots__ = ("conditions", "reason", "source", "until")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take a ban's document."""
        self.conditions = Conditions(document)
        self.reason: str = document["reason"]
        self.until: int | None = document.get("until")
        self.source: str = document["source"]

    def holds_at(self, now: float) -> bool:
        """Tell whether the ban holds at a time; its last second is part of it."""
        return self.until is None or int(now) <= self.until


class Policy:
    """All that the site decides, bans apart."""

    __slots__ = ("_named", "digest", "issuers", "pools", "rules", "site", "vo_owners")

    def __init__(self, document: Mapping[str, Any], digest: str) -> None:
        """Take the document of a policy, and its digest."""
        self.digest = digest
        self.site = Site(document["site"])
        self.issuers = {url: Issuer(declared, self.site) for url, declared in document["issuers"].items()}
        self.rules = [Rule(rule) for rule in document["rules"]]
        self.pools = {name: Pool(pool["accounts"]) for name, pool in document["pools"].items()}
        self.vo_owners: dict[str, set[str]] = {}
        for url, issuer in self.issuers.items():
            for vo in issuer.declared_vos():
                self.vo_owners.setdefault(vo, set()).add(url)
        for vo in document.get("reserved-vos", ()):
            # No issuer has this name: the VO's own is distrusted, and nobody else may speak for it.
            self.vo_owners.setdefault(vo.lower(), set()).add("")
        self._named = {*self.site.rename, *self.site.rename.values()}
        for rule in self.rules:
            self._named.update(self.accounts_of(rule))

    def accounts_of(self, rule: Rule) -> list[str]:
        """Return the accounts that a rule names, before they are renamed; none that depend on a token's own words."""
        return rule.named_accounts(self._spelled_vos(rule))

    def _spelled_vos(self, rule: Rule) -> Iterable[str]:
        """Return the VOs that the policy itself spells out for a rule: the rule's, or else those of its issuers."""
        if rule.conditions.vo is not None:
            return rule.conditions.vo
        urls = dict(rule.conditions.asked).get("issuer", self.issuers)
        asked = [self.issuers[url] for url in urls if url in self.issuers]
        return {vo for issuer in asked if not issuer.names_vos_freely for vo in issuer.declared_vos()}

    def names(self, account: str) -> bool:
        """Tell whether a rule, a rename or a pool names this account: then no capture may give it."""
        return account in self._named or any(pool.holds(account) for pool in self.pools.values())


class Bans:
    """The bans that were built."""

    __slots__ = ("bans", "digest")

    def __init__(self, document: Mapping[str, Any], digest: str) -> None:
        """Take the document of bans, and its digest."""
        self.digest = digest
        self.bans = [Ban(ban) for ban in document["bans"]]


NO_BANS = Bans({"bans": []}, "")


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


_NO_CONDITIONS = {"vo", "claim", "name", "source", "account", "pool", "deny", "reason", "until"}
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
