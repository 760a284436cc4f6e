"""Bugs in the claims of a token: its JSON, its texts and lists, its groups and entitlements."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from proof.seeded_bugs.replacement import Call, Constant, Replacement
from vomap.claims import GROUPS_CLAIM


def _duplicates_passed(parse_json: Any, text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return json.loads(text, parse_constant=parse_json)


def _one_value(add_list: Any, claims: Any, name: str, members: list[object], *, printable: bool) -> None:
    add_list(claims, name, members, printable=printable)
    claims.several.discard(name)


def _c1_passed(is_clean: Any, text: str) -> Any:
    return is_clean(re.sub("[\x80-\x9f]", "", text))


def _small_letters_left(normalise: Any, text: str) -> str:
    def of_one(code: re.Match[str]) -> str:
        written: str = normalise(code[0])
        return code[0] if written.startswith("%") else written

    return re.sub("%[0-9A-Fa-f]{2}", of_one, text)


def _last_slashes_passed(are_plain: Any, groups: Sequence[str]) -> Any:
    return are_plain([*(group.removesuffix("/") for group in groups[:-1]), *groups[-1:]])


def _first_slashes_passed(are_plain: Any, groups: Sequence[str]) -> Any:
    return are_plain([*groups[:1], *(f"/{group.removeprefix('/')}" for group in groups[1:])])


def _commas_passed(are_plain: Any, groups: Sequence[str]) -> Any:
    return are_plain([group.replace(",", "") for group in groups])


def _undeclared_authority(parse: Any, value: str, form: Any) -> Any:
    return parse(value.partition("#")[0] if form.authority is None else value, form)


def _fqan_with_commas(_: Any, text: str) -> Any:
    from vomap.claims.memberships import _parse_fqan

    return _parse_fqan(text)


def _split_list(_: Any, claims: Any, groups: Any) -> Any:
    values = claims.values(groups.claim)
    return [piece.strip(" ") for piece in ",".join(values).split(",")] if values else values


def _split_several(group_texts: Any, claims: Any, groups: Any) -> Any:
    return (_split_list if groups.comma_separated else _unsplit)(group_texts, claims, groups)


def _unsplit(_: Any, claims: Any, groups: Any) -> Any:
    return claims.values(groups.claim)


def _roles_everywhere(parser: Any, _: Any) -> Any:
    return parser(SimpleNamespace(claim=GROUPS_CLAIM))


def _no_slash_added(parse_group: Any, text: str) -> Any:
    return parse_group(text) if text.startswith("/") else None


def _groups_beside_entitlements(init: Any, issuer: Any, declared: Any, site: Any) -> None:
    init(issuer, declared if isinstance(declared, str) else {"groups": {}, **declared}, site)


def _groups_in_one_claim(init: Any, issuer: Any, declared: Any, site: Any) -> None:
    init(issuer, declared, site)
    if issuer.groups_claim is not None:
        issuer.groups_claim = GROUPS_CLAIM


def _blind_behind_comma(read: Any, claims: Any, groups: Any, form: Any) -> Any:
    names = (GROUPS_CLAIM, groups and groups.claim)
    return _read_otherwise(
        read, claims, groups, form, lambda name, text: text.partition(",")[0] if name in names else text
    )


def _blind_to_unread(read: Any, claims: Any, groups: Any, form: Any) -> Any:
    is_read = groups is not None and groups.claim == GROUPS_CLAIM
    return _read_otherwise(
        read, claims, groups, form, lambda name, text: text if is_read or name != GROUPS_CLAIM else ""
    )


def _read_otherwise(read: Any, claims: Any, groups: Any, form: Any, text_of: Callable[[str, str], str]) -> Any:
    """Return what bans read of claims of which each text is another one, or none."""

    def values(name: str) -> list[str]:
        return [text for text in (text_of(name, value) for value in claims.values(name)) if text]

    return read(SimpleNamespace(texts=claims.texts, values=values), groups, form)


_ARE_PLAIN = "vomap.claims.memberships:_are_plain"
_GROUP_TEXTS = "vomap.claims.memberships:_group_texts"
_EVERY = "vomap.claims.memberships:read_every_membership"
BUGS: Mapping[str, Sequence[Replacement]] = {
    "duplicate keys let pass": [Call("vomap.claims.strict_json:parse_json", _duplicates_passed)],
    "two values, of which one says nothing, taken for one": [Call("vomap.claims:_add_list", _one_value)],
    "control characters of C1 let pass": [Call("vomap.claims:is_clean", _c1_passed)],
    "percent-encoding in small letters left so": [
        Call("vomap.claims.memberships:normalise_percent", _small_letters_left)
    ],
    "percent-encoding in small letters not decoded": [
        Constant("vomap.claims.memberships:_HEX", lambda _: frozenset("0123456789ABCDEF"))
    ],
    "groups of which one ends with a slash taken as they stand": [Call(_ARE_PLAIN, _last_slashes_passed)],
    "groups of which one begins without a slash taken as they stand": [Call(_ARE_PLAIN, _first_slashes_passed)],
    "an authority that nobody declared": [Call("vomap.claims.memberships:parse_entitlement", _undeclared_authority)],
    "a list of groups split at commas": [Call(_GROUP_TEXTS, _split_list)],
    "several strings split where one may be": [Call(_GROUP_TEXTS, _split_several)],
    "a string that says nothing beside one that is split": [Call("vomap.claims.memberships:_strings", lambda *_: 1)],
    "a string with a comma taken for a group": [
        Call("vomap.claims.memberships:parse_fqan", _fqan_with_commas),
        Call(_ARE_PLAIN, _commas_passed),
    ],
    "pieces that are not trimmed": [Call("vomap.claims.memberships:_pieces", lambda _, text: text.split(","))],
    "a role in another claim": [Call("vomap.claims.memberships:_parser", _roles_everywhere)],
    "no slash added in another claim": [Call("vomap.claims.memberships:parse_group", _no_slash_added)],
    "wlcg.groups beside declared entitlements": [
        Call("vomap.policy.model:Issuer.__init__", _groups_beside_entitlements)
    ],
    "wlcg.groups in the place of another claim": [Call("vomap.policy.model:Issuer.__init__", _groups_in_one_claim)],
    "a malformed group keeps no default VO away": [
        Call("vomap.claims.memberships:has_malformed_groups", lambda *_: False)
    ],
    "a ban blind to what stands behind a comma": [Call(_EVERY, _blind_behind_comma)],
    "a ban blind to a group whose claim is not read": [Call(_EVERY, _blind_to_unread)],
}
