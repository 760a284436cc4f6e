"""Compose several mapfiles, in their order, to one policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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
from vomap.mapfile.foreign import Guard
from vomap.mapfile.owners import mode_refusals
from vomap.mapfile.reader import Node, NodeHandler, list_items, mapping_entries
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


def _no_progress(_: int) -> None:
    pass


@dataclass
class Composition:
    """Composed mapfiles: the document of the policy, the tests, and whether the site names its audiences.

    `issuer_places` are the places of the issuers' declarations that count, `rename_places` those of renamed accounts.
    """

    document: PolicyDocument
    tests: list[PolicyTest] = field(default_factory=list)
    has_audience: bool = False
    issuer_places: dict[str, Place] = field(default_factory=dict)
    site_places: dict[str, Place] = field(default_factory=dict)
    rename_places: dict[str, Place] = field(default_factory=dict)


def compose(
    mapfiles: Sequence[Mapfile],
    findings: Findings,
    progress: Progress = _no_progress,
    refusals: Findings | None = None,
) -> Composition:
    """Compose mapfiles to a policy. Every error goes to `findings`; do not use the result if there is one.

    vomap checks each rule as it reads it, so that a large mapfile needs little memory, and calls `progress` with the
    number of rules so far. `refusals` gets an error for each file that other users can write, and for everything that
    a foreign file may not contain (files/trusted.py, foreign.py). It may be `findings`; without it no file is refused.
    """
    composer = _Composer(findings, progress)
    for mapfile in mapfiles:
        guard = _guard(mapfile, refusals)
        handlers = {"rules": composer.rule_handler(guard)}
        checked = read_checked(mapfile.text, mapfile.path, findings, handlers)
        if checked is not None:
            composer.add(*checked, guard)
    return composer.finish()


def find_refusals(mapfiles: Sequence[Mapfile]) -> list[Finding]:
    """Return why a build would refuse mapfiles for their owners and modes; they are read only if one is foreign."""
    refusals = Findings()
    if any(mapfile.custody.owner is not None for mapfile in mapfiles):
        compose(mapfiles, Findings(), refusals=refusals)
    else:
        refusals.extend(refusal for mapfile in mapfiles for refusal in mode_refusals(mapfile))
    return refusals.in_order


def _guard(mapfile: Mapfile, refusals: Findings | None) -> Guard | None:
    """Refuse a file that others can write; return the guard of a foreign file, None for any other."""
    if refusals is None:
        return None
    refusals.extend(mode_refusals(mapfile))
    return None if mapfile.custody.owner is None else Guard(mapfile.custody, refusals)


class _Composer:
    """The policy so far."""

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
        """Add one file, later than those before it; `guard` is that of a foreign one."""
        if guard is not None:
            guard.check_document(root, plain)
        if "bans" in root.keys:
            self._findings.error(root.keys["bans"], "bans are no part of a mapfile; write them to a file in bans.d")
        if "issued" in root.keys:
            self._findings.error(root.keys["issued"], "`issued` is for lists of bans; leave it out of a mapfile")
        self._add_site(root.member("site"), plain.get("site"))
        self._add_issuers(root.member("issuers"), plain.get("issuers"), guard)
        self._add_pools(root.member("pools"))
        self._add_tests(root.member("tests"), plain.get("tests"))

    def finish(self) -> Composition:
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
        has_audience = "audience" in self._site
        return Composition(
            document, self._tests, has_audience, self._issuer_places, self._site_places, self._rename_places
        )

    def _add_site(self, node: Node | None, plain: Any) -> None:
        for key, place, value in mapping_entries(node):
            if key in self._site_places:
                first = self._site_places[key]
                self._findings.error(place, f"`site: {key}` is in {first.file}:{first.line} already")
            else:
                self._site_places[key] = place
                self._site[key] = site_setting(key, value, plain[key], self._findings)
                if key == "rename":
                    self._rename_places = {account: place for account, place, _ in mapping_entries(value)}

    def _log_claims(self) -> None:
        """Let the decision log contain the claims that decisions depend on, unless the site lists other claims."""
        named = {name for rule in self._rules for name in rule.get("claim", ())}
        named.update(filter(None, map(_groups_claim, self._issuers.values())))
        more = sorted(named.difference(DECISIVE))
        log = cast("LogDocument", self._site.get("log", {}))
        if "claims" not in log and more:
            self._site["log"] = {**log, "claims": [*DECISIVE, *more]}

    def _add_issuers(self, node: Node | None, plain: Any, guard: Guard | None) -> None:
        """Add what is declared of issuers; the earliest declaration of each holds as a whole."""
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
                    self._reserved.update(_declared_vos(document))
                self._findings.warn(place, f"{url} is declared otherwise in {first.file}:{first.line}, which holds")
                if guard is None and url in self._issuer_guards:
                    self._issuer_guards[url].refuse_hiding(url, first, place)

    def rule_handler(self, guard: Guard | None) -> NodeHandler:
        """Return the function that adds each rule of one file; `guard` is that of a foreign file."""
        lines: dict[str, int] = {}

        def add(rule: Node) -> None:
            if check_schema(rule, self._findings, "rules") is not None:
                self._add_rule(rule, lines)
                if guard is not None:
                    guard.check_rule(rule)

        return add

    def _add_rule(self, rule: Node, lines: dict[str, int]) -> None:
        """Add a rule; `lines` has where its file has named rules."""
        self._rules.append(rule_document(rule, self._findings))
        self._progress(len(self._rules))
        node = rule.member("name")
        if node is not None:
            name = str(node.value)
            if name in lines:
                self._findings.error(node.place, f"`name`: {name} is the name of the rule in line {lines[name]} too")
            lines.setdefault(name, node.place.line)
        pool = rule.member("pool")
        if pool is not None:
            self._pool_uses.append(pool)

    def _add_pools(self, node: Node | None) -> None:
        self._pool_names.update(node.keys if node is not None else ())
        for name, place, pool in mapping_entries(node):
            if name in self._pools:
                first = self._pool_places[name]
                self._findings.error(place, f"pool {name} is in {first.file}:{first.line} already")
            self._pool_places[name] = place
            self._pools[name] = pool_document(pool, self._findings)

    def _add_tests(self, node: Node | None, plain: Any) -> None:
        for test, values in zip(list_items(node), plain or ()):
            read = policy_test(test, values, self._findings)
            if read is not None:
                self._tests.append(read)


def _declared_vos(issuer: IssuerDocument) -> set[str]:
    """Return the VOs that a declaration names."""
    named = {*issuer.get("vos", {}).values(), issuer.get("vo"), issuer.get("default-vo")}
    return {vo for vo in named if vo is not None}


def _groups_claim(issuer: IssuerDocument | None) -> str | None:
    """Return the claim that an issuer is declared to write its groups to, None if it is not declared."""
    groups = None if issuer is None else issuer.get("groups")
    return groups.get("claim") if isinstance(groups, dict) else None
