"""Print what a build has done, step by step, for the verbs that build."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from vomap.cli.console import plain, print_findings, print_json
from vomap.compile.build import BansBuild, PolicyBuild, errors_in
from vomap.compile.rounds import BuildStep, ChangedSources
from vomap.mapfile.findings import Finding


def print_steps(steps: Iterable[BuildStep], *, as_json: bool = False) -> bool:
    """Print each step of a build once it is done. Return True if the last round built both bans and policy."""
    last: dict[str, BansBuild | PolicyBuild] = {}
    for step in steps:
        if not as_json:
            _print_step(step)
        if not isinstance(step, ChangedSources):
            last["bans" if isinstance(step, BansBuild) else "policy"] = step
    if as_json:
        print_json({name: step.as_json() for name, step in last.items()})
    return all(step.is_done for step in last.values())


def _print_step(step: BuildStep) -> None:
    if isinstance(step, ChangedSources):
        print("a source has changed during the build")
    elif errors_in(step.findings):
        _print_refusal("bans" if isinstance(step, BansBuild) else "policy", step.findings)
    elif isinstance(step, BansBuild):
        print(f"bans: {step.count} from {len(step.sources)} files -> {step.file}")
    else:
        _print_policy(step)


def _print_refusal(what: str, findings: list[Finding]) -> None:
    print_findings(findings)
    print(f"{what}: refused, {errors_in(findings)} errors; what was built before stays")


def _print_policy(build: PolicyBuild) -> None:
    """Print the warnings, the tests that failed or that a ban changes, and whether the policy is in force."""
    print_findings(build.findings)
    for result in build.results:
        if result.differences:
            print(plain(str(result)), file=sys.stderr)
    tests = len(build.results)
    if build.is_rolled_back:
        print("policy: was rolled back, and no mapfile has changed since: it stays; `vomap build` builds it")
    elif build.digest is None:
        print(f"policy: refused, {len(build.failed)} of {tests} tests failed; the last built one stays")
    else:
        print(
            f"policy: {build.rules} rules, {build.issuers} issuers, {tests} tests passed "
            f"-> {build.file} ({build.digest[:12]})"
        )
