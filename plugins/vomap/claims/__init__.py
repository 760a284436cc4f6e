"""The claims of one token, as texts and lists of texts: the same on every CE."""

from __future__ import annotations

from vomap import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

# Between these seconds a float is exact.
EARLIEST, LATEST = -(1 << 53), 1 << 53
GROUPS_CLAIM = "wlcg.groups"
ENTITLEMENT_CLAIMS = ("entitlements", "eduperson_entitlement")
TIMES = ("exp", "iat", "nbf")
# Claims that decisions use, besides issuer, subject, audience and the token's id. Rules may name more.
DECISIVE = (*TIMES, "wlcg.ver", "scope", GROUPS_CLAIM, *ENTITLEMENT_CLAIMS, "client_id", "azp")
# The decision log keeps every claim. A list of names keeps only these.
EVERY_CLAIM: Literal["all"] = "all"
# Scopes that let a token act on jobs: WLCG profile v1.3 section 2.2.1 and SciTokens claims 2.0. The first three
# together are equal to condor:/WRITE.
ALL_OF_WRITE = frozenset({"compute.create", "compute.modify", "compute.cancel"})
COMPUTING = ALL_OF_WRITE | {"compute.read", "condor:/READ", "condor:/WRITE"}
# Claims that identify: a control character in them is an attack, because it may hide the rest of the text in a log.
IDENTIFYING = ("iss", "sub")

_PRINTABLE = bytes(range(0x20, 0x7F))
# Characters that Python calls printable and no screen shows, as first and last of a range: those of Unicode's
# Default_Ignorable_Code_Point that are letters or marks, and the blank of Braille.
_INVISIBLE = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
)
_NOTHING: frozenset[str] = frozenset()


class TokenError(Error):
    """The token cannot be read, or can be read in two ways."""


class TokenRefused(Error):
    """The token can be read, but a job would not belong to its bearer."""


class Claims:
    """The claims of a token.

    `members` are the claims as JSON types, unchanged. `texts` has those that are one string. `lists` has the strings of
    those that are arrays. `several` are the names of arrays with more than one member, of any type. `passed_over` has
    one sentence for each value that does not count because of its type or its characters. `forged` are the names of
    claims with a value that may be the rest of another claim's name, as ARC shows claims: it may hide the true claim.
    """

    __slots__ = ("forged", "lists", "members", "passed_over", "several", "texts")

    def __init__(self, members: Mapping[str, object]) -> None:
        """Take the token's claims as JSON types. `read_claims` sorts them."""
        self.members = members
        self.texts: dict[str, str] = {}
        self.lists: dict[str, tuple[str, ...]] = {}
        self.several: set[str] = set()
        self.forged: frozenset[str] = _NOTHING
        self.passed_over: list[str] = []

    @property
    def times(self) -> dict[str, float | None]:
        """The claims `exp`, `iat` and `nbf` in seconds since 1970. None for a claim that is not a number."""
        return {name: _seconds(self.members[name]) for name in TIMES if name in self.members}

    def shows(self, name: str) -> bool:
        """Return True if the token has the claim, of any type."""
        return name in self.members

    def text(self, name: str) -> str | None:
        """Return the claim if it is one string. A list does not count where one string is expected."""
        return self.texts.get(name)

    def values(self, name: str) -> tuple[str, ...]:
        """Return the claim's strings, in the token's order: one of a string, any number of a list, else none."""
        text = self.texts.get(name)
        return (text,) if text is not None else self.lists.get(name, ())


def read_claims(members: Mapping[str, object], *, printable: bool = False) -> Claims:
    """Sort a token's claims by type.

    `members` maps a claim's name to its value as JSON types. `printable` promises that all its texts are printable.
    Raises TokenError for a control character in `iss` or `sub`.
    """
    claims = Claims(members)
    texts = claims.texts
    for name, value in members.items():
        if type(value) is str:
            if printable or value.isprintable() or is_clean(value):
                texts[name] = value
            elif name in IDENTIFYING:
                raise TokenError(f"token: a control character in {name!a}")
            else:
                claims.passed_over.append(f"claim {name!a}: a value with a control character says nothing")
        elif type(value) is list:
            _add_list(claims, name, value, printable=printable)
        elif name not in TIMES:
            claims.passed_over.append(f"claim {name!a}: {_kind(value)} says nothing")
    return claims


def read_scopes(claims: Claims) -> list[str]:
    """Return the words of `scope`. Only blanks separate them, as on both CEs."""
    words = claims.texts.get("scope", "").split(" ")
    return [word for word in words if word] if "" in words else words


def may_compute(scopes: Iterable[str]) -> bool:
    """Return True if any scope lets the token act on jobs."""
    return not COMPUTING.isdisjoint(scopes)


def is_visible(text: str) -> bool:
    """Return True if a text has a visible character: no white space, and no control or format character.

    Source of the characters: Unicode, general categories C and Z, and Default_Ignorable_Code_Point (UAX #44).
    """
    for mark in text:
        if mark.isprintable() and not mark.isspace():
            code = ord(mark)
            if code < _INVISIBLE[0][0] or not any(first <= code <= last for first, last in _INVISIBLE):
                return True
    return False


def is_clean(text: str) -> bool:
    """Return True if a text has neither control characters nor halves of surrogate pairs."""
    return text.isprintable() or not any(
        mark < " " or "\x7f" <= mark <= "\x9f" or "\ud800" <= mark <= "\udfff" for mark in text
    )


def _add_list(claims: Claims, name: str, members: list[object], *, printable: bool) -> None:
    if len(members) > 1:
        claims.several.add(name)
    strings = [member for member in members if isinstance(member, str)]
    # Most lists are so. For a hundred groups this saves 6 % of a decision, compared to a check of each member.
    if strings and len(strings) == len(members) and (printable or _are_printable(strings)):
        claims.lists[name] = tuple(strings)
        return
    strings = []
    for member in members:
        if not isinstance(member, str):
            claims.passed_over.append(f"claim {name!a}: {_kind(member)} in a list says nothing")
        elif member.isprintable() or is_clean(member):
            strings.append(member)
        else:
            claims.passed_over.append(f"claim {name!a}: a value with a control character says nothing")
    if strings:
        claims.lists[name] = tuple(strings)


def _are_printable(texts: list[str]) -> bool:
    """Return True if all texts are printable ASCII. Of long texts it takes a third of the time of str.isprintable()."""
    joined = "".join(texts)
    return joined.isascii() and not joined.encode().translate(None, _PRINTABLE)


def _seconds(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    # JSON has 1e999 and numbers of a thousand digits, which are not times.
    return value if EARLIEST < value < LATEST else None


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (int, float)):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"
