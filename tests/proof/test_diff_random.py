"""Where `vomap diff` says "no change", no token is decided otherwise: small policies and edits, drawn at random."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from proof.counts import count
from property.strategies import NOW, mapfiles, rules, tokens, written
from vomap.claims import TokenError, read_claims
from vomap.mapfile.compose import Mapfile, compose
from vomap.mapfile.findings import Findings
from vomap.policy.decide import decide
from vomap.policy.model import NO_BANS, Policy
from vomap.policy.pieces import policy_of
from vomap.proof.diff import compare

_MOST = settings(
    max_examples=count(full=1_000, reduced=60),
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def composed(mapfile: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a mapfile."""
    findings = Findings()
    document = compose([Mapfile("drawn.yaml", written(mapfile))], findings).document
    findings.raise_errors()
    for number, rule in enumerate(document["rules"]):
        # All is on one line, and by name and line is a rule known.
        rule["source"] = f"drawn.yaml:{number + 1}"
    return document


@st.composite
def edited(draw: DrawFn, mapfile: dict[str, Any]) -> dict[str, Any]:
    """Draw another mapfile that differs in little, or in nothing that counts."""
    new = deepcopy(mapfile)
    for _ in range(draw(st.integers(1, 2))):
        draw(st.sampled_from((_moved, _dropped, _added, _copied, _split, _replaced, _another_site, _issuer_dropped)))(
            draw, new
        )
    for number, rule in enumerate(new["rules"]):
        # A name may have come twice.
        rule["name"] = f"r{number}"
    return new


def _place(draw: DrawFn, new: dict[str, Any]) -> int:
    return draw(st.integers(0, len(new["rules"]) - 1))


def _moved(draw: DrawFn, new: dict[str, Any]) -> None:
    new["rules"].insert(_place(draw, new), new["rules"].pop(_place(draw, new)))


def _dropped(draw: DrawFn, new: dict[str, Any]) -> None:
    if len(new["rules"]) > 1:
        del new["rules"][_place(draw, new)]


def _added(draw: DrawFn, new: dict[str, Any]) -> None:
    new["rules"].insert(_place(draw, new), draw(rules("new")))


def _copied(draw: DrawFn, new: dict[str, Any]) -> None:
    new["rules"].insert(_place(draw, new), dict(new["rules"][_place(draw, new)]))


def _split(draw: DrawFn, new: dict[str, Any]) -> None:
    at = _place(draw, new)
    whole = new["rules"][at]
    lists = [key for key, value in whole.items() if isinstance(value, list) and len(value) > 1]
    if lists:
        key = draw(st.sampled_from(lists))
        new["rules"][at : at + 1] = [{**whole, key: whole[key][:1]}, {**whole, key: whole[key][1:]}]


def _replaced(draw: DrawFn, new: dict[str, Any]) -> None:
    new["rules"][_place(draw, new)] = draw(rules("other"))


def _another_site(draw: DrawFn, new: dict[str, Any]) -> None:
    new["site"] = draw(mapfiles())["site"]


def _issuer_dropped(draw: DrawFn, new: dict[str, Any]) -> None:
    url = draw(st.sampled_from(sorted(new["issuers"])))
    new["issuers"] = {name: value for name, value in new["issuers"].items() if name != url}


def results(policy: Policy, token: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a policy makes of a token, as far as it means something; a token that is none means nothing."""
    try:
        decision = decide(policy, NO_BANS, read_claims(token), NOW)
    except TokenError:
        return ()
    vo = decision.vo.lower() if decision.vo and decision.outcome == "mapped" else None
    return decision.outcome, decision.account, decision.pool, vo


@_MOST
@given(st.data())
def test_no_change_is_true(data: st.DataObject) -> None:
    """Two policies that are proven to decide alike decide every token alike."""
    mapfile = data.draw(mapfiles())
    old, new = composed(mapfile), composed(data.draw(edited(mapfile)))
    difference = compare(old, new, NOW)
    policies = policy_of(old), policy_of(new)
    for _ in range(20):
        token = data.draw(tokens())
        first, second = (results(policy, token) for policy in policies)
        assert first == second or not difference.is_none, token


@_MOST
@given(st.data())
def test_what_is_told_is_true(data: st.DataObject) -> None:
    """Each line's token is decided as the line says, and otherwise by the two policies."""
    mapfile = data.draw(mapfiles())
    old, new = composed(mapfile), composed(data.draw(edited(mapfile)))
    for line in compare(old, new, NOW).lines:
        first, second = (results(policy_of(document), line.token) for document in (old, new))
        assert first[0] == next(iter(line.old.values())).outcome
        assert second[0] == next(iter(line.new.values())).outcome
        assert first != second or line.kind in (
            "issuer added",
            "issuer dropped",
            "VO added",
            "VO dropped",
            "rule shadowed",
        )
