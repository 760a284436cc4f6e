"""`vomap test`: does the policy do what its tests promise."""

from __future__ import annotations

import argparse
import sys
import time

from vomap.cli.loading import add_sources, load, print_json, result_json
from vomap.mapfile.policy_tests import run_tests
from vomap.policy.pieces import policy_of

HELP = "run the tests that the mapfiles hold"

_EXAMPLES = """\
examples:
  vomap test                                       test what is in /etc/vomap
  vomap test --mapfiles 10-site.yaml osg.yaml      test these files, in this order"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the tests; 1 if one fails, or if there are none."""
    sources = load(args)
    sources.findings.raise_errors()
    composition, bans = sources.composition, sources.bans
    policy = policy_of(composition.document)
    results = list(run_tests(composition.cases, policy, sources.mapfiles, bans, time.time()))
    failed = sum(not result.passed for result in results)
    if args.json:
        print_json({"tests": len(results), "failed": failed, "results": [result_json(each) for each in results]})
    else:
        for result in results:
            if result.differences:
                print(result, file=sys.stderr)
        print(f"{len(results)} tests: {failed or 'none'} failed" if results else "there are no tests in these mapfiles")
    return 1 if failed or not results else 0
