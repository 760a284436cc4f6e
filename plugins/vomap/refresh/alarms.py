"""What of a changed mapfile a person must look at before it is in force: who loses an account, and who gets whose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vomap.refresh.meaning import ANY_SUBJECT, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vomap.refresh.meaning import Difference, Meaning

_LIMIT = re.compile(r"(?P<number>[0-9]{1,6})?(?:(?(number),)(?P<percent>[0-9]{1,3})%)?", re.ASCII)
_WHOLE = 100


@dataclass(frozen=True)
class Limit:
    """How many of something may change unseen: a number, a share in percent, or both, of which the smaller holds."""

    number: int | None = None
    percent: int | None = None

    def allows(self, count: int, total: int) -> bool:
        """Tell whether so many, of so many that there are, are no more than the limit."""
        few = self.number is None or count <= self.number
        return few and (self.percent is None or count * _WHOLE <= self.percent * total)

    def __str__(self) -> str:
        """Write the limit as it is read."""
        number = [] if self.number is None else [str(self.number)]
        return ",".join(number if self.percent is None else [*number, f"{self.percent}%"])


def read_limit(text: str) -> Limit:
    """Return the limit that is written `3`, `10%` or `3,10%`. Raises ValueError."""
    found = _LIMIT.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"{text!a} is no limit; expected such as 3, 10% or 3,10%")
    number, percent = (None if part is None else int(part) for part in found.group("number", "percent"))
    return Limit(number, percent)


@dataclass(frozen=True)
class Limits:
    """How many identities and names of VOs may be dropped, may come to mean another account or VO, and may be added.

    What is added may come to an account of the site's own rules, or speak for a VO that they are about: only a person
    who knows these can tell.
    """

    dropped: Limit
    repointed: Limit
    added: Limit


@dataclass(frozen=True)
class Alarm:
    """One reason why a person must look: of what kind, and in words."""

    kind: str
    text: str

    def as_json(self) -> dict[str, str]:
        """Return the alarm for a program."""
        return {"kind": self.kind, "text": self.text}


def find_alarms(old: Meaning, new: Meaning, limits: Limits) -> list[Alarm]:
    """Return why a person must look at the new meaning before it takes the place of the old one."""
    differences = compare(old, new)
    return [
        *_too_many(old, new, differences, limits),
        *_gone_vos(old, new),
        *_opened(old, differences),
        *_taken_accounts(old, new, differences),
        *_by_hand(differences),
    ]


def _too_many(old: Meaning, new: Meaning, differences: Sequence[Difference], limits: Limits) -> Iterator[Alarm]:
    total = len(old.identities) + len(old.vos)
    dropped = [each for each in differences if each.change == "dropped" and each.what in ("identity", "vos")]
    moved = [each for each in differences if _is_moved(old, new, each)]
    added = [each for each in differences if each.change == "added" and each.what != "other"]
    for kind, found, limit in (
        ("dropped", dropped, limits.dropped),
        ("re-pointed", moved, limits.repointed),
        ("added", added, limits.added),
    ):
        if found and not limit.allows(len(found), total):
            many = f"{len(found)} of {total}" if kind != "added" else f"{len(found)} issuers,"
            yield Alarm(kind, f"{many} identities and names of VOs are {kind}; the limit is {limit}")


def _is_moved(old: Meaning, new: Meaning, difference: Difference) -> bool:
    """Tell whether somebody who had an account has another one.

    So has a subject that is listed from now on, or no longer, where any subject has an account: another one.
    """
    if difference.what != "identity" or difference.change == "re-pointed":
        return difference.change in ("re-pointed", "changed")
    everybody = (difference.name[0], ANY_SUBJECT)
    elsewhere = (old if difference.change == "added" else new).identities.get(everybody)
    return elsewhere is not None and elsewhere != (difference.new or difference.old)


def _gone_vos(old: Meaning, new: Meaning) -> Iterator[Alarm]:
    left = {vo.lower() for vo in new.owners.values()} | {vo.lower() for vo in new.vos.values()}
    for vo in sorted({*old.owners.values()}):
        if vo.lower() not in left:
            yield Alarm("vo-gone", f"the VO {vo} is gone: none of its identities is left")


def _opened(old: Meaning, differences: Iterable[Difference]) -> Iterator[Alarm]:
    for each in differences:
        is_for_any = each.what == "identity" and each.change == "added" and each.name[1] == ANY_SUBJECT
        if is_for_any and (each.name[0],) in old.issuers:
            yield Alarm("opened", f"{each.name[0]} had its subjects listed, and now maps any subject to {each.new}")


def _taken_accounts(old: Meaning, new: Meaning, differences: Iterable[Difference]) -> Iterator[Alarm]:
    """Find accounts in use that somebody else comes to: another VO, or a new issuer of the same one."""
    users: dict[str, set[str]] = {}
    for (issuer, _), account in old.identities.items():
        users.setdefault(account, set()).add(old.owners.get((issuer,), "").lower())
    told = set()
    for each in differences:
        if each.what != "identity" or each.new not in users:
            continue
        issuer, vo = each.name[0], new.owners.get((each.name[0],), "")
        if (issuer, each.new) not in told and vo.lower() not in users[each.new]:
            yield Alarm("account", f"{each.new} is an account of other VOs, and {issuer} of {vo} comes to it")
        elif (issuer, each.new) not in told and (issuer,) not in old.issuers:
            yield Alarm(
                "account", f"{issuer} is a new issuer of {vo}, and comes to the account {each.new} that is in use"
            )
        told.add((issuer, each.new))


def _by_hand(differences: Iterable[Difference]) -> Iterator[Alarm]:
    for each in differences:
        if each.what == "other":
            yield Alarm("by-hand", f"{', '.join(each.name)} was not written by the generator, and would be lost")
