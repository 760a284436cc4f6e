"""Compare patterns: find texts that match two of them, and check whether one pattern covers another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import zip_longest
from typing import Union

from vomap.claims.memberships import parse_fqan
from vomap.policy.matching import Pattern

# A part as in Pattern.shape. None is a part below `/**`, which matches any text.
Part = Union[str, tuple[str, str, str], None]
ROLE = "/Role="
GROUPS = ("group", "first-group")
# Conditions whose values are not patterns.
LITERAL = ("audience", "jti", "client")


@lru_cache(maxsize=50_000)
def compiled(text: str) -> Pattern:
    """Return the compiled pattern of a condition other than a group, as it is in a checked mapfile."""
    return Pattern(text, below=True, capture=True)


def common_texts(first: str, second: str, word: str) -> list[str]:
    """Return texts that match two patterns, the shortest first. The list is empty if there is no such text.

    `word` is the text for `*` and `<name>`, if the other pattern permits any.
    """
    parts, below = compiled(first).shape
    others, others_below = compiled(second).shape
    if (len(parts) < len(others) and not below) or (len(others) < len(parts) and not others_below):
        return []
    chosen = [_common_text(part, other, word) for part, other in zip_longest(parts, others)]
    if None in chosen:
        return []
    text = "/".join(part for part in chosen if part is not None)
    return [text, f"{text}/{word}", f"{text}/{word}/{word}"] if below and others_below else [text]


def examples(pattern: str, word: str) -> list[str]:
    """Return texts that match a pattern, the shortest first. There are none if a capture cannot take `word`."""
    return common_texts(pattern, pattern, word)


def common_groups(first: str, second: str, word: str) -> list[str]:
    """Return memberships, as FQANs, that match two patterns of groups.

    If neither pattern has a role, there are memberships with and without a role.
    """
    (group, role), (other_group, other_role) = split_role(first), split_role(second)
    groups = common_texts(group, other_group, word)
    if role is None and other_role is None:
        return [*groups, *(f"{each}{ROLE}{word}" for each in groups[:1])]
    roles = common_texts(role or other_role or "", other_role or role or "", word)
    return [f"{each}{ROLE}{role}" for each in groups for role in roles]


def legal_groups(pattern: str, word: str) -> list[str]:
    """Return memberships, as FQANs, that match a pattern of groups and that a token can have."""
    return [group for group in common_groups(pattern, pattern, word) if parse_fqan(group) is not None]


def example(key: str, pattern: str, word: str) -> str:
    """Return the shortest text that matches a value of a condition.

    For a group that no token can have, return a text that looks like it.
    """
    if key in LITERAL:
        return pattern
    legal = legal_groups(pattern, word) if key in GROUPS else ()
    return (legal or examples(pattern, word))[0]


def covers(wide: str, narrow: str) -> bool:
    """Return True if each text that matches the narrow pattern is known to match the wide one."""
    if wide == narrow:
        return True
    parts, below = compiled(wide).shape
    others, others_below = compiled(narrow).shape
    if len(others) < len(parts) or (not below and (others_below or len(others) > len(parts))):
        return False
    return all(_covers_part(part, other) for part, other in zip(parts, others))


def group_covers(wide: str, narrow: str) -> bool:
    """Return True if each membership that matches the narrow pattern of groups is known to match the wide one."""
    (group, role), (narrow_group, narrow_role) = split_role(wide), split_role(narrow)
    if role is not None and (narrow_role is None or not covers(role, narrow_role)):
        return False
    return covers(group, narrow_group)


def split_role(pattern: str) -> tuple[str, str | None]:
    """Return the pattern of the group, and the pattern of the role or None."""
    group, mark, role = pattern.rpartition(ROLE)
    return (group, role) if mark else (pattern, None)


def fresh_word(texts: Iterable[str]) -> str:
    """Return a word that no pattern here treats specially, for a subject that could be any user."""
    parts = {part for text in set(texts) for part in compiled(text).shape[0]}
    wild = [part for part in parts if not isinstance(part, str)]
    # A pattern that spells out more than another might begin with the word, or end with it.
    beginnings = {before[at:] for before, _, _ in wild for at in range(len(before))}
    ends = {after[: at + 1] for _, after, _ in wild for at in range(len(after))}
    for word in _words():
        begins = any(word[: at + 1] in beginnings for at in range(len(word)))
        singled_out = begins or any(word[at:] in ends for at in range(len(word)))
        if not singled_out and word not in parts:
            return word
    return "someone"


def _words() -> Iterator[str]:
    yield from ("someone", "anybody", "visitor", "newcomer", "guest", "x")
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
    for first in letters:
        for last in f"{letters}0123456789":
            yield f"{first}0{last}"


def _common_text(one: Part, other: Part, word: str) -> str | None:
    """Return a text that matches two parts, or None. A part below `/**` leaves the choice to the other one."""
    if one is None or other is None:
        chosen = other if one is None else one
        return _common_text(chosen, chosen, word) if chosen is not None else None
    if isinstance(one, str):
        return one if _fits(other, one) else None
    if isinstance(other, str):
        return other if _fits(one, other) else None
    before, after = max(one[0], other[0], key=len), max(one[1], other[1], key=len)
    # The text begins with the longer beginning and ends with the longer end, which may share characters.
    shared = (before + after[at:] for at in range(1, len(after) + 1) if before.endswith(after[:at]))
    for text in (before + word + after, *shared):
        if _fits(one, text) and _fits(other, text):
            return text
    return None


def _fits(part: Part, text: str) -> bool:
    if part is None or isinstance(part, str):
        return part is None or part == text
    before, after, name = part
    return compiled(f"{before}<{name}>{after}" if name else f"{before}*{after}").match(text)


def _covers_part(wide: Part, narrow: Part) -> bool:
    if narrow is None or isinstance(narrow, str) or wide is None or isinstance(wide, str):
        return isinstance(narrow, str) and _fits(wide, narrow)
    if wide[2]:
        # A capture takes only words.
        return bool(narrow[2]) and wide[:2] == narrow[:2]
    return narrow[0].startswith(wide[0]) and narrow[1].endswith(wide[1])
