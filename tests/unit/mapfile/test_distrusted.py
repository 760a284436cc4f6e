"""A distrusted issuer protects its VOs: no other issuer may name them."""

from __future__ import annotations

from vomap.claims import read_claims
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings
from vomap.policy.decide import decide
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS

SITE = """\
mapfile: 1
site: {audience: ANY}
issuers:
  https://cms.example.org/: {vo: CMS}
  https://lab.example.org: {vo-from: [group], vos: {nova: Nova}, default-vo: Lab}
  https://proxy.example.org: {vo-from: [group]}
rules:
  - {name: cms, vo: CMS, account: cmsacc}
  - {name: others, vo: [Nova, Lab], account: labacc}
"""
DISTRUST = """\
mapfile: 1
issuers:
  https://cms.example.org/: none
  https://lab.example.org: none
"""


def _outcome(texts: list[str], group: str) -> str:
    findings = Findings()
    document = compose([Mapfile(f"{at}.yaml", text) for at, text in enumerate(texts)], findings).document
    token = {"iss": "https://proxy.example.org", "sub": "x", "aud": "ANY", "scope": "compute.create"}
    claims = read_claims({**token, "wlcg.groups": [group]})
    assert findings.errors == []
    return decide(policy_of(document), NO_BANS, claims, 0).outcome


def test_a_distrusted_issuers_vo_is_nobody_elses() -> None:
    """An issuer without `vos` may not name a VO whose own issuer is distrusted."""
    for group in ("/CMS", "/cms", "/Nova", "/Lab"):
        assert _outcome([SITE], group) == "declined"
        assert _outcome([DISTRUST, SITE], group) == "declined"
