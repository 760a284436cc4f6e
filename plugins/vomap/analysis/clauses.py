"""Split the rules of a policy into clauses, so that rules with the same meaning have equal clauses.

A clause is a part of a rule: for the tokens of one issuer, for one VO, and for one value of each list. Names, places
and the order of values make no difference.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice, product, takewhile
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from vomap.analysis.admission import Admission
from vomap.analysis.tokens.patterns import (
    GROUPS,
    common_groups,
    common_texts,
    covers,
    fresh_word,
    group_covers,
    split_role,
)
from vomap.claims.scopes import storage_root
from vomap.policy.index import all_named_accounts
from vomap.policy.matching import EVERYTHING_BELOW, AccountName
from vomap.policy.pools import Pool

if TYPE_CHECKING:
    from vomap.policy.documents import ConditionsDocument, PolicyDocument, PoolDocument, RuleDocument

# A condition's key (`claim NAME` among them) and its values, of which the token must have one.
Conditions = tuple[tuple[str, tuple[str, ...]], ...]
Outcome = tuple[Any, ...]

DENIED: Outcome = ("denied",)
# A rule with more combinations of values is one clause: clauses for all of them would take too much memory.
_MOST_CLAUSES = 5_000
# The most clauses of a policy, which take about a kilobyte each. A policy has one for most of its rules.
MOST_CLAUSES_IN_ALL = 50_000
_OF_A_RULE = 4
_CAPTURE = re.compile("<([a-z0-9_-]+)>")


class Clause(NamedTuple):
    """A rule for the tokens of one issuer: its VO in lower case (None: any), conditions, outcome, and number."""

    url: str
    vo: str | None
    asked: Conditions
    outcome: Outcome
    number: int

    @property
    def conditions(self) -> tuple[str | None, Conditions]:
        """The VO and the conditions that a token of the issuer must match."""
        return self.vo, self.asked

    @property
    def meaning(self) -> tuple[str | None, Conditions, Outcome]:
        """VO, conditions and outcome: two clauses with the same meaning do the same."""
        return self.vo, self.asked, self.outcome

    @property
    def is_certain(self) -> bool:
        """Whether it decides every token that matches: a rule is passed over if its capture gives a named account."""
        return self.outcome[0] in ("account", "pool", "denied")

    @property
    def subject(self) -> str | None:
        """The only subject that matches, or None if several do."""
        values = dict(self.asked).get("subject", ())
        return values[0] if len(values) == 1 and not _is_wide(values[0]) else None

    def covers(self, other: Clause) -> bool:
        """Return True if every token that matches another clause of this issuer is known to match this one."""
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
        """Return True if a token of this issuer may match both clauses.

        Only conditions of which a token has a single value can exclude each other.
        """
        theirs = dict(other.asked)
        single = ("subject", "first-group")
        return all(
            key not in single or key not in theirs or bool(common_values(key, values, theirs[key]))
            for key, values in self.asked
        )


def common_values(key: str, values: Iterable[str], others: Iterable[str], word: str = "x") -> list[str]:
    """Return texts that match the values of a condition in two clauses."""
    common = common_groups if key in GROUPS else common_texts
    found = (text for value in values for other in others for text in common(value, other, word))
    return list(dict.fromkeys(found))


class SharedItems:
    """A long part of the outcomes of many clauses. To compare it with itself, or to hash it again, takes no time."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = tuple(items)
        self._hash = hash(self._items)

    def __iter__(self) -> Iterator[Any]:
        """Yield the items."""
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        """Return True for equal items."""
        return self is other or (isinstance(other, SharedItems) and self._items == other._items)

    def __hash__(self) -> int:
        return self._hash


class SplitPolicy:
    """A policy that is split for comparison: the admission of its issuers, and the clauses of each issuer.

    `incomplete` are the numbers of rules without clauses here: with them, there would be too many.
    """

    def __init__(self, document: PolicyDocument, most_clauses: int | None = MOST_CLAUSES_IN_ALL) -> None:
        self.document = document
        self.rules = document["rules"]
        self.admission = Admission(document)
        self.pools = {name: _pool_meaning(pool) for name, pool in document["pools"].items()}
        self._all_pools = SharedItems(sorted(self.pools.items()))
        self._outcomes_by_vo: dict[tuple[str, str], SharedItems] = {}
        self.named = frozenset(all_named_accounts(document, self.admission.authority))
        self.clauses: dict[str, list[Clause]] = {url: [] for url in self.admission.issuers}
        self._could_be_made: dict[str, frozenset[str]] = {}
        self._refused: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        found, incomplete = 0, []
        most = sys.maxsize - 1 if most_clauses is None else max(most_clauses, _OF_A_RULE * len(self.rules))
        for number, rule in enumerate(self.rules):
            asked_for, template = _conditions(rule)
            split = _split(asked_for)
            left = most - found
            spoken_for = list(islice(self._spoken_for(rule), left // len(split) + 1))
            if len(spoken_for) * len(split) > left:
                incomplete.append(number)
                continue
            found += len(spoken_for) * len(split)
            for url, vo in spoken_for:
                outcome = self._outcome(rule, template, url, vo)
                self.clauses[url] += [Clause(url, vo, asked, outcome, number) for asked in split]
        self.incomplete = frozenset(incomplete)

    def possible(self, url: str) -> list[Clause]:
        """Return an issuer's clauses that a token can match: a rule with a VO sees only groups and paths of that VO."""
        return [
            clause
            for clause in self.clauses.get(url, ())
            if clause.vo is None or all(self._may_be_of(url, clause.vo, *condition) for condition in clause.asked)
        ]

    def _may_be_of(self, url: str, vo: str, key: str, values: Iterable[str]) -> bool:
        if key in GROUPS:
            paths = [split_role(value)[0] for value in values]
        elif key == "scope":
            paths = [f"/{value.partition(':/')[2]}" if storage_root(value) else "/*" for value in values]
        else:
            return True
        issuer = self.admission.issuers[url]
        if issuer.name_paths is not None:
            below = [f"/{name}{EVERYTHING_BELOW}" for name in self.admission.names(url, vo, len(issuer.vos or ()))]
            return any(common_texts(path, each, "x") for path in paths for each in below)
        roots = [path.split("/", 2)[1] for path in paths]
        return any(_is_wide(root) or self.admission.may_mean(url, vo, root) for root in roots)

    def patterns(self) -> Iterator[str]:
        """Yield the text of each pattern in the rules."""
        for rule in self.rules:
            for key in ("subject", *GROUPS, "scope"):
                yield from (part for text in values_of(rule, key) for part in text.split("/Role="))
            for texts in rule.get("claim", {}).values():
                yield from texts

    def made_accounts(self, template: str) -> frozenset[str]:
        """Return the accounts that fit a template and that the policy refuses to a capture, or may refuse."""
        if template not in self._could_be_made:
            before, after = template.partition("<")[0], template.rpartition(">")[2]
            first = bisect_left(self._special, before)
            found = takewhile(lambda name: name.startswith(before), islice(self._special, first, None))
            self._could_be_made[template] = frozenset(name for name in found if name.endswith(after))
        return self._could_be_made[template]

    def _refused_to(self, template: str) -> tuple[frozenset[str], frozenset[str]]:
        """Return the accounts that fit a template and that rules name, and those that the site refuses."""
        if template not in self._refused:
            special = self.made_accounts(template)
            # No capture gives an account that a rule names, so that it makes no difference if the site refuses it, too.
            never = (special & self.admission.site.accounts.never) - self.named
            self._refused[template] = special & self.named, never
        return self._refused[template]

    def status(self, account: str) -> tuple[bool, ...]:
        """Return the properties of an account that decide whether a capture may give it."""
        never = self.admission.site.accounts.never
        return account in self.named, account in never, account in self._ends_of_pools

    @cached_property
    def _special(self) -> list[str]:
        """The accounts that the policy refuses to a capture, or may refuse, sorted."""
        return sorted(self.named | self.admission.site.accounts.never | self._ends_of_pools)

    @cached_property
    def _ends_of_pools(self) -> set[str]:
        """Return the first and last account of each range of the pools, and the neighbours outside the range."""
        found: set[str] = set()
        for ranges, _, _ in self.pools.values():
            for before, after, width, first, last in ranges:
                numbers = (first - 1, first, last, last + 1) if width else (0,)
                found.update(f"{before}{each:0{width}d}{after}" if width else before + after for each in numbers)
        return found

    def _spoken_for(self, rule: RuleDocument) -> Iterator[tuple[str, str | None]]:
        """Yield each issuer and VO that a rule is for, in the rule's order, if a token can match."""
        admission = self.admission
        wanted = rule.get("issuer")
        if "vo" in rule:
            for vo in dict.fromkeys(each.lower() for each in rule["vo"]):
                if wanted is None:
                    yield from ((url, vo) for url in admission.speakers(vo))
                else:
                    yield from ((url, vo) for url in dict.fromkeys(wanted) if admission.may_speak(url, vo))
            return
        for url in dict.fromkeys(wanted or ()):
            # An issuer with `vo` has no tokens of another VO.
            if admission.admits(url):
                only = admission.issuers[url].vo
                yield url, only and only.lower()

    def _outcome(self, rule: RuleDocument, template: str, url: str, vo: str | None) -> Outcome:
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
            return "by VO", self._outcome_by_vo(url, account)
        return "made", vo, account, *self._refused_to(account), self._all_pools

    def _outcome_by_vo(self, url: str, account: str) -> SharedItems:
        """Return the outcome of a rule for each VO that an issuer may speak for, by the template of the account."""
        if (url, account) not in self._outcomes_by_vo:
            declared = self.admission.issuers[url].declared_vos()
            vos = sorted(each for each in declared if self.admission.serves(each))
            outcomes = ((each, self._named_outcome(each, account.replace("<vo>", each))) for each in vos)
            self._outcomes_by_vo[url, account] = SharedItems(outcomes)
        return self._outcomes_by_vo[url, account]

    def _named_outcome(self, vo: str | None, account: str) -> Outcome:
        site = self.admission.site
        answered = site.rename.get(account, account)
        return DENIED if site.accounts.refusal(answered) else ("account", vo, answered)


def word_for(*policies: SplitPolicy) -> str:
    """Return a word that no pattern of these policies treats specially, and that is not one of their accounts."""
    return fresh_word(text for policy in policies for text in (*policy.patterns(), *policy.named))


def values_of(entry: ConditionsDocument, key: str) -> Sequence[str]:
    """Return the values of a condition of a rule or a ban, other than `claim`. There are none without the condition."""
    conditions: Mapping[str, Any] = entry
    values: Sequence[str] = conditions.get(key, ())
    return values


def _conditions(rule: RuleDocument) -> tuple[Conditions, str]:
    """Return a rule's conditions without issuer and VO, and its account. Captures are named c1, c2, in their order."""
    keys = ("subject", *GROUPS, "scope", "audience")
    asked = {key: values_of(rule, key) for key in keys if key in rule}
    asked.update({f"claim {name}": rule["claim"][name] for name in sorted(rule.get("claim", {}))})
    account = rule.get("account", "")
    if "<" in account:
        called = {"vo": "vo"}

        def rename(capture: re.Match[str]) -> str:
            return f"<{called.setdefault(capture[1], f'c{len(called)}')}>"

        for key, values in asked.items():
            if key == "subject" or key.startswith("claim "):
                asked[key] = [_CAPTURE.sub(rename, text) for text in values]
        account = _CAPTURE.sub(rename, account)
    return tuple((key, tuple(sorted(set(values)))) for key, values in asked.items()), account


def _split(asked: Conditions) -> list[Conditions]:
    """Return conditions with one value of each list. If there are too many combinations, return them unchanged."""
    if prod(len(values) for _, values in asked) > _MOST_CLAUSES:
        return [asked]
    return list(product(*([(key, (value,)) for value in values] for key, values in asked)))


def _is_wide(text: str) -> bool:
    return "*" in text or "<" in text


def _all_covered(key: str, wide: Sequence[str], narrow: Sequence[str]) -> bool:
    if key == "audience":
        return set(narrow) <= set(wide)
    if not any(map(_is_wide, wide)) and key not in GROUPS:
        return set(narrow) <= set(wide)
    one_covers = group_covers if key in GROUPS else covers
    return all(any(one_covers(each, value) for each in wide) for value in narrow)


def _pool_meaning(pool: PoolDocument) -> tuple[Any, ...]:
    """Return a pool's ranges of accounts and its durations. A range that continues another is joined to it."""
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
