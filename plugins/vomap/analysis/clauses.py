"""Rules taken apart to clauses, in which what means the same is written the same, whatever its name, place or order.

A clause is what a rule says to the tokens of one issuer: for one VO, and for one value of each list.
"""

from __future__ import annotations

import re
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from vomap.analysis.admission import Admission
from vomap.analysis.tokens.patterns import GROUPS, common_groups, common_texts, covers, fresh_word, group_covers
from vomap.claims.scopes import storage_root
from vomap.policy.index import index_policy
from vomap.policy.matching import AccountName
from vomap.policy.model import NAMED
from vomap.policy.pools import Pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    # A condition's key (`claim NAME` among them) and the values of which one must hold.
    Conditions = tuple[tuple[str, tuple[str, ...]], ...]
    Outcome = tuple[Any, ...]

DENIED: Outcome = ("denied",)
# Longer products of lists stay what they are: such a rule is compared as a whole.
_MOST_CLAUSES = 5_000
_CAPTURE = re.compile("<([a-z0-9_-]+)>")


class Clause:
    """What a rule says to the tokens of one issuer."""

    __slots__ = ("asked", "number", "outcome", "url", "vo")

    def __init__(self, url: str, vo: str | None, asked: Conditions, outcome: Outcome, number: int) -> None:
        """Take the issuer, the VO in lower case (None: whatever it is), conditions, outcome, and the rule's number."""
        self.url = url
        self.vo = vo
        self.asked = asked
        self.outcome = outcome
        self.number = number

    @property
    def conditions(self) -> tuple[str | None, Conditions]:
        """What a token of the issuer must meet."""
        return self.vo, self.asked

    @property
    def meaning(self) -> tuple[str | None, Conditions, Outcome]:
        """All that decides, so that two clauses with one meaning do the same."""
        return self.vo, self.asked, self.outcome

    @property
    def is_certain(self) -> bool:
        """Whether it decides whenever its conditions hold: one whose capture gives a named account does not."""
        return self.outcome[0] in ("account", "pool", "denied")

    def values(self, key: str) -> tuple[str, ...] | None:
        """Return the values of a condition, or None if it is not asked for."""
        return dict(self.asked).get(key)

    @property
    def subject(self) -> str | None:
        """The one subject that is meant, if there is just one."""
        values = self.values("subject")
        return values[0] if values and len(values) == 1 and not _is_wide(values[0]) else None

    def covers(self, other: Clause) -> bool:
        """Tell whether it is known that whatever meets another clause of this issuer meets this one."""
        if self.vo is not None and self.vo != other.vo:
            return False
        theirs = dict(other.asked)
        if other.vo != self.vo and any(key in GROUPS or key == "scope" for key, _ in self.asked):
            # A rule without a VO sees more of the groups and paths, and another first group.
            return False
        if "first-group" in theirs:
            theirs.setdefault("group", theirs["first-group"])
        return all(key in theirs and _all_covered(key, values, theirs[key]) for key, values in self.asked)

    def overlaps(self, other: Clause) -> bool:
        """Tell whether a token of this issuer might meet both; only what has one value at a time can exclude that."""
        theirs = dict(other.asked)
        single = ("subject", "first-group") if self.vo == other.vo else ("subject",)
        return all(
            key not in single or key not in theirs or bool(common_values(key, values, theirs[key]))
            for key, values in self.asked
        )


def common_values(key: str, values: Iterable[str], others: Iterable[str], word: str = "x") -> list[str]:
    """Return values that meet a condition of two clauses at once."""
    common = common_groups if key in GROUPS else common_texts
    found = (text for value in values for other in others for text in common(value, other, word))
    return list(dict.fromkeys(found))


class SplitPolicy:
    """A policy's document, read for comparison: its admission, and the clauses of each issuer."""

    def __init__(self, document: Mapping[str, Any], entries: Mapping[str, Any] | None = None) -> None:
        """Take a policy's document, and the entries of its index if they are there already."""
        self.document = document
        self.rules: list[dict[str, Any]] = document["rules"]
        self.admission = Admission(document)
        self.pools = {name: _pool_meaning(pool) for name, pool in document["pools"].items()}
        keys = (key for key, _ in index_policy(document)) if entries is None else (key for key in entries)
        self.named = frozenset(name for kind, _, name in (key.partition("\t") for key in keys) if kind == NAMED)
        self.clauses: dict[str, list[Clause]] = {url: [] for url in self.admission.issuers}
        self._could_be_made: dict[str, frozenset[str]] = {}
        for number, rule in enumerate(self.rules):
            for clause in self._clauses_of(number, rule):
                self.clauses[clause.url].append(clause)

    def possible(self, url: str) -> list[Clause]:
        """Return an issuer's clauses that a token may meet: a VO's part of it holds no group and no path of another."""
        return [
            clause
            for clause in self.clauses.get(url, ())
            if clause.vo is None or all(self._may_be_of(url, clause.vo, *condition) for condition in clause.asked)
        ]

    def _may_be_of(self, url: str, vo: str, key: str, values: Iterable[str]) -> bool:
        if key in GROUPS:
            roots = [value.split("/", 2)[1] for value in values]
        elif key == "scope":
            roots = [storage_root(value) or "*" for value in values]
        else:
            return True
        return any(_is_wide(root) or self.admission.may_mean(url, vo, root) for root in roots)

    def patterns(self) -> Iterator[str]:
        """Yield the texts of all patterns."""
        for rule in self.rules:
            for key in ("subject", *GROUPS, "scope"):
                yield from (part for text in rule.get(key, ()) for part in text.split("/Role="))
            for texts in rule.get("claim", {}).values():
                yield from texts

    def made_accounts(self, template: str) -> frozenset[str]:
        """Return the accounts that a template could make, and that no capture may give or the site never answers."""
        if template not in self._could_be_made:
            before, after = template.partition("<")[0], template.rpartition(">")[2]
            kept = self.named | self.admission.site.accounts.never | self._ends_of_pools()
            found = (name for name in kept if name.startswith(before) and name.endswith(after))
            self._could_be_made[template] = frozenset(found)
        return self._could_be_made[template]

    def status(self, account: str) -> tuple[bool, ...]:
        """Return all that matters of an account that a capture might give."""
        never = self.admission.site.accounts.never
        return account in self.named, account in never, account in self._ends_of_pools()

    def _ends_of_pools(self) -> set[str]:
        """Return the accounts at the ends of the ranges of pools, and the next ones outside."""
        found: set[str] = set()
        for ranges, _, _ in self.pools.values():
            for before, after, width, first, last in ranges:
                numbers = (first - 1, first, last, last + 1) if width else (0,)
                found.update(f"{before}{each:0{width}d}{after}" if width else before + after for each in numbers)
        return found

    def _clauses_of(self, number: int, rule: Mapping[str, Any]) -> Iterator[Clause]:
        asked_for, template = _conditions(rule)
        split = list(_split(asked_for))
        for url, vo in self._spoken_for(rule):
            outcome = self._outcome(rule, template, url, vo)
            for asked in split:
                yield Clause(url, vo, asked, outcome, number)

    def _spoken_for(self, rule: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
        """Yield the issuers that a rule is for, each with each VO in the rule's order; only those that can meet it."""
        admission = self.admission
        wanted = rule.get("issuer")
        if "vo" in rule:
            for vo in dict.fromkeys(each.lower() for each in rule["vo"]):
                for url in admission.speakers(vo):
                    if wanted is None or url in wanted:
                        yield url, vo
            return
        for url in dict.fromkeys(wanted or ()):
            # An issuer with nothing but one VO cannot be met with any other.
            standing = admission.of(url)
            if standing:
                vo = standing.get("vo")
                yield url, vo if isinstance(vo, str) else None

    def _outcome(self, rule: Mapping[str, Any], template: str, url: str, vo: str | None) -> Outcome:
        if "deny" in rule:
            return DENIED
        if "pool" in rule:
            return "pool", vo, rule["pool"], self.pools[rule["pool"]]
        issuer = self.admission.issuers[url]
        account = template if vo is None else template.replace("<vo>", vo)
        captures = set(AccountName(account).captures)
        if not captures:
            return self._named_outcome(vo, account)
        if captures == {"vo"} and not issuer.names_vos_freely:
            vos = sorted(each for each in issuer.declared_vos() if self.admission.serves(each))
            return "by VO", tuple((each, self._named_outcome(each, account.replace("<vo>", each))) for each in vos)
        kept = self.made_accounts(account)
        # Of an account that a rule names it does not matter whether it is answered: no capture gives it.
        never = (kept & self.admission.site.accounts.never) - self.named
        return "made", vo, account, kept & self.named, never, tuple(sorted(self.pools.items()))

    def _named_outcome(self, vo: str | None, account: str) -> Outcome:
        site = self.admission.site
        answered = site.rename.get(account, account)
        return DENIED if site.accounts.refusal(answered) else ("account", vo, answered)


def word_for(*policies: SplitPolicy) -> str:
    """Return a word that no pattern of these policies singles out, and that is none of their accounts."""
    texts = [text for policy in policies for text in policy.patterns()]
    return fresh_word([*texts, *(account for policy in policies for account in policy.named)])


def _conditions(rule: Mapping[str, Any]) -> tuple[Conditions, str]:
    """Return a rule's conditions, issuer and VO apart, and its account, with captures called by their order."""
    keys = ("subject", *GROUPS, "scope", "audience")
    asked = {key: rule[key] for key in keys if key in rule}
    asked.update({f"claim {name}": rule["claim"][name] for name in sorted(rule.get("claim", {}))})
    account = rule.get("account", "")
    if "<" in account:
        called: dict[str, str] = {"vo": "vo"}
        for key, values in asked.items():
            if key == "subject" or key.startswith("claim "):
                asked[key] = [_CAPTURE.sub(lambda found: _call(called, found[1]), text) for text in values]
        account = _CAPTURE.sub(lambda found: _call(called, found[1]), account)
    return tuple((key, tuple(sorted(set(values)))) for key, values in asked.items()), account


def _call(called: dict[str, str], name: str) -> str:
    return f"<{called.setdefault(name, f'c{len(called)}')}>"


def _split(asked: Conditions) -> Iterator[Conditions]:
    """Yield conditions with one value of each list, if these are not too many."""
    if prod(len(values) for _, values in asked) > _MOST_CLAUSES:
        yield asked
        return
    for chosen in product(*(values for _, values in asked)):
        yield tuple((key, (value,)) for (key, _), value in zip(asked, chosen))


def _is_wide(text: str) -> bool:
    return "*" in text or "<" in text


def _all_covered(key: str, wide: Iterable[str], narrow: Iterable[str]) -> bool:
    if key == "audience":
        return set(narrow) <= set(wide)
    one_covers = group_covers if key in GROUPS else covers
    return all(any(one_covers(each, value) for each in wide) for value in narrow)


def _pool_meaning(pool: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a pool's accounts, ranges joined where one goes on where another ends, and its times."""
    ranges = [
        (before, after, len(first), int(first or 0), int(last or 0))
        for before, first, last, after in Pool(pool["accounts"]).ranges
    ]
    joined: list[tuple[str, str, int, int, int]] = []
    for each in sorted(ranges):
        if joined and joined[-1][:3] == each[:3] and each[3] <= joined[-1][4] + 1:
            joined[-1] = (*each[:3], joined[-1][3], max(joined[-1][4], each[4]))
        else:
            joined.append(each)
    return tuple(joined), pool.get("lease"), pool.get("quarantine")
