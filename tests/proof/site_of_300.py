"""A site's mapfile of 300 rules, of every kind in the language, and edits of it, as test data write them.

Each rule and each issuer is on a line of its own, so that a source names exactly one of them.
"""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

EXPERIMENTS = tuple(f"exp{number:02}" for number in range(1, 13))
LAB_EXPERIMENTS = tuple(f"lab{number:02}" for number in range(1, 21))
COLLABORATIONS = tuple(f"vo{number:02}.example.org" for number in range(1, 20))
LAB, EGI, CHECK_IN = "https://lab.example/", "https://egi.example/realm", "https://check-in.example/"
PEOPLE = 8
Mapfile = dict[str, Any]


def issuer_of(experiment: str) -> str:
    """Return the issuer whose only VO an experiment is."""
    return f"https://{experiment}.example/"


def site_of_300() -> Mapfile:
    """Return the mapfile."""
    own = {issuer_of(each): {"vo": each.capitalize()} for each in EXPERIMENTS}
    people: list[Mapfile] = [
        {"name": "lab-people", "issuer": LAB, "subject": "<user>@lab.example", "account": "<user>"},
        {"name": "lab-robots", "issuer": LAB, "claim": {"kind": "robot-*"}, "account": "labrobot"},
    ]
    rules = [rule for each in EXPERIMENTS for rule in _experiment(each)]
    rules += [rule for each in LAB_EXPERIMENTS for rule in _lab_experiment(each)]
    rules += people
    rules += [rule for each in COLLABORATIONS for rule in _collaboration(each)]
    rules.append({"name": "egi-others", "issuer": EGI, "group": "/**", "deny": "not one of ours"})
    assert len(rules) == 300, "replace a rule: 300 stay 300"
    return {
        "mapfile": "1",
        "site": {
            "audience": ["ce01.example.org:9619", "ANY"],
            "serve": [*(each.capitalize() for each in (*EXPERIMENTS, *LAB_EXPERIMENTS)), "Lab", *COLLABORATIONS],
            "rename": {"exp01pilot": "pilot001"},
            "accounts": {"must-exist": "no", "never": ["condor"]},
            "maximum-lifetime": "6h",
        },
        "issuers": {
            **own,
            LAB: {
                "vo-from": ["scope-path", "group"],
                "vos": {each: each.capitalize() for each in LAB_EXPERIMENTS},
                "default-vo": "Lab",
            },
            EGI: {
                "vo-from": ["group"],
                "entitlements": {"namespace": "urn:mace:egi.eu", "authority": "aai.egi.eu"},
            },
            CHECK_IN: {"vo-from": ["group"], "without-audience": "accept"},
            "https://gone.example/": "none",
        },
        "rules": rules,
        "pools": {"example": {"accounts": "ex{001..200}"}, "visitors": {"accounts": "vis{01..20}"}},
    }


def _experiment(name: str) -> list[Mapfile]:
    vo = name.capitalize()
    persons = [
        {
            "name": f"{name}-person-{at}",
            "issuer": issuer_of(name),
            "subject": f"{name}-p{at}",
            "account": f"{name}p{at}",
        }
        for at in range(1, PEOPLE + 1)
    ]
    return [
        *persons,
        {"name": f"{name}-no-tests", "vo": vo, "group": f"/{name}/test/**", "deny": "no tests here"},
        {"name": f"{name}-pilots", "vo": vo, "group": f"/{name}/Role=pilot", "account": f"{name}pilot"},
        {"name": f"{name}-production", "vo": vo, "group": [f"/{name}/prod", f"/{name}/data"], "account": f"{name}prod"},
        {
            "name": f"{name}-local",
            "vo": vo,
            "subject": f"*@{name}.example",
            "group": f"/{name}/local/*",
            "account": f"{name}l",
        },
        {"name": f"{name}-project", "vo": vo, "claim": {"project": "p-*"}, "account": f"{name}proj"},
        {"name": f"{name}-special", "vo": vo, "audience": "ce01.example.org:9619", "account": f"{name}spec"},
        {"name": f"{name}-members", "vo": vo, "group": f"/{name}/**", "account": f"{name}user"},
    ]


def _lab_experiment(name: str) -> list[Mapfile]:
    vo = name.capitalize()
    return [
        {"name": f"{name}-production", "vo": vo, "scope": f"storage.create:/{name}/data", "account": "<vo>pro"},
        {"name": f"{name}-analysis", "vo": vo, "first-group": f"/{name}/analysis/**", "account": "<vo>ana"},
        {"name": f"{name}-readers", "vo": vo, "scope": f"storage.read:/{name}/**", "account": f"{name}read"},
    ]


def _collaboration(name: str) -> list[Mapfile]:
    short = name.partition(".")[0]
    return [
        {"name": f"{short}-pilots", "vo": name, "group": f"/{name}/Role=pilot", "account": f"{short}plt"},
        {"name": f"{short}-admins", "vo": name, "issuer": EGI, "group": f"/{name}/admins", "account": f"{short}adm"},
        {"name": f"{short}-users", "vo": name, "pool": "example"},
    ]


def written(mapfile: Mapfile, comments: str = "") -> str:
    """Write a mapfile with each rule, each issuer and each pool on a line of its own. JSON is YAML."""
    lines = ["mapfile: 1", f"site: {_flow(mapfile['site'])}", "issuers:"]
    lines += [f"  {_flow(url)}: {_flow(declared)}" for url, declared in mapfile["issuers"].items()]
    lines.append("rules:")
    for rule in mapfile["rules"]:
        lines += [f"  # {comments} {rule['name']}"] if comments else []
        lines.append(f"  - {_flow(rule)}")
    lines.append("pools:")
    lines += [f"  {name}: {_flow(pool)}" for name, pool in mapfile["pools"].items()]
    return "\n".join(lines) + "\n"


def line_of(mapfile: Mapfile, rule: str) -> int:
    """Return the line on which a rule is written."""
    text = written(mapfile)
    return 1 + next(at for at, line in enumerate(text.splitlines()) if f'"name": "{rule}",' in line)


def edited(mapfile: Mapfile, edits: list[Mapfile]) -> Mapfile:
    """Return a mapfile after edits. Each edit names one of the functions below, with its arguments."""
    new = deepcopy(mapfile)
    for edit in edits:
        words = dict(edit)
        what = words.pop("do")
        _EDITS[what](new, **words)
    return new


def _flow(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _place(mapfile: Mapfile, rule: str) -> int:
    return [each["name"] for each in mapfile["rules"]].index(rule)


def _change_rule(mapfile: Mapfile, rule: str, to: Mapfile, without: tuple[str, ...] = ()) -> None:
    at = _place(mapfile, rule)
    kept = {key: value for key, value in mapfile["rules"][at].items() if key not in without}
    mapfile["rules"][at] = {**kept, **to}


def _drop_rule(mapfile: Mapfile, rule: str) -> None:
    del mapfile["rules"][_place(mapfile, rule)]


def _add_rule(mapfile: Mapfile, rule: Mapfile, before: str = "", after: str = "") -> None:
    at = _place(mapfile, before) if before else _place(mapfile, after) + 1 if after else len(mapfile["rules"])
    mapfile["rules"].insert(at, rule)


def _move_rule(mapfile: Mapfile, rule: str, before: str) -> None:
    moved = mapfile["rules"].pop(_place(mapfile, rule))
    mapfile["rules"].insert(_place(mapfile, before), moved)


def _split_rule(mapfile: Mapfile, rule: str, key: str) -> None:
    at = _place(mapfile, rule)
    whole = mapfile["rules"].pop(at)
    parts = [{**whole, key: value, "name": f"{rule}-{number}"} for number, value in enumerate(whole[key])]
    mapfile["rules"][at:at] = parts


def _reverse_rules(mapfile: Mapfile, containing: str) -> None:
    """Put the rules whose names contain a text into the reverse order, in the places that they have."""
    places = [at for at, rule in enumerate(mapfile["rules"]) if containing in rule["name"]]
    for at, rule in zip(places, [mapfile["rules"][at] for at in reversed(places)]):
        mapfile["rules"][at] = rule


def _move_to_front(mapfile: Mapfile, containing: str) -> None:
    rules = mapfile["rules"]
    mapfile["rules"] = sorted(rules, key=lambda rule: containing not in rule["name"])


def _shuffle_owners(mapfile: Mapfile) -> None:
    """Deal the experiments' rules anew, each experiment's in their own order: what is of two has nothing in common."""
    owners = [rule["name"].partition("-")[0] for rule in mapfile["rules"]]
    rules = {owner: [rule for rule, of in zip(mapfile["rules"], owners) if of == owner] for owner in owners}
    own = [owner for owner in owners if owner in EXPERIMENTS]
    random.Random(1).shuffle(own)
    rest = [rule for rule, of in zip(mapfile["rules"], owners) if of not in EXPERIMENTS]
    mapfile["rules"] = [rules[owner].pop(0) for owner in own] + rest


def _rename_rules(mapfile: Mapfile) -> None:
    for number, rule in enumerate(mapfile["rules"]):
        rule["name"] = f"rule-{number}"


def _reverse_lists(mapfile: Mapfile) -> None:
    for rule in mapfile["rules"]:
        for key, value in rule.items():
            if isinstance(value, list) and key != "vo":
                rule[key] = value[::-1]


def _reverse_keys(mapfile: Mapfile) -> None:
    mapfile["rules"] = [dict(reversed(rule.items())) for rule in mapfile["rules"]]
    mapfile["issuers"] = dict(reversed(mapfile["issuers"].items()))


def _change_issuer(mapfile: Mapfile, url: str, to: Any, without: tuple[str, ...] = ()) -> None:
    if isinstance(to, str):
        mapfile["issuers"][url] = to
        return
    declared = mapfile["issuers"].get(url, {})
    kept = {key: value for key, value in declared.items() if key not in without}
    mapfile["issuers"][url] = {**kept, **to}


def _drop_issuer(mapfile: Mapfile, url: str) -> None:
    del mapfile["issuers"][url]


def _change_names(mapfile: Mapfile, url: str, names: Mapfile, without: tuple[str, ...] = ()) -> None:
    declared = mapfile["issuers"][url]["vos"]
    kept = {name: vo for name, vo in declared.items() if name not in without}
    mapfile["issuers"][url]["vos"] = {**kept, **names}


def _change_site(mapfile: Mapfile, to: Mapfile, without: tuple[str, ...] = ()) -> None:
    kept = {key: value for key, value in mapfile["site"].items() if key not in without}
    mapfile["site"] = {**kept, **to}


def _change_serve(mapfile: Mapfile, add: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> None:
    mapfile["site"]["serve"] = [vo for vo in mapfile["site"]["serve"] if vo not in drop] + list(add)


def _change_pool(mapfile: Mapfile, pool: str, accounts: Any) -> None:
    mapfile["pools"][pool] = {**mapfile["pools"].get(pool, {}), "accounts": accounts}


_EDITS: dict[str, Any] = {
    "change rule": _change_rule,
    "drop rule": _drop_rule,
    "add rule": _add_rule,
    "move rule": _move_rule,
    "split rule": _split_rule,
    "reverse rules": _reverse_rules,
    "move to front": _move_to_front,
    "shuffle owners": _shuffle_owners,
    "rename rules": _rename_rules,
    "reverse lists": _reverse_lists,
    "reverse keys": _reverse_keys,
    "change issuer": _change_issuer,
    "drop issuer": _drop_issuer,
    "change names": _change_names,
    "change site": _change_site,
    "change serve": _change_serve,
    "change pool": _change_pool,
}
