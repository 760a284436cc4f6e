"""Find the changes of a mapfile that the administrator must check before it is in force."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vomap.refresh.meaning import ANY_SUBJECT, MapfileChange, Meaning, find_changes

_LIMIT = re.compile(r"(?P<number>[0-9]{1,6})?(?:(?(number),)(?P<percent>[0-9]{1,3})%)?", re.ASCII)


@dataclass(frozen=True)
class Limit:
    """How many changes need no check: a number, a share in percent, or both. Of both the smaller one counts."""

    number: int | None = None
    percent: int | None = None

    def allows(self, count: int, total: int) -> bool:
        """Return True if `count` changes among `total` identities and VO names are within the limit."""
        is_few = self.number is None or count <= self.number
        return is_few and (self.percent is None or count * 100 <= self.percent * total)

    def __str__(self) -> str:
        """Return the limit as `read_limit` reads it."""
        number = [] if self.number is None else [str(self.number)]
        return ",".join(number if self.percent is None else [*number, f"{self.percent}%"])


def read_limit(text: str) -> Limit:
    """Return the limit that is written `3`, `10%` or `3,10%`. Raises ValueError."""
    found = _LIMIT.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"{text!a} is not a valid limit; expected such as 3, 10% or 3,10%")
    number, percent = (None if part is None else int(part) for part in found.group("number", "percent"))
    return Limit(number, percent)


class ChangeLimits(NamedTuple):
    """How many identities and VO names may be dropped, re-pointed to another account or VO, and added without a check.

    An addition can use an account of the site's own rules, or speak for a VO of these rules. Only the administrator
    knows them.
    """

    dropped: Limit
    repointed: Limit
    added: Limit


class Alarm(NamedTuple):
    """One reason why the administrator must check a mapfile: its kind, and a sentence."""

    kind: str
    text: str


def find_alarms(old: Meaning, new: Meaning, limits: ChangeLimits) -> list[Alarm]:
    """Return why the administrator must check a mapfile of the new meaning before it replaces the old one."""
    changes = find_changes(old, new)
    return [
        *_over_limits(old, new, changes, limits),
        *_gone_vos(old, new),
        *_opened_issuers(old, changes),
        *_shared_accounts(old, new, changes),
        *_manual_edits(changes),
    ]


def _over_limits(old: Meaning, new: Meaning, changes: Sequence[MapfileChange], limits: ChangeLimits) -> Iterator[Alarm]:
    total = len(old.identities) + len(old.vos)
    dropped = sum(change.kind == "dropped" and change.what in ("identity", "vos") for change in changes)
    moved = sum(_is_moved(old, new, change) for change in changes)
    added = sum(change.kind == "added" and change.what != "other" for change in changes)
    of_all = f"of {total} identities and VO names"
    for kind, count, limit, text in (
        ("dropped", dropped, limits.dropped, f"drops {dropped} {of_all}"),
        ("re-pointed", moved, limits.repointed, f"re-points {moved} {of_all} to another account or VO"),
        ("added", added, limits.added, f"adds {added} issuers, identities and VO names"),
    ):
        if count and not limit.allows(count, total):
            option = f"--max-{kind.replace('-', '')}"
            yield Alarm(kind, f"the candidate {text}; {option} allows {limit}")


def _is_moved(old: Meaning, new: Meaning, change: MapfileChange) -> bool:
    """Return True if an identity gets another account, or if a name or an issuer means something else.

    A subject that is newly listed, or no longer listed, also moves if any subject of its issuer has another account.
    """
    if change.what != "identity" or change.kind == "re-pointed":
        return change.kind in ("re-pointed", "changed")
    any_subject = (change.name[0], ANY_SUBJECT)
    elsewhere = (old if change.kind == "added" else new).identities.get(any_subject)
    return elsewhere is not None and elsewhere != (change.new or change.old)


def _gone_vos(old: Meaning, new: Meaning) -> Iterator[Alarm]:
    left = {vo.lower() for vo in new.owners.values()} | {vo.lower() for vo in new.vos.values()}
    for vo in sorted({*old.owners.values()}):
        if vo.lower() not in left:
            yield Alarm("vo-gone", f"the VO {vo} is gone: no issuer speaks for it any more")


def _opened_issuers(old: Meaning, changes: Iterable[MapfileChange]) -> Iterator[Alarm]:
    """Find issuers whose subjects were listed and that now map any subject."""
    for change in changes:
        is_for_any = change.what == "identity" and change.kind == "added" and change.name[1] == ANY_SUBJECT
        if is_for_any and (change.name[0],) in old.issuers:
            text = f"{change.name[0]} had a list of subjects, and now any subject gets the account {change.new}"
            yield Alarm("opened", text)


def _shared_accounts(old: Meaning, new: Meaning, changes: Iterable[MapfileChange]) -> Iterator[Alarm]:
    """Find accounts in use that another VO gets, or a new issuer of the same VO."""
    users: dict[str, set[str]] = {}
    for (issuer, _), account in old.identities.items():
        users.setdefault(account, set()).add(old.owners.get((issuer,), "").lower())
    seen = set()
    for change in changes:
        if change.what != "identity" or change.new not in users or (change.name[0], change.new) in seen:
            continue
        issuer, account = change.name[0], change.new
        seen.add((issuer, account))
        vo = new.owners.get((issuer,), "")
        if vo.lower() not in users[account]:
            yield Alarm("account", f"{account} is an account of other VOs, and {issuer} of the VO {vo} now gets it")
        elif (issuer,) not in old.issuers:
            text = f"{issuer} is a new issuer of the VO {vo} and gets the account {account}, which is in use"
            yield Alarm("account", text)


def _manual_edits(changes: Iterable[MapfileChange]) -> Iterator[Alarm]:
    for change in changes:
        if change.what == "other":
            does = "removes" if change.kind == "dropped" else "adds"
            text = f"the candidate {does} {', '.join(change.name)}, which the generator did not write"
            yield Alarm("by-hand", text)
