"""`vomap explain`: explain the decision about one token."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vomap import Error
from vomap.accounts import confirm
from vomap.analysis.causes import describe_causes
from vomap.analysis.describe import describe_token
from vomap.analysis.near_misses import describe_expired_bans, find_near_misses
from vomap.ces.htcondor_tokens import htcondor_notes
from vomap.claims import Claims, TokenRefused
from vomap.claims.htcondor_payload import read_payload
from vomap.cli.arguments import (
    UsageError,
    add_json,
    add_policy,
    add_sources,
    add_token,
    asked_policy,
    given_token,
    payload_of,
)
from vomap.cli.console import plain, print_json
from vomap.mapfile.times import format_utc, parse_time
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED, Decision, failed
from vomap.policy.decide import decide
from vomap.policy.model import Bans, Policy

if TYPE_CHECKING:
    from vomap.verify import Verification

HELP = "explain the decision about one token, step by step"

# Green, yellow and red, as terminals number them.
_COLOURS = {MAPPED: 32, DECLINED: 33, DENIED: 31, ERROR: 31}

EXAMPLES = """\
examples:
  vomap explain --claims '{"iss": "https://cilogon.org/mu2e", "sub": "mu2epilot@fnal.gov",
                           "aud": "ANY", "scope": "compute.create"}'
  vomap explain --token - < token                  an encoded token. vomap does not verify its signature
  vomap explain --verify --token - < token         also verify the signature, with the issuer's keys
  vomap explain --mapfiles new.d --claims - < c    ask mapfiles instead of the compiled policy

exit codes: 0 mapped, 1 declined or denied, 2 wrong usage, 3 an error"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_token(parser, required=True)
    add_policy(parser, "the compiled policy to ask")
    add_sources(parser)
    parser.add_argument(
        "--verify", action="store_true", help="verify the signature of --token. vomap may fetch the issuer's keys"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="the cache of issuers' keys (default: ~/.cache/vomap)"
    )
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificates to trust for https, instead of the system's (PEM)"
    )
    parser.add_argument("--accounts", action="store_true", help="also look the account up on this machine")
    parser.add_argument(
        "--at", metavar="TIME", help="decide as of this time, such as 2026-12-31T12:00:00Z (default: now)"
    )
    add_json(parser)


@dataclass
class _Reasons:
    """The reasons for a decision: steps, notes about the CE, near misses, and the result of the verification."""

    trace: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    near_misses: list[str] = field(default_factory=list)
    verified: Verification | None = None


def run(args: argparse.Namespace) -> int:
    """Explain one token. Return 0 if vomap maps it, 1 if not, and 3 after an error."""
    if args.verify and args.token is None:
        raise UsageError("explain: --verify needs an encoded token with its signature: --token JWT")
    policy, bans = asked_policy(args, "explain")
    try:
        now = time.time() if args.at is None else float(parse_time(args.at))
    except ValueError:
        raise UsageError(f"explain: --at: expected a time such as 2026-12-31T12:00:00Z, not {args.at!a}") from None
    reasons = _Reasons()
    decision = _decide(args, policy, bans, now, reasons)
    # Without --accounts, vomap takes every account for an existing one, and still refuses a pool.
    confirm(decision, policy.site.accounts, None if args.accounts else lambda _: policy.site.accounts.minimum_uid)
    if decision.outcome == MAPPED and policy.site.accounts.must_exist and not args.accounts:
        reasons.notes.insert(0, "vomap did not look up the account on this machine: give --accounts")
    if args.json:
        members = decision.as_json(ce="none", time=format_utc(now))
        verified = {"verified": reasons.verified and reasons.verified.as_json()} if args.verify else {}
        steps = {"trace": reasons.trace, "notes": reasons.notes, "near-misses": reasons.near_misses}
        print_json({**members, **verified, **steps})
    else:
        _print(decision, reasons)
    return 0 if decision.outcome == MAPPED else 3 if decision.outcome == ERROR else 1


def _decide(args: argparse.Namespace, policy: Policy, bans: Bans, now: float, reasons: _Reasons) -> Decision:
    """Decide for the token that a command line gives. Raises UsageError if it gives none."""
    given = given_token(args)
    payload = None if args.verify else payload_of(args, given)
    try:
        claims = _verified(args, given, policy, reasons) if payload is None else read_payload(payload)
    except TokenRefused as error:
        return Decision(None, policy.digest, DENIED, str(error))
    except Error as error:
        return failed(str(error))
    reasons.trace += describe_token(claims, now)
    decision = decide(policy, bans, claims, now, reasons.trace)
    # HTCondor also authorizes each request by the scopes of the token.
    reasons.notes = describe_causes(policy, bans, claims, decision, now)
    reasons.notes += htcondor_notes(policy, claims, is_mapped=decision.outcome == MAPPED)
    reasons.near_misses = describe_expired_bans(policy, bans, claims, now)
    near_misses = find_near_misses(policy, bans, claims, decision, now)
    reasons.near_misses += map(str, near_misses.found)
    reasons.notes += near_misses.left_out
    return decision


def _verified(args: argparse.Namespace, raw: bytes, policy: Policy, reasons: _Reasons) -> Claims:
    """Return the claims of a token with a genuine signature, or of an issuer that the policy does not trust.

    Raises TokenRefused for a signature that is not genuine, and Error if vomap cannot verify it.
    """
    from vomap.verify import verify
    from vomap.verify.jws import read_token
    from vomap.verify.key_cache import KeyCache
    from vomap.web import default_cache

    token = read_token(raw)
    reasons.verified = verify(policy, token, KeyCache(args.cache or default_cache(), args.ca))
    reasons.trace.append(f"signature: {reasons.verified or 'not verified, as the issuer is not trusted'}")
    return token.claims


def _print(decision: Decision, reasons: _Reasons) -> None:
    # The last step is the outcome itself.
    for step in reasons.trace[:-1]:
        print(plain(f"  {step}"))
    said = f"{decision.outcome}{f' to {decision.account}' if decision.account else ''}"
    # A terminal shows colours, unless NO_COLOR is set (no-color.org).
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        said = f"\033[{_COLOURS[decision.outcome]}m{said}\033[0m"
    print(f"{said}: {plain(decision.reason)}")
    for name, value in (("VO", decision.vo), ("rule", decision.rule), ("source", decision.source)):
        if value:
            print(plain(f"  {name}: {value}"))
    for line in (*reasons.notes, *reasons.near_misses):
        print(plain(f"  {line}"))
