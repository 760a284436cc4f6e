"""What the linter looks at: mapfiles and bans without errors, and what is known of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from vomap.analysis.admission import Admission
from vomap.analysis.clauses import SplitPolicy
from vomap.mapfile.compose import Composition
from vomap.mapfile.entries import DEFAULT_SITE
from vomap.mapfile.findings import WARNING, Finding, Place
from vomap.policy.authority import Authority
from vomap.policy.index import index_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vomap.policy.documents import PolicyDocument

    Rule = dict[str, Any]


class LintContext:
    """Mapfiles composed to a policy, and bans; all that is costly is found out once, when it is asked for."""

    def __init__(
        self,
        composition: Composition,
        bans: list[dict[str, Any]],
        now: float,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Take the policy, the documents of the bans, and the time of all decisions.

        `progress` gets the number of rules that were tried.
        """
        self.document = composition.document
        self.rules: list[Rule] = cast("list[Rule]", composition.document["rules"])
        self.tests = composition.tests
        self.issuer_places = composition.issuer_places
        self.rename_places = composition.rename_places
        self.bans = bans
        self.now = now
        self.progress = progress
        # What these files do not say, files beside them may, unless the site's settings are here.
        self.is_whole = composition.has_audience
        self._distributed = {case.place.file for case in composition.tests if case.alone}

    def is_distributed(self, rule: Rule) -> bool:
        """Tell whether a rule's mapfile proves itself alone, for it does not know the site that links it."""
        return _file(rule) in self._distributed

    def distributed(self) -> Iterator[LintContext]:
        """Yield each distributed mapfile's rules by themselves, as if no site had linked them."""
        rules: dict[str, list[Rule]] = {}
        for rule in filter(self.is_distributed, self.rules):
            rules.setdefault(_file(rule), []).append(rule)
        for its_own in rules.values():
            document = cast("PolicyDocument", {**self.document, "site": DEFAULT_SITE, "rules": its_own})
            yield LintContext(Composition(document), [], self.now, self.progress)

    @cached_property
    def authority(self) -> Authority:
        """Which issuer may speak for which VO."""
        return Authority(self.document)

    @cached_property
    def entries(self) -> dict[str, Any]:
        """The entries of the policy's index."""
        return dict(index_policy(self.document))

    @cached_property
    def policy(self) -> SplitPolicy:
        """The policy, its rules taken apart to clauses."""
        return SplitPolicy(self.document, self.entries)

    @cached_property
    def admission(self) -> Admission:
        """What the site trusts and serves."""
        return Admission(self.document)

    @cached_property
    def admission_if_all_served(self) -> Admission:
        """What the site trusts, as if it served everybody."""
        return Admission({**self.document, "site": {**self.document["site"], "serve": None}})

    def served_of(self, url: str) -> set[str] | None:
        """Return the VOs, in lower case, that come here from a trusted issuer; None if it may be any VO whatever."""
        return self.authority.vos_of(url, self.admission.site.serve)


def warning(code: str, where: Place | Rule, message: str) -> Finding:
    """Return a warning about a place, or about a rule or ban by its document."""
    place = where if isinstance(where, Place) else Place.of_source(where["source"])
    return Finding(place, message, WARNING, code)


def name_and_source(rule: Rule) -> str:
    """Return a rule's name and where it is written."""
    return f"{rule['name']} ({rule['source']})"


def _file(rule: Rule) -> str:
    return Place.of_source(rule["source"]).file
