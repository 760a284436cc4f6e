"""The policies that are measured: what ships for OSG, EGI and Fermilab, and big ones made by rule."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EGI = "https://aai.egi.eu/auth/realms/egi"
OSG = ROOT / "mapfiles" / "osg.yaml"
SHIPPED = (OSG, ROOT / "mapfiles" / "egi.yaml", ROOT / "mapfiles" / "fermilab.yaml")
BIG_ISSUERS = 200
SMALL_RULES, SMALL_ISSUERS = 40, 8

# An account that every machine has, so that it is looked up as on a CE: with success.
ACCOUNT = "daemon"
_SITE = """\
mapfile: 1
site:
  audience: ["ce01.example.org:9619", "https://wlcg.cern.ch/jwt/v1/any"]
  accounts: {minimum-uid: 1}
  log: {to: %s}
"""
LOG = "decisions.log"


def write_site(path: Path, renamed: Iterable[str]) -> Path:
    """Write the mapfile of a site that takes every CE's audience and gives ACCOUNT for some others; return its path.

    Its callouts log every decision to LOG, beside it.
    """
    names = ", ".join(f"{account}: {ACCOUNT}" for account in renamed)
    path.write_text(_site(path.parent) + (f"  rename: {{{names}}}\n" if names else ""), "utf-8")
    return path


def write_mapfile(path: Path, issuer: str, rules: Iterable[dict[str, Any]]) -> Path:
    """Write a mapfile with an issuer of many VOs and some rules, each of which gives ACCOUNT; return its path."""
    whole = [{"name": f"rule{at:05d}", "account": ACCOUNT, **rule} for at, rule in enumerate(rules)]
    issuers = {issuer: {"vo-from": ["group"]}}
    # Every text of JSON is one of YAML.
    path.write_text(f"{_site(path.parent)}issuers: {json.dumps(issuers)}\nrules:\n{_listed(whole)}", "utf-8")
    return path


def write_bans(folder: Path, bans: Iterable[dict[str, Any]]) -> Path:
    """Write a folder of bans with one file, a ban a line; return the folder."""
    folder.mkdir()
    text = _listed({**ban, "reason": "measured"} for ban in bans)
    (folder / "bans.yaml").write_text(f"mapfile: 1\nbans:\n{text}", "utf-8")
    return folder


def _listed(entries: Iterable[dict[str, Any]]) -> str:
    return "".join(f"  - {json.dumps(entry)}\n" for entry in entries)


def _site(folder: Path) -> str:
    log = folder / LOG
    # Whoever is measured writes to it.
    log.touch()
    log.chmod(0o666)
    return _SITE % log


def measured_numbers(rules: int) -> tuple[int, int]:
    """Return the numbers of the rules of a big policy whose tokens are measured: the last by subject and by group."""
    return rules // 2 - 1, rules - 1


def write_big(path: Path, rules: int, issuers: int) -> Path:
    """Write a mapfile with so many rules of so many issuers, half by subject and half by group; return its path."""
    with path.open("w", encoding="utf-8") as file:
        file.write(_site(path.parent))
        file.write("  rename:\n")
        file.writelines(f"    {account_of(number)}: {ACCOUNT}\n" for number in measured_numbers(rules))
        file.write("issuers:\n")
        for number in range(issuers):
            says = f"vo: vo{number}" if number < issuers // 2 else "vo-from: [group]"
            file.write(f"  {_issuer(number)}: {{{says}}}\n")
        file.write("rules:\n")
        for rule in _rules(rules, issuers):
            name, key, value = rule["name"], rule["key"], rule["value"]
            file.write(
                f"  - name: {name}\n    issuer: {rule['issuer']}\n    {key}: {value}\n    account: {rule['account']}\n"
            )
    return path


def big_document(rules: int, issuers: int, site: dict[str, Any]) -> dict[str, Any]:
    """Return the document that `write_big`'s mapfile is composed to; `site` is its site's part."""
    half = issuers // 2
    declared: dict[str, Any] = {_issuer(at): {"vo": f"vo{at}"} for at in range(half)}
    declared.update({_issuer(at): {"vo-from": ["group"]} for at in range(half, issuers)})
    return {
        "site": site,
        "issuers": declared,
        "reserved-vos": [],
        "rules": [
            {
                "source": f"big.yaml:{line}",
                "name": rule["name"],
                "issuer": [rule["issuer"]],
                rule["key"]: [rule["value"]],
                "account": rule["account"],
            }
            for line, rule in enumerate(_rules(rules, issuers), start=1)
        ],
        "pools": {},
    }


def issuer_of(number: int, rules: int, issuers: int) -> str:
    """Return the issuer of a rule: the rules of one issuer stand together, those by subject before those by group."""
    return _issuer(_issuer_number(number, rules, issuers))


def subject_of(number: int) -> str:
    """Return the subject of a rule, a UUID that is the same in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"rule {number}"))


def group_of(number: int, rules: int, issuers: int) -> str | None:
    """Return the group of a rule, or None if it is one by subject."""
    issuer = _issuer_number(number, rules, issuers)
    return None if issuer < issuers // 2 else f"/vo{issuer}/g{number}"


def account_of(number: int) -> str:
    """Return the account of a rule: every rule has its own."""
    return f"acc{number:07d}"


def _rules(rules: int, issuers: int) -> Iterator[dict[str, str]]:
    for number in range(rules):
        group = group_of(number, rules, issuers)
        yield {
            "name": f"rule{number:07d}",
            "issuer": issuer_of(number, rules, issuers),
            "key": "subject" if group is None else "group",
            "value": group or subject_of(number),
            "account": account_of(number),
        }


def _issuer(number: int) -> str:
    return f"https://vo{number}.example.org/"


def _issuer_number(number: int, rules: int, issuers: int) -> int:
    return number * issuers // rules
