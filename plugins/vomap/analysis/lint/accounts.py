"""Find accounts that several VOs share, accounts of the system, and renames that no rule uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

from vomap.analysis.clauses import Clause, Outcome
from vomap.analysis.lint.context import LintContext, name_and_source, not_checked, warning
from vomap.mapfile.findings import Finding, SimilarWords
from vomap.policy.matching import AccountName

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument

SHARED_ACCOUNT, SYSTEM_ACCOUNT, UNUSED_RENAME = "shared-account", "system-account", "unused-rename"
VO_AS_USER = "vo-as-user"
# The owner of an account that each VO of an issuer gets.
_ANY_OF = "each VO of "
# Accounts of Enterprise Linux and Debian, and of the services of a CE and of the machines around it.
_SYSTEM_ACCOUNTS = frozenset(
    (
        "adm",
        "apache",
        "arex",
        "avahi",
        "backup",
        "bin",
        "chrony",
        "cockpit-ws",
        "condor",
        "condor_pool",
        "daemon",
        "dbus",
        "dcache",
        "dnsmasq",
        "frontier",
        "ftp",
        "games",
        "gdm",
        "git",
        "gnats",
        "gratia",
        "halt",
        "irc",
        "libstoragemgmt",
        "list",
        "lp",
        "mail",
        "man",
        "messagebus",
        "munge",
        "mysql",
        "nagios",
        "named",
        "news",
        "nginx",
        "nobody",
        "nscd",
        "nslcd",
        "ntp",
        "openldap",
        "openvpn",
        "operator",
        "polkitd",
        "postfix",
        "postgres",
        "proxy",
        "puppet",
        "radiusd",
        "redis",
        "root",
        "rpc",
        "rpcuser",
        "rtkit",
        "setroubleshoot",
        "shutdown",
        "slurm",
        "slurmdbd",
        "slurmrestd",
        "squid",
        "sshd",
        "sssd",
        "storm",
        "sync",
        "sys",
        "sysadmin",
        "syslog",
        "tcpdump",
        "telegraf",
        "tomcat",
        "torque",
        "tss",
        "uucp",
        "vomap",
        "vomap-refresh",
        "voms",
        "www-data",
        "xrootd",
        "zabbix",
    )
)
# Accounts with a lower uid belong to the system.
_FIRST_UID = 1000
_CAPTURE = re.compile("<[^>]*>")
# The different accounts with captures that each VO is compared with.
_MOST_TEMPLATES = 20


def shared_accounts(context: LintContext) -> Iterator[Finding]:
    """Warn of an account, as the site calls it, that tokens of several VOs get."""
    first: dict[str, tuple[str, int]] = {}
    warned: set[tuple[str, str]] = set()
    for number, vo, account in sorted(_given(context)):
        owner, earlier = first.setdefault(account, (vo, number))
        if owner == vo or (account, vo) in warned:
            continue
        warned.add((account, vo))
        rule = context.rules[number]
        by = "" if earlier == number else f" by {name_and_source(context.rules[earlier])}"
        vos = [_spelled(context, each) for each in (vo, owner)]
        message = f"rule {rule['name']} gives the account {account} to {vos[0]}; {vos[1]} gets it{by}, too"
        yield warning(SHARED_ACCOUNT, rule, f"{message}: either VO can touch the other's jobs and files")
    untried = [context.rules[number] for number in sorted(context.policy.incomplete)]
    if untried:
        yield not_checked((SHARED_ACCOUNT,), untried, len(context.rules))


def _given(context: LintContext) -> Iterator[tuple[int, str, str]]:
    """Yield the number of a rule, a VO and an account that the rule gives it. Accounts of captures are left out.

    Of several rules that give the same accounts to the same VOs, only the first counts.
    """
    seen: set[tuple[str | None, Outcome]] = set()
    for clause in sorted(chain.from_iterable(context.policy.clauses.values()), key=lambda clause: clause.number):
        given = (clause.url if clause.vo is None else None, clause.outcome)
        if given in seen:
            continue
        seen.add(given)
        each_vo = clause.outcome[1] if clause.outcome[0] == "by VO" else ((clause.vo, clause.outcome),)
        for vo, outcome in each_vo:
            if outcome[0] != "account":
                continue
            owner = vo or _vo_of_clause(context, clause)
            if owner is not None:
                yield clause.number, owner, outcome[2]


def _vo_of_clause(context: LintContext, clause: Clause) -> str | None:
    """Return the VO that tokens of a clause without a VO speak for, or `any of URL` for several. None for one user."""
    if clause.subject is not None:
        return None
    vos = context.served_of(clause.url)
    return min(vos) if vos is not None and len(vos) == 1 else f"{_ANY_OF}{clause.url}"


def _spelled(context: LintContext, owner: str) -> str:
    return owner if owner.startswith(_ANY_OF) else context.admission.spelled(owner)


def system_accounts(context: LintContext) -> Iterator[Finding]:
    """Warn of rules that name an account of the system, or whose captures could give one.

    A capture can give one only if the site has lowered `minimum-uid`.
    """
    site = context.admission.site
    is_guarded = site.accounts.minimum_uid >= _FIRST_UID
    may_be_renamed = _SYSTEM_ACCOUNTS.union(site.rename)
    could_be_made = [] if is_guarded else sorted(_SYSTEM_ACCOUNTS - site.accounts.never - {"root"})
    for rule in context.rules:
        if "account" not in rule:
            continue
        named = context.accounts.of(rule)
        given = {site.rename.get(name, name) for name in named.intersection(may_be_renamed)}
        for account in sorted(_SYSTEM_ACCOUNTS.intersection(given)):
            message = f"rule {rule['name']} gives the account {account}, which belongs to the system or to a service"
            yield warning(SYSTEM_ACCOUNT, rule, message)
        made = next(filter(AccountName(rule["account"]).could_make, could_be_made), None)
        if made is not None and not named:
            message = f"rule {rule['name']} may give the account {made} to a user with that name"
            how = f"write something before the capture, or let `minimum-uid` be {_FIRST_UID}"
            yield warning(SYSTEM_ACCOUNT, rule, f"{message}: {how}")


def unused_renames(context: LintContext) -> Iterator[Finding]:
    """Warn of renames of accounts that no rule names. Only a whole site has all rules."""
    if not context.is_whole:
        return
    named = frozenset().union(*dict.fromkeys(map(context.accounts.of, context.rules)))
    similar = SimilarWords(sorted(named))
    for account, place in context.rename_places.items():
        if account not in named:
            message = f"`rename: {account}` has no effect: no rule names this account{similar.hint(account)}"
            yield warning(UNUSED_RENAME, place, message)


def vos_as_users(context: LintContext) -> Iterator[Finding]:
    """Warn of accounts that are a bare `<vo>` and that a capture of another rule can also give.

    No capture gives an account that the policy names, so only VOs that the policy does not name are in question.
    """
    users: dict[str, RuleDocument] = {}
    for rule in context.rules:
        if set(AccountName(rule.get("account", "")).captures) - {"vo"}:
            users.setdefault(rule["account"], rule)
    found = _open_vo_as_user(context, list(islice(users, _MOST_TEMPLATES)))
    for rule in context.rules if found is not None else ():
        if rule.get("account") != "<vo>" or "vo" in rule:
            continue
        url = next((url for url, issuer in context.issuers_of(rule) if issuer.names_vos_freely), None)
        if url is not None and found is not None:
            vo, text = found
            message = f"rule {rule['name']} gives a VO of {url} the account of its name, and {vo} may be one of them"
            why = f"rule {name_and_source(users[text])} gives the same account to a user of that name"
            yield warning(VO_AS_USER, rule, f"{message}; {why}: write something before <vo>, such as `vo-<vo>`")


def _open_vo_as_user(context: LintContext, templates: list[str]) -> tuple[str, str] | None:
    """Return a VO that no issuer is declared for, and the template that makes an account of its name.

    Each issuer of free names may speak for such a VO, if the site serves it.
    """
    served = context.admission.site.serve
    if served is None or not templates:
        return (_CAPTURE.sub("alice", templates[0]), templates[0]) if templates else None
    names = [(text, AccountName(text)) for text in templates]
    for vo in sorted(set(served).difference(context.authority.owners, context.policy.named)):
        text = next((text for text, name in names if name.could_make(vo)), None)
        if text is not None:
            return vo, text
    return None
