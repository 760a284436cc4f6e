"""What conditions match: patterns, and the token as they see it, whole or one VO's part of it.

A pattern is literal text, `*` within one part, `/**` at the end, `<name>` for one word. Matching takes linear time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from vomap.claims import Claims
    from vomap.claims.memberships import Membership
    from vomap.policy.model import Conditions

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
WORD = _LETTERS + ".-"
LONGEST_ACCOUNT = 32
LEGAL_ACCOUNT = "letters, digits, `_`, `.`, `-`, at most 32, not digits alone"
_CAPTURE_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"
EVERYTHING_BELOW = "/**"
_ROLE = "/Role="
# What is before a group's first slash, and its root.
_PARTS_OF_ROOT = 2
# An aspect is a condition's key, `claim NAME` among them; `2/group` is that of patterns with two literal parts before
# the first other one, such as `/cms/**`.
EVERY_TOKEN = "*"  # noqa: S105 - the aspect of what is tried with every token  # nosec B105


class PatternError(ValueError):
    """A text that is no pattern; says what is wrong with it."""


class Pattern:
    """One pattern, and the names it captures."""

    __slots__ = ("_below", "_literal", "_parts", "captures", "text")

    def __init__(self, text: str, *, below: bool = False, capture: bool = False) -> None:
        """Take a pattern apart; `below` allows `/**` at the end, `capture` allows `<name>`.

        Raises PatternError.
        """
        self.text = text
        self._parts: tuple[str | tuple[str, str, str], ...] = ()
        self._below = False
        self.captures: tuple[str, ...] = ()
        self._literal = "*" not in text and "<" not in text
        if self._literal:
            return
        self._below = below and text.endswith(EVERYTHING_BELOW)
        stem = text[: -len(EVERYTHING_BELOW)] if self._below else text
        if "**" in stem:
            raise PatternError(
                f"{text!a}: at most one `*` between two slashes, but for `/**` at the end of a group or scope"
            )
        self._parts = tuple(_part(part) for part in stem.split("/"))
        self.captures = tuple(part[2] for part in self._parts if isinstance(part, tuple) and part[2])
        if self.captures and not capture:
            raise PatternError(f"{text!a} captures, which only a subject or a claim outside of a list may do")
        if len(set(self.captures)) != len(self.captures):
            raise PatternError(f"{text!a} captures the same name twice")

    @property
    def anchor(self) -> tuple[str, bool] | None:
        """What every value that fits begins with, up to a slash or its end, and whether that is all of it.

        None if already the first part may be several things.
        """
        if self._literal:
            return self.text, True
        literal: list[str] = []
        for part in self._parts:
            if not isinstance(part, str):
                break
            literal.append(part)
        return ("/".join(literal), False) if literal else None

    @property
    def shape(self) -> tuple[tuple[str | tuple[str, str, str], ...], bool]:
        """The parts, and whether anything below fits as well.

        A part is literal text, or what stands before and after `*` or `<name>`, and that name.
        """
        return (tuple(self.text.split("/")), False) if self._literal else (self._parts, self._below)

    def match(self, value: str, captured: dict[str, str] | None = None) -> bool:
        """Tell whether the value fits, and put what `<name>` stands for into `captured`."""
        if self._literal:
            return value == self.text
        parts = value.split("/")
        if len(parts) < len(self._parts) or (len(parts) > len(self._parts) and not self._below):
            return False
        words = {}
        for part, text in zip(self._parts, parts):
            if isinstance(part, str):
                if part != text:
                    return False
                continue
            before, after, name = part
            if len(text) <= len(before) + len(after) or not (text.startswith(before) and text.endswith(after)):
                return False
            if name:
                word = text[len(before) : len(text) - len(after)]
                if not is_word(word):
                    return False
                words[name] = word
        if captured is not None:
            captured.update(words)
        return True


class GroupPattern:
    """A pattern for memberships: the group and its role are matched apart."""

    __slots__ = ("_group", "_role", "only_role", "text")

    def __init__(self, text: str) -> None:
        """Take a pattern such as `/cms/**` or `/vo/*/Role=pilot`; without `Role=` any role will do.

        `only_role` is the role of all memberships that fit, if there is only one.

        Raises PatternError.
        """
        group, mark, role = text.rpartition(_ROLE)
        if not mark:
            group, role = text, ""
        self.text = text
        self._group = Pattern(group, below=True)
        self._role = Pattern(role) if mark else None
        self.only_role = role if mark and "*" not in role else None
        stem = group.removesuffix(EVERYTHING_BELOW)
        if not text.startswith("/"):
            raise PatternError(f"{text!a} does not begin with a slash, as every group does")
        if any(sign.isspace() for sign in text):
            raise PatternError(f"{text!a} has a blank, which no membership has; several groups are a list")
        if text.endswith("/"):
            bare = text.rstrip("/") or "/cms"
            raise PatternError(f"{text!a} ends with a slash, which no membership does: write {bare!a}")
        if not group.strip("/"):
            raise PatternError(f"{text!a} names no group, such as /cms or /cms/Role=pilot")
        if role == "NULL" or "/Capability=" in text:
            raise PatternError(f"{text!a}: memberships hold neither Role=NULL nor Capability=, leave it out")
        if _ROLE in group or (mark and (not role or "/" in role)):
            raise PatternError(f"{text!a}: one `/Role=NAME` at the end, or none")
        if stem and not all(stem.split("/")[1:]):
            raise PatternError(f"{text!a} has an empty part, which no membership has")

    @property
    def anchor(self) -> tuple[str, bool] | None:
        """What every group that fits begins with, as of a `Pattern`; the role is not looked at."""
        return self._group.anchor

    def match(self, membership: Membership) -> bool:
        """Tell whether a membership fits."""
        if not self._group.match(membership.group):
            return False
        return self._role is None or (membership.role is not None and self._role.match(membership.role))


class AccountName:
    """The account that a rule names: a name, or a text with `<vo>` and what the rule's conditions captured."""

    __slots__ = ("_pieces", "captures", "text")

    def __init__(self, text: str) -> None:
        """Take the text of `account:` apart. Raises PatternError."""
        self.text = text
        self._pieces: list[str] = []
        rest = text
        while rest:
            literal, mark, rest = rest.partition("<")
            name, end, rest = rest.partition(">")
            if mark and not (end and _is_capture_name(name)):
                raise PatternError(f"{text!a}: `<` begins a name in small letters that `>` ends, such as <user>")
            self._pieces += [literal, name]
        self.captures = tuple(name for name in self._pieces[1::2] if name)
        if self.captures and ("".join(self._pieces[::2]).strip(WORD) or text[0] not in _LETTERS + "<"):
            raise PatternError(f"{text!a} is never an account: letters, digits, `_`, `.`, `-`, the first no `.` or `-`")

    def expand(self, captured: dict[str, str]) -> str | None:
        """Return the account for what was captured, `vo` among it; None if something in it is not known."""
        if not self.captures:
            return self.text
        if any(name not in captured for name in self.captures):
            return None
        return "".join(captured[piece] if at % 2 and piece else piece for at, piece in enumerate(self._pieces))


def is_word(text: str) -> bool:
    """Tell whether a text is `[A-Za-z0-9_][A-Za-z0-9_.-]*`, what a capture may stand for."""
    # Most words are identifiers, which is told at one glance.
    if text.isidentifier() and text.isascii():
        return True
    return bool(text) and text[0] in _LETTERS and not text.strip(WORD)


def is_account(name: str) -> bool:
    """Tell whether a name is `[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}` and not digits alone."""
    return is_word(name) and len(name) <= LONGEST_ACCOUNT and not name.isdigit()


def _is_capture_name(name: str) -> bool:
    return bool(name) and name[0].islower() and not name.strip(_CAPTURE_NAME)


def _part(part: str) -> str | tuple[str, str, str]:
    """Return a part as text, or as what stands before and after its one `*` or `<name>`, and that name."""
    before, mark, after = part.partition("<")
    if mark:
        name, end, after = after.partition(">")
        if not end or not _is_capture_name(name):
            raise PatternError(f"{part!a}: `<` begins a name in small letters that `>` ends, such as <user>")
        if name == "vo":
            raise PatternError("<vo> is the decision's VO and cannot be captured")
    else:
        before, mark, after = part.partition("*")
        name = ""
    if any(sign in before + after for sign in "*<"):
        raise PatternError(f"{part!a}: at most one `*` or `<name>` between two slashes")
    return (before, after, name) if mark else part


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
        if values is _groups and parts <= _PARTS_OF_ROOT:
            values = _roots
        return lambda view: {"/".join(value.split("/", parts)[:parts]): None for value in values(view)}
    if aspect in _VALUES:
        return _VALUES[aspect]
    name = aspect.partition(" ")[2]
    return lambda view: view.claims.values(name)


def _roots(view: View) -> Iterable[str]:
    # Of thousands of groups the first parts are few.
    return [f"/{root}" for root in {membership.root for membership in view.memberships}]


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
