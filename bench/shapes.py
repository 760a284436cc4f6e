"""Mapfiles and bans of shapes for which a tool could do work for each pair of entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Entries = list[dict[str, Any]]

ISSUER, VO = "https://iam.example.org/", "vo.example.org"
_ONE_VO: dict[str, Any] = {ISSUER: {"vo": VO}}
_BY_GROUP: dict[str, Any] = {ISSUER: {"vo-from": ["group"]}}
_AUDIENCE = {"audience": ["ce01.example.org"]}


@dataclass(frozen=True)
class Shape:
    """The mapfiles of a site and its bans, as documents. The first mapfile has the settings of the site."""

    mapfiles: list[dict[str, Any]]
    bans: Entries = field(default_factory=list)


def _of_rules(issuers: dict[str, Any], rules: Entries, **others: Any) -> Shape:
    whole = [_rule(at, rule) for at, rule in enumerate(rules)]
    site = {**_AUDIENCE, **others.pop("site", {})}
    return Shape([{"mapfile": 1, "site": site, "issuers": issuers, "rules": whole, **others}])


def _rule(at: int, rule: dict[str, Any]) -> dict[str, Any]:
    outcome = {} if {"account", "pool", "deny"} & set(rule) else {"account": f"acc{at}"}
    about = {} if {"issuer", "vo"} & set(rule) else {"issuer": ISSUER}
    return {"name": f"rule{at}", **about, **rule, **outcome}


def _deny(at: int) -> dict[str, Any]:
    return {"deny": f"not user {at}"}


def _host(at: int) -> str:
    return f"https://vo{at}.example.org/"


def _vo(at: int) -> str:
    return f"vo{at}.example.org"


def _group_by_end(many: int) -> Shape:
    return _of_rules(_BY_GROUP, [{"vo": VO, "group": f"/{VO}/*/x{at}"} for at in range(many)])


def _group_patterns(many: int) -> Shape:
    return _of_rules(_BY_GROUP, [{"vo": VO, "group": f"/{VO}/x{at}-*"} for at in range(many)])


def _subjects(many: int) -> Shape:
    return _of_rules(_ONE_VO, [{"subject": f"person-{at}"} for at in range(many)])


def _subjects_by_end(many: int) -> Shape:
    return _of_rules(_ONE_VO, [{"subject": f"*{at}"} for at in range(many)])


def _captures_of_one_prefix(many: int) -> Shape:
    rules: Entries = [{"subject": f"<user>@x{at}.example.org", "account": "u<user>"} for at in range(many)]
    rules += [{"subject": f"person-{at}", "account": f"uacc{at}"} for at in range(many)]
    return _of_rules(_ONE_VO, rules)


def _denied_claims(many: int) -> Shape:
    rules = [{"claim": {"department": f"d{at}"}, **_deny(at)} for at in range(many)]
    return _of_rules(_ONE_VO, [*rules, {"account": "rest"}])


def _claim_names(many: int) -> Shape:
    return _of_rules(_ONE_VO, [{"claim": {f"name{at}": "yes"}} for at in range(many)])


def _two_lists(many: int) -> Shape:
    lists = [[f"/{VO}/{side}{at}/*" for at in range(many)] for side in "ab"]
    return _of_rules(_BY_GROUP, [{"vo": VO, "group": values} for values in lists])


def _vos_of_one_issuer(many: int) -> Shape:
    vos = {f"name{at}": _vo(at) for at in range(many)}
    issuers = {ISSUER: {"vo-from": ["group"], "vos": vos}}
    return _of_rules(issuers, [{"vo": _vo(at)} for at in range(many)])


def _accounts_by_vo(many: int) -> Shape:
    vos = {f"name{at}": f"v{at}" for at in range(many)}
    issuers = {ISSUER: {"vo-from": ["group"], "vos": vos}}
    return _of_rules(issuers, [{"issuer": ISSUER, "group": f"/*/x{at}", "account": "g<vo>"} for at in range(many)])


def _pools_and_captures(many: int) -> Shape:
    pools = {f"pool{at}": {"accounts": f"p{at}a{{001..010}}"} for at in range(many)}
    rules: Entries = [{"subject": f"person-{at}", "pool": f"pool{at}"} for at in range(many)]
    rules += [{"subject": f"<user>@x{at}.example.org", "account": "p<user>"} for at in range(many)]
    return _of_rules(_ONE_VO, rules, pools=pools)


def _distrusted(many: int) -> Shape:
    issuers: dict[str, Any] = {_host(at): "none" for at in range(many)}
    return _of_rules({**_ONE_VO, **issuers}, [{"subject": f"person-{at}"} for at in range(many)])


def _issuers_and_rules_of_one_vo(many: int) -> Shape:
    issuers = {_host(at): {"vo": VO} for at in range(many)}
    return _of_rules(issuers, [{"vo": VO, "subject": f"person-{at}"} for at in range(many)])


def _free_issuers_and_vos(many: int) -> Shape:
    issuers = {_host(at): {"vo-from": ["group"]} for at in range(many)}
    return _of_rules(issuers, [{"vo": _vo(at)} for at in range(many)])


def _entitlements(many: int) -> Shape:
    issuers = {
        _host(at): {"vo-from": ["group"], "entitlements": {"namespace": f"urn:mace:x{at}.example.org"}}
        for at in range(many)
    }
    return _of_rules(issuers, [{"issuer": _host(at), "vo": _vo(at)} for at in range(many)])


def _audiences(many: int) -> Shape:
    issuers = {ISSUER: {"vo": VO, "audience": [f"https://ce{at}.example.org" for at in range(many)]}}
    return _of_rules(issuers, [{"audience": f"https://ce{at}.example.org"} for at in range(many)])


def _unused_renames(many: int) -> Shape:
    rename = {f"ac{at}": f"new{at}" for at in range(many)}
    return _of_rules(_ONE_VO, [{"subject": f"person-{at}"} for at in range(many)], site={"rename": rename})


def _undeclared_issuers(many: int) -> Shape:
    issuers = {_host(at): {"vo": _vo(at)} for at in range(many)}
    return _of_rules(issuers, [{"issuer": f"https://v{at}.example.org/"} for at in range(many)])


def _tests_alone(many: int) -> Shape:
    tests = [
        {"token": {"iss": ISSUER, "sub": f"person-{at}"}, "alone": True, "expect": {"account": f"acc{at}"}}
        for at in range(many)
    ]
    return _of_rules(_ONE_VO, [{"subject": f"person-{at}"} for at in range(many)], tests=tests)


def _distributed_files(many: int) -> Shape:
    files = [
        {
            "mapfile": 1,
            "issuers": {_host(at): {"vo": _vo(at)}},
            "rules": [{"name": f"rule{at}", "issuer": _host(at), "account": f"acc{at}"}],
            "tests": [{"token": {"iss": _host(at), "sub": "x"}, "alone": True, "expect": {"account": f"acc{at}"}}],
        }
        for at in range(many)
    ]
    return Shape([{"mapfile": 1, "site": _AUDIENCE}, *files])


def _with_bans(bans: Entries) -> Shape:
    whole = [{**ban, "reason": f"measured {at}"} for at, ban in enumerate(bans)]
    vos = {f"name{at}": _vo(at) for at in range(3)}
    issuers = {ISSUER: {"vo-from": ["group"], "vos": vos}, _host(1): {"vo": VO}}
    rules: Entries = [{"vo": _vo(at), "account": f"acc{at}"} for at in range(3)]
    return Shape(_of_rules(issuers, rules).mapfiles, whole)


def _banned_patterns(many: int) -> Shape:
    return _with_bans([{"subject": f"robot-{at}-*"} for at in range(many)])


def _banned_groups(many: int) -> Shape:
    return _with_bans([{"group": f"/*/x{at}"} for at in range(many)])


def _banned_subjects_and_rules(many: int) -> Shape:
    whole = _subjects(many)
    return Shape(whole.mapfiles, [{"subject": f"person-{at}", "reason": f"measured {at}"} for at in range(many)])


SHAPES: dict[str, Callable[[int], Shape]] = {
    "groups by their last part (`/vo/*/x1`)": _group_by_end,
    "groups that begin alike (`/vo/x1-*`)": _group_patterns,
    "subjects": _subjects,
    "subjects by their end (`*1`)": _subjects_by_end,
    "captures, and accounts that they could make": _captures_of_one_prefix,
    "`deny` by a claim": _denied_claims,
    "a claim each": _claim_names,
    "two rules with a list of groups": _two_lists,
    "VOs of one issuer": _vos_of_one_issuer,
    "rules with `<vo>` for an issuer with as many VOs": _accounts_by_vo,
    "pools, and captures": _pools_and_captures,
    "distrusted issuers": _distrusted,
    "issuers of one VO, and rules for it": _issuers_and_rules_of_one_vo,
    "issuers that may name any VO, and VOs": _free_issuers_and_vos,
    "issuers with entitlements": _entitlements,
    "audiences of one issuer": _audiences,
    "renames that no rule needs": _unused_renames,
    "issuers that are not declared": _undeclared_issuers,
    "tests with `alone`": _tests_alone,
    "mapfiles with a test with `alone`": _distributed_files,
    "bans by a pattern of subjects": _banned_patterns,
    "bans by a group of any VO": _banned_groups,
    "bans and rules by subject": _banned_subjects_and_rules,
}
