"""The token as conditions see it: whole, or one VO's part of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from vomap.claims import Claims
    from vomap.claims.memberships import Membership
    from vomap.policy.model import Conditions
    from vomap.policy.patterns import GroupPattern, Pattern

# An aspect is a condition's key, `claim NAME` among them; `2/group` is that of patterns with two literal parts before
# the first other one, such as `/cms/**`.
EVERY_TOKEN = "*"  # noqa: S105 - the aspect of what is tried with every token  # nosec B105


class View:
    """What conditions are matched with."""

    __slots__ = ("claims", "memberships", "scopes")

    def __init__(self, claims: Claims, memberships: Sequence[Membership], scopes: Sequence[str]) -> None:
        """Take a token's claims, its memberships and its scopes."""
        self.claims = claims
        self.memberships = memberships
        self.scopes = scopes

    def safe(self) -> View:
        """Return this without scopes that have `..` in their paths: bans see all of a token, but rules believe none."""
        text = self.claims.texts.get("scope", "")
        # A slash may be percent-encoded.
        if "/" not in text and "%" not in text:
            return self
        from vomap.claims.scopes import is_safe

        return View(self.claims, self.memberships, [scope for scope in self.scopes if is_safe(scope)])

    def part(self, is_seen: Callable[[str], bool]) -> View:
        """Return the part whose groups and storage paths begin with a name that is seen, and all other scopes."""
        roots = {membership.root for membership in self.memberships}
        seen = {root for root in roots if is_seen(root)}
        memberships = self.memberships
        if len(seen) < len(roots):
            memberships = [membership for membership in memberships if membership.root in seen]
        if "/" not in self.claims.texts.get("scope", ""):
            return View(self.claims, memberships, self.scopes)
        # Few tokens have a path in a scope.
        from vomap.claims.scopes import storage_root

        paths = ((scope, storage_root(scope)) for scope in self.scopes)
        return View(self.claims, memberships, [scope for scope, root in paths if root is None or is_seen(root)])


def anchors_for(aspect: str) -> Callable[[View], Iterable[str]]:
    """Return what tells where rules of an aspect are anchored that may match a view: at a value, or at its beginning.

    `group` of `/cms/uscms` is `/cms/uscms`, `2/group` is `/cms`. What every token must try is anchored at no text.
    """
    if aspect == EVERY_TOKEN:
        return lambda _: ("",)
    if aspect[0].isdigit():
        count, _, key = aspect.partition("/")
        parts, values = int(count), anchors_for(key)
        return lambda view: {"/".join(value.split("/", parts)[:parts]): None for value in values(view)}
    if aspect in _VALUES:
        return _VALUES[aspect]
    name = aspect.partition(" ")[2]
    return lambda view: view.claims.values(name)


def _groups(view: View) -> Iterable[str]:
    # Which group is the first, only the part that a rule sees can tell.
    return {membership.group: None for membership in view.memberships}


_VALUES: dict[str, Callable[[View], Iterable[str]]] = {
    "subject": lambda view: (view.claims.texts.get("sub", ""),),
    "group": _groups,
    "first-group": _groups,
    "scope": lambda view: view.scopes,
}


def unmet(conditions: Conditions, view: View, captured: dict[str, str]) -> str | None:
    """Return the first key that does not hold, or None if all do; what is captured goes into `captured`.

    `vo` is not looked at: whoever chose the view has done so.
    """
    for key, wanted in conditions.asked:
        if not _HOLDS[key](wanted, view, captured):
            return key if key != "claim" else f"claim {wanted[0]}"
    return None


def _any_match(patterns: Sequence[Pattern], values: Iterable[str], captured: dict[str, str]) -> bool:
    for value in values:
        for pattern in patterns:
            if pattern.match(value, captured):
                return True
    return False


def _any_group(patterns: Sequence[GroupPattern], memberships: Sequence[Membership]) -> bool:
    for pattern in patterns:
        role = pattern.only_role
        for membership in memberships:
            if (role is None or membership.role == role) and pattern.match(membership):
                return True
    return False


def _claim_holds(wanted: tuple[str, Sequence[Pattern]], view: View, captured: dict[str, str]) -> bool:
    name, patterns = wanted
    values = view.claims.values(name)
    if name in view.claims.several and any(pattern.captures for pattern in patterns):
        # Of two values, nobody could say which one is meant.
        return False
    return _any_match(patterns, values, captured)


def _subject_holds(wanted: Sequence[Pattern], view: View, captured: dict[str, str]) -> bool:
    subject = view.claims.texts.get("sub")
    return subject is not None and _any_match(wanted, (subject,), captured)


def _client_holds(wanted: frozenset[str], view: View, _captured: dict[str, str]) -> bool:
    return view.claims.texts.get("client_id") in wanted or view.claims.texts.get("azp") in wanted


_HOLDS: dict[str, Callable[[Any, View, dict[str, str]], bool]] = {
    "issuer": lambda wanted, view, _: view.claims.texts.get("iss") in wanted,
    "subject": _subject_holds,
    "group": lambda wanted, view, _: _any_group(wanted, view.memberships),
    "first-group": lambda wanted, view, _: _any_group(wanted, view.memberships[:1]),
    "scope": lambda wanted, view, captured: _any_match(wanted, view.scopes, captured),
    "claim": _claim_holds,
    "audience": lambda wanted, view, _: not wanted.isdisjoint(view.claims.values("aud")),
    "jti": lambda wanted, view, _: view.claims.texts.get("jti") in wanted,
    "client": _client_holds,
}
