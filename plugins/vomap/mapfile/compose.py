"""Compose several mapfiles, in their order, to one policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from vomap.claims import DECISIVE
from vomap.mapfile.entries import (
    DEFAULT_SITE,
    PolicyTest,
    issuer_document,
    policy_test,
    pool_document,
    rule_document,
    site_setting,
)
from vomap.mapfile.findings import Finding, Findings, Place, did_you_mean
from vomap.mapfile.foreign import Guard, refused_in_document, refused_in_rule
from vomap.mapfile.owners import mode_refusals
from vomap.mapfile.reader import Node, list_items, mapping_entries
from vomap.mapfile.schema import check_schema, read_checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vomap.mapfile.files import Mapfile
    from vomap.policy.documents import (
        IssuerDocument,
        LogDocument,
        PolicyDocument,
        PoolDocument,
        RuleDocument,
        SiteDocument,
    )

# Called with the number of rules read so far.
Progress = Callable[[int], None]


@dataclass
class Composition:
    """Composed mapfiles: the document of the policy, and the tests.

    `issuer_places` are the places of the issuers' declarations that count, `site_places` those of the site's keys,
    `rename_places` those of renamed accounts.
    """

    document: PolicyDocument
    tests: list[PolicyTest] = field(default_factory=list)
    issuer_places: dict[str, Place] = field(default_factory=dict)
    site_places: dict[str, Place] = field(default_factory=dict)
    rename_places: dict[str, Place] = field(default_factory=dict)

    @property
    def has_audience(self) -> bool:
        """Whether the site names its audiences."""
        return "audience" in self.site_places


def compose(
    mapfiles: Sequence[Mapfile],
    findings: Findings,
    progress: Progress = lambda _: None,
    refusals: Findings | None = None,
) -> Composition:
    """Compose mapfiles to a policy. Every error goes to `findings`. Do not use the result if there is one.

    vomap checks each rule as it reads it, so that a large mapfile needs little memory, and calls `progress` with the
    number of rules so far. `refusals` gets an error for each file that other users can write, and for everything that
    a foreign file may not contain (files/trusted.py, foreign.py). It may be `findings`. Without it no file is refused.
    """
    composer = _Composer(findings, progress)
    for mapfile in mapfiles:
        guard = None
        if refusals is not None:
            refusals.extend(mode_refusals(mapfile))
            guard = None if mapfile.custody.owner is None else Guard(mapfile.custody, refusals)
        handlers = {"rules": partial(composer.add_rule, guard, {})}
        checked = read_checked(mapfile.text, mapfile.path, findings, handlers)
        if checked is not None:
            composer.add(*checked, guard)
    return composer.finish()


def find_refusals(mapfiles: Sequence[Mapfile]) -> list[Finding]:
    """Return why a build would refuse mapfiles for their owners and modes. Content counts only if a file is foreign."""
    refusals = Findings()
    if any(mapfile.custody.owner is not None for mapfile in mapfiles):
        compose(mapfiles, Findings(), refusals=refusals)
    else:
        refusals.extend(refusal for mapfile in mapfiles for refusal in mode_refusals(mapfile))
    return refusals.in_order


class _Composer:
    """The policy of the mapfiles that were added so far."""

    def __init__(self, findings: Findings, progress: Progress) -> None:
        self._findings = findings
        self._progress = progress
        self._site: dict[str, object] = {}
        self._site_places: dict[str, Place] = {}
        self._issuers: dict[str, IssuerDocument | None] = {}
        self._issuer_places: dict[str, Place] = {}
        self._issuer_guards: dict[str, Guard] = {}
        self._rename_places: dict[str, Place] = {}
        self._reserved: set[str] = set()
        self._rules: list[RuleDocument] = []
        self._pools: dict[str, PoolDocument] = {}
        self._pool_places: dict[str, Place] = {}
        self._pool_uses: list[Node] = []
        self._pool_names: set[str] = set()
        self._tests: list[PolicyTest] = []

    def add(self, root: Node, plain: Any, guard: Guard | None) -> None:
        """Add one file without its rules, after those added before. `guard` is the guard of a foreign file."""
        if guard is not None:
            guard.refuse(refused_in_document(root, plain))
        if "bans" in root.keys:
            message = "`bans`: a mapfile cannot contain bans; move them to a file in bans.d"
            self._findings.error(root.keys["bans"], message)
        if "issued" in root.keys:
            self._findings.error(root.keys["issued"], "`issued`: only a list of bans has this key; remove it")
        self._add_site(root.member("site"), plain.get("site"))
        self._add_issuers(root.member("issuers"), plain.get("issuers"), guard)
        self._add_pools(root.member("pools"))
        for test, values in zip(list_items(root.member("tests")), plain.get("tests", ())):
            read = policy_test(test, values, self._findings)
            if read is not None:
                self._tests.append(read)

    def finish(self) -> Composition:
        """Check what only all files together show, and return the policy."""
        for node in self._pool_uses:
            if node.value not in self._pool_names:
                hint = did_you_mean(str(node.value), self._pool_names)
                self._findings.error(node.place, f"`pool`: there is no pool {node.value!a}{hint}")
        self._log_claims()
        document: PolicyDocument = {
            "site": cast("SiteDocument", {**DEFAULT_SITE, **self._site}),
            "issuers": self._issuers,
            "reserved-vos": sorted(self._reserved),
            "rules": self._rules,
            "pools": self._pools,
        }
        return Composition(document, self._tests, self._issuer_places, self._site_places, self._rename_places)

    def _add_site(self, node: Node | None, plain: Any) -> None:
        for key, place, value in mapping_entries(node):
            if key in self._site_places:
                first = self._site_places[key]
                self._findings.error(place, f"`site: {key}`: set in {first.file}:{first.line} already")
            else:
                self._site_places[key] = place
                self._site[key] = site_setting(key, value, plain[key], self._findings)
                if key == "rename":
                    self._rename_places = {account: place for account, place, _ in mapping_entries(value)}

    def _log_claims(self) -> None:
        """Let the decision log contain the claims that decisions depend on, unless the site lists other claims."""
        named = {name for rule in self._rules for name in rule.get("claim", ())}
        for issuer in self._issuers.values():
            groups = None if issuer is None else issuer.get("groups")
            if isinstance(groups, dict) and "claim" in groups:
                named.add(groups["claim"])
        more = sorted(named.difference(DECISIVE))
        log = cast("LogDocument", self._site.get("log", {}))
        if "claims" not in log and more:
            self._site["log"] = {**log, "claims": [*DECISIVE, *more]}

    def _add_issuers(self, node: Node | None, plain: Any, guard: Guard | None) -> None:
        """Add the declarations of issuers. The first declaration of an issuer replaces all later ones."""
        for url, place, declared in mapping_entries(node):
            document = issuer_document(declared, plain[url], self._findings)
            if url not in self._issuers:
                self._issuer_places[url] = place
                self._issuers[url] = document
                if guard is not None:
                    self._issuer_guards[url] = guard
            elif document != self._issuers[url]:
                first = self._issuer_places[url]
                if self._issuers[url] is None and document is not None:
                    vos = {*document.get("vos", {}).values(), document.get("vo"), document.get("default-vo")}
                    self._reserved.update(vo for vo in vos if vo is not None)
                message = f"{url}: ignored, because {first.file}:{first.line} declares this issuer differently"
                self._findings.warn(place, message)
                if guard is None and url in self._issuer_guards:
                    self._issuer_guards[url].refuse_hiding(url, first, place)

    def add_rule(self, guard: Guard | None, lines: dict[str, int], rule: Node) -> None:
        """Add a rule. `lines` has the line of each rule name of its file so far, `guard` is that of a foreign file."""
        if check_schema(rule, self._findings, "rules") is None:
            return
        self._rules.append(rule_document(rule, self._findings))
        self._progress(len(self._rules))
        node = rule.member("name")
        if node is not None:
            name = str(node.value)
            if name in lines:
                self._findings.error(node.place, f"`name`: the rule in line {lines[name]} is named {name} already")
            lines.setdefault(name, node.place.line)
        pool = rule.member("pool")
        if pool is not None:
            self._pool_uses.append(pool)
        if guard is not None:
            guard.refuse(refused_in_rule(rule))

    def _add_pools(self, node: Node | None) -> None:
        self._pool_names.update(node.keys if node is not None else ())
        for name, place, pool in mapping_entries(node):
            if name in self._pools:
                first = self._pool_places[name]
                self._findings.error(place, f"pool {name}: defined in {first.file}:{first.line} already")
            self._pool_places[name] = place
            self._pools[name] = pool_document(pool, self._findings)
