"""Give the linters what they check: mapfiles and bans without errors, and facts about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from vomap.analysis.admission import Admission
from vomap.analysis.clauses import SplitPolicy
from vomap.mapfile.compose import Composition
from vomap.mapfile.entries import DEFAULT_SITE
from vomap.mapfile.findings import WARNING, Finding, Place
from vomap.policy.authority import Authority

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument, PolicyDocument, RuleDocument


class LintContext:
    """Mapfiles composed to a policy, and bans. Facts that take long to find are found once, at the first use."""

    def __init__(
        self,
        composition: Composition,
        bans: list[BanDocument],
        now: float,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Take the policy, the documents of the bans, and the time of all decisions in seconds since 1970.

        `progress` is called with the number of rules that were tried.
        """
        self.document = composition.document
        self.rules = composition.document["rules"]
        self.tests = composition.tests
        self.issuer_places = composition.issuer_places
        self.rename_places = composition.rename_places
        self.bans = bans
        self.now = now
        self.progress = progress
        # Other files may complete these, unless the site's settings are among them.
        self.is_whole = composition.has_audience
        self._distributed = {case.place.file for case in composition.tests if case.alone}

    def is_distributed(self, rule: RuleDocument) -> bool:
        """Return True if the tests of a rule's mapfile run alone, without the settings of the site that links it."""
        return _file(rule) in self._distributed

    def distributed(self) -> Iterator[LintContext]:
        """Yield the rules of each distributed mapfile by themselves, as if no site had linked them."""
        rules: dict[str, list[RuleDocument]] = {}
        for rule in filter(self.is_distributed, self.rules):
            rules.setdefault(_file(rule), []).append(rule)
        for its_own in rules.values():
            document: PolicyDocument = {**self.document, "site": DEFAULT_SITE, "rules": its_own}
            yield LintContext(Composition(document), [], self.now, self.progress)

    @cached_property
    def authority(self) -> Authority:
        """Which issuer may speak for which VO."""
        return Authority(self.document)

    @cached_property
    def policy(self) -> SplitPolicy:
        """The policy, with its rules split into clauses."""
        return SplitPolicy(self.document)

    @cached_property
    def admission(self) -> Admission:
        """The issuers and VOs that the site trusts and serves."""
        return Admission(self.document)

    def served_of(self, url: str) -> set[str] | None:
        """Return the VOs that a trusted issuer may speak for and the site serves, in lower case. None means any VO."""
        return self.authority.vos_of(url, self.admission.site.serve)


def warning(code: str, where: Place | RuleDocument | BanDocument, message: str) -> Finding:
    """Return a warning about a place, or about a rule or ban by its document."""
    place = where if isinstance(where, Place) else Place.of_source(where["source"])
    return Finding(place, message, WARNING, code)


def name_and_source(rule: RuleDocument) -> str:
    """Return a rule's name and source."""
    return f"{rule['name']} ({rule['source']})"


def _file(rule: RuleDocument) -> str:
    return Place.of_source(rule["source"]).file
