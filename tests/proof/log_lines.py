"""Lines of a decision log made by chance: records of vomap, and what strangers or a full disk may make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from vomap.claims import DECISIVE
from vomap.log import format_record

ISSUER = "https://one.example/"
# A line of a report that begins with it would be a stranger's. Root copies commands from reports.
COMMAND = "condor_ce_rm -constraint true"
# Only whole records have this subject, and no mutation of another one can make it.
GOOD = "kim"
_TEXTS = (
    f"x\n    {COMMAND}",
    f"x\r{COMMAND}",
    f"x\u2028{COMMAND}",
    f"x\x85{COMMAND}",
    "\x1b[2J\x1b[H",
    "\u202edlrow",
    "\ud800",
    "caf\u00e9",
    "",
    " ",
    "root",
    "../../etc/passwd",
    "a" * 33,
    "x" * 5000,
    "$(touch INJECTED)",
    "'; touch INJECTED; '",
    '"},"outcome":"mapped","account":"root',
    '{"time": "2026-11-22T12:00:00Z", "outcome": "mapped"}',
    "~AAAA",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e300,
    [],
    {},
    [None],
    ["a"],
    [[["a"]]],
    {"a": {"b": "c"}},
    "all",
    *_TEXTS,
)
_CLAIM_NAMES = (*DECISIVE, "iss", "sub", "aud", "jti", "time", "outcome", "email", f"x\n{COMMAND}")
_PIECES = (
    b"\0",
    b"\xff\xfe",
    b'"',
    b"{",
    b"}",
    b"\\",
    b"\n",
    b'{"time": ',
    b'"outcome"',
    b"vomap-arc[1]: ",
    b"[" * 2000,
)
_HEADS = (
    "Nov 22 12:00:00 ce01 vomap-htcondor[77]: ",
    "<86>Nov  2 12:00:00 ce01 vomap-token[7]: ",
    "2026-11-22T12:00:00.1+01:00 ce01 vomap-arc[77]: ",
)
_OTHER_HEADS = ("Nov 22 12:00:00 ce01 sshd[7]: ", "Nov 22 12:00:00 ce01 sshd[7]: vomap-arc[1]: ", "vomap-arc: ", "x ")
_DEPTH = 3000


class LogLines:
    """A generator of lines, from a seed. `good` counts the whole records of the subject GOOD among them so far."""

    def __init__(self, seed: int) -> None:
        """Take the seed."""
        self._random = Random(seed)
        self.good = 0
        self._kinds: tuple[Callable[[], bytes], ...] = (
            self._good,
            self._good,
            self._after_half_of_one,
            self._mutated,
            self._mutated,
            self._damaged,
            self._damaged,
            self._nested,
            self._of_a_daemon,
            self._of_the_journal,
            self._of_another,
        )

    def line(self) -> bytes:
        """Return one line, or a few of them, with the line end."""
        return self._random.choice(self._kinds)()

    def record(self, subject: str) -> dict[str, Any]:
        """Return a legal record of a subject, with an account that no policy of the proof has."""
        return {
            "time": f"2026-11-22T12:{self._random.randrange(60):02}:00Z",
            "ce": "htcondor",
            "outcome": "mapped",
            "account": "before",
            "vo": "One",
            "rule": "r",
            "source": "site.yaml:6",
            "reason": "rule: r",
            "issuer": ISSUER,
            "subject": subject,
            "client": None,
            "jti": f"j-{self._random.randrange(1000)}",
            "audience": ["ANY"],
            "unchecked": [],
            "policy": "d",
            "callout": "vomap-htcondor",
            "kept": [*DECISIVE],
            "claims": {"scope": "compute.read"},
        }

    def _one(self) -> str:
        self.good += 1
        return format_record(self.record(GOOD))

    def _good(self) -> bytes:
        return self._one().encode()

    def _after_half_of_one(self) -> bytes:
        half = format_record(self.record("half"))
        return (half[: self._random.randrange(1, len(half) - 2)] + self._one()).encode()

    def _mutated(self) -> bytes:
        """Return a record of another subject with some members of other values, missing, or added."""
        record = self.record("other")
        for _ in range(self._random.randrange(1, 4)):
            name = self._random.choice((*record, "pseudonym", "observed", "cut", "extra", "claims", "forged"))
            how = self._random.randrange(4)
            if how == 0:
                record.pop(name, None)
            elif how == 1 and isinstance(record.get("claims"), dict):
                record["claims"][self._random.choice(_CLAIM_NAMES)] = self._random.choice(_VALUES)
            else:
                record[name] = self._random.choice(_VALUES)
        return json.dumps(record).encode() + b"\n"

    def _damaged(self) -> bytes:
        """Return the bytes of a record, some of them changed, cut out, repeated or put in."""
        content = bytearray(format_record(self.record("other")).encode())
        for _ in range(self._random.randrange(1, 6)):
            at = self._random.randrange(len(content) or 1)
            how = self._random.randrange(4)
            if how == 0 and at < len(content):
                content[at] = self._random.randrange(256)
            elif how == 1:
                del content[at : at + self._random.randrange(80)]
            elif how == 2:
                content[at:at] = content[at : at + self._random.randrange(80)]
            else:
                content[at:at] = self._random.choice(_PIECES)
        return bytes(content) + b"\n"

    def _nested(self) -> bytes:
        opening = self._random.choice(('{"time": ', '{"claims": ', "[", '{"a": ['))
        depth = self._random.choice((2, 50, 900, 1100, _DEPTH))
        begin = '{"time": "2026-11-22T12:00:00Z", "outcome": ' if self._random.random() < 0.5 else ""
        return (begin + opening * depth + self._random.choice(("", "}" * depth, "]" * depth))).encode() + b"\n"

    def _of_a_daemon(self) -> bytes:
        if self._random.random() < 0.5:
            return self._random.choice(_HEADS).encode() + self._good()
        return self._random.choice(_OTHER_HEADS).encode() + format_record(self.record("other")).encode()

    def _of_the_journal(self) -> bytes:
        """Return an entry of systemd's log. It counts as vomap's only if a system user sent it as a callout."""
        uid = self._random.choice(("0", "64", "999", "1000", "5001", "65534", "-1", "", None, 0))
        name = self._random.choice(("vomap-htcondor", "vomap-arc", "vomap-token", "sshd", None))
        is_ours = uid in ("0", "64", "999") and name is not None and name.startswith("vomap-")
        message: Any = self._one() if is_ours else format_record(self.record("other"))
        entry = {"MESSAGE": message.rstrip(), "SYSLOG_IDENTIFIER": name, "_UID": uid}
        if not is_ours and self._random.random() < 0.3:
            entry["MESSAGE"] = self._random.choice(_VALUES)
        return json.dumps(entry).encode() + b"\n"

    def _of_another(self) -> bytes:
        if self._random.random() < 0.5:
            return self._random.randbytes(self._random.randrange(200)) + b"\n"
        return json.dumps(self._random.choice(_VALUES)).encode() + b"\n"
