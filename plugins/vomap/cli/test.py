"""`vomap test`: run the tests of the mapfiles."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from vomap.analysis.coverage import Coverage
from vomap.cli.arguments import add_json, add_sources, check_sources
from vomap.cli.console import NO, YES, plain, print_findings, print_json
from vomap.cli.junit import junit
from vomap.compile.suite import result_json, run_suite
from vomap.mapfile.policy_tests import PolicyTestResult
from vomap.policy import MAPPED

HELP = "run the tests of the mapfiles"

EXAMPLES = """\
examples:
  vomap test                                       test /etc/vomap
  vomap test --mapfiles 10-site.yaml osg.yaml      test these files, in this order
  vomap test --coverage                            show the rules that no test reaches
  vomap test --fail-under 100 --junit report.xml   in a pipeline: each rule needs a test

exit codes: 0 all tests passed, 1 a test failed, there are no tests, or the tests reach too few rules (--fail-under),
            2 wrong usage, 3 an error"""
_HUNDRED = 100
# vomap prints the first and the last steps of a longer explanation.
_MOST_STEPS = 40


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_sources(parser)
    add_json(parser)
    parser.add_argument("--coverage", action="store_true", help="show the rules that no test reaches")
    parser.add_argument(
        "--fail-under",
        type=_percentage,
        metavar="N",
        help="exit with 1 if the tests reach fewer than N %% of the rules",
    )
    parser.add_argument("--junit", metavar="FILE", help="write the results as JUnit XML, for CI systems")


def run(args: argparse.Namespace) -> int:
    """Run the tests. Return NO if one fails, if there are none, or if they reach too few rules."""
    site = check_sources(args)
    policy = site.policy.policy
    print_findings(site.refusal_warnings)
    suite = run_suite(site.policy, policy, site.bans.bans, time.time())
    results, coverage, failed = suite.results, suite.coverage, len(suite.failed)
    too_few = args.fail_under is not None and coverage.reached * _HUNDRED < args.fail_under * coverage.rules
    steps = [result.explain() if result.differences else [] for result in results]
    explained = [_explained(*each) if each[0].differences else "" for each in zip(results, steps)]
    if args.junit:
        Path(args.junit).write_bytes(junit(results, explained))
    if args.json:
        members = [{**result_json(each), "steps": its_steps} for each, its_steps in zip(results, steps)]
        print_json({"tests": len(results), "failed": failed, "coverage": coverage.as_json(), "results": members})
    else:
        for text in filter(None, explained):
            print(plain(text), file=sys.stderr)
        print(f"{len(results)} tests: {failed or 'none'} failed" if results else "there are no tests in these mapfiles")
        if args.coverage or args.fail_under is not None:
            _print_coverage(coverage, args.fail_under if too_few else None)
    return NO if failed or too_few or not results else YES


def _explained(result: PolicyTestResult, steps: list[str]) -> str:
    """Return the explanation of a test: what it expected, the decision, and its steps."""
    expected = ", ".join(f"{field} {value}" for field, value in result.test.expect.items())
    if "outcome" not in result.test.expect:
        expected = f"mapped, {expected}"
    lines = [str(result), f"  expected: {expected}", f"  got: {_got(result)}", "  by these steps:"]
    if len(steps) > _MOST_STEPS:
        half = _MOST_STEPS // 2
        steps = [*steps[:half], f"({len(steps) - 2 * half} more)", *steps[-half:]]
    return "\n".join([*lines, *(f"    {step}" for step in steps)])


def _got(result: PolicyTestResult) -> str:
    decision = result.decision
    fields = ("account", "pool", "rule", "vo")
    said = [f"{field} {value}" for field in fields if (value := getattr(decision, field)) is not None]
    got = ", ".join([decision.outcome, *said])
    if decision.rule is not None:
        got += f" ({decision.source})"
    return got if decision.outcome == MAPPED else f"{got}: {decision.reason}"


def _print_coverage(coverage: Coverage, wanted: float | None) -> None:
    for rule in coverage.not_reached:
        print(plain(f"no test reaches rule {rule['name']} ({rule['source']})"))
    less = "" if wanted is None else f", less than {wanted:g} %"
    print(f"{coverage.reached} of {coverage.rules} rules are reached by a test: {coverage.percent:g} %{less}")


def _percentage(text: str) -> float:
    """Return a number from 0 to 100. Raises ArgumentTypeError for any other text."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if 0 <= number <= _HUNDRED:
        return number
    raise argparse.ArgumentTypeError(f"expected a number from 0 to {_HUNDRED}, not {text!a}")
