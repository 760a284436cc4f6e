"""Entitlements against `aarc-entitlement`, the library of AARC-G002 and AARC-G069.

Both get the question which membership an entitlement of an issuer is. The library takes it apart and knows no issuers,
so this module checks namespace and authority of its result against the declared ones. Where the two differ, the
difference is of a class in DIFFERENCES, with its reason. Any other difference fails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import pytest
from aarc_entitlement import G002, G069, ParseError  # type: ignore[import-untyped]

from proof.counts import count
from vomap.claims.memberships import EntitlementForm, normalise_percent, parse_entitlement

NAMESPACES = (
    "urn:mace:egi.eu",
    "urn:geant:h-df.de",
    "urn:geant:eduteams.org:service:eduteams",
    "urn:x-y:Example.ORG:a-b",
)
AUTHORITIES = ("aai.egi.eu", "login.h-df.de")
NAMES = ("vo.example.org", "LAGO-AAI", "a", "A", "group", "sub", "x_1", "a~b", "role", "res", "NULL", "m\u00e4r")
CODED = (
    "M%C3%A4r", "M%c3%a4r", "m%c3%A4r", "%61", "a%2Eb", "a%2eb", "a%2Fb", "a%3Ab", "a%3ab", "a%23b", "%7E", "100%25",
    "%2E%2e", "%20", "%52ole=x", "%cA",
)  # fmt: skip
ODD = (
    "a%zz",
    "a%ZZ",
    "a%",
    "a%4",
    "",
    ".",
    "..",
    "a/b",
    "a b",
    "Role=pilot",
    "Capability=NULL",
    "role=",
    "a?b",
    "a?=b",
)
ROLES = ("pilot", "Pilot", "NULL", "vm_operator", "p%69lot", "a:b", "", "%c3%a4", "role=x", "a=b", "..", "a/b", "a b")
LEAST_ALIKE = 0.2
SEED = 20


class Asked(NamedTuple):
    """An entitlement, and what is declared of its issuer."""

    value: str
    namespace: str
    authority: str | None


class Said(NamedTuple):
    """The membership that an entitlement is said to be: the groups from the top down, and the role."""

    groups: tuple[str, ...]
    role: str | None


def _asked(chance: Random) -> Asked:
    namespace = chance.choice(NAMESPACES)
    authority = chance.choice((*AUTHORITIES, None))
    urn = namespace
    draw = chance.random()
    if draw < 0.1:
        urn = chance.choice(
            (urn.upper(), "URN" + urn[3:], urn + ":sub", urn.rpartition(":")[0], "x" + urn, urn.replace("e", "%65"))
        )
    elif draw < 0.15:
        urn += chance.choice(("?+r", "?=q", "#f", "?+r?=q", ":group", "%2dx"))
    words = (*NAMES, *NAMES, *NAMES, *CODED, *(ODD if chance.random() < 0.4 else ()))
    parts = [chance.choice(words) for _ in range(chance.choice((1, 1, 2, 3)))]
    if chance.random() < 0.5:
        parts.append("role=" + chance.choice(ROLES))
    if chance.random() < 0.05:
        parts.append(chance.choice(words))
    kind = "group" if chance.random() < 0.94 else chance.choice(("res", "Group", "groups", "gr%6Fup"))
    value = f"{urn}:{kind}:" + ":".join(parts)
    if chance.random() < 0.5:
        value += "#" + chance.choice((*AUTHORITIES, authority or "", "AAI.egi.eu", "aai%2Eegi.eu", "aai.egi.eu#x", ""))
    return Asked(value, namespace, authority)


def _ours(asked: Asked) -> Said | None:
    membership = parse_entitlement(asked.value, EntitlementForm(asked.namespace, asked.authority, in_scope=False))
    return None if membership is None else Said(tuple(membership.group.split("/")[1:]), membership.role)


def _theirs(asked: Asked, guideline: type[G002 | G069]) -> Said | None:
    try:
        entitlement = guideline(asked.value)
    except ParseError:
        return None
    namespace = ":".join(("urn", entitlement.namespace_id, entitlement.delegated_namespace, *entitlement.subnamespaces))
    if namespace.lower() != asked.namespace.lower() or entitlement.group_authority not in (None, asked.authority):
        return None
    return Said((entitlement.group, *entitlement.subgroups), entitlement.role)


def _in_one_form(said: Said) -> Said:
    """Return what was said with percent-encoding in one form, blanks encoded, and without the role NULL."""
    role = None if said.role is None or said.role == "NULL" else _encoded(said.role)
    return Said(tuple(map(_encoded, said.groups)), role)


def _encoded(part: str) -> str:
    return normalise_percent(part).replace(" ", "%20")


def _is_refused(part: str) -> bool:
    part = _encoded(part)
    return part in ("", ".", "..") or bool(re.search(r"[/\s]", part)) or part.startswith(("Role=", "Capability="))


# The conditions of a class of differences: the entitlement, vomap's answer and the library's answer.


def _other_form(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return ours is not None and theirs is not None and ours == _in_one_form(theirs) and theirs.role != "NULL"


def _role_null(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return ours is not None and theirs is not None and ours == _in_one_form(theirs) and theirs.role == "NULL"


def _blank(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return " " in asked.value and _other_form(asked, ours, theirs)


def _malformed_percent(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    if ours is None or theirs is None or not re.search("%(?![0-9A-Fa-f]{2})", asked.value):
        return False
    return repr(ours).lower() == repr(_in_one_form(theirs)).lower()


def _refused_component(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return ours is None and theirs is not None and any(map(_is_refused, (*theirs.groups, theirs.role or "x")))


def _colon_in_role(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return ours is None and theirs is not None and ":" in (theirs.role or "")


def _role_as_group(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return ours is None and theirs is not None and any(group.startswith("role=") for group in theirs.groups)


def _components_of_urns(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return ours is None and theirs is not None and bool(re.match("[^:]*:[^:]*:[^?#]*[?#][^:]*:group:", asked.value))


def _group_called_group(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return ours is not None and theirs is None and "group" in ours.groups


def _encoded_prefix(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    prefix = asked.value[: len(asked.namespace) + len(":group:")]
    return ours is not None and theirs is None and "%" in prefix


def _decoded_first(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return "%" in asked.value


def _urn_in_capitals(asked: Asked, ours: Said | None, theirs: Said | None) -> bool:
    return ours is not None and theirs is None and not asked.value.startswith("urn:")


class Difference(NamedTuple):
    """A class of differences: its condition, and the reason."""

    tells: Callable[[Asked, Said | None, Said | None], bool]
    reason: str


ALIKE = (
    Difference(_refused_component, "vomap refuses what is empty, dots, has slashes or white space, or is like a role"),
    Difference(_colon_in_role, "a role is one component to vomap, and comes last; the library lets it hold colons"),
    Difference(_role_as_group, "vomap refuses an empty or a second role; the library makes it a subgroup"),
    Difference(_role_null, "vomap drops the role NULL, which in a VOMS FQAN is none"),
    Difference(_blank, "vomap writes a blank as %20, so that a group has none; the library leaves it"),
    Difference(_group_called_group, "vomap knows the namespace; the library takes all up to the last `:group:`"),
)  # fmt: skip
DIFFERENCES = {
    G069: (
        *ALIKE,
        Difference(_other_form, "vomap decodes unreserved characters (RFC 3986 section 6.2.2); the library does not"),
        Difference(_malformed_percent, "a `%` that encodes nothing stays; the library puts what follows in capitals"),
        Difference(_components_of_urns, "an r, q or f component makes another namespace; the library passes it over"),
        Difference(_encoded_prefix, "vomap takes an encoded letter of namespace or `group` for the letter"),
    ),
    G002: (
        *ALIKE,
        Difference(_decoded_first, "the library decodes before it parses, so that %3A parts groups; G069 does not"),
        Difference(_urn_in_capitals, "vomap compares `urn` without case, as G069 has it; the library's G002 does not"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("guideline", DIFFERENCES)
def test_entitlements_as_the_library_reads_them(guideline: type[G002 | G069]) -> None:
    """Both read an entitlement alike, or differ in a way that the table has. Each of these ways occurs."""
    chance, alike, seen = Random(SEED), 0, Counter[str]()
    number = count(full=2_000_000, reduced=30_000)
    for _ in range(number):
        asked = _asked(chance)
        ours, theirs = _ours(asked), _theirs(asked, guideline)
        if ours == theirs:
            alike += ours is not None
            continue
        reasons = [each.reason for each in DIFFERENCES[guideline] if each.tells(asked, ours, theirs)]
        assert reasons, f"{asked}: vomap says {ours}, {guideline.__name__} says {theirs}"
        seen[reasons[0]] += 1
    print(f"\n{guideline.__name__}: {number} entitlements, {alike} are the same membership to both")
    for reason, times in seen.most_common():
        print(f"  {times:8} {reason}")
    assert alike >= LEAST_ALIKE * number
    assert set(seen) == {each.reason for each in DIFFERENCES[guideline]}
