"""The token as conditions see it: whole, or one VO's part of it."""

from __future__ import annotations

from vomap.claims.scopes import is_safe, storage_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from vomap.claims.claims import Claims
    from vomap.claims.memberships import Membership
    from vomap.policy.model import Conditions
    from vomap.policy.patterns import GroupPattern, Pattern


class View:
    """What conditions are matched with."""

    __slots__ = ("claims", "memberships", "scopes")

    def __init__(self, claims: Claims, memberships: Sequence[Membership], scopes: Sequence[str]) -> None:
        """Take a token's claims, its memberships and its scopes."""
        self.claims = claims
        self.memberships = memberships
        self.scopes = scopes

    def part(self, is_seen: Callable[[str], bool]) -> View:
        """Return the part whose groups and storage paths begin with a name that is seen, and all other scopes.

        A scope with `..` in its path is not in it: bans see the whole token, but rules believe no such scope.
        """
        memberships = [membership for membership in self.memberships if is_seen(membership.root)]
        roots = ((scope, storage_root(scope)) for scope in self.scopes)
        return View(
            self.claims,
            memberships,
            [scope for scope, root in roots if is_safe(scope) and (root is None or is_seen(root))],
        )


def unmet(conditions: Conditions, view: View, captured: dict[str, str]) -> str | None:
    """Return the first key that does not hold, or None if all do; what is captured goes into `captured`.

    `vo` is not looked at: whoever chose the view has done so.
    """
    for key, wanted in conditions.asked:
        if not _HOLDS[key](wanted, view, captured):
            return key if key != "claim" else f"claim {wanted[0]}"
    return None


def _any_match(patterns: Sequence[Pattern], values: Sequence[str], captured: dict[str, str]) -> bool:
    return any(pattern.match(value, captured) for value in values for pattern in patterns)


def _any_group(patterns: Sequence[GroupPattern], memberships: Sequence[Membership]) -> bool:
    return any(pattern.match(membership) for membership in memberships for pattern in patterns)


def _text_of(claims: Claims, *names: str) -> list[str]:
    texts = (claims.text(name) for name in names)
    return [text for text in texts if text is not None]


def _claim_holds(wanted: tuple[str, Sequence[Pattern]], view: View, captured: dict[str, str]) -> bool:
    name, patterns = wanted
    values = view.claims.values(name)
    if name in view.claims.several and any(pattern.captures for pattern in patterns):
        # Of two values, nobody could say which one is meant.
        return False
    return _any_match(patterns, values, captured)


_HOLDS: dict[str, Callable[[Any, View, dict[str, str]], bool]] = {
    "issuer": lambda wanted, view, _: not wanted.isdisjoint(_text_of(view.claims, "iss")),
    "subject": lambda wanted, view, captured: _any_match(wanted, _text_of(view.claims, "sub"), captured),
    "group": lambda wanted, view, _: _any_group(wanted, view.memberships),
    "first-group": lambda wanted, view, _: _any_group(wanted, view.memberships[:1]),
    "scope": lambda wanted, view, captured: _any_match(wanted, view.scopes, captured),
    "claim": _claim_holds,
    "audience": lambda wanted, view, _: not wanted.isdisjoint(view.claims.values("aud")),
    "jti": lambda wanted, view, _: not wanted.isdisjoint(_text_of(view.claims, "jti")),
    "client": lambda wanted, view, _: not wanted.isdisjoint(_text_of(view.claims, "client_id", "azp")),
}
