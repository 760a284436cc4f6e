"""The site of the proofs: the mapfiles that ship, rules of its own of every kind, bans, and tokens that ask for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vomap.mapfile.bans import compose_bans
from vomap.mapfile.compose import Composition, compose
from vomap.mapfile.files import Mapfile, read_files
from vomap.mapfile.findings import Findings
from vomap.store import BANS, POLICY
from vomap.store.writer import write_compiled

FOLDER = Path(__file__).parents[2] / "mapfiles"
OWN, FREE, GONE, UNKNOWN = (f"https://{name}.example.org/" for name in ("own", "free", "gone", "unknown"))
FERMILAB, EGI = "https://cilogon.org/fermilab", "https://aai.egi.eu/auth/realms/egi"
CMS = "https://cms-auth.web.cern.ch/"

MAPFILE = f"""\
mapfile: 1
site:
  audience: [ce01.example.org:9619, ANY]
  rename: {{cmspilot: cms001}}
  accounts: {{must-exist: no, never: [slurm]}}
issuers:
  {OWN}: {{vo: Own}}
  {FREE}:
    vo-from: [group]
    audience: unchecked
    without-compute: accept
  {GONE}: none
rules:
  - {{name: own-denied, issuer: {OWN}, subject: [bad, worse], deny: they broke it}}
  - {{name: own-listed, issuer: {OWN}, subject: [anna, bert, cleo, "dora/*"], account: ownlist}}
  - {{name: own-claimed, vo: Own, claim: {{project: [p1, p2, "q/*"]}}, account: ownproject}}
  - {{name: own-role, vo: Own, group: [/own/Role=pilot, /own/ops/**], account: ownpilot}}
  - {{name: own-first, vo: Own, first-group: /own/first, account: ownfirst}}
  - {{name: own-scope, vo: Own, scope: "storage.create:/own/**", account: <vo>store}}
  - {{name: own-user, issuer: {OWN}, subject: <user>@own.example.org, account: <user>}}
  - {{name: own-never, vo: Own, subject: never, account: slurm}}
  - {{name: own-pool, vo: Own, subject: pooled, pool: own}}
  - {{name: free-users, issuer: {FREE}, subject: "*", account: <vo>free}}
pools:
  own: {{accounts: "ownpool{{001..020}}"}}
"""

BANNED = f"""\
mapfile: 1
bans:
  - {{issuer: {OWN}, subject: thief@own.example.org, reason: leaked key}}
  - {{vo: mars, reason: no agreement}}
  - {{vo: Own, group: /own/banned/**, reason: they know why}}
  - {{jti: stolen-1, reason: stolen}}
  - {{client: [evil-client, worse-client], reason: a client of nobody, until: 2999-12-31}}
  - {{subject: "old-*", reason: long ago, until: 2020-01-01}}
"""


def composed() -> Composition:
    """Compose the site's policy; a mistake in it is a mistake in the proof."""
    shipped = read_files(str(FOLDER / f"{name}.yaml") for name in ("osg", "egi", "fermilab"))
    findings = Findings()
    composition = compose([Mapfile("10-site.yaml", MAPFILE), *shipped], findings)
    findings.raise_errors()
    return composition


def bans_document() -> dict[str, Any]:
    """Compose the site's bans."""
    findings = Findings()
    document = compose_bans([Mapfile("bans.yaml", BANNED)], findings)
    findings.raise_errors()
    return dict(document)


def build(folder: Path) -> tuple[Path, Path]:
    """Build the policy and the bans into a folder, and return their paths."""
    policy, bans = folder / "policy", folder / "policy.bans"
    write_compiled(str(policy), POLICY, composed().document, sources={"10-site.yaml": "00" * 32}, built="now")
    write_compiled(str(bans), BANS, bans_document(), sources={"bans.yaml": "00" * 32}, built="now")
    return policy, bans


def _own(subject: str, **claims: Any) -> dict[str, Any]:
    return {"iss": OWN, "sub": subject, "aud": "ANY", "scope": "compute.create", **claims}


def _free(*groups: str, subject: str = "s", **claims: Any) -> dict[str, Any]:
    return {"iss": FREE, "sub": subject, "wlcg.groups": list(groups), **claims}


def _egi(*memberships: str, **claims: Any) -> dict[str, Any]:
    entitlements = [f"urn:mace:egi.eu:group:{membership}#aai.egi.eu" for membership in memberships]
    return {"iss": EGI, "sub": "0001@egi.eu", "scope": "compute.create", "entitlements": entitlements, **claims}


def _fermilab(subject: str, scope: str = "", **claims: Any) -> dict[str, Any]:
    return {"iss": FERMILAB, "sub": subject, "aud": "ANY", "scope": f"compute.create {scope}".strip(), **claims}


# Every kind of condition, of outcome and of ban, and tokens that are nobody's.
TOKENS: list[dict[str, Any]] = [
    _own("bad"),
    _own("worse"),
    _own("anna"),
    _own("dora/x"),
    _own("nobody"),
    _own("nobody", project="p1"),
    _own("nobody", project=["q/1", "p2"]),
    _own("nobody", **{"wlcg.groups": ["/own/Role=pilot"]}),
    _own("nobody", **{"wlcg.groups": ["/own/ops/deep/er"]}),
    _own("nobody", **{"wlcg.groups": ["/own/first", "/own"]}),
    _own("nobody", scope="compute.create storage.create:/own/data"),
    _own("jo@own.example.org"),
    _own("cmspilot@own.example.org"),
    _own("ownpool003@own.example.org"),
    _own("root@own.example.org"),
    _own("never"),
    _own("pooled"),
    _own("anna", aud="elsewhere"),
    _own("anna", scope="storage.read:/"),
    _own("anna", exp="never"),
    _own("anna", jti="stolen-1"),
    _own("anna", client_id="worse-client"),
    _own("thief@own.example.org"),
    _own("old-anna"),
    _own("anna", **{"wlcg.groups": ["/own/banned/x"]}),
    _free("/new"),
    _free("/new/sub", "/other"),
    _free("/cms"),
    _free("/mars"),
    _free("/own", "/new"),
    _free(),
    _egi("vo.example.org:role=pilot"),
    _egi("vo.example.org"),
    _egi("vo.example.org", "other.example.org:role=pilot"),
    _egi("cms:role=pilot"),
    _egi(),
    _fermilab("jo@fnal.gov"),
    _fermilab("cmspilot@fnal.gov"),
    _fermilab("jo@fnal.gov", "storage.create:/nova/data"),
    _fermilab("jo@fnal.gov", "storage.create:/mars/data"),
    _fermilab("jo@fnal.gov", "storage.create:/mu2e/data storage.read:/nova"),
    _fermilab("x", "", **{"wlcg.groups": ["/fermilab/mars", "/nova/production"]}),
    {"iss": CMS, "sub": "bad55f4e-602c-4e8d-a5c5-bd8ffb762113", "aud": "ANY", "scope": "compute.create"},
    {"iss": CMS, "sub": "nobody", "aud": "ANY", "scope": "compute.create", "wlcg.groups": ["/cms", "/cms/pilots"]},
    {"iss": GONE, "sub": "s", "aud": "ANY", "scope": "compute.create"},
    {"iss": UNKNOWN, "sub": "s", "aud": "ANY", "scope": "compute.create"},
    {"sub": "s", "aud": "ANY"},
    {},
]


def tokens() -> list[dict[str, Any]]:
    """Return the tokens above, and those of the tests in the mapfiles that ship."""
    return [*TOKENS, *(case.token for case in composed().tests)]
