"""One record of the decision log. Each of its members is legal, or vomap does not accept the record.

Many logs take lines of other users, and reports print what records contain. So a member may only have a value that
vomap itself can write: docs/design/decision.md lists the members, and schemas/decision-1.schema.json describes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from vomap import Error
from vomap.claims import EVERY_CLAIM, LATEST, TIMES, Claims, TokenError, is_clean, read_claims
from vomap.claims.strict_json import parse_json
from vomap.log import FIRST_MEMBER, IN_MEMBERS, LONGEST_LINE
from vomap.policy import MAPPED, OUTCOMES
from vomap.policy.matching import is_account, is_word

if TYPE_CHECKING:
    from vomap.policy.documents import DecisionDocument

# The names that log daemons show, and the words that a record may add to one.
CALLOUTS = ("vomap-htcondor", "vomap-arc", "vomap-token")
_ACTIONS = ("", "map", "authorize")
_CES = ("htcondor", "arc", "token", "none")
_CHECKS = ("time", "lifetime")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_PSEUDONYM = re.compile(r"~[A-Za-z0-9_-]+", re.ASCII)
# A record without this member is a line of another program.
OUTCOME = "outcome"

# Returns the subject of an issuer's pseudonym, or None.
Resolve = Callable[[str, str], "str | None"]


class RecordError(Error):
    """A text is not a legal record. The message says why, without any text of the record."""


@dataclass(frozen=True)
class Record:
    """One decision of a log: the number of its line, and its members as in schemas/decision-1.schema.json."""

    line: int
    members: DecisionDocument

    @property
    def time(self) -> int:
        """The time of the decision, in seconds since 1970."""
        return _seconds(self.members["time"])

    def reveal_subject(self, resolve: Resolve | None) -> bool:
        """Replace the pseudonym by the subject. Return False if there is no key, or another key."""
        pseudonym = self.members["pseudonym"]
        if resolve is None or pseudonym is None:
            return False
        self.members["subject"] = resolve(self.members["issuer"] or "", pseudonym)
        return self.members["subject"] is not None

    @property
    def kept(self) -> Sequence[str]:
        """The names of the claims that the record shows, beside those of its own members, or EVERY_CLAIM."""
        return self.members.get("kept", ())

    @property
    def forged(self) -> frozenset[str]:
        """The names of claims that may be forged, as in `Claims.forged`."""
        return frozenset(self.members.get("forged", ()))

    def keeps(self, name: str) -> bool:
        """Return True if the record shows a claim as the decision read it, or that the token does not have it."""
        return name in IN_MEMBERS or name in self.kept or (self.kept == EVERY_CLAIM and name != FIRST_MEMBER)

    def claims(self) -> Claims | None:
        """Return the logged claims of the token, None if the record has no claims."""
        logged = self.members.get("claims")
        if logged is None:
            return None
        named = {"iss": self.members["issuer"], "sub": self.members["subject"], "jti": self.members["jti"]}
        token = {**logged, **{name: value for name, value in named.items() if value is not None}}
        if self.members["audience"]:
            token["aud"] = self.members["audience"]
        try:
            return read_claims(token)
        except TokenError:
            return None


def parse_object(text: str) -> dict[str, Any]:
    """Return a JSON object of a log. Raises RecordError for any other text."""
    try:
        found = parse_json(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RecordError("is not a whole JSON object")
    return found


def check_members(members: dict[str, Any], length: int) -> DecisionDocument:
    """Return the members of a record of `length` characters, all of them legal. Raises RecordError."""
    if length > LONGEST_LINE:
        raise RecordError(f"is longer than a record, {LONGEST_LINE} bytes")
    for name, is_legal in _REQUIRED.items():
        if name not in members or not is_legal(members[name]):
            raise RecordError(f"`{name}`: is not as schemas/decision-1.schema.json expects")
    for name in members.keys() - _REQUIRED.keys():
        if name not in _OPTIONAL:
            raise RecordError("has a member that schemas/decision-1.schema.json does not list")
        if not _OPTIONAL[name](members[name]):
            raise RecordError(f"`{name}`: is not as schemas/decision-1.schema.json expects")
    if (members[OUTCOME] == MAPPED) != (members["account"] is not None):
        raise RecordError("`account`: only a mapped token has an account")
    return cast("DecisionDocument", members)


def _seconds(time: str) -> int:
    """Return the time of a record in seconds since 1970. Raises ValueError if it is not a valid time."""
    # strptime takes longer than a decision.
    return int(datetime.fromisoformat(f"{time[:-1]}+00:00").timestamp())


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        _seconds(value)
    except ValueError:
        return False
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str) and is_clean(value)


def _is_text_or_null(value: object) -> bool:
    return value is None or _is_text(value)


def _is_name_or_null(value: object) -> bool:
    return value is None or (isinstance(value, str) and is_word(value))


def _is_account_or_null(value: object) -> bool:
    return value is None or (isinstance(value, str) and is_account(value))


def _is_pseudonym_or_null(value: object) -> bool:
    return value is None or (isinstance(value, str) and _PSEUDONYM.fullmatch(value) is not None)


def _is_callout(value: object) -> bool:
    if not isinstance(value, str):
        return False
    name, _, action = value.partition(" ")
    return name in CALLOUTS and action in _ACTIONS


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_claims(value: object) -> bool:
    """Return True for claims as vomap logs them: a text, a list of texts, or a number if the claim is a time."""
    if value is None:
        return True
    return isinstance(value, dict) and all(_is_claim(name, each) for name, each in value.items())


def _is_claim(name: str, value: object) -> bool:
    if name == FIRST_MEMBER or not is_clean(name):
        return False
    if isinstance(value, list):
        return all(map(_is_text_or_null, value))
    if name in TIMES and isinstance(value, (int, float)):
        return not isinstance(value, bool) and -LATEST < value < LATEST
    return _is_text_or_null(value)


def _is_true(value: object) -> bool:
    return value is True


_REQUIRED: dict[str, Callable[[object], bool]] = {
    "time": _is_time,
    "ce": lambda value: value in _CES,
    OUTCOME: lambda value: value in OUTCOMES,
    "account": _is_account_or_null,
    "vo": _is_name_or_null,
    "rule": _is_name_or_null,
    "source": _is_text_or_null,
    "reason": _is_text,
    **dict.fromkeys(("issuer", "subject", "client", "jti"), _is_text_or_null),
    "audience": _are_texts,
    "unchecked": lambda value: isinstance(value, list) and all(each in _CHECKS for each in value),
    "policy": _is_text_or_null,
}
_OPTIONAL: dict[str, Callable[[object], bool]] = {
    "callout": _is_callout,
    "kept": lambda value: value == EVERY_CLAIM or _are_texts(value),
    "forged": _are_texts,
    "claims": _are_claims,
    # None if there was no key.
    "pseudonym": _is_pseudonym_or_null,
    "observed": _is_true,
    "cut": _is_true,
}
