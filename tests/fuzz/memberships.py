"""Groups and entitlements: for any text, the result is a legal FQAN that names just this membership.

The data are lines of text, each a value of `wlcg.groups`, `entitlements` and `scope` at once.
"""

from __future__ import annotations

import re
from itertools import product

from vomap.claims import GROUPS_CLAIM, TokenError, read_claims
from vomap.claims.memberships import (
    EntitlementForm,
    GroupForm,
    Membership,
    find_malformed,
    normalise_percent,
    parse_entitlement,
    parse_fqan,
    read_every_membership,
    read_memberships,
)
from vomap.claims.scopes import is_safe, storage_root

OTHER_CLAIM = "groups"
GROUP_FORMS = (
    None,
    GroupForm(),
    GroupForm(comma_separated=True),
    GroupForm(OTHER_CLAIM),
    GroupForm(OTHER_CLAIM, comma_separated=True),
)
FORM = EntitlementForm("urn:mace:egi.eu", "aai.egi.eu", in_scope=True)
# Decoding is done once: beside such a sign, what only then looks like an encoding is text.
MALFORMED = re.compile("%(?![0-9A-Fa-f]{2})")
WITHOUT_AUTHORITY = EntitlementForm("urn:geant:x", None, in_scope=False)


def check(data: bytes) -> None:
    """Read memberships. Raises AssertionError if the rules above are broken."""
    values = data.decode("utf-8", "surrogateescape").split("\n")
    for value in values:
        _check_value(value)
    try:
        claims = read_claims(
            {GROUPS_CLAIM: values, OTHER_CLAIM: values, "entitlements": values, "scope": " ".join(values)}
        )
    except TokenError:
        return
    for groups, forms in product(GROUP_FORMS, ((), (FORM,), (WITHOUT_AUTHORITY,), (FORM, WITHOUT_AUTHORITY))):
        found = read_memberships(claims, groups, forms)
        assert len({each.fqan for each in found}) == len(found), "one membership twice"
        for membership in found:
            _check_membership(membership)
            assert forms or "," not in membership.fqan, "a group with a comma"
        assert all(sentence.isascii() for sentence in find_malformed(claims, groups, forms))
        every = {each.fqan for each in read_every_membership(claims, groups, forms)}
        assert every.issuperset(each.fqan for each in found), "a membership is hidden from bans"


def _check_value(value: str) -> None:
    if not MALFORMED.search(value):
        once = normalise_percent(value)
        assert normalise_percent(once) == once
    for membership in (parse_fqan(value), *(parse_entitlement(value, form) for form in (FORM, WITHOUT_AUTHORITY))):
        if membership is not None:
            _check_membership(membership)
    asserted = parse_entitlement(value, FORM)
    if asserted is not None:
        assert value.partition("#")[1:] in (("", ""), ("#", "aai.egi.eu")), "another authority's word"
        assert value.lower().startswith("urn:mace:egi.eu:") or "%" in value, "another namespace's word"
    root = storage_root(value)
    if root is not None:
        assert is_safe(value)
        assert "/" not in root
        assert root not in ("", ".", "..")


def _check_membership(membership: Membership) -> None:
    # A component of an entitlement may have a comma (RFC 8141, the characters of a URN). A group may not.
    fqan, group, root = (text.replace(",", "-") for text in (membership.fqan, membership.group, membership.root))
    role = None if membership.role is None else membership.role.replace(",", "-")
    again = parse_fqan(fqan)
    assert again is not None, "not a legal FQAN"
    assert (again.group, again.role, again.root) == (group, role, root)
    first, *parts = membership.group.split("/")
    assert first == ""
    assert parts[0] == membership.root
    for part in (*parts, *([] if membership.role is None else [membership.role])):
        assert part not in ("", ".", "..")
        assert not part.startswith(("Role=", "Capability="))
        assert not any(sign.isspace() for sign in part)
