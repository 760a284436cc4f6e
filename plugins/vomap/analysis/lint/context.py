"""Give the linters what they check: mapfiles and bans without errors, and facts about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from vomap.analysis.admission import Admission
from vomap.analysis.budget import Budget
from vomap.analysis.clauses import MOST_CLAUSES_IN_ALL, SplitPolicy
from vomap.mapfile.compose import Composition
from vomap.mapfile.entries import DEFAULT_SITE
from vomap.mapfile.findings import WARNING, Finding, Place
from vomap.policy.authority import Authority
from vomap.policy.index import RuleAccounts
from vomap.policy.matching import AccountName

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument, PolicyDocument, RuleDocument
    from vomap.policy.model import Issuer


# The work of the checks that decide tokens for each rule, all together: more would take longer than 10 seconds.
MOST_WORK = 3_000_000
NOT_CHECKED = "not-checked"


class LintContext:
    """Mapfiles composed to a policy, and bans. Facts that take long to find are found once, at the first use."""

    def __init__(
        self,
        composition: Composition,
        bans: list[BanDocument],
        now: float,
        progress: Callable[[int], None] = lambda _: None,
        budget: Budget | None = None,
    ) -> None:
        """Take the policy, the documents of the bans, and the time of all decisions in seconds since 1970.

        `progress` is called with the number of rules that were tried. The budget is for decisions about rules.
        """
        self.budget = budget or Budget(MOST_WORK)
        self.document = composition.document
        self.rules = composition.document["rules"]
        self.tests = composition.tests
        self.issuer_places = composition.issuer_places
        self.site_places = composition.site_places
        self.rename_places = composition.rename_places
        self.bans = bans
        self.now = now
        self.progress = progress
        # Other files may complete these, unless the site's settings are among them.
        self.is_whole = composition.has_audience
        self._served: dict[str, set[str] | None] = {}
        self._distributed = {case.place.file for case in composition.tests if case.alone}

    def is_distributed(self, rule: RuleDocument) -> bool:
        """Return True if the tests of a rule's mapfile run alone, without the settings of the site that links it."""
        return _file(rule) in self._distributed

    def is_in_distributed(self, place: Place) -> bool:
        """Return True if a place is in a distributed mapfile."""
        return place.file in self._distributed

    def distributed(self) -> Iterator[LintContext]:
        """Yield the rules of each distributed mapfile by themselves, as if no site had linked them."""
        rules: dict[str, list[RuleDocument]] = {}
        for rule in filter(self.is_distributed, self.rules):
            rules.setdefault(_file(rule), []).append(rule)
        for its_own in rules.values():
            document: PolicyDocument = {**self.document, "site": DEFAULT_SITE, "rules": its_own}
            yield LintContext(Composition(document), [], self.now, self.progress, self.budget)

    @cached_property
    def authority(self) -> Authority:
        """Which issuer may speak for which VO."""
        return Authority(self.document)

    @cached_property
    def accounts(self) -> RuleAccounts:
        """The accounts that each rule names."""
        return RuleAccounts(self.authority)

    @cached_property
    def policy(self) -> SplitPolicy:
        """The policy, with its rules split into clauses."""
        return SplitPolicy(self.document, MOST_CLAUSES_IN_ALL if self.budget.is_limited else None)

    @cached_property
    def admission(self) -> Admission:
        """The issuers and VOs that the site trusts and serves."""
        return Admission(self.document)

    def issuers_of(self, rule: RuleDocument) -> Iterator[tuple[str, Issuer]]:
        """Yield the trusted issuers that a rule names, or else those that may speak for its VOs."""
        speakers = (url for vo in rule.get("vo", ()) for url in self.admission.speakers(vo.lower()))
        for url in dict.fromkeys(rule.get("issuer", speakers)):
            issuer = self.admission.issuers.get(url)
            if issuer is not None:
                yield url, issuer

    def served_of(self, url: str) -> set[str] | None:
        """Return the VOs that a trusted issuer may speak for and the site serves, in lower case. None means any VO."""
        if url not in self._served:
            self._served[url] = self.authority.vos_of(url, self.admission.site.serve)
        return self._served[url]


def is_for_one(rule: RuleDocument) -> bool:
    """Return True if a rule names its subjects, or gives each user an account of their own."""
    personal = set(AccountName(rule.get("account", "")).captures) - {"vo"}
    return bool(personal) or ("subject" in rule and not any("*" in subject for subject in rule["subject"]))


def warning(code: str, where: Place | RuleDocument | BanDocument, message: str) -> Finding:
    """Return a warning about a place, or about a rule or ban by its document."""
    place = where if isinstance(where, Place) else Place.of_source(where["source"])
    return Finding(place, message, WARNING, code)


def not_checked(codes: Sequence[str], rules: Sequence[RuleDocument], of: int) -> Finding:
    """Return the warning that rules were not checked for some codes, because that would take too long."""
    which = f"{len(rules):,} of {of:,} rules, from {rules[0]['name']} on, are" if len(rules) > 1 else "this rule is"
    message = f"{which} not checked for {' and '.join(codes)}, which would take minutes"
    return warning(NOT_CHECKED, rules[0], message)


def name_and_source(rule: RuleDocument) -> str:
    """Return a rule's name and source."""
    return f"{rule['name']} ({rule['source']})"


def _file(rule: RuleDocument) -> str:
    return Place.of_source(rule["source"]).file
