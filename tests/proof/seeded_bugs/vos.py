"""Bugs in the VOs that a token speaks for, and in the scopes that name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proof.seeded_bugs.replacement import Call, Replacement
from vomap.policy.authority import owned_vo
from vomap.policy.model import NamedVos


def _dots_passed(is_safe: Any, scope: str) -> Any:
    from vomap.claims.scopes import _decoded

    return is_safe("/".join("x" if part in (".", "..") else part for part in _decoded(scope).split("/")))


def _empty_parts_passed(is_safe: Any, scope: str) -> Any:
    from vomap.claims.scopes import _decoded

    return is_safe("/".join(part or "x" for part in _decoded(scope).split("/")))


def _slashes_decoded(_: Any, text: str) -> str:
    return text.replace("%2f", "/").replace("%2F", "/")


def _default_beside_unlisted(find_vos: Any, policy: Any, url: str, issuer: Any, token: Any) -> Any:
    naming = find_vos(policy, url, issuer, token)
    if naming.candidates or issuer.default_vo is None:
        return naming
    return NamedVos([issuer.default_vo], names_any=True)


def _unreserved(init: Any, authority: Any, document: Any) -> None:
    init(authority, document)
    for owners in authority.owners.values():
        owners[:] = [url for url in owners if url]


def _any_spelling(vo_of: Any, policy: Any, url: str, issuer: Any, name: str) -> Any:
    if issuer.vos is not None:
        return vo_of(policy, url, issuer, name)
    return None if owned_vo(policy, url, issuer, name) is None else name


def _any_unspelled(vo_of: Any, policy: Any, url: str, issuer: Any, name: str) -> Any:
    vo = owned_vo(policy, url, issuer, name)
    if issuer.vos is None and vo is not None and policy.find(f"spelled\t{vo}") is None:
        return name
    return vo_of(policy, url, issuer, name)


def _lower_case_only(vo_pieces: Any, document: Any, declared: Any) -> Any:
    return [piece for piece in vo_pieces(document, declared) if not piece[0].startswith("spelled\t")]


def _unspelled_by_serve(find_spellings: Any, document: Any) -> Any:
    return find_spellings({**document, "site": {**document["site"], "serve": None}})


def _unspelled_by_rules(find_spellings: Any, document: Any) -> Any:
    return find_spellings({**document, "rules": []})


BUGS: Mapping[str, Sequence[Replacement]] = {
    "dots in a storage path let pass": [Call("vomap.claims.scopes:is_safe", _dots_passed)],
    "encoded dots in a storage path let pass": [Call("vomap.claims.scopes:_decoded", _slashes_decoded)],
    "empty parts in a storage path let pass": [Call("vomap.claims.scopes:is_safe", _empty_parts_passed)],
    "a malformed path keeps no default VO away": [Call("vomap.claims.scopes:is_malformed", lambda *_: False)],
    "a ban blind to a malformed path": [Call("vomap.claims.scopes:first_name", lambda *_: None)],
    "scopes parted by any white space": [
        Call("vomap.claims:read_scopes", lambda _, claims: claims.texts.get("scope", "").split())
    ],
    "a default VO although the token names an unlisted one": [
        Call("vomap.policy.authority:find_vos", _default_beside_unlisted)
    ],
    "a VO whose issuer is distrusted, named by another": [
        Call("vomap.policy.authority:Authority.__init__", _unreserved)
    ],
    "a VO in any spelling": [Call("vomap.policy.authority:vo_of", _any_spelling)],
    "a VO that is spelled nowhere in any spelling": [Call("vomap.policy.authority:vo_of", _any_unspelled)],
    "a VO in lower case where it is spelled otherwise": [Call("vomap.policy.index:_vo_pieces", _lower_case_only)],
    "a spelling in `serve` that does not count": [Call("vomap.policy.index:find_spellings", _unspelled_by_serve)],
    "a spelling in a rule that does not count": [Call("vomap.policy.index:find_spellings", _unspelled_by_rules)],
}
