"""The accounts of a pool, as a mapfile lists them: names and ranges of names."""

from __future__ import annotations

from vomap.policy.matching import LEGAL_ACCOUNT, is_account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Pool:
    """The accounts of a pool, each a name or a range of names such as `ex{001..200}`."""

    __slots__ = ("ranges",)

    def __init__(self, accounts: Sequence[str]) -> None:
        """Take the texts of `accounts`. Raises ValueError for one that is no account or range."""
        self.ranges = tuple(_range(text) for text in accounts)

    def has(self, account: str) -> bool:
        """Return True if an account is one of the pool's."""
        return any(_in_range(account, *bounds) for bounds in self.ranges)


def _range(text: str) -> tuple[str, str, str, str]:
    """Return the text before the number, the first and the last number (of equal length), and the text after it."""
    before, mark, rest = text.partition("{")
    numbers, end, after = rest.partition("}")
    first, dots, last = numbers.partition("..")
    if not mark:
        first = last = ""
    elif not (end and dots and _is_number(first) and _is_number(last) and len(first) == len(last) and first <= last):
        raise ValueError(f"{text!a}: a range is two numbers of the same length, the smaller first: ex{{001..200}}")
    if not is_account(before + first + after):
        raise ValueError(f"{text!a} is not a legal account name: {LEGAL_ACCOUNT}")
    return before, first, last, after


def _in_range(account: str, before: str, first: str, last: str, after: str) -> bool:
    number = account[len(before) : len(account) - len(after)]
    if before + number + after != account:
        return False
    return len(number) == len(first) and (not number or _is_number(number)) and first <= number <= last


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
