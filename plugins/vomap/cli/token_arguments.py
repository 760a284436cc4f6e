"""The arguments that give a token, `--claims` and `--token`."""

from __future__ import annotations

import argparse
import base64
import binascii
import sys

from vomap.cli.arguments import UsageError


def add_token(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add `--claims` and `--token`."""
    what = parser.add_mutually_exclusive_group(required=required)
    what.add_argument("--claims", metavar="JSON|-", help="the token's payload; - reads it from standard input")
    what.add_argument("--token", metavar="JWT|-", help="an encoded token; - reads it from standard input")


def token_payload(args: argparse.Namespace) -> bytes:
    """Return the payload of the token that a command line gives. Raises UsageError."""
    return payload_of(args, given_token(args))


def given_token(args: argparse.Namespace) -> bytes:
    """Return what a command line gives: JSON claims, or an encoded token."""
    given: str = args.claims if args.claims is not None else args.token
    return sys.stdin.buffer.read() if given == "-" else given.encode("utf-8", "surrogateescape")


def payload_of(args: argparse.Namespace, content: bytes) -> bytes:
    """Return the payload of what a command line gives. Raises UsageError if it is not an encoded token."""
    if args.claims is not None:
        return content
    parts = content.strip().split(b".")
    if len(parts) != len(("header", "payload", "signature")):
        raise UsageError(f"{args.verb}: --token takes three parts with dots between them")
    try:
        return base64.b64decode(parts[1] + b"=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"{args.verb}: the token's payload is not base64url") from None
