"""Print what a build has done, step by step, for the verbs that build."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from vomap.cli.console import counted, plain, print_findings, print_json
from vomap.compile.advice import Advice
from vomap.compile.build import BansBuild, BuildStep, PolicyBuild
from vomap.compile.suite import SuiteReport


def print_steps(steps: Iterable[BuildStep], advice: Advice, *, as_json: bool = False) -> bool:
    """Print each step of a build once it is done. Return True if the last round built both bans and policy."""
    last: dict[str, BansBuild | PolicyBuild] = {}
    for step in steps:
        if step is not None:
            last["bans" if isinstance(step, BansBuild) else "policy"] = step
        if not as_json:
            _print_step(step, advice)
    if as_json:
        print_json({name: step.as_json() for name, step in last.items()})
    return all(step.is_done for step in last.values())


def _print_step(step: BuildStep, advice: Advice) -> None:
    if step is None:
        print("a source changed during the build, so vomap builds again")
    elif errors := len(step.findings.errors):
        what = "bans" if isinstance(step, BansBuild) else "policy"
        print_findings(step.findings.in_order)
        print(f"{what}: refused, {counted(errors, 'error')}. The compiled {what} did not change")
    elif isinstance(step, BansBuild):
        print(f"bans: {step.count} from {counted(len(step.sources), 'file')} -> {step.file}")
    elif step.suite is None:
        build = advice.command("build")
        print(f"policy: not built. It was rolled back, and no mapfile changed since. To build it, run `{build}`")
    else:
        _print_policy(step, step.suite)


def _print_policy(build: PolicyBuild, suite: SuiteReport) -> None:
    """Print the warnings, the tests that failed or that a ban changes, and whether the policy is in force."""
    print_findings(build.findings.in_order)
    for result in suite.results:
        if result.differences:
            print(plain(str(result)), file=sys.stderr)
    tests = counted(len(suite.results), "test")
    if build.digest is None:
        print(f"policy: refused, {len(suite.failed)} of {tests} failed. The compiled policy did not change")
    else:
        sizes = f"{counted(suite.coverage.rules, 'rule')}, {counted(build.issuers, 'issuer')}, {tests}"
        print(f"policy: {sizes} passed -> {build.file} ({build.digest[:12]})")
