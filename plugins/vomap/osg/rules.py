"""Make the rules of a generated mapfile from the entries of VO files."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from vomap.osg.topology import TopologyEntry, VirtualOrganization

_NO_SLUG = re.compile(r"[^a-z0-9]+", re.ASCII)
_LONGEST_SLUG = 48
_DIGEST_LENGTH = 12


@dataclass(frozen=True)
class GeneratedRule:
    """One rule: the identity, the account, and the VO whose file has the entry."""

    name: str
    vo: str
    issuer: str
    subject: str | None
    account: str


def make_rules(vos: Iterable[VirtualOrganization]) -> list[GeneratedRule]:
    """Return a rule for each entry, sorted by VO and issuer. The rules of an issuer with a subject come first."""
    owned = [(vo.name, entry) for vo in vos for entry in vo.entries]
    names = _names(owned)
    rules = [
        GeneratedRule(name, vo, entry.issuer, entry.subject, entry.account) for name, (vo, entry) in zip(names, owned)
    ]
    return sorted(rules, key=lambda rule: (rule.vo.lower(), rule.issuer, rule.subject is None, rule.subject or ""))


def _names(owned: Sequence[tuple[str, TopologyEntry]]) -> list[str]:
    """Return a name for each entry: the shortest that no other entry has."""
    possible = [_possible_names(vo, entry) for vo, entry in owned]
    while True:
        names = [each[0] for each in possible]
        uses = Counter(names)
        shared = [each for each in possible if uses[each[0]] > 1 and len(each) > 1]
        if not shared:
            return names
        for each in shared:
            del each[0]


def _possible_names(vo: str, entry: TopologyEntry) -> list[str]:
    """Return the names that an entry can get, each longer: its description, its issuer's host, a digest of it."""
    owner, text = _slug(vo), _slug(entry.description)
    host = _slug(urlsplit(entry.issuer).netloc)
    base = text if text == owner or text.startswith(f"{owner}-") else f"{owner}-{text or host}"
    with_host = f"{base}-{host}" if text else base
    identity = hashlib.sha256(f"{entry.issuer} {entry.subject or ''}".encode()).hexdigest()
    return list(dict.fromkeys([base, with_host, f"{with_host}-{identity[:_DIGEST_LENGTH]}"]))


def _slug(text: str) -> str:
    return _NO_SLUG.sub("-", text.lower())[:_LONGEST_SLUG].strip("-")
