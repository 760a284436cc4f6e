"""Check the fields of a token issuer that the mapfile takes over: issuer, subject and account."""

from __future__ import annotations

import re

from vomap.mapfile.findings import Findings
from vomap.osg.yaml_text import TextValue
from vomap.policy.matching import is_account

# A host, perhaps a port, and a path as in RFC 3986 section 3.3. An issuer has no query and no fragment (OpenID Connect
# Discovery 1.0 section 3).
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


def read_issuer(entry: TextValue, value: TextValue | None, findings: Findings) -> str | None:
    """Return the URL of an entry, or None and an error if it is missing or not valid."""
    text = _required(entry, "URL", value, _URL, findings)
    if text is None or value is None or (_ISSUER.fullmatch(text) and len(text) <= _LONGEST_ISSUER):
        return text
    value.refuse(_URL, findings, "write it as the tokens' iss claim has it")
    return None


def read_account(entry: TextValue, value: TextValue | None, findings: Findings) -> str | None:
    """Return the DefaultUnixUser of an entry, or None and an error if it is missing or not valid."""
    text = _required(entry, "DefaultUnixUser", value, _ACCOUNT, findings)
    if text is None or value is None or (is_account(text) and text != "root"):
        return text
    value.refuse(_ACCOUNT, findings, "name the account of the VO's jobs")
    return None


def read_subject(value: TextValue, findings: Findings) -> str | None:
    """Return the Subject of an entry, or None and an error if it is not valid.

    An empty Subject is an error: without a subject the mapfile would map every token of the issuer.
    """
    if value.is_null:
        value.refuse(_SUB, findings, "write it, or remove the key to mean any subject")
        return None
    text = value.text(_SUB, findings)
    if text is None:
        return None
    if any(mark in text for mark in _MARKS_OF_A_PATTERN):
        value.refuse(_SUB, findings, "in a mapfile * and < begin a pattern: write the subject out")
    elif not _SUBJECT.fullmatch(text):
        value.refuse(_SUB, findings, "write it as the tokens have it, or remove the key to mean any subject")
    return text


def _required(entry: TextValue, key: str, value: TextValue | None, expected: str, findings: Findings) -> str | None:
    if value is None:
        entry.report(f"has no {key}; expected {expected}; add it, or remove the entry", findings)
        return None
    return value.text(expected, findings)
