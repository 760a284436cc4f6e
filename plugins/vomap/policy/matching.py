"""Match conditions, which are made of patterns, with the view of a token: all of it, or the part of one VO.

A pattern has literal text, `*` within one part, `/**` at the end, `<name>` for one word. Matching takes linear time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Union

    from vomap.claims import Claims
    from vomap.claims.memberships import Membership
    from vomap.claims.scopes import NamePaths

    AnyPattern = Union["Pattern", "GroupPattern"]
    AnyView = Union["View", "BanView"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
WORD = _LETTERS + ".-"
LONGEST_ACCOUNT = 32
LEGAL_ACCOUNT = "letters, digits, `_`, `.`, `-`, at most 32, not digits alone"
_CAPTURE_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"
EVERYTHING_BELOW = "/**"
# A condition on a claim is called `claim` and the claim's name.
CLAIM = "claim "
_ROLE = "/Role="
# The empty part before a group's first slash, and its root.
_PARTS_OF_ROOT = 2
# An aspect names the part of a token by which the patterns of a condition are found, so that few of many are tried:
#   group         by the whole value, for literal patterns. Other keys likewise, `claim NAME` among them
#   2/group       by its first two parts: `/cms/**`
#   @2,3/group    by its parts 2 and 3, counted from 0: `/*/prod/x/**`
#   @1,r/group    by a part and the role: `/cms/*/Role=pilot`
#   <6/subject    by its first six characters, where no part is literal: `robot-*`
#   >9/subject    by its last nine characters: `<user>@fnal.gov`
# An anchor is the text of that part.
EVERY_TOKEN = "*"  # noqa: S105 - the aspect of what is tried with every token  # nosec B105
_AT, _ROLE_AT = "@", "r"
_BEGIN, _END = "<", ">"
# Up to this number, all pairs of a pattern and a value are tried. Of more pairs, only those with the same anchors.
_FEW = 200


class PatternError(ValueError):
    """A text that is not a valid pattern, with the reason."""


class Pattern:
    """One pattern, and the names it captures."""

    __slots__ = ("_below", "_literal", "_parts", "captures", "text")

    def __init__(self, text: str, *, below: bool = False, capture: bool = False) -> None:
        """Take the text of a pattern. `below` allows `/**` at the end, `capture` allows `<name>`.

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
                f"{text!a}: at most one `*` between two slashes, but for `/**` at the end of a group, scope or subject"
            )
        self._parts = tuple(_part(part) for part in stem.split("/"))
        self.captures = tuple(part[2] for part in self._parts if isinstance(part, tuple) and part[2])
        if self.captures and not capture:
            raise PatternError(f"{text!a} captures, which only a subject or a claim outside of a list may do")
        if self.captures and self._below:
            raise PatternError(
                f"{text!a}: a pattern with `/**` captures nothing, write * instead of <{self.captures[0]}>"
            )
        if len(set(self.captures)) != len(self.captures):
            raise PatternError(f"{text!a} captures the same name twice")

    @property
    def is_literal(self) -> bool:
        """Whether the pattern matches its own text only."""
        return self._literal

    def literal_parts(self) -> list[tuple[int, str]]:
        """Return the literal parts, which every matching value has, each with its place, counted from 0."""
        return [(at, part) for at, part in enumerate(self._parts) if isinstance(part, str)]

    def found_by(self, key: str) -> tuple[str, str]:
        """Return the aspect and the anchor by which this pattern of a condition is found."""
        if self._literal:
            return key, self.text
        literal = self.literal_parts()
        anchor = "/".join(part for _, part in literal)
        if not anchor.strip("/"):
            begin, end = self._ends()
            if len(begin) >= len(end) and begin.strip("/"):
                return f"{_BEGIN}{len(begin)}/{key}", begin
            if end.strip("/"):
                return f"{_END}{len(end)}/{key}", end
        if not literal:
            return EVERY_TOKEN, ""
        if literal[-1][0] == len(literal) - 1:
            return f"{len(literal)}/{key}", anchor
        return f"{_AT}{','.join(str(at) for at, _ in literal)}/{key}", anchor

    def _ends(self) -> tuple[str, str]:
        """Return the texts that every matching value begins and ends with."""
        marks = [at for at, mark in enumerate(self.text) if mark in "*<>"]
        return self.text[: marks[0]], "" if self._below else self.text[marks[-1] + 1 :]

    @property
    def shape(self) -> tuple[tuple[str | tuple[str, str, str], ...], bool]:
        """The parts, and whether the pattern also matches anything below.

        A part is literal text, or the texts before and after `*` or `<name>`, and that name.
        """
        return (tuple(self.text.split("/")), False) if self._literal else (self._parts, self._below)

    def match(self, value: str, captured: dict[str, str] | None = None) -> bool:
        """Return True if the value matches, and put the word for each `<name>` into `captured`."""
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
    """A pattern for memberships. It matches the group and its role separately."""

    __slots__ = ("_group", "_role", "only_role", "text")

    def __init__(self, text: str) -> None:
        """Take a pattern such as `/cms/**` or `/vo/*/Role=pilot`. Without `Role=` it matches any role and none.

        `only_role` is the role of all matching memberships, if there is only one.

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
            encoded = text.replace(" ", "%20")
            advice = f"several groups are a list, and a blank of an entitlement is %20: {encoded!a}"
            raise PatternError(f"{text!a} has a blank, which no membership has; {advice}")
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

    def found_by(self, key: str) -> tuple[str, str]:
        """Return the aspect and the anchor by which this pattern of a condition is found."""
        if self._group.is_literal:
            # A group has few roles.
            return self._group.found_by(key)
        # The text before the first slash is always empty.
        literal = [(str(at), part) for at, part in self._group.literal_parts() if at]
        if self.only_role is not None:
            literal.append((_ROLE_AT, self.only_role))
        elif not literal or literal[-1][0] == str(len(literal)):
            return self._group.found_by(key)
        places, parts = zip(*literal)
        return f"{_AT}{','.join(places)}/{key}", "/".join(parts)

    def match(self, membership: Membership) -> bool:
        """Return True if a membership matches."""
        if not self._group.match(membership.group):
            return False
        return self._role is None or (membership.role is not None and self._role.match(membership.role))


class AccountName:
    """The account of a rule: a name, or a template with `<vo>` and names that the rule's conditions capture."""

    __slots__ = ("_pieces", "captures", "text")

    def __init__(self, text: str) -> None:
        """Take the text of `account:`. Raises PatternError."""
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
        """Return the account for the captured words, `vo` among them. None if a word of the template is not known."""
        if not self.captures:
            return self.text
        if any(name not in captured for name in self.captures):
            return None
        return "".join(captured[piece] if at % 2 and piece else piece for at, piece in enumerate(self._pieces))

    def could_make(self, account: str) -> bool:
        """Return True if some captured words make this account. A word has at least one character."""
        if not self.captures:
            return account == self.text
        begin, *middle = self._pieces[::2]
        end = "" if self._pieces[-1] else middle.pop()
        at = len(begin)
        for literal in middle:
            found = account.find(literal, at + 1)
            if found < 0:
                return False
            at = found + len(literal)
        return account.startswith(begin) and account.endswith(end) and at < len(account) - len(end)


def is_word(text: str) -> bool:
    """Return True if a text is a word that a capture may match: `[A-Za-z0-9_][A-Za-z0-9_.-]*`."""
    # Most words are identifiers. This saves 1 % of a decision.
    if text.isidentifier() and text.isascii():
        return True
    return bool(text) and text[0] in _LETTERS and not text.strip(WORD)


def is_account(name: str) -> bool:
    """Return True if a name is `[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}` and has other characters than digits."""
    return is_word(name) and len(name) <= LONGEST_ACCOUNT and not name.isdigit()


def _is_capture_name(name: str) -> bool:
    return bool(name) and name[0].islower() and not name.strip(_CAPTURE_NAME)


def _part(part: str) -> str | tuple[str, str, str]:
    """Return a part as text, or as the texts before and after its one `*` or `<name>`, and that name."""
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


class Conditions:
    """The conditions of a rule or a ban: a token must meet every key, and of each key any of its document.

    `asked` has each key of the mapfile, in the order of its reference, with the texts or patterns to compare. `vo`, in
    lower case, is apart: it chooses the part of the token that the other conditions see.
    """

    __slots__ = ("asked", "vo")

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the document of a rule or a ban."""
        if not _KNOWN.issuperset(document):
            # A rule without a condition that this version does not know would match more tokens than it should.
            raise ValueError(f"unknown condition {sorted(set(document) - _KNOWN)}")
        # Only an account can use a captured word.
        capture = "account" in document
        self.vo = tuple(vo.lower() for vo in document["vo"]) if "vo" in document else None
        wanted = [(key, document[key]) for key in _KEYS if key in document]
        wanted += [(CLAIM + name, texts) for name, texts in document.get("claim", {}).items()]
        self.asked: tuple[tuple[str, Any], ...] = tuple(
            (key, compile_condition(key, texts, capture=capture)) for key, texts in wanted
        )


class View:
    """A token, or the part of it that is about one VO, as the conditions of rules see it."""

    __slots__ = ("all_memberships", "claims", "memberships", "scopes")

    def __init__(
        self,
        claims: Claims,
        memberships: Sequence[Membership],
        scopes: Sequence[str],
        all_memberships: Sequence[Membership] | None = None,
    ) -> None:
        """Take a token's claims, its memberships and its scopes. A part also takes all memberships of the token."""
        self.claims = claims
        self.memberships = memberships
        self.scopes = scopes
        self.all_memberships = memberships if all_memberships is None else all_memberships

    def first_memberships(self) -> Sequence[Membership]:
        """Return the first of all memberships, or nothing if it is not in this part."""
        first = self.memberships[:1]
        return first if first and first[0] is self.all_memberships[0] else ()

    def values(self, key: str) -> Sequence[str]:
        """Return the texts that a condition compares, groups apart. A list does not count for a single text."""
        if key == "scope":
            return self.scopes
        claim = _CLAIM_OF.get(key) or key[len(CLAIM) :]
        text = self.claims.texts.get(claim)
        if text is not None:
            return (text,)
        return () if key in _ONE_TEXT else self.claims.lists.get(claim, ())

    def safe(self) -> View:
        """Return this view without scopes with `..` in their paths. Bans see them, rules must not believe them."""
        text = self.claims.texts.get("scope", "")
        # A slash may be percent-encoded.
        if "/" not in text and "%" not in text:
            return self
        from vomap.claims.scopes import is_safe

        scopes = [scope for scope in self.scopes if is_safe(scope)]
        return View(self.claims, self.memberships, scopes, self.all_memberships)

    def part(self, is_seen: Callable[[str], bool], names: NamePaths | None = None) -> View:
        """Return the part with the groups and storage paths whose root is seen, and all other scopes.

        `names` are the names of VOs of the issuer, if any has several parts.
        """
        roots = {membership.root for membership in self.memberships}
        seen = {root for root in roots if is_seen(root)}
        memberships = self.memberships
        if len(seen) < len(roots):
            memberships = [membership for membership in memberships if membership.root in seen]
        if "/" not in self.claims.texts.get("scope", ""):
            return View(self.claims, memberships, self.scopes, self.all_memberships)
        # Few tokens have a path in a scope, so the others do not load this module.
        from vomap.claims.scopes import storage_root

        paths = ((scope, storage_root(scope, names)) for scope in self.scopes)
        scopes = [scope for scope, root in paths if root is None or is_seen(root)]
        return View(self.claims, memberships, scopes, self.all_memberships)

    def parts(self, vo_of: Callable[[str], str | None], names: NamePaths | None = None) -> dict[str | None, View]:
        """Return the part of each VO: groups and storage paths whose root means that VO, and all other scopes.

        `names` are the names of VOs of the issuer, if any has several parts.
        """
        memberships: dict[str | None, list[Membership]] = {}
        for membership in self.memberships:
            memberships.setdefault(vo_of(membership.root), []).append(membership)
        common: Sequence[str] = self.scopes
        scopes: dict[str | None, list[str]] = {}
        if "/" in self.claims.texts.get("scope", ""):
            common, scopes = _by_vo(self.scopes, vo_of, names)
        vos = (vo for vo in {**memberships, **scopes} if vo is not None)
        return {
            vo: View(
                self.claims,
                memberships.get(vo, ()),
                [*common, *scopes[vo]] if vo in scopes else common,
                self.all_memberships,
            )
            for vo in vos
        }


class BanView:
    """Every reading of a token, as the conditions of bans see it, so that no spelling hides a value from a ban.

    It reads the memberships and the VOs only when a ban asks for them.
    """

    __slots__ = ("_memberships", "_read_memberships", "_read_vos", "_vos", "claims", "scopes")

    def __init__(
        self,
        claims: Claims,
        read_memberships: Callable[[], Sequence[Membership]],
        read_vos: Callable[[Sequence[Membership], Sequence[str]], set[str]],
    ) -> None:
        """Take a token's claims, the reader of every membership, and the finder of VOs in memberships and scopes."""
        self.claims = claims
        self.scopes = [word for text in claims.values("scope") for word in text.split(" ") if word]
        self._read_memberships, self._read_vos = read_memberships, read_vos
        self._memberships: Sequence[Membership] | None = None
        self._vos: set[str] | None = None

    @property
    def memberships(self) -> Sequence[Membership]:
        """Every membership in any reading of the token."""
        if self._memberships is None:
            self._memberships = self._read_memberships()
        return self._memberships

    @property
    def vos(self) -> set[str]:
        """Every VO that the token names, in lower case."""
        if self._vos is None:
            self._vos = self._read_vos(self.memberships, self.scopes)
        return self._vos

    def values(self, key: str) -> Sequence[str]:
        """Return every text of the claim that a condition compares."""
        claims = self.claims
        if key == "scope":
            return self.scopes
        if key == "vo":
            return tuple(self.vos)
        if key == "client":
            return (*claims.values("client_id"), *claims.values("azp"))
        return claims.values(_CLAIM_OF.get(key) or key[len(CLAIM) :])


def _by_vo(
    scopes: Iterable[str], vo_of: Callable[[str], str | None], names: NamePaths | None
) -> tuple[list[str], dict[str | None, list[str]]]:
    """Return the scopes without a path of a VO, and those with one, by VO."""
    from vomap.claims.scopes import storage_root

    common: list[str] = []
    found: dict[str | None, list[str]] = {}
    for scope in scopes:
        root = storage_root(scope, names)
        (common if root is None else found.setdefault(vo_of(root), [])).append(scope)
    return common, found


def anchors_for(aspect: str) -> Callable[[AnyView], Iterable[str]]:
    """Return the function that finds the anchors of a view for an aspect: the patterns that may match are there.

    For the group `/cms/uscms` the anchor of `group` is `/cms/uscms`, and that of `2/group` is `/cms`. Patterns that
    every token must try have the anchor "".
    """
    if aspect == EVERY_TOKEN:
        return lambda _: ("",)
    # The name of a claim may have slashes.
    how, _, key = aspect.partition("/") if aspect[0] in _HOW else ("", "", aspect)
    is_group = key in _GROUP_KEYS
    if not how:
        return _groups if is_group else lambda view: view.values(key)
    if how[0] in (_BEGIN, _END):
        texts = _groups if is_group else lambda view: view.values(key)
        length = int(how[1:])
        cut = slice(length) if how[0] == _BEGIN else slice(-length, None)
        return lambda view: {text[cut]: None for text in texts(view)}
    if how[0] != _AT:
        parts = int(how)
        texts = (_roots if parts <= _PARTS_OF_ROOT else _groups) if is_group else lambda view: view.values(key)
        return lambda view: {"/".join(text.split("/", parts)[:parts]): None for text in texts(view)}
    places = how[1:].split(",")
    with_role = places[-1] == _ROLE_AT
    at = [int(place) for place in places if place != _ROLE_AT]
    if is_group:
        return lambda view: _parts_and_roles(view.memberships, at, with_role=with_role)
    return lambda view: _parts_at([text.split("/") for text in view.values(key)], at)


def _roots(view: AnyView) -> Iterable[str]:
    # Thousands of groups have few different first parts.
    roots = {membership.root for membership in view.memberships}
    # A root may have several parts.
    return {f"/{root.partition('/')[0]}" for root in roots}


def _groups(view: AnyView) -> Iterable[str]:
    # All groups, also for `first-group`: the first group of the whole token may not be in the part that a rule sees.
    return {membership.group: None for membership in view.memberships}


def _parts_at(texts: Iterable[Sequence[str]], places: Sequence[int]) -> Iterable[str]:
    last = places[-1]
    return {"/".join([parts[at] for at in places]): None for parts in texts if len(parts) > last}


def _parts_and_roles(memberships: Iterable[Membership], places: Sequence[int], *, with_role: bool) -> Iterable[str]:
    if not with_role:
        return _parts_at([membership.group.split("/") for membership in memberships], places)
    roles: dict[str, list[Sequence[str]]] = {}
    for membership in memberships:
        if membership.role is not None:
            roles.setdefault(membership.role, []).append(membership.group.split("/") if places else ())
    if not places:
        return roles
    return [f"{anchor}/{role}" for role, groups in roles.items() for anchor in _parts_at(groups, places)]


_HOW = frozenset("0123456789<>@")
_GROUP_KEYS = ("group", "first-group")
# The claims of conditions that have another name. `claim NAME` compares NAME.
_CLAIM_OF = {"issuer": "iss", "subject": "sub", "jti": "jti", "audience": "aud"}
_ONE_TEXT = ("issuer", "subject", "jti")


def first_unmet_condition(conditions: Conditions, view: View, captured: dict[str, str]) -> str | None:
    """Return the key of the first condition that a view does not meet, or None if it meets all.

    The captured words go into `captured`. The condition `vo` is not compared: it has chosen the view.
    """
    for key, wanted in conditions.asked:
        meets = _OF_NEARLY_ALL.get(key)
        if not (_meets(key, wanted, view, captured) if meets is None else meets(wanted, view, captured)):
            return key
    return None


def meets_ban(conditions: Conditions, view: BanView) -> bool:
    """Return True if a token meets all conditions of a ban. The cheapest conditions come first."""
    if conditions.vo is not None and view.vos.isdisjoint(conditions.vo):
        return False
    late = []
    for key, wanted in conditions.asked:
        if key in _LATE:
            late.append((key, wanted))
        elif not _meets(key, wanted, view, {}):
            return False
    # The bearer chooses the order of groups, so `first-group`, in bans that an older vomap has compiled, is any group.
    return all(_meets(key.replace("first-", ""), wanted, view, {}) for key, wanted in late)


def _meets_subject(wanted: Sequence[Pattern], view: View, captured: dict[str, str]) -> bool:
    subject = view.claims.texts.get("sub")
    if subject is not None:
        for pattern in wanted:
            if pattern.match(subject, captured):
                return True
    return False


# Shortcuts for the conditions of nearly all rules, which `_meets` checks as well: they save 3 % of a decision. A test
# compares both.
_OF_NEARLY_ALL: dict[str, Callable[[Any, View, dict[str, str]], bool]] = {
    "issuer": lambda wanted, view, _: view.claims.texts.get("iss") in wanted,
    "subject": _meets_subject,
}
_LATE = ("scope", *_GROUP_KEYS)


def _meets(key: str, wanted: Any, view: AnyView, captured: dict[str, str]) -> bool:
    if key == "group":
        return _any_group(wanted, view)
    if key == "first-group":
        # No ban asks for it: see meets_ban().
        first = view.first_memberships() if isinstance(view, View) else ()
        return any(pattern.match(membership) for membership in first for pattern in wanted)
    values = view.values(key)
    if isinstance(wanted, frozenset):
        return not wanted.isdisjoint(values)
    if key.startswith(CLAIM) and key[len(CLAIM) :] in view.claims.several and any(each.captures for each in wanted):
        # The claim has two values, and the account would depend on which one matches.
        return False
    if len(values) > 1:
        wanted = _narrowed(key, wanted, view, len(values))
    for value in values:
        for pattern in wanted:
            if pattern.match(value, captured):
                return True
    return False


def _any_group(wanted: Sequence[GroupPattern], view: AnyView) -> bool:
    memberships = view.memberships
    for pattern in _narrowed("group", wanted, view, len(memberships)):
        role = pattern.only_role
        for membership in memberships:
            if (role is None or membership.role == role) and pattern.match(membership):
                return True
    return False


def _narrowed(key: str, patterns: Sequence[Any], view: AnyView, values: int) -> Iterable[Any]:
    """Return those of many patterns that may match one of many values, for trying all pairs would take too long."""
    if len(patterns) * values <= _FEW:
        return patterns
    places: dict[str, dict[str, list[Any]]] = {}
    for pattern in patterns:
        aspect, anchor = pattern.found_by(key)
        places.setdefault(aspect, {}).setdefault(anchor, []).append(pattern)
    return [
        pattern
        for aspect, anchored in places.items()
        for anchor in anchors_for(aspect)(view)
        for pattern in anchored.get(anchor, ())
    ]


def compile_condition(key: str, texts: Iterable[str], *, capture: bool) -> tuple[AnyPattern, ...] | frozenset[str]:
    """Return the patterns, or the literal texts, of a condition. `capture` allows `<name>`. Raises PatternError."""
    if key in _LITERAL_KEYS:
        return frozenset(texts)
    if key in _GROUP_KEYS:
        return tuple(map(GroupPattern, texts))
    below = key in _WITH_BELOW
    return tuple(Pattern(text, below=below, capture=capture and key != "scope") for text in texts)


# In the order of the mapfile's reference.
_KEYS = ("issuer", "subject", "group", "first-group", "scope", "audience", "jti", "client")
_WITH_BELOW = ("subject", "scope")
_LITERAL_KEYS = ("issuer", "audience", "jti", "client")
_KNOWN = frozenset({*_KEYS, "vo", "claim", "name", "source", "account", "pool", "deny", "reason", "until"})
