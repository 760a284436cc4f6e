"""Bugs in patterns, in the conditions of rules and bans, and in what bans see of a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from proof.seeded_bugs.replacement import Call, Constant, Replacement
from vomap.policy.matching import EVERY_TOKEN


def _prefix_without_slash(match: Any, pattern: Any, value: str, captured: dict[str, str] | None = None) -> Any:
    _, below = pattern.shape
    stem = pattern.text[:-3]
    if below and "*" not in stem:
        return value.startswith(stem)
    return match(pattern, value, captured)


def _star_for_nothing(match: Any, pattern: Any, value: str, captured: dict[str, str] | None = None) -> Any:
    parts, _ = pattern.shape
    texts = value.split("/")
    for at, (part, text) in enumerate(zip(parts, texts)):
        if isinstance(part, tuple) and not part[2] and text == part[0] + part[1]:
            texts[at] = f"{part[0]}x{part[1]}"
    return match(pattern, "/".join(texts), captured)


def _role_ignored(init: Any, pattern: Any, text: str) -> None:
    init(pattern, text.rpartition("/Role=")[0] or text)


def _any_group_first(meets: Any, key: str, *others: Any) -> Any:
    return meets("group" if key == "first-group" else key, *others)


def _any_for_all(first_unmet: Any, conditions: Any, view: Any, captured: dict[str, str]) -> Any:
    keys = [first_unmet(SimpleNamespace(asked=[each]), view, captured) for each in conditions.asked]
    return None if None in keys or not keys else "all"


def _azp_without_client_id(values: Any, view: Any, key: str) -> Any:
    if key == "client":
        return view.claims.values("client_id") or view.claims.values("azp")
    return values(view, key)


def _first_subject(values: Any, view: Any, key: str) -> Any:
    return values(view, key)[: 1 if key in ("issuer", "subject", "jti") else None]


def _none_for_every_token(anchors_for: Any, aspect: str) -> Any:
    return (lambda _: ()) if aspect == EVERY_TOKEN else anchors_for(aspect)


def _first_condition(collect: Any, found: Any, find: Any, place: str, anchors: Any) -> None:
    collect(found, lambda key: (find(key) or ())[:1], place, anchors)


def _narrowed_to_first(narrowed: Any, key: str, patterns: Sequence[Any], view: Any, values: int) -> Any:
    first = SimpleNamespace(values=lambda name: view.values(name)[:1], memberships=view.memberships[:1])
    return narrowed(key, patterns, first, values)


BUGS: Mapping[str, Sequence[Replacement]] = {
    "a group's prefix without the slash": [Call("vomap.policy.matching:Pattern.match", _prefix_without_slash)],
    "a star for nothing": [Call("vomap.policy.matching:Pattern.match", _star_for_nothing)],
    "a role ignored": [Call("vomap.policy.matching:GroupPattern.__init__", _role_ignored)],
    "first-group is any group": [Call("vomap.policy.matching:_meets", _any_group_first)],
    "any of the conditions for all": [Call("vomap.policy.matching:first_unmet_condition", _any_for_all)],
    "azp only without client_id": [Call("vomap.policy.matching:BanView.values", _azp_without_client_id)],
    "an account of 33 characters": [Constant("vomap.policy.matching:LONGEST_ACCOUNT", lambda _: 33)],
    "a ban by subject blind to a list": [Call("vomap.policy.matching:BanView.values", _first_subject)],
    "bans that every token must try, tried with none": [
        Call("vomap.policy.matching:anchors_for", _none_for_every_token)
    ],
    "bans found by the first only of several conditions of a token": [
        Call("vomap.policy.model:_collect", _first_condition)
    ],
    "patterns narrowed to those of the first value": [
        Constant("vomap.policy.matching:_FEW", lambda _: 0),
        Call("vomap.policy.matching:_narrowed", _narrowed_to_first),
    ],
}
