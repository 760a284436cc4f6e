"""`vomap explain`: one token, and how the decision about it comes about."""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import sys
import time

from vomap import Error
from vomap.accounts import confirm
from vomap.built import POLICY_FILE, bans_beside, read_bans, read_policy
from vomap.built.documents import document_digest
from vomap.claims import Claims, read_scopes
from vomap.claims.payload import read_payload
from vomap.claims.scopes import refused_levels
from vomap.cli.loading import UsageError, add_bans, add_json, add_mapfiles, add_policy, load, print_json
from vomap.mapfile.times import point_in_time, written
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED, Decision, failed
from vomap.policy.decide import decide
from vomap.policy.model import Bans, Policy
from vomap.policy.pieces import policy_of
from vomap.proof.near_misses import expired_bans, find_near_misses
from vomap.proof.telling import tell_token

HELP = "explain what becomes of one token, step by step"

# Green, yellow and red, as terminals number them.
_COLOURS = {MAPPED: 32, DECLINED: 33, DENIED: 31, ERROR: 31}

_EXAMPLES = """\
examples:
  vomap explain --claims '{"iss": "https://cilogon.org/mu2e", "sub": "mu2epilot@fnal.gov",
                           "aud": "ANY", "scope": "compute.create"}'
  vomap explain --token - < token                  a token as it is; its signature is not verified here
  vomap explain --mapfiles new.d --claims - < c    ask mapfiles instead of the built policy

exit codes: 0 mapped, 1 declined or denied, 2 wrong usage, 3 an error"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    add_token(parser, required=True)
    add_policy(parser, "the built policy to ask")
    add_mapfiles(parser)
    add_bans(parser)
    parser.add_argument("--accounts", action="store_true", help="look the account up on this machine, too")
    parser.add_argument("--at", metavar="TIME", help="decide as of 2026-12-31T12:00:00Z, say (default: now)")
    add_json(parser)


def add_token(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add `--claims` and `--token`."""
    what = parser.add_mutually_exclusive_group(required=required)
    what.add_argument("--claims", metavar="JSON|-", help="the token's payload; - reads it from standard input")
    what.add_argument("--token", metavar="JWT|-", help="an encoded token; - reads it from standard input")


def run(args: argparse.Namespace) -> int:
    """Explain one token; 0 if it is mapped, 1 if not, 3 if that cannot be decided."""
    policy, bans = _policy_and_bans(args)
    now = _time(args.at)
    trace: list[str] = []
    payload = token_payload(args)
    decision, notes = _decide(payload, policy, bans, now, trace)
    # Without --accounts every account counts as there; a pool is told all the same.
    confirm(decision, policy.site.accounts, None if args.accounts else lambda _: policy.site.accounts.minimum_uid)
    if args.json:
        members = decision.as_json(ce="none", time=written(now))
        misses = _near_misses(payload, decision, policy, bans, now)
        print_json({**members, "trace": trace, "notes": notes, "near-misses": misses})
    else:
        _print(decision, trace, notes)
        for miss in _near_misses(payload, decision, policy, bans, now):
            print(f"  {miss}")
    return 0 if decision.outcome == MAPPED else 3 if decision.outcome == ERROR else 1


def _decide(payload: bytes, policy: Policy, bans: Bans, now: float, trace: list[str]) -> tuple[Decision, list[str]]:
    try:
        claims = read_payload(payload)
    except Error as error:
        return failed(str(error)), []
    trace += tell_token(claims, now)
    decision = decide(policy, bans, claims, now, trace)
    return decision, _notes(decision, claims)


def _near_misses(payload: bytes, decision: Decision, policy: Policy, bans: Bans, now: float) -> list[str]:
    """Return by what one difference the token missed a rule, and the bans that hold no more; none for no token."""
    if decision.claims is None:
        return []
    members = json.loads(payload)
    misses = find_near_misses(policy, bans, members, decision, now)
    return [*expired_bans(policy, bans, members, now), *map(str, misses)]


def _notes(decision: Decision, claims: Claims) -> list[str]:
    """Say what HTCondor makes of the scopes: an account is no authorization there."""
    if decision.outcome != MAPPED:
        return []
    return [
        f"mapped, but HTCondor will refuse {level}: the scopes do not grant it"
        for level in refused_levels(claims, read_scopes(claims))
    ]


def _policy_and_bans(args: argparse.Namespace) -> tuple[Policy, Bans]:
    if args.mapfiles:
        if args.policy != POLICY_FILE:
            raise UsageError("explain: --policy or --mapfiles, not both")
        sources = load(args)
        sources.findings.raise_errors()
        document = sources.composition.document
        return policy_of(document, document_digest(document)), sources.bans
    if args.bans and len(args.bans) > 1:
        raise UsageError("explain: without --mapfiles, --bans names one file of built bans")
    return read_policy(args.policy), read_bans(args.bans[0] if args.bans else bans_beside(args.policy))


def token_payload(args: argparse.Namespace) -> bytes:
    """Return the payload of the token that a command line gives. Raises UsageError."""
    given: str = args.claims if args.claims is not None else args.token
    content = sys.stdin.buffer.read() if given == "-" else given.encode("utf-8", "surrogateescape")
    if args.claims is not None:
        return content
    parts = content.strip().split(b".")
    if len(parts) != len(("header", "payload", "signature")):
        raise UsageError(f"{args.verb}: --token takes three parts with dots between them")
    try:
        return base64.b64decode(parts[1] + b"=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"{args.verb}: the token's payload is not base64url") from None


def _time(given: str | None) -> float:
    try:
        return time.time() if given is None else float(point_in_time(given))
    except ValueError:
        raise UsageError(f"explain: --at: {given!a} is no time such as 2026-12-31T12:00:00Z") from None


def _print(decision: Decision, trace: list[str], notes: list[str]) -> None:
    # The last step is the outcome itself.
    for step in trace[:-1]:
        print(f"  {step}")
    said = f"{decision.outcome}{f' to {decision.account}' if decision.account else ''}"
    print(f"{_coloured(said, decision.outcome)}: {decision.reason}")
    for name, value in (("VO", decision.vo), ("rule", decision.rule), ("source", decision.source)):
        if value:
            print(f"  {name}: {value}")
    for note in notes:
        print(f"  {note}")


def _coloured(text: str, outcome: str) -> str:
    """Return a text in the colour of an outcome, if a terminal shows it and nobody minds (no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{_COLOURS[outcome]}m{text}\033[0m"
