"""The three texts of a token issuer that get into a mapfile: issuer, subject, account; what is unsafe is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vomap.policy.matching import is_account

if TYPE_CHECKING:
    from vomap.osg.problems import Problem
    from vomap.osg.yaml_text import Value

# A host, perhaps a port, and a path of what RFC 3986 section 3.3 allows there. An issuer has no query and no fragment
# (OpenID Connect Discovery 1.0 section 3).
_ISSUER = re.compile(
    r"https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?",
    re.ASCII,
)
# A subject has at most 255 ASCII characters (OpenID Connect Core 1.0 section 2).
_SUBJECT = re.compile(r"[!-~]{1,255}", re.ASCII)
_LONGEST_ISSUER = 255
_MARKS_OF_A_PATTERN = "*<"

_URL = "the issuer's https URL, such as https://issuer.example.org/vo"
_ACCOUNT = "a local account: up to 32 of letters, digits, _ . -, not digits alone, not root"
_SUB = "a token's sub claim: up to 255 ASCII characters without blanks"


def read_issuer(entry: Value, value: Value | None, problems: list[Problem]) -> str | None:
    """Return an entry's URL, or None and a problem."""
    text = _required(entry, "URL", value, _URL, problems)
    if text is None or value is None or (_ISSUER.fullmatch(text) and len(text) <= _LONGEST_ISSUER):
        return text
    problems.append(value.unexpected(_URL, "write it as the tokens' iss claim has it"))
    return None


def read_account(entry: Value, value: Value | None, problems: list[Problem]) -> str | None:
    """Return an entry's DefaultUnixUser, or None and a problem."""
    text = _required(entry, "DefaultUnixUser", value, _ACCOUNT, problems)
    if text is None or value is None or (is_account(text) and text != "root"):
        return text
    problems.append(value.unexpected(_ACCOUNT, "name the account of the VO's jobs"))
    return None


def read_subject(value: Value, problems: list[Problem]) -> str | None:
    """Return an entry's Subject, or None and a problem. One left empty would let anybody in: it is no subject."""
    if value.is_null:
        problems.append(value.unexpected(_SUB, "write it, or remove the key to mean any subject"))
        return None
    text = value.text(_SUB, problems)
    if text is None:
        return None
    if any(mark in text for mark in _MARKS_OF_A_PATTERN):
        problems.append(value.unexpected(_SUB, "a mapfile would take * and < for a pattern: write the subject out"))
    elif not _SUBJECT.fullmatch(text):
        problems.append(value.unexpected(_SUB, "write it as the tokens have it, or remove the key to mean any subject"))
    return text


def _required(entry: Value, key: str, value: Value | None, expected: str, problems: list[Problem]) -> str | None:
    if value is None:
        problems.append(entry.problem(f"has no {key}; expected {expected}; add it, or remove the entry"))
        return None
    return value.text(expected, problems)
