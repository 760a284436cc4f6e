"""Several mapfiles, in their order, composed to one policy; and the files of bans, apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vomap import Error
from vomap.claims import DECISIVE
from vomap.files.regular import PlainFileError, read_plain
from vomap.files.trusted import OURS, Custody, judge_file, judge_folder
from vomap.mapfile.entries import (
    audience_document,
    ban_document,
    converted,
    issuer_document,
    pool_document,
    refuse_root,
    rule_document,
)
from vomap.mapfile.findings import Finding, Findings, Place, did_you_mean
from vomap.mapfile.foreign import Guard
from vomap.mapfile.reader import Node, Taker, read_yaml
from vomap.mapfile.schema import check_schema
from vomap.mapfile.times import point_in_time, seconds

_POLICY_KEYS = ("site", "issuers", "rules", "pools", "tests")
_SUFFIX = ".yaml"
# What editors and package managers leave behind.
_LEFT_BEHIND = ("~", ".rpmnew", ".rpmsave", ".rpmorig")
# Beside a mapfile that is refreshed in its place.
_LOCK = f"{_SUFFIX}.lock"
NOBODYS_SITE: dict[str, Any] = {
    "audience": None,
    "serve": None,
    "rename": {},
    "accounts": {"must-exist": True, "minimum-uid": 1000, "never": []},
    "maximum-lifetime": None,
}


class SourceError(Error):
    """A file or folder that was named and cannot be read."""


@dataclass(frozen=True)
class Mapfile:
    """One file's text, as it was read, and who can have written it; what was read from no file is ours."""

    path: str
    text: str
    custody: Custody = OURS

    @property
    def digest(self) -> str:
        """The sha256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


# Is told, again and again, how far a long work has come.
Progress = Callable[[int], None]


def _nobody_waits(_: int) -> None:
    pass


@dataclass(frozen=True)
class Case:
    """One test of a mapfile: a token, what is expected of it, and when."""

    place: Place
    token: dict[str, Any]
    expect: dict[str, Any]
    at: str | None
    alone: bool


@dataclass
class Composition:
    """What mapfiles say together: the policy's document, the tests, and whether the site names its audiences.

    The places are those of the declarations of issuers that hold, and of the accounts that the site renames.
    """

    document: dict[str, Any]
    cases: list[Case] = field(default_factory=list)
    has_audience: bool = False
    issuer_places: dict[str, Place] = field(default_factory=dict)
    site_places: dict[str, Place] = field(default_factory=dict)
    rename_places: dict[str, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class BansFile:
    """What one file of bans says: its bans, whether it has the key `bans` at all, and when it was published, if so."""

    bans: list[dict[str, Any]]
    issued: int | None = None
    has_bans: bool = False


def read_sources(paths: Iterable[str], *, bans: bool = False, builder: int | None = None) -> list[Mapfile]:
    """Read mapfiles: a file as it is, a folder's `*.yaml` in the order of their names.

    Of files with `bans`, a folder may hold no others: one that is passed over would be a ban that nobody misses.
    `builder` is the uid of the user who builds, ourselves if it is not given; who else can have written a file is for
    `compose` and `compose_bans` to look at. Raises SourceError for what cannot be read, and for a path that is neither.
    """
    uid = os.geteuid() if builder is None else builder
    return [_read(path, uid) for named in paths for path in _expand(Path(named), bans=bans)]


def refuse_folders(paths: Iterable[str], refusals: Findings, builder: int | None = None) -> None:
    """Add an error for each folder of bans that others can write: one who takes a file away lifts its bans.

    Raises SourceError for a folder that cannot be looked at.
    """
    uid = os.geteuid() if builder is None else builder
    for path in paths:
        if os.path.isdir(path):
            try:
                faults = judge_folder(path, uid)
            except OSError as error:
                raise SourceError(f"{path}: {error.strerror}") from None
            except PlainFileError as error:
                raise SourceError(str(error)) from None
            _refuse(path, faults, refusals)


def unread(paths: Iterable[str]) -> list[str]:
    """Return what lies in folders of mapfiles and is not read, for it is no `*.yaml`."""
    folders = [Path(path) for path in paths if Path(path).is_dir()]
    entries = [entry for folder in folders for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    return [
        str(entry) for entry in entries if entry.suffix != _SUFFIX and not entry.name.endswith((*_LEFT_BEHIND, _LOCK))
    ]


def compose(
    mapfiles: Sequence[Mapfile],
    findings: Findings,
    progress: Progress = _nobody_waits,
    refusals: Findings | None = None,
) -> Composition:
    """Compose mapfiles to a policy; every error goes to `findings`, and what is returned then is not to be used.

    Rules are taken one by one as they are read; `progress` is told their number so far. `refusals` gets an error for
    each file that others can write, and for all that a foreign file may not contain (trusted.py, foreign.py). Without
    it no file is refused for its owner. It may be `findings` itself.
    """
    composer = _Composer(findings, progress)
    for mapfile in mapfiles:
        guard = _guard(mapfile, refusals)
        root = _read_root(mapfile, findings, {"rules": composer.begin_rules(guard)})
        if root is not None:
            composer.add(*root, guard)
    return composer.finish()


def compose_bans(files: Sequence[Mapfile], findings: Findings, refusals: Findings | None = None) -> dict[str, Any]:
    """Compose files of bans to the bans' document; errors go to `findings`.

    `refusals` gets an error for each file that is not root's or the builder's; it may be `findings` itself.
    """
    bans: list[dict[str, Any]] = []
    for mapfile in files:
        bans += read_bans_file(mapfile, findings).bans
        if refusals is not None:
            _refuse_bans(mapfile, refusals)
    return {"bans": bans}


def find_refusals(mapfiles: Sequence[Mapfile]) -> list[Finding]:
    """Return why a build would refuse mapfiles for their owners and modes; they are read only if one is foreign."""
    refusals = Findings()
    if any(mapfile.custody.owner is not None for mapfile in mapfiles):
        compose(mapfiles, Findings(), refusals=refusals)
    else:
        for mapfile in mapfiles:
            _refuse(mapfile.path, mapfile.custody.faults, refusals)
    return refusals.in_order


def find_ban_refusals(files: Sequence[Mapfile]) -> list[Finding]:
    """Return why a build would refuse files of bans for their owners and modes."""
    refusals = Findings()
    for file in files:
        _refuse_bans(file, refusals)
    return refusals.in_order


def read_bans_file(file: Mapfile, findings: Findings) -> BansFile:
    """Read one file of bans; errors go to `findings`."""
    root = _read_root(file, findings, may_be_empty=("bans",))
    if root is None:
        return BansFile([])
    node, _ = root
    for key in _POLICY_KEYS:
        if key in node.keys:
            findings.error(node.keys[key], f"`{key}` is no part of a file of bans; write it to a mapfile")
    issued = node.member("issued")
    return BansFile(
        [ban_document(ban, findings) for ban in _mappings(node.member("bans"))],
        None if issued is None else converted(issued, "issued", point_in_time, findings),
        has_bans="bans" in node.keys,
    )


def _expand(path: Path, *, bans: bool) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        entries = sorted(path.iterdir())
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in shown if bans else ():
        if entry.suffix != _SUFFIX and not entry.name.endswith(_LEFT_BEHIND):
            raise SourceError(f"{entry}: is no *{_SUFFIX}, so its bans would not count: rename it, or take it away")
    return [entry for entry in shown if entry.suffix == _SUFFIX]


def _read(path: Path, builder: int) -> Mapfile:
    try:
        file = read_plain(str(path))
        return Mapfile(str(path), file.content.decode("utf-8"), judge_file(file.way, builder))
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except PlainFileError as error:
        raise SourceError(str(error)) from None
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: byte {error.start} is no UTF-8; save the file as UTF-8") from None


def _refuse(path: str, faults: Iterable[str], refusals: Findings) -> None:
    for fault in faults:
        refusals.error(Place(path, 1, 1), fault)


def _refuse_bans(file: Mapfile, refusals: Findings) -> None:
    custody = file.custody
    _refuse(file.path, custody.faults, refusals)
    if custody.owner is not None:
        told = f"{custody.owner} can write this file of bans; expected root's. If you trust what it says"
        _refuse(file.path, [f"{told}: {custody.chown}"], refusals)


def _guard(mapfile: Mapfile, refusals: Findings | None) -> Guard | None:
    """Refuse a file that others can write; return the guard of a foreign one, None for any other."""
    if refusals is None:
        return None
    _refuse(mapfile.path, mapfile.custody.faults, refusals)
    return None if mapfile.custody.owner is None else Guard(mapfile.custody, refusals)


def _read_root(
    mapfile: Mapfile,
    findings: Findings,
    take: Mapping[str, Taker] | None = None,
    may_be_empty: Collection[str] = (),
) -> tuple[Node, Any] | None:
    node = read_yaml(mapfile.text, mapfile.path, findings, take, may_be_empty)
    if node is None:
        return None
    if not isinstance(node.value, dict):
        findings.error(node.place, "a mapfile is a mapping; it begins with `mapfile: 1`")
        return None
    return node, check_schema(node, findings)


class _Composer:
    """The policy so far."""

    def __init__(self, findings: Findings, progress: Progress) -> None:
        self._findings = findings
        self._progress = progress
        self._site: dict[str, Any] = {}
        self._site_places: dict[str, Place] = {}
        self._issuers: dict[str, dict[str, Any] | None] = {}
        self._issuer_places: dict[str, Place] = {}
        self._issuer_guards: dict[str, Guard] = {}
        self._rename_places: dict[str, Place] = {}
        self._reserved: set[str] = set()
        self._rules: list[dict[str, Any]] = []
        self._pools: dict[str, dict[str, Any]] = {}
        self._pool_places: dict[str, Place] = {}
        self._pool_uses: list[Node] = []
        self._pool_names: set[str] = set()
        self._cases: list[Case] = []

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
        self._keep_claims()
        document = {
            "site": {**NOBODYS_SITE, **self._site},
            "issuers": self._issuers,
            "reserved-vos": sorted(self._reserved),
            "rules": self._rules,
            "pools": self._pools,
        }
        has_audience = "audience" in self._site
        return Composition(
            document, self._cases, has_audience, self._issuer_places, self._site_places, self._rename_places
        )

    def _add_site(self, node: Node | None, plain: Any) -> None:
        for key, place, value in _members(node):
            if key in self._site_places:
                first = self._site_places[key]
                self._findings.error(place, f"`site: {key}` is in {first.file}:{first.line} already")
            else:
                self._site_places[key] = place
                self._site[key] = self._site_value(key, value, plain[key])

    def _site_value(self, key: str, node: Node, plain: Any) -> Any:
        if key == "audience":
            return audience_document(node, self._findings)
        if key == "maximum-lifetime":
            return seconds(plain)
        if key == "rename":
            for renamed, place, account in _members(node):
                self._rename_places[renamed] = place
                refuse_root("rename", account, self._findings)
        if key == "log" and "claims" in plain:
            kept = node.member("claims")
            names = [item.value for item in kept.items()] if kept else []
            return {**plain, "claims": [] if names == ["none"] else names}
        if key == "accounts" and isinstance(plain, dict):
            never = node.member("never")
            names = [item.value for item in never.items()] if never else []
            return {**NOBODYS_SITE["accounts"], **plain, "never": names}
        return [item.value for item in node.items()] if key == "serve" else plain

    def _keep_claims(self) -> None:
        """Let the decision log keep what decisions look at, if the site does not say what it keeps."""
        named = {name for rule in self._rules for name in rule.get("claim", ())}
        named.update(filter(None, map(_groups_claim, self._issuers.values())))
        more = sorted(named.difference(DECISIVE))
        log = self._site.get("log", {})
        if "claims" not in log and more:
            self._site["log"] = {**log, "claims": [*DECISIVE, *more]}

    def _add_issuers(self, node: Node | None, plain: Any, guard: Guard | None) -> None:
        """Add what is declared of issuers; the earliest declaration of each holds as a whole."""
        for url, place, declared in _members(node):
            document = issuer_document(declared, plain[url], self._findings)
            if url not in self._issuers:
                self._issuer_places[url] = place
                self._issuers[url] = document
                if guard is not None:
                    self._issuer_guards[url] = guard
            elif document != self._issuers[url]:
                first = self._issuer_places[url]
                if self._issuers[url] is None:
                    self._reserved.update(_declared_vos(document or {}))
                self._findings.warn(place, f"{url} is declared otherwise in {first.file}:{first.line}, which holds")
                if guard is None and url in self._issuer_guards:
                    self._issuer_guards[url].refuse_hiding(url, first, place)

    def begin_rules(self, guard: Guard | None) -> Taker:
        """Return what takes the rules of one file; `guard` is that of a foreign one."""
        lines: dict[Any, int] = {}

        def take(rule: Node) -> None:
            if check_schema(rule, self._findings, "rules") is not None:
                self._add_rule(rule, lines)
                if guard is not None:
                    guard.check_rule(rule)

        return take

    def _add_rule(self, rule: Node, lines: dict[Any, int]) -> None:
        """Add a rule; `lines` has where its file has named rules."""
        self._rules.append(rule_document(rule, self._findings))
        self._progress(len(self._rules))
        name = rule.member("name")
        if name is not None and name.value in lines:
            message = f"`name`: {name.value} is the name of the rule in line {lines[name.value]} too"
            self._findings.error(name.place, message)
        elif name is not None:
            lines[name.value] = name.place.line
        pool = rule.member("pool")
        if pool is not None:
            self._pool_uses.append(pool)

    def _add_pools(self, node: Node | None) -> None:
        self._pool_names.update(node.keys if node is not None else ())
        for name, place, pool in _members(node):
            if name in self._pools:
                first = self._pool_places[name]
                self._findings.error(place, f"pool {name} is in {first.file}:{first.line} already")
            self._pool_places[name] = place
            self._pools[name] = pool_document(pool, self._findings)

    def _add_tests(self, node: Node | None, plain: Any) -> None:
        for test, values in zip(_items(node), plain or ()):
            at = test.member("at")
            if at is not None:
                converted(at, "at", point_in_time, self._findings)
            if isinstance(values, dict) and "token" in values and "expect" in values:
                expect = values["expect"]
                case = Case(
                    test.place,
                    values["token"],
                    expect if isinstance(expect, dict) else {"outcome": expect},
                    values.get("at"),
                    alone=values.get("alone", False),
                )
                self._cases.append(case)


def _declared_vos(issuer: dict[str, Any]) -> set[str]:
    vos = issuer.get("vos", {})
    named = {*(vos.values() if isinstance(vos, dict) else ()), issuer.get("vo"), issuer.get("default-vo")}
    return {vo for vo in named if isinstance(vo, str)}


def _groups_claim(issuer: Mapping[str, Any] | None) -> str | None:
    """Return the claim that an issuer is declared to write its groups to, None if it is not declared."""
    groups = (issuer or {}).get("groups")
    claim = groups.get("claim") if isinstance(groups, dict) else None
    return claim if isinstance(claim, str) else None


def _members(node: Node | None) -> list[tuple[str, Place, Node]]:
    """Return the members of a mapping, each with its key's place."""
    if node is None or not isinstance(node.value, dict):
        return []
    return [(key, node.keys[key], value) for key, value in node.value.items()]


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []


def _mappings(node: Node | None) -> list[Node]:
    return [item for item in _items(node) if isinstance(item.value, dict)]
