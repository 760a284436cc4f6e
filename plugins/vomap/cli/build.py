"""`vomap build`: check, test, and put the policy and the bans where the callouts read them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

from vomap import Error
from vomap.cli.arguments import (
    BANS_FOLDER,
    MAPFILES_FOLDER,
    UsageError,
    add_bans,
    add_json,
    add_mapfiles,
    load_bans,
    print_findings,
    print_json,
    read_mapfiles,
    result_json,
    warn_of_pools,
)
from vomap.cli.progress import shown
from vomap.cli.terminal import plain
from vomap.files.atomic import discard, read_trusted, replace_file
from vomap.files.lock import locked
from vomap.files.signals import held_back
from vomap.mapfile.compose import Composition, Mapfile, compose, read_sources
from vomap.mapfile.findings import Findings, Place
from vomap.mapfile.policy_tests import run_tests
from vomap.mapfile.times import written
from vomap.policy.index import bans_of
from vomap.policy.model import NO_BANS, Bans
from vomap.store import BANS, POLICY, POLICY_FILE, CompiledFile, bans_beside, read_policy
from vomap.store.writer import stage_compiled, write_compiled

HELP = "check, test, and write the built policy and the built bans"

_EXAMPLES = """\
examples:
  vomap build                                       build what is in /etc/vomap for the CE
  vomap build --mapfiles m.d --bans b.d --output p  build elsewhere: writes p and p.bans
  vomap build --rollback                            put the policy before the last one back; bans stay as they are
  vomap build --automatic                           as units and packages do: what was rolled back stays so until the
                                                    mapfiles change, or somebody builds

The bans are built first and apart: no error in a mapfile and no failing test holds a ban back.

Mapfiles and bans must belong to root or to you, and other users must not be able to write them. A mapfile of one other
user may contain only issuers, rules with plain accounts and `alone` tests: see docs/reference/files.md."""

_PREVIOUS = ".previous"
# Beside a policy that was rolled back: the digests of the mapfiles that the one taken back was built from.
_ROLLED_BACK = ".rolled-back"
# Whoever changes a source more often during a build is no person: the next change, or the next build, is for him.
_MOST_ROUNDS = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    add_mapfiles(parser)
    add_bans(parser)
    parser.add_argument(
        "--output", default=POLICY_FILE, metavar="FILE", help=f"where to write the policy (default: {POLICY_FILE})"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--rollback", action="store_true", help="put the policy before the last one back; twice: as it was"
    )
    how.add_argument(
        "--automatic",
        action="store_true",
        help="leave a policy that was rolled back as it is while the mapfiles are the same; bans are built",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Build both; 1 if either is refused."""
    if args.rollback and (args.mapfiles or args.bans):
        raise UsageError("build: --rollback builds nothing, so it takes no --mapfiles and no --bans")
    if args.mapfiles and not args.bans and not args.rollback:
        raise UsageError("build: name the bans too (--bans PATH; an empty folder is no bans)")
    if not args.rollback:
        return _build(args)
    with locked(args.output):
        return _rollback(args)


def _build(args: argparse.Namespace) -> int:
    """Build until what was read is what is there: what is saved during a build would else wait for the next change."""
    for _ in range(_MOST_ROUNDS):
        report: dict[str, Any] = {}
        read: dict[str, str] = {}
        done = _build_once(args, report, read)
        if read == _read_again(args):
            break
        _tell(args.json, "a source has changed during the build")
    if args.json:
        print_json(report)
    return 0 if done else 1


def _build_once(args: argparse.Namespace, report: dict[str, Any], read: dict[str, str]) -> bool:
    """Build both; the digest of each file that was read for it is added to `read`."""
    now = time.time()
    # Each under its own lock: a ban that is added meanwhile does not wait for a large policy.
    with locked(bans_beside(args.output)):
        bans = _build_bans(args, now, report, read)
    with locked(args.output):
        built = _build_policy(args, bans, now, report, read)
    return built and bans is not None


def _read_again(args: argparse.Namespace) -> dict[str, str]:
    bans = read_sources(args.bans or [BANS_FOLDER], bans=True)
    return {**_digests(bans), **_digests(read_sources(args.mapfiles or [MAPFILES_FOLDER]))}


def _build_bans(args: argparse.Namespace, now: float, report: dict[str, Any], read: dict[str, str]) -> Bans | None:
    """Build the bans; None if they are refused, and the built bans of before stay."""
    path = bans_beside(args.output)
    refusals = Findings()
    files, document, findings = load_bans(args.bans or [BANS_FOLDER], refusals)
    findings.all += refusals.all
    read.update(_digests(files))
    report["bans"] = {"file": path, "findings": [finding.as_json() for finding in findings.in_order]}
    if findings.errors:
        _refuse("bans", findings, args.json)
        return None
    digest = write_compiled(path, BANS, document, sources=_digests(files), built=written(now))
    report["bans"].update(digest=digest, bans=len(document["bans"]))
    _tell(args.json, f"bans: {len(document['bans'])} from {len(files)} files -> {path}")
    return bans_of(document, digest)


def _build_policy(
    args: argparse.Namespace, bans: Bans | None, now: float, report: dict[str, Any], read: dict[str, str]
) -> bool:
    findings = Findings()
    mapfiles = read_mapfiles(args, findings)
    read.update(_digests(mapfiles))
    if args.automatic and _is_rolled_back_from(args.output, mapfiles):
        report["policy"] = {"file": args.output, "rolled-back": True}
        _tell(args.json, "policy: was rolled back, and no mapfile has changed since: it stays; `vomap build` builds it")
        return True
    with shown("rules read") as progress:
        composition = compose(mapfiles, findings, progress, findings)
    _require_audience(composition, mapfiles, findings)
    warn_of_pools(composition, findings)
    part = report["policy"] = {"file": args.output, "findings": [finding.as_json() for finding in findings.in_order]}
    if findings.errors:
        _refuse("policy", findings, args.json)
        return False
    print_findings([] if args.json else findings.in_order)
    if not _put_in_force(args, composition, mapfiles, bans or NO_BANS, now=now, part=part):
        return False
    discard(args.output + _ROLLED_BACK)
    return True


def _put_in_force(
    args: argparse.Namespace,
    composition: Composition,
    mapfiles: list[Mapfile],
    bans: Bans,
    *,
    now: float,
    part: dict[str, Any],
) -> bool:
    """Write a policy, test it, and put it in place if it passes; `part` is told what became of it."""
    document = composition.document
    staged = stage_compiled(args.output, POLICY, document, sources=_digests(mapfiles), built=written(now))
    try:
        # What is tested is the very file that callouts will read.
        policy = read_policy(staged.path, just_written=True)
        results = list(run_tests(composition.cases, policy, mapfiles, bans, now))
        failed = [result for result in results if not result.passed]
        part.update(tests=len(results), failed=[result_json(result) for result in failed])
        for result in results:
            if result.differences and not args.json:
                print(plain(str(result)), file=sys.stderr)
        if failed:
            _tell(args.json, f"policy: refused, {len(failed)} of {len(results)} tests failed; the last built one stays")
            return False
        _keep_previous(args.output, staged.digest)
        staged.put_in_place()
    finally:
        staged.discard()
    part["digest"] = staged.digest
    _tell(
        args.json,
        f"policy: {len(document['rules'])} rules, {len(document['issuers'])} issuers, {len(results)} tests passed "
        f"-> {args.output} ({part['digest'][:12]})",
    )
    return True


def _require_audience(composition: Composition, mapfiles: list[Mapfile], findings: Findings) -> None:
    if not mapfiles:
        raise Error("there is no mapfile (*.yaml) to build from")
    if not composition.has_audience and not findings.errors:
        findings.error(
            Place(mapfiles[0].path, 1, 1),
            "no mapfile has `site: {audience: ...}`; name the CE's audiences or `unchecked`",
        )


def _keep_previous(path: str, digest: str) -> None:
    """Keep the policy that is about to be replaced, if it decides otherwise and could be put back."""
    if os.path.exists(path):
        try:
            before = _sound(path)
        except Error:
            return
        if before.digest != digest:
            replace_file(path + _PREVIOUS, read_trusted(path))


def _sound(path: str) -> CompiledFile:
    """Open a compiled policy and read all of it. Raises FileError or CompiledFileError if a callout could not."""
    file = CompiledFile(path, POLICY)
    for _ in file.entries():
        pass
    return file


def _rollback(args: argparse.Namespace) -> int:
    """Exchange the policy and the one before it; bans are never rolled back."""
    path = args.output
    previous = _sound(path + _PREVIOUS)
    before, now = read_trusted(path + _PREVIOUS), read_trusted(path)
    # First, so that an automatic build after a crash leaves what is being rolled back.
    marker = _sources_of(path)
    with held_back(f"{path} is the policy before again"):
        replace_file(path + _ROLLED_BACK, marker)
        replace_file(path, before)
        replace_file(path + _PREVIOUS, now)
    if args.json:
        print_json({"policy": {"file": path, "digest": previous.digest}})
    _tell(args.json, f"policy: {path} is the one before again ({previous.digest[:12]}); bans are as they were")
    return 0


def _sources_of(path: str) -> bytes:
    """Return the digests of the mapfiles that a policy was built from; none of one that is damaged."""
    try:
        return _as_written(CompiledFile(path, POLICY).find("sources"))
    except Error:
        return b""


def _is_rolled_back_from(path: str, mapfiles: list[Mapfile]) -> bool:
    """Tell whether the policy of these mapfiles is the one that a person has taken back."""
    marker = path + _ROLLED_BACK
    return os.path.lexists(marker) and read_trusted(marker) == _as_written(_digests(mapfiles))


def _as_written(digests: dict[str, str]) -> bytes:
    return json.dumps(digests, sort_keys=True).encode()


def _digests(mapfiles: list[Mapfile]) -> dict[str, str]:
    return {mapfile.path: mapfile.digest for mapfile in mapfiles}


def _refuse(what: str, findings: Findings, quiet: bool) -> None:
    if not quiet:
        print_findings(findings.in_order)
    _tell(quiet, f"{what}: refused, {len(findings.errors)} errors; what was built before stays")


def _tell(quiet: bool, sentence: str) -> None:
    if not quiet:
        print(sentence)
