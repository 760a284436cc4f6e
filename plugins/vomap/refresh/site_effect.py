"""Find what a changed mapfile changes for the site's own rules, accounts and VOs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from vomap.mapfile.compose import Composition
from vomap.policy.authority import Authority
from vomap.policy.index import RuleAccounts
from vomap.policy.matching import AccountName
from vomap.policy.pools import Pool
from vomap.refresh.alarms import Alarm
from vomap.refresh.meaning import ANY_SUBJECT, describe_issuer, identities_of

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument


class SitePolicy:
    """The whole policy of a site: its own rules, and those of the distributed mapfile, which a candidate changes.

    Attributes:
        issuers: the declaration of each issuer in words, without `vos`.
        identities: the identities that the distributed mapfile maps, each an issuer and a subject.
        vos: the VOs that are declared or reserved, or that the site's own rules name, in lower case.
        named: the accounts that any rule names. Captures cannot give them.
        users: the accounts of the distributed mapfile: account after the site's renames, issuer, account as written.
        about: the VOs (in lower case) and issuers that the site's own rules name.
        about_later: the same of the site's rules after the last distributed one.

    """

    def __init__(self, composition: Composition, is_distributed: Callable[[str], bool]) -> None:
        """Take the composed mapfiles, and a function that returns True for the path of the distributed mapfile."""
        document = composition.document
        site, rules = document["site"], document["rules"]
        self._authority = Authority(document)
        self._serve = None if site["serve"] is None else {vo.lower() for vo in site["serve"]}
        self._pools = [Pool(pool["accounts"]) for pool in document["pools"].values()]
        self.issuers = {url: describe_issuer(issuer) for url, issuer in document["issuers"].items()}
        of_rules = RuleAccounts(self._authority)
        self.named = {account for rule in rules for account in of_rules.of(rule)}
        files = {file for file in map(_file_of, rules) if is_distributed(file)}
        distributed = [rule for rule in rules if _file_of(rule) in files]
        self.identities = identities_of(distributed).keys()
        rename = site["rename"]
        self.users = {
            (rename.get(rule["account"], rule["account"]), issuer, rule["account"])
            for rule in distributed
            if "account" in rule
            for issuer in rule.get("issuer", ())
        }
        own = [rule for rule in rules if _file_of(rule) not in files]
        self.about = _names_in(own)
        self.about_later = _names_in(takewhile(lambda rule: _file_of(rule) not in files, reversed(rules)))
        self.vos = {*self._authority.owners, *(vo.lower() for rule in own for vo in rule.get("vo", ()))}
        accounts = [AccountName(rule["account"]) for rule in own if "account" in rule]
        self._captures = {account.text for account in accounts if account.captures}
        self._own_accounts = {rename.get(each.text, each.text) for each in accounts if not each.captures}

    def ways(self, vos: Iterable[str]) -> set[tuple[str, str, str]]:
        """Return the ways into these VOs: the VO, an issuer that may speak for it, and the name of it in the tokens.

        The name is "" if the issuer speaks for this VO alone, or by default. VOs that the site does not serve have no
        ways.
        """
        found: set[tuple[str, str, str]] = set()
        wanted = {vo for vo in vos if self._serve is None or vo in self._serve}
        for url, issuer in self._authority.issuers.items():
            found.update((vo.lower(), url, "") for vo in (issuer.vo, issuer.default_vo) if vo)
            found.update((vo.lower(), url, name) for name, vo in (issuer.vos or {}).items())
            if issuer.names_vos_freely:
                found.update((vo, url, vo) for vo in wanted if self._authority.may_name(url, vo))
        return {way for way in found if way[0] in wanted}

    def has_other_users(self, account: str, written: str) -> bool:
        """Return True if an account has other users than the distributed rules that write it as `written`.

        `account` is the name after the site's renames. `find_alarms` compares the rules that write it in the same way.
        """
        is_shared = any(name == account and text != written for name, _, text in self.users)
        is_own = account in self._own_accounts or self.is_captured(account)
        return is_shared or is_own or any(pool.has(account) for pool in self._pools)

    def is_captured(self, account: str) -> bool:
        """Return True if a capture in the site's own rules can give an account."""
        return any(AccountName(text).could_make(account) for text in self._captures)


def find_site_alarms(old: SitePolicy, new: SitePolicy) -> list[Alarm]:
    """Return why the administrator must check a changed mapfile, because of what the site's own mapfiles contain."""
    return [
        *_changed_issuers(old, new),
        *_new_ways(old, new),
        *_new_users(old, new),
        *_left_to_the_site(old, new),
        *_no_longer_named(old, new),
    ]


def _changed_issuers(old: SitePolicy, new: SitePolicy) -> Iterator[Alarm]:
    """Find issuers with another declaration than before: of the candidate, or of another file that it hid before."""
    for url in sorted(old.issuers.keys() & new.issuers.keys()):
        if old.issuers[url] != new.issuers[url]:
            text = f"the declaration of {url} changes for this site: {old.issuers[url]} -> {new.issuers[url]}"
            yield Alarm("issuer", text)


def _new_ways(old: SitePolicy, new: SitePolicy) -> Iterator[Alarm]:
    """Find new ways into VOs that had ways before, or into what the site's own rules name."""
    vos = old.vos | new.vos
    before = old.ways(vos)
    known = {vo for vo, _, _ in before} | new.about
    for vo, url, name in sorted(new.ways(vos) - before):
        if vo in known or url in known:
            by = f" by the name {name}" if name else ""
            why = "other issuers speak for this VO, or the site has rules for the VO or the issuer"
            yield Alarm("vo", f"{url} could speak for the VO {vo}{by}: {why}")


def _new_users(old: SitePolicy, new: SitePolicy) -> Iterator[Alarm]:
    """Find accounts of others that a further issuer gets from the distributed mapfile."""
    before = {(account, issuer) for account, issuer, _ in old.users}
    for account, issuer, written in sorted(new.users):
        if (account, issuer) not in before and old.has_other_users(account, written):
            yield Alarm("account", f"{issuer} would get the account {account}, which this site also gives to others")


def _left_to_the_site(old: SitePolicy, new: SitePolicy) -> Iterator[Alarm]:
    """Find identities that lose their mapping and would then match a later rule of the site."""
    vos_of: dict[str, set[str]] = {}
    for vo, url, _ in new.ways(old.vos | new.vos):
        vos_of.setdefault(url, set()).add(vo)
    for issuer, subject in sorted(old.identities - new.identities):
        matched = {issuer, *vos_of.get(issuer, ())} & new.about_later
        if issuer in vos_of and matched and (issuer, ANY_SUBJECT) not in new.identities:
            rules = f"a later rule of the site about {min(matched)}"
            yield Alarm("left", f"{issuer}, {subject} would lose its account and could match {rules}")


def _no_longer_named(old: SitePolicy, new: SitePolicy) -> Iterator[Alarm]:
    """Find accounts that a capture could give as soon as no rule names them any more."""
    for account in sorted(old.named - new.named):
        if new.is_captured(account):
            text = f"no rule would name {account} any more, and a capture in a rule of the site could give it"
            yield Alarm("account", text)


def _file_of(rule: RuleDocument) -> str:
    return rule["source"].rpartition(":")[0]


def _names_in(rules: Iterable[RuleDocument]) -> set[str]:
    """Return the VOs, in lower case, and the issuers that rules name."""
    return {name for rule in rules for name in (*map(str.lower, rule.get("vo", ())), *rule.get("issuer", ()))}
