"""Mapfiles and bans of random owners and modes, and what a build may make of them.

As a command (`python ownership.py COUNT`, with vomap on PYTHONPATH) it builds COUNT sites. It prints the path of that
vomap and the first violation, and ends with 1 if there is a violation. test_seeded_bugs.py runs it with a bug in place.

The rules here are written from the design ("Who may write what"), not from the code.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from owners import ANOTHER, OTHER, Owners, other_owners

FULL, REDUCED = 20_000, 600
US = os.geteuid()
LOOSE, STICKY = 0o022, 0o1000
SITE = """\
mapfile: 1
site: {audience: [ANY], accounts: {never: [condor]}}
issuers:
  https://site.example/: {vo: Site, audience: [ours]}
  https://gone.example/: none
rules:
  - {name: site, issuer: https://site.example/, account: site}
"""
SETTINGS = (
    "serve: [Site, Theirs]",
    "rename: {theirs: other}",
    "maximum-lifetime: 6h",
    "log: {to: none}",
    "log: {subject: pseudonym}",
)
ISSUERS = (
    "https://theirs.example/: {vo: Theirs}",
    "https://many.example/: {vo-from: [scope-path, group], vos: {x: X, y: Y}, default-vo: X}",
    "https://free.example/: {vo-from: [group], entitlements: {namespace: 'urn:x:y', authority: x.example}}",
    "https://site.example/: {vo: Site}",
    "https://gone.example/: {vo: Gone}",
    "https://theirs.example/: {vo: Theirs, audience: unchecked}",
    "https://theirs.example/: {vo: Theirs, without-audience: accept}",
    "https://theirs.example/: {vo: Theirs, without-compute: accept}",
    "https://free.example/: {vo-from: [group], entitlements: {namespace: 'urn:x:y', in-scope: yes}}",
    "https://theirs.example/: none",
)
RULES = (
    "vo: Theirs, account: theirs",
    "issuer: https://theirs.example/, subject: [a, 'b*'], account: theirs",
    "vo: [X, Y], group: /x/**, first-group: /x, scope: 'storage.read:/x', account: xy",
    "vo: Theirs, deny: no",
    "vo: X, account: <vo>pro",
    "vo: X, subject: <user>@x, account: <user>",
    "vo: Theirs, account: theirs, audience: ANY",
    "vo: Theirs, account: theirs, claim: {nickname: x}",
    "vo: Theirs, pool: theirs",
)
TESTS = (", alone: yes", ", alone: yes, at: 2026-12-31", "", ", alone: no")
ALLOWED = {
    "": {"mapfile", "issuers", "rules", "tests"},
    "issuer": {"vo", "vo-from", "vos", "default-vo", "entitlements"},
    "entitlements": {"namespace", "authority"},
    "rule": {"name", "issuer", "vo", "subject", "group", "first-group", "scope", "account"},
}


@dataclass(frozen=True)
class Place:
    """A file in its folder in a folder: whose each is, and its mode."""

    owners: tuple[int, int, int]
    modes: tuple[int, int, int]

    @property
    def others(self) -> set[int]:
        """The other users whose the file and its own folder are."""
        return {owner for owner in self.owners[:2] if owner != US}

    @property
    def is_refused(self) -> bool:
        """Whether nothing in this place may count, whatever it says."""
        file, folder, above = self.modes
        loose = file & LOOSE or any(mode & LOOSE and not mode & STICKY for mode in (folder, above))
        shared = (self.owners[0] != US and folder & LOOSE) or (self.owners[1] != US and above & LOOSE)
        return bool(loose or shared or self.owners[2] != US or len(self.others) > 1)


@dataclass
class Found:
    """How many sites were built, how many of each kind, and what was violated."""

    sites: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def draw_place(draw: random.Random) -> Place:
    """Draw whose a file and its folders are, and their modes: mostly sound ones."""
    owners = [draw.choice((US, US, OTHER)), draw.choice((US, US, OTHER)), US]
    modes = [0o644, 0o755, 0o755]
    if draw.random() < 0.2:
        owners[draw.randrange(3)] = draw.choice((OTHER, ANOTHER))
    if draw.random() < 0.3:
        at = draw.randrange(3)
        modes[at] |= draw.choice((0o020, 0o002, 0o022)) | (draw.choice((0, STICKY)) if at else 0)
    return Place((owners[0], owners[1], owners[2]), (modes[0], modes[1], modes[2]))


def draw_text(draw: random.Random) -> str:
    """Draw a mapfile that is right in a file of ours: half of them hold only what anybody's may."""
    wild = draw.random() < 0.5
    issuers = {draw.choice(ISSUERS if wild else ISSUERS[:5]) for _ in range(draw.randrange(3))}
    rules = [draw.choice(RULES if wild else RULES[:3]) for _ in range(draw.randrange(3))]
    tests = [draw.choice(TESTS if wild else TESTS[:2]) for _ in range(draw.randrange(3))]
    parts = ["mapfile: 1"]
    if wild and draw.random() < 0.3:
        parts.append(f"site: {{{draw.choice(SETTINGS)}}}")
    if any("pool: " in rule for rule in rules) or (wild and draw.random() < 0.1):
        parts.append("pools: {theirs: {accounts: [theirs1]}}")
    if issuers:
        parts += [
            "issuers:",
            *(f"  {text}" for text in {text.partition(": ")[0]: text for text in sorted(issuers)}.values()),
        ]
    if rules:
        parts += ["rules:", *(f"  - {{name: r{at}, {text}}}" for at, text in enumerate(rules))]
    if tests:
        token = "{iss: https://stranger.example/, sub: x}"
        parts += ["tests:", *(f"  - {{token: {token}, expect: declined{text}}}" for text in tests)]
    return "\n".join(parts) + "\n"


def outside(text: str) -> list[str]:
    """Return what another user's mapfile may not hold."""
    document = yaml.load(text, yaml.BaseLoader)  # every scalar is text
    found = [key for key in document if key not in ALLOWED[""]]
    for url, issuer in document.get("issuers", {}).items():
        if not isinstance(issuer, dict):
            found.append(f"{url}: {issuer}")
            continue
        found += [key for key in issuer if key not in ALLOWED["issuer"]]
        found += [key for key in issuer.get("entitlements", ()) if key not in ALLOWED["entitlements"]]
    for rule in document.get("rules", ()):
        found += [key for key in rule if key not in ALLOWED["rule"]]
        found += [rule["account"] for key in ("account",) if "<" in rule.get(key, "")]
    return found + ["a test of all" for test in document.get("tests", ()) if test.get("alone") != "yes"]


def hides(text: str) -> bool:
    """Tell whether a mapfile that is read first declares an issuer of the site's."""
    declared = yaml.load(text, yaml.BaseLoader).get("issuers", {})
    return not declared.keys().isdisjoint(("https://site.example/", "https://gone.example/"))


@dataclass
class Site:
    """A site in a folder: its own mapfile, one in a random place and one file of bans in another."""

    root: Path
    owners: Owners

    def put(self, where: str, name: str, text: str, place: Place) -> Path:
        """Put a file into a folder of a folder, and give all three their modes and owners."""
        folder = self.root / where / "own"
        folder.mkdir(parents=True)
        path = folder / name
        path.write_text(text)
        for each, owner, mode in zip((path, folder, folder.parent), place.owners, place.modes):
            each.chmod(mode)
            self.owners.give(each, owner)
        return path

    def build(self, mapfiles: list[Path], bans: Path, name: str) -> tuple[dict[str, Any] | None, list[Any] | None]:
        """Return the policy and the bans that are built; None for each that is refused."""
        from vomap.cli import run
        from vomap.store import BANS, POLICY
        from vomap.store.writer import read_compiled

        output = self.root / name
        words = ["--mapfiles", *map(str, mapfiles), "--bans", str(bans), "--output", str(output)]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            run(["build", *words])
        policy: Any = read_compiled(str(output), POLICY).document if output.exists() else None
        built = Path(f"{output}.bans")
        in_force: Any = read_compiled(str(built), BANS).document["bans"] if built.exists() else None
        return policy, in_force


def violations(seed: int, owners: Owners, kinds: Counter[str]) -> Iterator[str]:
    """Build a site; yield what it should not have come to."""
    draw = random.Random(seed)
    place, of_bans, text = draw_place(draw), draw_place(draw), draw_text(draw)
    is_first, is_linked = draw.random() < 0.3, draw.random() < 0.5
    root = Path(tempfile.mkdtemp())
    try:
        site = Site(root, owners)
        file = site.put("state", "theirs.yaml", text, place)
        bans = site.put("bans", "bans.yaml", "mapfile: 1\nbans:\n  - {subject: x, reason: r}\n", of_bans)
        (root / "10-site.yaml").write_text(SITE)
        (root / "none").mkdir()
        if is_linked:
            (root / "50-theirs.yaml").symlink_to(file)
            file = root / "50-theirs.yaml"
        both = [file, root / "10-site.yaml"] if is_first else [root / "10-site.yaml", file]
        policy, built = site.build(both, bans if draw.random() < 0.5 else bans.parent, "policy")
        alone, _ = site.build([root / "10-site.yaml"], root / "none", "alone")
    finally:
        shutil.rmtree(root)
    assert alone is not None
    found = outside(text) if place.others else []
    if place.others and is_first and hides(text):
        found.append("a declaration of the site's, hidden")
    may_be = not place.is_refused and not found
    kinds["mapfile of ours" if not place.others else "of another user's"] += 1
    kinds["built" if policy else "refused"] += 1
    if (policy is not None) != may_be:
        why = "the place" if place.is_refused else ", ".join(found)
        yield f"is refused, and may be built\n{text}" if may_be else f"is built in spite of {why}\n{text}"
    if policy is not None and place.others:
        yield from _changes(alone, policy, str(file))
    bans_may_be = not of_bans.is_refused and not of_bans.others
    kinds["bans built" if built else "bans refused"] += 1
    if (built is not None) != bans_may_be:
        yield f"bans are {'refused, and may be' if bans_may_be else 'built, and may not be'}: {of_bans}"


def _changes(alone: dict[str, Any], policy: dict[str, Any], file: str) -> Iterator[str]:
    """Yield what a built mapfile of another user's has changed besides its own issuers and rules."""
    for key in ("site", "pools"):
        if policy[key] != alone[key]:
            yield f"changes `{key}`: {alone[key]} -> {policy[key]}"
    for url, issuer in policy["issuers"].items():
        if url in alone["issuers"] and issuer != alone["issuers"][url]:
            yield f"changes {url}: {alone['issuers'][url]} -> {issuer}"
        elif url not in alone["issuers"] and not (issuer or {"none": 1}).keys() <= ALLOWED["issuer"]:
            yield f"declares {url}: {issuer}"
    rules = [rule for rule in policy["rules"] if not rule["source"].startswith(f"{file}:")]
    if rules != alone["rules"]:
        yield f"changes rules: {alone['rules']} -> {rules}"
    theirs = [rule for rule in policy["rules"] if rule not in rules]
    yield from (f"has a rule without an account: {rule}" for rule in theirs if "<" in rule.get("account", "<"))


def look_at(count: int, *, until_violated: bool = False) -> Found:
    """Build so many sites."""
    found = Found()
    with other_owners() as owners:
        for seed in range(count):
            told = [f"seed {seed}: {what}" for what in violations(seed, owners, found.kinds)]
            found.violations += told
            found.sites += 1
            if told and until_violated:
                break
    return found


if __name__ == "__main__":
    import vomap

    os.umask(LOOSE)
    FOUND = look_at(int(sys.argv[1]), until_violated=True)
    TOLD = FOUND.violations[0] if FOUND.violations else f"no violation in {FOUND.sites} sites"
    print(f"{Path(vomap.__file__).parent}: {TOLD}")
    raise SystemExit(1 if FOUND.violations else 0)
