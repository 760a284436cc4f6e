"""Sessions and jobs that survive a ban, and the commands that end them.

Sources: HTCondor's manual for the duration of sessions (SEC_DEFAULT_SESSION_DURATION), gm-jobs(8) for jobs of ARC.
Measured: both CEs call vomap once for each session or connection. In a constraint of HTCondor `==` ignores case. A
backslash before a quote makes the quote a part of the text, and any other backslash is itself.
`arcctl job killall --owner` of ARC 7.0.0 also matches owners that are a part of the given one (arc/control/Jobs.py), so
vomap does not print it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vomap.files.shell import join_words
from vomap.policy.authority import Authority

HTCONDOR, ARC = "htcondor", "arc"
_GM_JOBS = ("/usr/libexec/arc/gm-jobs", "/usr/lib/arc/gm-jobs")
# The complete configuration of A-REX, with the fragments of arc.conf.d.
_AREX_SETTINGS = "/run/arched-arex.cfg"
_IN_JOBS = ("issuer", "subject", "jti", "vo")
# Characters that a regular expression takes literally outside of brackets.
_PLAIN_IN_EXPRESSIONS = "@:/,=-_ "
_NOT_IN_EXPRESSIONS = '^[]"'


class Aftermath(NamedTuple):
    """Sessions or jobs that survive a ban: the CE, their end, the commands to list and to end them, a caution."""

    ce: str
    what: str
    until: str
    commands: tuple[str, ...]
    caution: str = ""


def find_aftermath(ban: Mapping[str, Any], authority: Authority, ces: Iterable[str], root: Path) -> list[Aftermath]:
    """Return the sessions and jobs that survive a ban on the given CEs. `root` is the root folder of the machine."""
    found = []
    if HTCONDOR in ces:
        found += [_SESSIONS, _htcondor_jobs(ban, authority)]
    if ARC in ces:
        found += [_CONNECTIONS, _arc_jobs(ban, authority, root)]
    return found


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
    chosen = "" if constraint is None else f" -constraint {join_words([constraint])}"
    look = f"condor_ce_q -allusers -af:jh AuthTokenIssuer AuthTokenSubject AuthTokenId{chosen}"
    if chosen and is_whole:
        return _jobs(HTCONDOR, look, f"condor_ce_rm{chosen}")
    return _jobs(HTCONDOR, look, "condor_ce_rm JOB...", "jobs do not show all that is banned: choose by hand")


def _arc_jobs(ban: Mapping[str, Any], authority: Authority, root: Path) -> Aftermath:
    """Return the jobs of ARC. Their owner is an issuer and a subject together."""
    look = "arcctl job list --long"
    subjects = ban.get("subject", ())
    issuers, is_whole = _issuers(ban, authority)
    owners = [f"{issuer}/{subject}" for issuer in issuers or () for subject in subjects]
    are_plain = all(_is_literal(owner) and "*" not in owner for owner in owners)
    if owners and are_plain and is_whole and _has_only(ban, ("issuer", "vo", "subject")):
        program = next((path for path in _GM_JOBS if (root / path.lstrip("/")).exists()), _GM_JOBS[0])
        kills = " ".join(join_words([f"--killuser={owner}"]) for owner in owners)
        return _jobs(ARC, look, f"{program} -c {_AREX_SETTINGS} {kills}")
    return _jobs(ARC, look, "arcctl job kill JOB...", "jobs show their owner, ISSUER/SUBJECT, alone: choose by hand")


def _jobs(ce: str, look: str, end: str, caution: str = "") -> Aftermath:
    return Aftermath(ce, "jobs, waiting and running", "until they end", (look, end), caution)


def job_constraint(ban: Mapping[str, Any], authority: Authority) -> tuple[str | None, bool]:
    """Return the ClassAd expression for the jobs of a ban, and whether it has all conditions of the ban.

    The expression is None if it can have no condition. It never selects fewer jobs than the ban. Texts that ClassAds
    could read differently are left out.
    """
    issuers, is_whole = _issuers(ban, authority)
    is_whole = is_whole and _has_only(ban, _IN_JOBS)
    wanted = {"AuthTokenIssuer": issuers, "AuthTokenSubject": ban.get("subject"), "AuthTokenId": ban.get("jti")}
    clauses = []
    for name, values in wanted.items():
        terms = [_term(name, value, is_pattern=name == "AuthTokenSubject") for value in values or ()]
        known = [term for term in terms if term is not None]
        if len(known) < len(terms):
            is_whole = False
        elif known:
            clauses.append(known[0] if len(known) == 1 else f"({' || '.join(known)})")
    return " && ".join(clauses) or None, is_whole


def _issuers(ban: Mapping[str, Any], authority: Authority) -> tuple[Sequence[str] | None, bool]:
    """Return the issuers whose tokens a ban can match (None: any), and whether an issuer alone implies the VO."""
    named = ban.get("issuer")
    if "vo" not in ban:
        return named, True
    vos = {vo.lower() for vo in ban["vo"]}
    speakers = sorted({url for vo in vos for url in authority.speakers(vo)})
    of_these = [url for url in speakers if named is None or url in named]
    if not of_these:
        return named, False
    return of_these, all((authority.issuers[url].vo or "").lower() in vos for url in of_these)


def _has_only(ban: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return not set(ban) - {*keys, "reason", "until", "source"}


def _term(name: str, value: str, *, is_pattern: bool) -> str | None:
    """Return the comparison of an attribute with a text or a pattern, or None if it cannot be written safely."""
    if not _is_literal(value):
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


def _is_literal(value: str) -> bool:
    """Return True if a shell, a terminal and a ClassAd all read a quoted text literally."""
    return value.isascii() and value.isprintable() and "\\" not in value
