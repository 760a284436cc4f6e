"""What a ban does not end on a CE, and the commands that do.

Sources: HTCondor's manual for how long sessions last (SEC_DEFAULT_SESSION_DURATION), gm-jobs(8) for jobs of ARC.
Measured: both CEs ask once for each session or connection; in a constraint of HTCondor `==` knows no case, a backslash
before a quote makes it a part of the text, and any other backslash is itself. `arcctl job killall --owner` of ARC 7.0.0
takes every owner that is a part of the one given (arc/control/Jobs.py), so it is not used here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vomap.policy.authority import Authority

HTCONDOR, ARC = "htcondor", "arc"
_GM_JOBS = ("/usr/libexec/arc/gm-jobs", "/usr/lib/arc/gm-jobs")
# What A-REX runs by, the fragments of arc.conf.d among it.
_AREX_SETTINGS = "/run/arched-arex.cfg"
_IN_JOBS = ("issuer", "subject", "jti", "vo")
# What a regular expression takes for itself, if it stands outside of brackets.
_PLAIN_IN_EXPRESSIONS = "@:/,=-_ "
_NOT_IN_EXPRESSIONS = '^[]"'


@dataclass(frozen=True)
class Aftermath:
    """What goes on in spite of a ban: on which CE, what, until when, the commands to look and to end it, a caution."""

    ce: str
    what: str
    until: str
    commands: tuple[str, ...]
    caution: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the members."""
        return asdict(self)


def find_aftermath(ban: Mapping[str, Any], authority: Authority, ces: Iterable[str], root: Path) -> list[Aftermath]:
    """Return what a ban, given as its document, leaves as it is on these CEs, of which `root` is the root folder."""
    told = []
    if HTCONDOR in ces:
        told += [_SESSIONS, _htcondor_jobs(ban, authority)]
    if ARC in ces:
        told += [_CONNECTIONS, _arc_jobs(ban, authority, root)]
    return told


_SESSIONS = Aftermath(
    HTCONDOR,
    "sessions that are open",
    "up to a day with daemons, a minute with tools (SEC_DEFAULT_SESSION_DURATION)",
    ("systemctl restart condor-ce",),
)
_CONNECTIONS = Aftermath(
    ARC, "connections that are open", "until the client closes them", ("systemctl restart arc-arex-ws",)
)


def _htcondor_jobs(ban: Mapping[str, Any], authority: Authority) -> Aftermath:
    constraint, is_whole = job_constraint(ban, authority)
    look = "condor_ce_q -allusers -af:jh AuthTokenIssuer AuthTokenSubject AuthTokenId"
    if constraint is not None:
        look += f" -constraint {shlex.quote(constraint)}"
    if constraint is not None and is_whole:
        return _jobs(HTCONDOR, look, f"condor_ce_rm -constraint {shlex.quote(constraint)}")
    return _jobs(HTCONDOR, look, "condor_ce_rm JOB...", "jobs do not show all that is banned: choose by hand")


def _arc_jobs(ban: Mapping[str, Any], authority: Authority, root: Path) -> Aftermath:
    """Return the jobs of ARC, which belong to an issuer and a subject together."""
    look = "arcctl job list --long"
    subjects = ban.get("subject", ())
    issuers, is_whole = _issuers(ban, authority)
    owners = [f"{issuer}/{subject}" for issuer in issuers or () for subject in subjects]
    if owners and is_whole and _says_only(ban, ("issuer", "vo", "subject")) and all(map(_is_plain, owners)):
        program = next((path for path in _GM_JOBS if (root / path.lstrip("/")).exists()), _GM_JOBS[0])
        kills = " ".join(shlex.quote(f"--killuser={owner}") for owner in owners)
        return _jobs(ARC, look, f"{program} -c {_AREX_SETTINGS} {kills}")
    return _jobs(ARC, look, "arcctl job kill JOB...", "jobs show their owner, ISSUER/SUBJECT, alone: choose by hand")


def _jobs(ce: str, look: str, end: str, caution: str = "") -> Aftermath:
    return Aftermath(ce, "jobs, waiting and running", "until they end", (look, end), caution)


def job_constraint(ban: Mapping[str, Any], authority: Authority) -> tuple[str | None, bool]:
    """Return the ClassAd expression for jobs of a ban, and whether it says all that the ban does.

    None if it can say nothing of it. It is never narrower than the ban; texts that ClassAds could take for something
    else are left out.
    """
    wanted = {"AuthTokenSubject": ban.get("subject"), "AuthTokenId": ban.get("jti")}
    wanted["AuthTokenIssuer"], is_whole = _issuers(ban, authority)
    is_whole = is_whole and _says_only(ban, _IN_JOBS)
    clauses = []
    for name in ("AuthTokenIssuer", "AuthTokenSubject", "AuthTokenId"):
        values = wanted[name]
        if values is None:
            continue
        terms = [_term(name, value, is_pattern=name == "AuthTokenSubject") for value in values]
        known = [term for term in terms if term is not None]
        if len(known) < len(terms):
            is_whole = False
        elif known:
            clauses.append(known[0] if len(known) == 1 else f"({' || '.join(known)})")
    return " && ".join(clauses) or None, is_whole


def _issuers(ban: Mapping[str, Any], authority: Authority) -> tuple[Sequence[str] | None, bool]:
    """Return the issuers whose tokens a ban may meet, None for any; and whether a job's issuer tells as much."""
    named = ban.get("issuer")
    if "vo" not in ban:
        return named, True
    vos = {vo.lower() for vo in ban["vo"]}
    speakers = sorted({url for vo in vos for url in authority.speakers(vo)})
    of_these = [url for url in speakers if named is None or url in named]
    if not of_these:
        return named, False
    return of_these, all((authority.issuers[url].vo or "").lower() in vos for url in of_these)


def _says_only(ban: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return not set(ban) - {*keys, "reason", "until", "source"}


def _term(name: str, value: str, *, is_pattern: bool) -> str | None:
    """Return the comparison of an attribute with a text or a pattern; None for one that cannot be written safely."""
    if not _is_written(value):
        return None
    if not is_pattern or "*" not in value:
        quoted = value.replace('"', '\\"')
        return f'{name} =?= "{quoted}"'
    if any(mark in value for mark in _NOT_IN_EXPRESSIONS):
        return None
    expression = "".join(map(_in_expression, value))
    return f'regexp("^{expression}$", {name})'


def _in_expression(mark: str) -> str:
    if mark == "*":
        return "[^/]+"
    return mark if mark.isalnum() or mark in _PLAIN_IN_EXPRESSIONS else f"[{mark}]"


def _is_written(value: str) -> bool:
    """Tell whether a shell, a terminal and a ClassAd all take a text for what it is, once it is quoted."""
    return value.isascii() and value.isprintable() and "\\" not in value


def _is_plain(owner: str) -> bool:
    return _is_written(owner) and "*" not in owner
