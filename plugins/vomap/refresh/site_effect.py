"""What a site's mapfiles say together, as far as a changed one among them can change it for the site's own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vomap.policy.authority import Authority
from vomap.policy.index import named_accounts
from vomap.policy.matching import AccountName
from vomap.policy.pools import Pool
from vomap.refresh.alarms import Alarm
from vomap.refresh.meaning import ANY_SUBJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

# By what a token says that it is of a VO, where its issuer speaks for that one alone, or for it by default.
_NO_NAME = ""


class Standing:
    """Who speaks for which VO, and who comes to which account, by a site's whole policy.

    `identities` has the account, after the site's renames, that each issuer and subject has by the distributed mapfile.
    """

    def __init__(self, document: Mapping[str, Any], is_distributed: Callable[[str], bool]) -> None:
        """Take a policy's document, and what tells whether a file is the distributed mapfile."""
        self._authority = Authority(document)
        self._rename: dict[str, str] = document["site"]["rename"]
        serve = document["site"]["serve"]
        self._serve = None if serve is None else {vo.lower() for vo in serve}
        self._pools = [Pool(pool["accounts"]) for pool in document["pools"].values()]
        self.issuers = {url: _without_vos(declared) for url, declared in document["issuers"].items()}
        self.identities: dict[tuple[str, str], str] = {}
        self.named: set[str] = set()
        self._users: dict[str, set[tuple[str, str]]] = {}
        self._own_accounts: set[str] = set()
        self._captures: set[str] = set()
        self._own_vos: set[str] = set()
        # The VOs and issuers that the site's own rules are about; and those of rules after the distributed ones.
        self.about: set[str] = set()
        self.about_later: set[str] = set()
        files: dict[str, bool] = {}
        for rule in document["rules"]:
            file = rule["source"].rpartition(":")[0]
            if file not in files:
                files[file] = is_distributed(file)
            self.named.update(named_accounts(rule, self._authority))
            if files[file]:
                self._add_distributed(rule)
            else:
                self._add_own(rule)

    def _add_distributed(self, rule: Mapping[str, Any]) -> None:
        self.about_later.clear()
        account = self._rename.get(rule.get("account", ""), rule.get("account", ""))
        for issuer in rule.get("issuer", ()):
            for subject in rule.get("subject", [ANY_SUBJECT]):
                self.identities.setdefault((issuer, subject), account)
            self._users.setdefault(account, set()).add((issuer, rule.get("account", "")))

    def _add_own(self, rule: Mapping[str, Any]) -> None:
        vos = {vo.lower() for vo in rule.get("vo", ())}
        about = {*vos, *rule.get("issuer", ())}
        self._own_vos |= vos
        self.about |= about
        self.about_later |= about
        if "account" in rule:
            if AccountName(rule["account"]).captures:
                self._captures.add(rule["account"])
            else:
                self._own_accounts.add(self._rename.get(rule["account"], rule["account"]))

    @property
    def vos(self) -> set[str]:
        """The VOs that are declared, or that the site's own rules are about, in lower case."""
        return self._authority.declared_vos() | self._own_vos

    def ways(self, vos: Iterable[str]) -> set[tuple[str, str, str]]:
        """Return the ways into these VOs: the VO, an issuer that may speak for it, and by which name in its tokens.

        An issuer without `vos` speaks for all that no other is declared for. VOs that are not served have no ways.
        """
        found: set[tuple[str, str, str]] = set()
        wanted = {vo for vo in vos if self._serve is None or vo in self._serve}
        for url, issuer in self._authority.issuers.items():
            names = {vo: _NO_NAME for vo in (issuer.vo, issuer.default_vo) if vo}
            found.update((vo.lower(), url, name) for vo, name in names.items())
            found.update((vo.lower(), url, name) for name, vo in (issuer.vos or {}).items())
            if issuer.names_vos_freely:
                found.update((vo, url, vo) for vo in wanted if self._authority.may_name(url, vo))
        return {way for way in found if way[0] in wanted}

    def is_of_others(self, account: str, written: str) -> bool:
        """Tell whether an account, which a distributed rule writes so before it is renamed, has other users.

        Those that the distributed mapfile itself writes the same way are not counted: they are seen in it alone.
        """
        others = any(name != written for _, name in self._users.get(account, ()))
        is_own = account in self._own_accounts or self.is_captured(account)
        return others or is_own or any(pool.has(account) for pool in self._pools)

    def is_captured(self, account: str) -> bool:
        """Tell whether what the site's own rules capture could be this account."""
        return any(AccountName(text).could_make(account) for text in self._captures)

    def users(self) -> set[tuple[str, str, str]]:
        """Return who comes to which account by the distributed mapfile: account, issuer, and how it is written."""
        return {(account, *user) for account, users in self._users.items() for user in users}


def find_site_alarms(old: Standing, new: Standing) -> list[Alarm]:
    """Return why a person must look at a changed mapfile, of which the site's own rules make more than it says."""
    return [
        *_declared_otherwise(old, new),
        *_new_ways(old, new),
        *_new_users(old, new),
        *_left_to_the_site(old, new),
        *_no_longer_named(old, new),
    ]


def _declared_otherwise(old: Standing, new: Standing) -> Iterator[Alarm]:
    """Find issuers that are declared before and after, but otherwise: perhaps another file's declaration held."""
    for url in sorted(old.issuers.keys() & new.issuers.keys()):
        if old.issuers[url] != new.issuers[url]:
            text = f"{url} is declared otherwise for this site: {old.issuers[url]} -> {new.issuers[url]}"
            yield Alarm("issuer", text)


def _new_ways(old: Standing, new: Standing) -> Iterator[Alarm]:
    """Find new ways into VOs that had some before, or to what the site's own rules are about."""
    vos = old.vos | new.vos
    before = old.ways(vos)
    known = {vo for vo, _, _ in before} | new.about
    for vo, url, name in sorted(new.ways(vos) - before):
        if vo in known or url in known:
            by = f" by the name {name}" if name else ""
            yield Alarm("vo", f"{url} comes to speak for the VO {vo}{by}, which had others or has rules of the site's")


def _new_users(old: Standing, new: Standing) -> Iterator[Alarm]:
    """Find accounts that others have, and that an issuer comes to by the distributed mapfile."""
    before = {(account, issuer) for account, issuer, _ in old.users()}
    for account, issuer, written in sorted(new.users()):
        if (account, issuer) not in before and old.is_of_others(account, written):
            yield Alarm("account", f"{issuer} comes to the account {account}, which this site gives to others, too")


def _left_to_the_site(old: Standing, new: Standing) -> Iterator[Alarm]:
    """Find who loses his account, and comes to later rules of the site's own."""
    vos_of: dict[str, set[str]] = {}
    for vo, url, _ in new.ways(old.vos | new.vos):
        vos_of.setdefault(url, set()).add(vo)
    for issuer, subject in sorted(old.identities.keys() - new.identities.keys()):
        falls = {issuer, *vos_of.get(issuer, ())} & new.about_later
        if issuer in vos_of and falls and (issuer, ANY_SUBJECT) not in new.identities:
            yield Alarm("left", f"{issuer}, {subject} is left to later rules of the site's own, about {min(falls)}")


def _no_longer_named(old: Standing, new: Standing) -> Iterator[Alarm]:
    """Find accounts that no capture could give as long as a rule named them."""
    for account in sorted(old.named - new.named):
        if new.is_captured(account):
            yield Alarm("account", f"no rule names {account} any more, so what the site's rules capture could give it")


def _without_vos(declared: Mapping[str, Any] | None) -> str:
    """Describe a declaration; `vos` apart, which is compared name by name."""
    if declared is None:
        return "none"
    return ", ".join(f"{key}: {declared[key]}" for key in sorted(declared) if key != "vos")
