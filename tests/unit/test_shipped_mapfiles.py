"""Each shipped mapfile passes its own tests, alone, and together with the others and the settings of a site."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from vomap.claims import read_claims
from vomap.mapfile.compose import Composition, compose
from vomap.mapfile.files import Mapfile, read_files
from vomap.mapfile.findings import Findings
from vomap.mapfile.policy_tests import run_tests
from vomap.policy import Decision
from vomap.policy.decide import decide
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS

FOLDER = Path(__file__).parents[2] / "mapfiles"
SHIPPED = {path.stem: read_files([str(path)])[0] for path in sorted(FOLDER.glob("*.yaml"))}
LEAST_TESTS, LEAST_REFUSALS = 10, 5
FERMILAB = "https://cilogon.org/fermilab"
EGI = "https://aai.egi.eu/auth/realms/egi"

# Settings that change most decisions: the site serves few VOs, renames an account and forbids others.
SITE = Mapfile(
    "10-site.yaml",
    """
mapfile: 1
site:
  audience: [ce01.example.org:9619]
  serve: [vo.example.org, Nova, Fermilab]
  rename: {novapro: nova001}
  accounts: {never: [cmspilot, novaana, egi-vo.example.org]}
  maximum-lifetime: 6h
""",
)


def _composed(*mapfiles: Mapfile) -> Composition:
    findings = Findings()
    composition = compose(mapfiles, findings)
    findings.raise_errors()
    return composition


def _failures(*mapfiles: Mapfile) -> list[str]:
    composition = _composed(*mapfiles)
    results = run_tests(composition.tests, policy_of(composition.document), mapfiles, NO_BANS, time.time())
    return [str(each) for each in results if not each.passed]


def _decided(token: dict[str, Any], *mapfiles: Mapfile) -> Decision:
    return decide(policy_of(_composed(*mapfiles).document), NO_BANS, read_claims(token), time.time())


def _egi_token(*memberships: str, **claims: str) -> dict[str, Any]:
    entitlements = [f"urn:mace:egi.eu:group:{membership}#aai.egi.eu" for membership in memberships]
    return {"iss": EGI, "sub": "0001@egi.eu", "scope": "compute.create", "entitlements": entitlements, **claims}


def test_all_are_found() -> None:
    """The scan finds the mapfiles that the design names."""
    assert {"egi", "fermilab", "osg"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_composes_without_a_finding(name: str) -> None:
    """A shipped mapfile has neither errors nor warnings."""
    findings = Findings()
    compose([SHIPPED[name]], findings)
    assert [str(finding) for finding in findings.all] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_passes_its_own_tests(name: str) -> None:
    """A shipped mapfile contains tests, among them tests of refusals, and passes all of them."""
    cases = _composed(SHIPPED[name]).tests
    outcomes = [case.expect.get("outcome", "mapped") for case in cases]
    assert len(cases) >= LEAST_TESTS
    assert outcomes.count("declined") + outcomes.count("denied") >= LEAST_REFUSALS
    assert _failures(SHIPPED[name]) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_is_judged_alone(name: str) -> None:
    """Every test of a shipped mapfile has `alone: yes`, because its author does not know the site."""
    assert [str(case.place) for case in _composed(SHIPPED[name]).tests if not case.alone] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_rule_is_tested(name: str) -> None:
    """Each rule decides at least one test of its file that expects an account."""
    composition = _composed(SHIPPED[name])
    tested = {case.expect.get("rule") for case in composition.tests if "account" in case.expect}
    assert tested == {rule["name"] for rule in composition.document["rules"]}


@pytest.mark.parametrize("name", SHIPPED)
def test_leaves_the_site_to_the_site(name: str) -> None:
    """A shipped mapfile has no site settings and needs no pools."""
    assert not {"site", "pools"} & {line.partition(":")[0] for line in SHIPPED[name].text.splitlines()}


@pytest.mark.parametrize("names", [["osg", "egi", "fermilab"], ["fermilab", "egi", "osg"]])
def test_beside_the_others_and_a_site(names: list[str]) -> None:
    """The shipped files pass their tests in any order of the files, also with the settings of a site."""
    files = [SITE, *(SHIPPED[name] for name in names)]
    assert len(_composed(*files).tests) == sum(len(_composed(file).tests) for file in files)
    assert _failures(*files) == []


def test_the_site_does_change_decisions() -> None:
    """The settings of the test above change decisions: some tests that are not `alone` fail."""
    spoilt = [Mapfile(file.path, file.text.replace("alone: yes", "alone: no")) for file in SHIPPED.values()]
    assert _failures(SITE, *spoilt) != []


def test_rule_names_differ_between_files() -> None:
    """No two files have a rule of the same name, so the name in a decision identifies the file."""
    names = [rule["name"] for file in SHIPPED.values() for rule in _composed(file).document["rules"]]
    assert len(set(names)) == len(names)


def test_fermilab_is_declared_alike() -> None:
    """osg.yaml declares every issuer of fermilab.yaml in the same way, so the order of the files does not matter."""
    osg, fermilab = (_composed(SHIPPED[name]).document["issuers"] for name in ("osg", "fermilab"))
    assert FERMILAB in fermilab
    assert fermilab == {url: osg.get(url) for url in fermilab}


def test_pilots_are_those_of_osg() -> None:
    """If fermilab.yaml names a subject without a capture, osg.yaml gives this subject the same account."""

    def pilots(name: str) -> set[tuple[str, str, str]]:
        return {
            (issuer, subject, rule["account"])
            for rule in _composed(SHIPPED[name]).document["rules"]
            for issuer in rule["issuer"]
            for subject in rule.get("subject", ())
            if "fnal.gov" in subject and "<" not in subject
        }

    assert pilots("fermilab") == pilots("osg")


@pytest.mark.parametrize(
    ("claims", "outcome"),
    [({}, "mapped"), ({"aud": "ce01.example.org:9619"}, "mapped"), ({"aud": "account"}, "denied")],
    ids=["none", "ours", "keycloak"],
)
def test_egi_without_an_audience(claims: dict[str, str], outcome: str) -> None:
    """A token of EGI needs no audience, but an audience in the token must be that of the site."""
    token = _egi_token("vo.example.org:role=pilot", **claims)
    assert _decided(token, SITE, SHIPPED["egi"]).outcome == outcome


@pytest.mark.parametrize(
    ("token", "outcome"),
    [
        ({"iss": FERMILAB, "sub": "somebody@fnal.gov", "scope": "compute.create"}, "denied"),
        (_egi_token("other.example.org:role=member"), "declined"),
    ],
    ids=["fermilab-without-audience", "egi-not-served"],
)
def test_the_site_says_whom_it_serves(token: dict[str, Any], outcome: str) -> None:
    """Only tokens of EGI need no audience. Tokens of all issuers need a served VO."""
    assert _decided(token, SITE, *SHIPPED.values()).outcome == outcome


@pytest.mark.parametrize("files", [["egi"], ["osg", "egi", "fermilab"]], ids=["egi", "all"])
def test_a_pilot_of_another_vo_is_no_pilot_here(files: list[str]) -> None:
    """A role in a VO that the site does not serve has no effect in a served VO."""
    site = Mapfile("10-site.yaml", "mapfile: 1\nsite: {audience: unchecked, serve: [vo.example.org]}\n")
    token = _egi_token("other.example.org:role=pilot", "vo.example.org:role=member")
    decision = _decided(token, site, *(SHIPPED[name] for name in files))
    assert (decision.account, decision.rule) == ("egi-vo.example.org", "egi-members")


def test_the_development_service_of_egi_stays_distrusted() -> None:
    """A later file cannot declare an issuer that an earlier file declares as `none`."""
    later = Mapfile(
        "90-later.yaml", "mapfile: 1\nissuers: {https://aai-dev.egi.eu/auth/realms/egi: {vo-from: [group]}}\n"
    )
    issuers = compose([SHIPPED["egi"], later], Findings()).document["issuers"]
    assert [url for url, declared in issuers.items() if declared is None] == [EGI.replace("aai", "aai-dev")]


def test_egi_does_not_speak_for_cms() -> None:
    """Together with osg.yaml, which declares the issuers of CMS, a group `CMS` of EGI does not name CMS."""
    site = Mapfile("10-site.yaml", "mapfile: 1\nsite: {audience: unchecked, serve: [CMS, vo.example.org]}\n")
    token = _egi_token("CMS:role=member")
    assert _decided(token, site, SHIPPED["egi"]).account == "egi-cms"
    assert _decided(token, site, SHIPPED["egi"], SHIPPED["osg"]).outcome == "declined"


def test_production_of_fermilab_is_renamed() -> None:
    """A site can rename the accounts that fermilab.yaml makes with `<vo>`."""
    token = {
        "iss": FERMILAB,
        "sub": "somebody@fnal.gov",
        "aud": "ce01.example.org:9619",
        "scope": "compute.create storage.create:/nova/data",
    }
    decision = _decided(token, SITE, *SHIPPED.values())
    assert (decision.account, decision.rule, decision.vo) == ("nova001", "fnal-production", "Nova")
